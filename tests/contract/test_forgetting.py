"""What is forgotten when it is old, and what never is: memory, SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from store_examples import BUS, EVERYTHING, LATER, NOON, TWO_FEEDERS, VAN, cycle
from store_places import Place, in_depot, on

from busbar.adapters.store.store import open_store
from busbar.core.errors import BusbarError
from busbar.engine.ports import Evidence, OverrideKind, Plan, Store, StoredSetpoint, TrustLevel

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
