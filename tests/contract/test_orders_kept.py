"""What people order, plan and ask to be proven: memory, SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from store_examples import EVERYTHING, LATER, NOON
from store_places import Place, in_depot, on

from busbar.core.errors import BusbarError
from busbar.engine.ports import Override, OverrideKind, Plan, Store

HOLD, STOP, SAFE = OverrideKind.HOLD, OverrideKind.STOP, OverrideKind.SAFE
AFTER = LATER + timedelta(hours=1)


async def hold(store: Store, subject: str = "CP1/1", *, depot_id: str = "elizabeth", by: str = "Ann") -> Override:
    return await store.add_override(depot_id, kind=HOLD, subject=subject, by=by, reason="smells burnt", at=NOON)


# Overrides


def test_an_override_is_in_force_until_it_is_lifted(place: Place) -> None:
    async def story(store: Store) -> None:
        put = await hold(store)
        assert (put.kind, put.subject, put.by, put.reason, put.at) == (HOLD, "CP1/1", "Ann", "smells burnt", NOON)
        assert (put.ended_at, put.ended_by) == (None, None)
        assert list(await store.overrides("elizabeth")) == [put]
        lifted = await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ben", at=LATER)
        assert lifted == replace(put, ended_at=LATER, ended_by="Ben")
        assert list(await store.overrides("elizabeth")) == []
        assert list(await store.overrides("elizabeth", ended=True)) == [lifted]

    in_depot(place, story)


def test_what_is_in_force_already_is_given_back_as_it_was_ordered(place: Place) -> None:
    async def story(store: Store) -> None:
        first = await hold(store)
        again = await store.add_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ben", reason="other", at=LATER)
        assert again == first
        assert list(await store.overrides("elizabeth", ended=True)) == [first]

    in_depot(place, story)


def test_orders_given_at_the_same_moment_put_one_in_force(place: Place) -> None:
    async def story(store: Store) -> None:
        given = await asyncio.gather(*(hold(store, by=f"person {number}") for number in range(8)))
        assert len({one.id for one in given}) == 1
        assert len(await store.overrides("elizabeth", ended=True)) == 1

    in_depot(place, story)


def test_other_kinds_subjects_and_depots_are_other_overrides(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        one, two = await hold(store), await hold(store, "CP1/2")
        other = await store.add_override("elizabeth", kind=STOP, subject="CP1/1", by="Ann", reason="", at=LATER)
        elsewhere = await hold(store, depot_id="everything")
        assert len({one.id, two.id, other.id, elsewhere.id}) == 4
        await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=LATER)
        assert list(await store.overrides("elizabeth")) == [two, other]
        assert list(await store.overrides("everything")) == [elsewhere]

    in_depot(place, story)


def test_lifting_what_is_not_in_force_is_none(place: Place) -> None:
    async def story(store: Store) -> None:
        assert await store.end_override("elizabeth", kind=SAFE, subject="C1", by="Ann", at=NOON) is None
        await hold(store)
        assert await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=LATER)
        assert await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ben", at=AFTER) is None
        assert [one.ended_by for one in await store.overrides("elizabeth", ended=True)] == ["Ann"]

    in_depot(place, story)


def test_after_lifting_the_same_is_ordered_anew(place: Place) -> None:
    async def story(store: Store) -> None:
        first = await hold(store)
        lifted = await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=LATER)
        second = await store.add_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", reason="", at=AFTER)
        assert second.id != first.id
        assert list(await store.overrides("elizabeth")) == [second]
        assert list(await store.overrides("elizabeth", ended=True)) == [lifted, second]

    in_depot(place, story)


@pytest.mark.parametrize("nobody", ["", " ", "\t\n"])
def test_nobody_orders_nothing(place: Place, nobody: str) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(BusbarError, match="named person"):
            await hold(store, by=nobody)
        await hold(store)
        with pytest.raises(BusbarError, match="named person"):
            await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by=nobody, at=LATER)
        with pytest.raises(BusbarError, match="named person"):
            await store.save_plan("elizabeth", Plan(key="connector:CP1/1", by=nobody, at=NOON))
        with pytest.raises(BusbarError, match="named person"):
            await store.ask_commissioning("elizabeth", charge_point="CP1", by=nobody, at=NOON)
        assert len(await store.overrides("elizabeth")) == 1
        assert (list(await store.plans("elizabeth")), list(await store.commissioning_requests("elizabeth"))) == ([], [])

    in_depot(place, story)


def test_nothing_is_ordered_in_a_depot_that_is_not_known(place: Place) -> None:
    async def story(store: Store) -> None:
        for attempt in (
            hold(store),
            store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=NOON),
            store.save_plan("elizabeth", Plan(key="connector:CP1/1", by="Ann", at=NOON)),
            store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON),
            store.update_commissioning("elizabeth", 1, state="running", result={}),
        ):
            with pytest.raises(BusbarError, match="no depot elizabeth"):
                await attempt
        assert list(await store.overrides("elizabeth", ended=True)) == []

    on(place, story)


# Plans


def test_a_plan_replaces_the_one_with_the_same_key(place: Place) -> None:
    async def story(store: Store) -> None:
        bus = Plan(key="vehicle:BUS17", departs=LATER, energy_needed_wh=210_000, priority=2, by="Ann", at=NOON)
        tag = Plan(key="id_tag:04A2", priority=-1, by="Ann", at=NOON)
        for plan in (bus, tag):
            await store.save_plan("elizabeth", plan)
        assert list(await store.plans("elizabeth")) == [tag, bus]
        later = Plan(key="vehicle:BUS17", departs=AFTER, by="Ben", at=LATER)
        await store.save_plan("elizabeth", later)
        assert list(await store.plans("elizabeth")) == [tag, later]
        assert list(await store.plans("everything")) == []

    in_depot(place, story)


def test_a_plan_for_a_time_without_a_zone_is_refused(place: Place) -> None:
    async def story(store: Store) -> None:
        plan = Plan(key="connector:CP1/1", departs=LATER.replace(tzinfo=None), by="Ann", at=NOON)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.save_plan("elizabeth", plan)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.add_override(
                "elizabeth", kind=HOLD, subject="CP1/1", by="Ann", reason="", at=NOON.replace(tzinfo=None)
            )
        assert (list(await store.plans("elizabeth")), list(await store.overrides("elizabeth"))) == ([], [])

    in_depot(place, story)


# Commissioning


def test_a_commissioning_request_goes_its_way(place: Place) -> None:
    async def story(store: Store) -> None:
        asked = await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON)
        other = await store.ask_commissioning("elizabeth", charge_point="CP2", by="Ann", at=NOON)
        assert asked != other
        [first, second] = await store.commissioning_requests("elizabeth")
        assert (first.id, first.charge_point, first.by, first.at) == (asked, "CP1", "Ann", NOON)
        assert (first.state, first.result) == ("asked", {})
        await store.update_commissioning("elizabeth", asked, state="running", result={"step": 1})
        result = {"connectors": {"CP1/1": {"seen_ma": [6010, None]}}, "detail": "fell to 6 A after 121 s"}
        await store.update_commissioning("elizabeth", asked, state="passed", result=result)
        assert list(await store.commissioning_requests("elizabeth")) == [second]
        assert list(await store.commissioning_requests("elizabeth", is_open=False)) == [
            replace(first, state="passed", result=result),
            second,
        ]

    in_depot(place, story)


@pytest.mark.parametrize("state", ["asked", "running"])
def test_a_charge_point_has_one_open_request_at_a_time(place: Place, state: str) -> None:
    async def story(store: Store) -> None:
        first = await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON)
        await store.update_commissioning("elizabeth", first, state=state, result={})
        with pytest.raises(BusbarError, match=f"Ann asked to commission CP1 already, and that is {state}"):
            await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ben", at=LATER)
        await store.update_commissioning("elizabeth", first, state="failed", result={})
        second = await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ben", at=LATER)
        assert second != first

    in_depot(place, story)


def test_a_request_that_is_done_does_not_open_again(place: Place) -> None:
    async def story(store: Store) -> None:
        asked = await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON)
        await store.update_commissioning("elizabeth", asked, state="failed", result={"why": "no vehicle"})
        with pytest.raises(BusbarError, match="ask for another"):
            await store.update_commissioning("elizabeth", asked, state="running", result={})
        with pytest.raises(BusbarError, match="no state"):
            await store.update_commissioning("elizabeth", asked, state="perhaps", result={})
        with pytest.raises(BusbarError, match="no commissioning request 999"):
            await store.update_commissioning("elizabeth", 999, state="running", result={})
        [kept] = await store.commissioning_requests("elizabeth", is_open=False)
        assert (kept.state, kept.result) == ("failed", {"why": "no vehicle"})

    in_depot(place, story)


def test_a_request_belongs_to_its_depot(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        asked = await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON)
        with pytest.raises(BusbarError, match="no commissioning request"):
            await store.update_commissioning("everything", asked, state="running", result={})
        assert list(await store.commissioning_requests("everything", is_open=False)) == []

    in_depot(place, story)
