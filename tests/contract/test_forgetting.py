"""What is forgotten when it is old, and what never is: memory, SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from store_examples import BUS, EVERYTHING, LATER, NOON, TWO_FEEDERS, VAN, breach, cycle, write
from store_places import Place, in_depot, on, with_access
from test_database import rows

from busbar.adapters.store.store import open_store
from busbar.core.errors import BusbarError
from busbar.core.units import ActivePower
from busbar.engine.access import AccessRecords
from busbar.engine.ports import Envelope, Evidence, OverrideKind, Plan, Store, StoredSetpoint, TrustLevel

HOLD = OverrideKind.HOLD
NEXT_DAY = NOON + timedelta(days=1)


def test_old_cycles_are_forgotten_and_the_last_number_stays(place: Place) -> None:
    async def story(store: Store) -> None:
        for number in (1, 2, 3, 10):
            await store.record_cycle("elizabeth", cycle(number))
        # A cycle's time is its number in seconds after noon: before the third.
        assert await store.prune("elizabeth", before=NOON + timedelta(seconds=3)) == 2
        assert list(await store.cycles("elizabeth")) == [cycle(3), cycle(10)]
        assert await store.prune("elizabeth", before=NEXT_DAY) == 1
        assert list(await store.cycles("elizabeth")) == [cycle(10)]
        assert await store.last_cycle_number("elizabeth") == 10
        assert await store.prune("elizabeth", before=NEXT_DAY) == 0

    in_depot(place, story)


def test_the_last_number_stays_even_where_the_clock_went_back(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.record_cycle("elizabeth", replace(cycle(7), at=LATER))
        await store.record_cycle("elizabeth", replace(cycle(8), at=NOON))
        assert await store.prune("elizabeth", before=LATER) == 0
        assert await store.last_cycle_number("elizabeth") == 8
        assert await store.prune("elizabeth", before=NEXT_DAY) == 1
        assert list(await store.cycles("elizabeth")) == [replace(cycle(8), at=NOON)]

    in_depot(place, story)


def test_hundreds_of_cycles_of_any_size_go(place: Place) -> None:
    async def story(store: Store) -> None:
        for number in range(1, 251):
            await store.record_cycle("elizabeth", cycle(number, allocations=3000 if number in (5, 6) else 1))
        assert await store.prune("elizabeth", before=NEXT_DAY) == 249
        assert list(await store.cycles("elizabeth")) == [cycle(250, allocations=1)]

    in_depot(place, story)


def test_what_is_open_stays_however_old_it_is(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_sessions("elizabeth", [BUS, VAN], at=NOON)
        await store.add_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", reason="", at=NOON)
        await store.save_plan("elizabeth", Plan(key="connector:CP1/1", by="Ann", at=NOON))
        await store.ask_commissioning("elizabeth", charge_point="CP1", by="Ann", at=NOON)
        kept = StoredSetpoint(connector="CP1/1", value=1, expiry_s=145.0, order_id="a", at=NOON)
        await store.save_setpoints("elizabeth", [kept])
        proof = Evidence(connector="CP1/1", trust=TrustLevel.VERIFIED, fallback=0, at=NOON, detail="seen")
        await store.save_evidence("elizabeth", [proof])
        assert await store.prune("elizabeth", before=NOON + timedelta(days=3650)) == 0
        assert list(await store.open_sessions("elizabeth")) == [BUS, VAN]
        assert len(await store.overrides("elizabeth")) == 1
        assert len(await store.plans("elizabeth")) == 1
        assert len(await store.commissioning_requests("elizabeth")) == 1
        assert list(await store.stored_setpoints("elizabeth")) == [kept]
        assert list(await store.evidence("elizabeth")) == [proof]

    in_depot(place, story)


def test_what_ended_is_forgotten_by_its_end(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.save_sessions("elizabeth", [BUS, VAN], at=NOON)
        await store.save_sessions("elizabeth", [BUS], at=LATER)
        await store.save_sessions("elizabeth", [replace(BUS, arrived=NEXT_DAY)], at=NEXT_DAY)
        for subject in ("CP1/1", "CP1/2"):
            await store.add_override("elizabeth", kind=HOLD, subject=subject, by="Ann", reason="", at=NOON)
        await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=LATER)
        late = await store.end_override("elizabeth", kind=HOLD, subject="CP1/2", by="Ann", at=NEXT_DAY)
        assert await store.prune("elizabeth", before=LATER) == 0
        assert await store.prune("elizabeth", before=LATER + timedelta(seconds=1)) == 2
        assert list(await store.overrides("elizabeth", ended=True)) == [late]
        assert list(await store.open_sessions("elizabeth")) == [replace(BUS, arrived=NEXT_DAY)]
        assert await store.prune("elizabeth", before=NEXT_DAY + timedelta(seconds=1)) == 2

    in_depot(place, story)


def test_requests_that_are_done_and_envelopes_that_hold_no_more_are_forgotten(place: Place) -> None:
    async def story(store: Store) -> None:
        for name, state in (("CP1", "passed"), ("CP2", "running"), ("CP3", "failed"), ("CP4", "asked")):
            at = NEXT_DAY if name == "CP3" else NOON
            asked = await store.ask_commissioning("elizabeth", charge_point=name, by="Ann", at=at)
            await store.update_commissioning("elizabeth", asked, state=state, result={})
        given = Envelope(
            id=0, node="GC1", amount=ActivePower(w=1), starts_at=NOON, ends_at=LATER, after=None, by="grid", at=NOON
        )
        ended = await store.add_envelope("elizabeth", given)
        stays = [
            await store.add_envelope("elizabeth", one)
            for one in (
                replace(given, ends_at=NEXT_DAY),
                replace(given, ends_at=None),
                replace(given, after=ActivePower(w=0)),
                replace(given, after=ActivePower(w=1)),
            )
        ]
        later = await store.add_envelope("elizabeth", replace(given, at=LATER))
        for one, at in ((stays[1], LATER), (stays[2], NEXT_DAY)):
            await store.withdraw_envelope("elizabeth", one.id, by="Ann", at=at)
        assert await store.prune("elizabeth", before=LATER) == 1
        assert [one.charge_point for one in await store.commissioning_requests("elizabeth", is_open=False)] == [
            "CP2",
            "CP4",
            "CP3",
        ]
        assert await store.prune("elizabeth", before=LATER + timedelta(seconds=1)) == 3
        kept = [one.id for one in await store.envelopes("elizabeth")]
        assert kept == [stays[0].id, stays[2].id, stays[3].id]
        assert not {ended.id, later.id} & set(kept)
        assert (await store.add_envelope("elizabeth", given)).id > later.id

    in_depot(place, story)


def test_closed_breaches_and_the_audit_log_are_kept_for_a_year(place: Place) -> None:
    ninety_days, year = timedelta(days=90), timedelta(days=365)

    async def story(store: Store, access: AccessRecords) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        closed = breach("closed", ended_at=NOON)
        await store.save_breaches("elizabeth", [closed, breach("open")])
        await store.save_breaches("everything", [closed])
        for depot_id in ("elizabeth", "everything"):
            noted = write("plan", depot_id=depot_id)
            await store.save_plan(depot_id, Plan(key="connector:CP1/1", by="Ann", at=NOON), write=noted)
        assert await store.prune("elizabeth", before=NOON + year - ninety_days) == 0
        assert await store.breach("elizabeth", "closed") == closed
        assert await store.prune("elizabeth", before=NOON + year - ninety_days + timedelta(seconds=1)) == 2
        assert [one.id for one in await store.breaches("elizabeth")] == ["open"]
        assert list(await access.writes("elizabeth")) == []
        assert len(await access.writes("everything")) == len(await store.breaches("everything")) == 1

    with_access(place, story)


def test_a_forgotten_override_does_not_lend_its_id(place: Place) -> None:
    async def story(store: Store) -> None:
        first = await store.add_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", reason="", at=NOON)
        await store.end_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", at=NOON)
        assert await store.prune("elizabeth", before=LATER) == 1
        second = await store.add_override("elizabeth", kind=HOLD, subject="CP1/1", by="Ann", reason="", at=LATER)
        assert second.id > first.id

    in_depot(place, story)


def test_each_depot_forgets_by_itself(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        for depot_id in ("elizabeth", "everything"):
            for number in (1, 2):
                await store.record_cycle(depot_id, cycle(number))
        assert await store.prune("everything", before=NEXT_DAY) == 1
        assert len(await store.cycles("elizabeth")) == 2
        assert await store.prune("nowhere", before=NEXT_DAY) == 0

    in_depot(place, story)


def test_before_what_instant_has_to_be_clear(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.prune("elizabeth", before=NOON.replace(tzinfo=None))

    on(place, story)


def test_ended_transactions_are_forgotten_and_their_ids_are_not_used_again(database_url: str) -> None:
    async def story() -> None:
        store = await open_store(database_url)
        await store.import_depot(TWO_FEEDERS, at=NOON)
        records = store.records()
        told = {"reference": None, "id_tag": None, "vehicle": None, "started_at": NOON, "meter_start_wh": None}
        for connector in ("CP1/1", "CP1/2", "CP2/1"):
            await records.begin_transaction("elizabeth", charge_point="CP1", connector=connector, **told)  # type: ignore[arg-type]
        begun = await records.open_transactions("elizabeth")
        for one in begun[1:]:
            await records.end_transaction("elizabeth", one.id, at=LATER, reason="Local")
        assert await store.prune("elizabeth", before=NEXT_DAY) == 2
        assert list(await records.open_transactions("elizabeth")) == [begun[0]]
        again = await records.begin_transaction("elizabeth", charge_point="CP2", connector="CP2/1", **told)  # type: ignore[arg-type]
        assert again.id > max(one.id for one in begun)
        await store.close()

    asyncio.run(story())


def test_nothing_waits_long_while_much_is_forgotten(database_url: str) -> None:
    async def story() -> None:
        place = Place(url=database_url)
        async with place.store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            for number in range(1, 41):
                await store.record_cycle("elizabeth", cycle(number, allocations=1000))
            forgetting = asyncio.create_task(store.prune("elizabeth", before=NEXT_DAY))
            saved = 0
            while not forgetting.done():
                kept = StoredSetpoint(connector="CP1/1", value=saved, expiry_s=1.0, order_id="a", at=NOON)
                await store.save_setpoints("elizabeth", [kept])
                saved += 1
            assert await forgetting == 39
            # Twenty transactions at least: two cycles' rows do not fit into one.
            assert saved > 10

    asyncio.run(story())


def test_where_forgotten_cycles_belonged_is_forgotten_with_them(database_url: str) -> None:
    async def story() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            for number in range(1, 21):
                states = {"C1": "SAFE"} if number % 2 else {"C2": "SAFE"}
                await store.record_cycle("elizabeth", replace(cycle(number), node_states=states))
            await store.prune("elizabeth", before=NEXT_DAY)

    asyncio.run(story())
    # The last cycle is about C2 and the two leaves that were given something all along.
    left = rows(database_url, "SELECT node, last_cycle FROM cycle_nodes ORDER BY node")
    assert left == [("C2", None), ("CP1/1", None), ("CP2/1", None)]
