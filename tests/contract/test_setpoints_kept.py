"""What is kept before a setpoint leaves, and why fallbacks are believed: memory, SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from math import inf, nan

import pytest
from store_examples import EVERYTHING, LATER, NOON, TWO_FEEDERS, cycle, dc
from store_places import Place, in_depot, on

from busbar.core.errors import BusbarError
from busbar.engine.ports import Evidence, Store, StoredSetpoint, TrustLevel


def setpoint(connector: str, value: int = 60_000, **more: object) -> StoredSetpoint:
    kept = StoredSetpoint(connector=connector, value=value, expiry_s=145.0, order_id="run1-17", at=NOON, fallback=6_000)
    return replace(kept, **more)  # type: ignore[arg-type]


def proof(connector: str, trust: TrustLevel = TrustLevel.ACCEPTED, *, fallback: int = 0) -> Evidence:
    return Evidence(connector=connector, trust=trust, fallback=fallback, at=NOON, detail="said Accepted, 16:20 ⚡")


def test_nothing_is_kept_of_a_depot_that_is_not_known(place: Place) -> None:
    async def story(store: Store) -> None:
        assert list(await store.stored_setpoints("elizabeth")) == []
        assert list(await store.evidence("elizabeth")) == []
        assert await store.depot_revision("elizabeth") == 0
        with pytest.raises(BusbarError, match="no depot elizabeth"):
            await store.save_setpoints("elizabeth", [setpoint("CP1/1")])
        with pytest.raises(BusbarError, match="no depot elizabeth"):
            await store.save_evidence("elizabeth", [proof("CP1/1")])

    on(place, story)


def test_setpoints_come_back_by_connector_as_they_were(place: Place) -> None:
    async def story(store: Store) -> None:
        odd = setpoint("CP1/1 'ä\"⚡", 0, expiry_s=-1.0, order_id="")
        fine = setpoint("CP2/1", 10**9, expiry_s=145.123456789)
        await store.save_setpoints("elizabeth", [fine, odd])
        assert list(await store.stored_setpoints("elizabeth")) == [odd, fine]

    in_depot(place, story)


def test_a_setpoint_replaces_the_one_before_and_leaves_other_connectors_alone(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_setpoints("elizabeth", [setpoint("CP1/1"), setpoint("CP1/2")])
        newer = setpoint("CP1/2", 10_000, expiry_s=20.0, order_id="run2-1", at=LATER)
        await store.save_setpoints("elizabeth", [newer])
        await store.save_setpoints("elizabeth", [])
        assert list(await store.stored_setpoints("elizabeth")) == [setpoint("CP1/1"), newer]

    in_depot(place, story)


def test_setpoints_of_depots_do_not_mix(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        await store.save_setpoints("elizabeth", [setpoint("CP1/1", 1)])
        await store.save_setpoints("everything", [setpoint("CP1/1", 2)])
        assert [one.value for one in await store.stored_setpoints("elizabeth")] == [1]
        assert [one.value for one in await store.stored_setpoints("everything")] == [2]

    in_depot(place, story)


@pytest.mark.parametrize(
    "wrong",
    [
        setpoint("CP1/1"),
        setpoint("CP9/1", expiry_s=nan),
        setpoint("CP9/1", expiry_s=inf),
        setpoint("CP9/1", at=NOON.replace(tzinfo=None)),
    ],
    ids=["a connector twice", "no number", "infinite", "no time zone"],
)
def test_one_wrong_setpoint_keeps_all_others_from_being_kept(place: Place, wrong: StoredSetpoint) -> None:
    async def story(store: Store) -> None:
        await store.save_setpoints("elizabeth", [setpoint("CP1/1", 7)])
        with pytest.raises(BusbarError):
            await store.save_setpoints("elizabeth", [setpoint("CP1/1", 8), setpoint("CP1/2", 8), wrong])
        assert list(await store.stored_setpoints("elizabeth")) == [setpoint("CP1/1", 7)]

    in_depot(place, story)


def test_setpoints_stay_when_their_connector_is_retired(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_setpoints("elizabeth", [setpoint("CP2/1")])
        await store.import_depot(replace(TWO_FEEDERS, charge_points=TWO_FEEDERS.charge_points[:1]), at=LATER)
        assert list(await store.stored_setpoints("elizabeth")) == [setpoint("CP2/1")]

    in_depot(place, story)


def test_ten_thousand_setpoints_are_one_save(place: Place) -> None:
    async def story(store: Store) -> None:
        many = [setpoint(f"CP{number:05}/1", number) for number in range(10_000)]
        await store.save_setpoints("elizabeth", many[::-1])
        lower = [replace(one, value=0, at=LATER) for one in many]
        await store.save_setpoints("elizabeth", lower)
        assert list(await store.stored_setpoints("elizabeth")) == lower

    in_depot(place, story)


def test_saves_at_the_same_moment_are_all_kept(place: Place) -> None:
    async def story(store: Store) -> None:
        saves = [store.save_setpoints("elizabeth", [setpoint(f"CP{number}/1", number)]) for number in range(20)]
        await asyncio.gather(*saves)
        assert sorted(one.value for one in await store.stored_setpoints("elizabeth")) == list(range(20))

    in_depot(place, story)


def test_evidence_is_replaced_connector_by_connector(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_evidence("elizabeth", [proof("CP2/1"), proof("CP1/1", fallback=6000)])
        seen = replace(proof("CP1/1", TrustLevel.VERIFIED, fallback=6000), at=LATER, detail="6.1 A for 40 s")
        await store.save_evidence("elizabeth", [seen])
        assert list(await store.evidence("elizabeth")) == [seen, proof("CP2/1")]
        with pytest.raises(BusbarError, match="twice"):
            await store.save_evidence("elizabeth", [proof("CP1/1"), proof("CP1/1", TrustLevel.NONE)])
        assert list(await store.evidence("elizabeth")) == [seen, proof("CP2/1")]

    in_depot(place, story)


def test_times_of_setpoints_and_evidence_come_back_in_utc(place: Place) -> None:
    async def story(store: Store) -> None:
        in_perth = NOON.astimezone(timezone(timedelta(hours=8)))
        await store.save_setpoints("elizabeth", [setpoint("CP1/1", at=in_perth)])
        await store.save_evidence("elizabeth", [replace(proof("CP1/1"), at=in_perth)])
        [kept] = await store.stored_setpoints("elizabeth")
        [believed] = await store.evidence("elizabeth")
        for when in (kept.at, believed.at):
            assert (when, when.tzinfo) == (NOON, UTC)

    in_depot(place, story)


def test_every_import_is_one_more_revision_and_a_failing_one_is_none(place: Place) -> None:
    async def story(store: Store) -> None:
        assert await store.depot_revision("elizabeth") == 1
        await store.import_depot(TWO_FEEDERS, at=LATER)
        await store.import_depot(EVERYTHING, at=LATER)
        assert await store.depot_revision("elizabeth") == 2
        with pytest.raises(BusbarError):
            await store.import_depot(replace(TWO_FEEDERS, charge_points=(dc("CP9", "nowhere"),)), at=LATER)
        assert await store.depot_revision("elizabeth") == 2
        assert await store.depot_revision("everything") == 1

    in_depot(place, story)


def test_what_became_of_setpoints_comes_back_with_its_cycle(place: Place) -> None:
    async def story(store: Store) -> None:
        held = {
            "connector": "CP1/1",
            "value": 60_000,
            "state": "held_back",
            "why": "C1 L1 has no room yet",
            "more": None,
        }
        record = replace(cycle(1), setpoints=(held, {**held, "connector": "CP1/2", "state": "settled"}))
        await store.record_cycle("elizabeth", record)
        await store.record_cycle("elizabeth", cycle(2))
        assert list(await store.cycles("elizabeth")) == [record, cycle(2)]

    in_depot(place, story)
