"""Breaches as they are kept, acknowledged and told of: memory, SQLite and PostgreSQL alike."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from store_examples import EVERYTHING, LATER, NOON, breach, notice, write
from store_places import Place, in_depot, on, with_access

from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords
from busbar.engine.breach_record import BreachCause, Sample
from busbar.engine.ports import Store

AFTER = LATER + timedelta(hours=1)


def test_a_breach_comes_back_as_it_was_kept(place: Place) -> None:
    async def story(store: Store) -> None:
        bare = breach("b2", "größe ⚡", started_at=LATER, series=(), evidence={}, row="total", peak=-5)
        child = breach("b1", parent="b2")
        await store.save_breaches("elizabeth", [bare, child])
        assert await store.breach("elizabeth", "b1") == child
        assert list(await store.open_breaches("elizabeth")) == [child, bare]
        assert await store.breach("elizabeth", "b3") is None
        assert await store.breach("nowhere", "b1") is None

    in_depot(place, story)


def test_a_breach_takes_the_place_of_the_one_with_its_id(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        other = breach(peak=700_000)
        await store.save_breaches("everything", [other])
        await store.save_breaches("elizabeth", [breach(), breach("b2")])
        closed = breach(
            ended_at=LATER,
            peak=660_000,
            cause=BreachCause.COMMANDED,
            series=(*breach().series, Sample(at=LATER, flow=0, limit=0)),
        )
        await store.save_breaches("elizabeth", [closed])
        assert await store.breach("elizabeth", "b1") == closed
        assert list(await store.open_breaches("elizabeth")) == [breach("b2")]
        assert list(await store.open_breaches("everything")) == [other]

    in_depot(place, story)


def test_breaches_are_listed_open_ones_first_then_the_newest_first_without_series(place: Place) -> None:
    async def story(store: Store) -> None:
        hours = {name: NOON + timedelta(hours=number) for number, name in enumerate("abcdef")}
        ended = {"a": AFTER, "c": None, "f": hours["f"], "e": None}
        nodes = {"a": "C1", "c": "C2", "f": "C2", "e": "C1"}
        for name, end in ended.items():
            kept = breach(name, nodes[name], started_at=hours[name], ended_at=end)
            await store.save_breaches("elizabeth", [kept])

        async def names(**wanted: object) -> str:
            found = await store.breaches("elizabeth", **wanted)  # type: ignore[arg-type]
            assert all(one.series == () for one in found)
            return "".join(one.id for one in found)

        assert await names() == "ecfa"
        assert await names(is_open=True) == "ec"
        assert await names(is_open=False) == "fa"
        assert await names(node="C1") == "ea"
        assert await names(before=hours["e"]) == "ca"
        assert await names(before=hours["e"], is_open=False, node="C1", limit=5) == "a"
        assert (await names(limit=3), await names(limit=0), await names(limit=-1)) == ("ecf", "", "")
        assert list(await store.breaches("nowhere")) == []

    in_depot(place, story)


def test_an_acknowledgement_stays_whatever_becomes_of_the_breach(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_breaches("elizabeth", [breach()])
        seen = await store.acknowledge_breach("elizabeth", "b1", by="Ann", note="CP1 is on fire", at=LATER)
        assert seen == breach(acknowledged_by="Ann", acknowledged_at=LATER, note="CP1 is on fire")
        assert seen.is_open
        await store.save_breaches("elizabeth", [breach(ended_at=AFTER)])
        assert await store.breach("elizabeth", "b1") == replace(seen, ended_at=AFTER)
        again = await store.acknowledge_breach("elizabeth", "b1", by="Ben", note="", at=AFTER)
        assert again == breach(ended_at=AFTER, acknowledged_by="Ben", acknowledged_at=AFTER, note="")
        [listed] = await store.breaches("elizabeth")
        assert listed == replace(again, series=())

    in_depot(place, story)


def test_a_breach_is_acknowledged_by_people_alone(place: Place) -> None:
    async def story(store: Store) -> None:
        claimed = breach(acknowledged_by="Busbar", acknowledged_at=NOON, note="fine")
        await store.save_breaches("elizabeth", [claimed])
        assert await store.breach("elizabeth", "b1") == breach()
        with pytest.raises(BusbarError, match="named person"):
            await store.acknowledge_breach("elizabeth", "b1", by=" ", note="", at=LATER)
        assert await store.acknowledge_breach("elizabeth", "b2", by="Ann", note="", at=LATER) is None

    in_depot(place, story)


def test_an_acknowledgement_is_in_the_audit_log_where_there_was_something_to_acknowledge(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        noted = write("acknowledge", "b1")
        await store.acknowledge_breach("elizabeth", "b1", by="Ann", note="", at=LATER, write=noted)
        assert list(await access.writes("elizabeth")) == []
        await store.save_breaches("elizabeth", [breach()])
        await store.acknowledge_breach("elizabeth", "b1", by="Ann", note="", at=LATER, write=noted)
        [kept] = await access.writes("elizabeth")
        assert replace(kept, id=0) == noted

    with_access(place, story)


def test_breaches_and_their_notices_are_kept_together_or_not_at_all(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        hook = await access.add_webhook(url="http://x", secret="s", depot_id=None, kinds=(), at=NOON)
        await store.save_breaches("elizabeth", [breach()], notices=[notice()])
        assert await access.deliveries_waiting() == {hook.id: 1}
        without_zone = notice(at=NOON.replace(tzinfo=None))
        with pytest.raises(BusbarError, match="no time zone"):
            await store.save_breaches("elizabeth", [breach("b2")], notices=[notice(), without_zone])
        for wrong in (
            [breach("b2"), breach("b2")],
            [breach("b2"), breach("b3", started_at=NOON.replace(tzinfo=None))],
            [breach("b2"), breach("b3", series=(Sample(at=NOON.replace(tzinfo=None), flow=1, limit=1),))],
        ):
            with pytest.raises(BusbarError, match=r"no time zone|twice"):
                await store.save_breaches("elizabeth", wrong, notices=[notice()])
        assert list(await store.open_breaches("elizabeth")) == [breach()]
        assert await access.deliveries_waiting() == {hook.id: 1}

    with_access(place, story)


def test_no_breach_is_kept_of_a_depot_that_is_not_known(place: Place) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(BusbarError, match="no depot elizabeth"):
            await store.save_breaches("elizabeth", [breach()])
        with pytest.raises(BusbarError, match="no depot elizabeth"):
            await store.acknowledge_breach("elizabeth", "b1", by="Ann", note="", at=NOON)
        assert list(await store.breaches("elizabeth")) == []

    on(place, story)


def test_times_of_a_breach_are_the_same_instants_whatever_zone_they_came_in(place: Place) -> None:
    async def story(store: Store) -> None:
        perth = timezone(timedelta(hours=8))
        local = tuple(replace(one, at=one.at.astimezone(perth)) for one in breach().series)
        given = breach(started_at=NOON.astimezone(perth), series=local)
        await store.save_breaches("elizabeth", [given])
        [kept] = await store.open_breaches("elizabeth")
        assert kept == breach()
        assert {kept.started_at.utcoffset(), *(one.at.utcoffset() for one in kept.series)} == {timedelta(0)}
        [found] = await store.breaches("elizabeth", before=(NOON + timedelta(microseconds=1)).astimezone(perth))
        assert found.id == "b1"

    in_depot(place, story)
