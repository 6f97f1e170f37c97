"""Envelopes and settings as people and other systems give them: memory, SQLite and PostgreSQL alike."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from store_examples import EVERYTHING, LATER, NOON, TWO_FEEDERS, each_phase, write
from store_places import Place, in_depot, on, with_access

from busbar.core.depot import FairIn, Leaves
from busbar.core.errors import BusbarError
from busbar.core.units import ActivePower, ApparentPower, Current
from busbar.engine.access import AccessRecords
from busbar.engine.ports import Envelope, Store

AFTER = LATER + timedelta(hours=1)


def envelope(node: str = "GC1", **more: Any) -> Envelope:
    found = Envelope(id=0, node=node, amount=each_phase(300_000), starts_at=NOON, ends_at=LATER, by="grid", at=NOON)
    return replace(found, **more)


# Envelopes


@pytest.mark.parametrize(
    "amount",
    [each_phase(0), ActivePower(w=123_457), ApparentPower(va=1_000_001), Current(l1_ma=1, l2_ma=None, l3_ma=32_500)],
)
def test_an_envelope_comes_back_as_it_was_given_with_an_id(place: Place, amount: Any) -> None:
    async def story(store: Store) -> None:
        given = envelope(amount=amount, after=amount, reason="peak")
        kept = await store.add_envelope("elizabeth", given)
        assert kept == replace(given, id=kept.id)
        endless = await store.add_envelope("elizabeth", envelope(id=kept.id, ends_at=None, at=LATER))
        assert endless.id != kept.id
        assert list(await store.envelopes("elizabeth")) == [kept, endless]
        assert list(await store.envelopes("everything")) == []

    in_depot(place, story)


def test_an_envelope_is_withdrawn_once(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        kept = await store.add_envelope("elizabeth", envelope())
        assert await store.withdraw_envelope("everything", kept.id, by="Ann", at=LATER) is None
        assert await store.withdraw_envelope("elizabeth", kept.id + 1, by="Ann", at=LATER) is None
        first = await store.withdraw_envelope("elizabeth", kept.id, by="Ann", at=LATER)
        assert first == replace(kept, withdrawn_at=LATER, withdrawn_by="Ann")
        assert await store.withdraw_envelope("elizabeth", kept.id, by="Ben", at=AFTER) == first
        assert list(await store.envelopes("elizabeth")) == [first]

    in_depot(place, story)


def test_those_that_hold_now_or_later_are_neither_withdrawn_nor_ended_for_good(place: Place) -> None:
    async def story(store: Store) -> None:
        add = store.add_envelope
        ended = await add("elizabeth", envelope(ends_at=LATER))
        goes_on = await add("elizabeth", envelope(ends_at=LATER, after=each_phase(1)))
        endless = await add("elizabeth", envelope(ends_at=None))
        future = await add("elizabeth", envelope(starts_at=AFTER, ends_at=AFTER + timedelta(hours=1)))
        withdrawn = await add("elizabeth", envelope(ends_at=None))
        await store.withdraw_envelope("elizabeth", withdrawn.id, by="Ann", at=NOON)
        almost = LATER - timedelta(microseconds=1)
        assert list(await store.envelopes("elizabeth", now=almost)) == [ended, goes_on, endless, future]
        assert list(await store.envelopes("elizabeth", now=LATER)) == [goes_on, endless, future]
        assert list(await store.envelopes("elizabeth", now=NOON + timedelta(days=9))) == [goes_on, endless]
        assert len(await store.envelopes("elizabeth")) == 5

    in_depot(place, story)


def test_what_is_no_envelope_is_refused(place: Place) -> None:
    async def story(store: Store) -> None:
        for wrong, why in (
            (envelope(by=" "), "named person"),
            (envelope(ends_at=NOON), "not after its start"),
            (envelope(starts_at=NOON.replace(tzinfo=None)), "no time zone"),
        ):
            with pytest.raises(BusbarError, match=why):
                await store.add_envelope("elizabeth", wrong)
        kept = await store.add_envelope("elizabeth", envelope())
        with pytest.raises(BusbarError, match="named person"):
            await store.withdraw_envelope("elizabeth", kept.id, by="", at=LATER)
        assert list(await store.envelopes("elizabeth")) == [kept]
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await store.add_envelope("nowhere", envelope())

    in_depot(place, story)


def test_envelopes_are_in_the_audit_log_where_something_changed(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        kept = await store.add_envelope("elizabeth", envelope(), write=write("envelope", "GC1"))
        for envelope_id in (kept.id + 1, kept.id, kept.id):
            noted = write("withdraw_envelope", str(envelope_id))
            await store.withdraw_envelope("elizabeth", envelope_id, by="Ann", at=LATER, write=noted)
        written = [(one.action, one.subject) for one in await access.writes("elizabeth")]
        assert written == [("withdraw_envelope", str(kept.id)), ("envelope", "GC1")]

    with_access(place, story)


# Settings


def test_settings_are_changed_as_an_import_would(place: Place) -> None:
    async def story(store: Store) -> None:
        changed = await store.change_settings("elizabeth", strategy="least_laxity", at=LATER)
        assert changed == await store.depot_revision("elizabeth") == 2
        expected = replace(TWO_FEEDERS, strategy="least_laxity")
        assert await store.load_depot("elizabeth") == expected
        await store.change_settings("elizabeth", leaves="charge_point", fair_in="current", at=LATER)
        expected = replace(expected, leaves=Leaves.CHARGE_POINT, fair_in=FairIn.CURRENT)
        assert await store.load_depot("elizabeth") == expected
        assert await store.change_settings("elizabeth", at=LATER) == 4
        assert await store.load_depot("elizabeth") == expected
        # The file as it was is another depot now.
        result = await store.import_depot(TWO_FEEDERS, at=AFTER)
        assert (result.changed, await store.depot_revision("elizabeth")) == (("elizabeth",), 5)
        assert await store.load_depot("elizabeth") == TWO_FEEDERS

    in_depot(place, story)


def test_an_import_of_the_changed_settings_changes_nothing(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        await store.change_settings("everything", strategy="equal_share", at=LATER)
        assert await store.load_depot("everything") == replace(EVERYTHING, strategy="equal_share")
        result = await store.import_depot(replace(EVERYTHING, strategy="equal_share"), at=AFTER)
        assert (result.added, result.changed, result.retired) == ((), (), ())

    on(place, story)


def test_settings_that_there_are_not_are_refused_all_at_once(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        with pytest.raises(BusbarError) as refused:
            await store.change_settings("elizabeth", strategy="fastest", leaves="car", at=LATER, write=write())
        for said in ("depot.strategy = fastest", "depot.leaves = car", "equal_share"):
            assert said in str(refused.value)
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await store.change_settings("nowhere", strategy="equal_share", at=LATER)
        assert (await store.load_depot("elizabeth"), await store.depot_revision("elizabeth")) == (TWO_FEEDERS, 1)
        assert list(await access.writes("elizabeth")) == []

    with_access(place, story)
