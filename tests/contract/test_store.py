"""What every store promises (the port `Store`), held against memory, SQLite and PostgreSQL alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from store_examples import BUS, EVERYTHING, LATER, NOON, TWO_FEEDERS, VAN, circuit, cycle, dc, each_phase
from store_places import Place, on

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.ports import ImportResult, Store


def changes(result: ImportResult) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], int]:
    return result.added, result.changed, result.retired, result.unchanged


def connections(result: ImportResult) -> dict[str, tuple[int, str, datetime | None]]:
    return {node.circuit_id: (node.id, node.name, node.retired_at) for node in result.microgrid.grid_connections}


# Depots


def test_an_empty_store_knows_nothing(place: Place) -> None:
    async def story(store: Store) -> None:
        assert list(await store.depot_ids()) == []
        assert await store.load_depot("elizabeth") is None
        assert await store.microgrid("elizabeth") is None
        assert list(await store.open_sessions("elizabeth")) == []
        assert list(await store.cycles("elizabeth")) == []
        assert await store.last_cycle_number("elizabeth") == 0

    on(place, story)


@pytest.mark.parametrize("depot", [TWO_FEEDERS, EVERYTHING, Depot(id="bare", voltage_v=400)], ids=lambda d: d.id)
def test_a_depot_comes_back_as_it_was_imported(place: Place, depot: Depot) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(depot, at=NOON)
        assert await store.load_depot(depot.id) == depot

    on(place, story)


def test_depots_do_not_mix_and_are_listed_in_order(place: Place) -> None:
    async def story(store: Store) -> None:
        names = ["b", "a", "C", "ä"]
        for name in names:
            await store.import_depot(replace(TWO_FEEDERS, id=name, voltage_v=400 + len(name)), at=NOON)
        await store.import_depot(Depot(id="b", voltage_v=400), at=LATER)
        assert list(await store.depot_ids()) == sorted(names)
        assert await store.load_depot("a") == replace(TWO_FEEDERS, id="a", voltage_v=401)
        assert await store.load_depot("b") == Depot(id="b", voltage_v=400)

    on(place, story)


def test_a_first_import_adds_every_part(place: Place) -> None:
    async def story(store: Store) -> None:
        result = await store.import_depot(TWO_FEEDERS, at=NOON)
        parts = ("elizabeth", "GC1", "C1", "GC2", "C2", "CP1", "CP2", "CP1/1", "CP1/2", "CP2/1")
        assert changes(result) == (parts, (), (), 0)
        assert result.depot_id == "elizabeth"

    on(place, story)


def test_importing_the_same_again_changes_nothing(place: Place) -> None:
    async def story(store: Store) -> None:
        first = await store.import_depot(EVERYTHING, at=NOON)
        again = await store.import_depot(EVERYTHING, at=LATER)
        assert changes(again) == ((), (), (), len(first.added))
        assert again.microgrid == first.microgrid

    on(place, story)


def test_an_import_updates_what_differs(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        c1 = replace(TWO_FEEDERS.circuits[1], rating=each_phase(800_000))
        cp2 = replace(TWO_FEEDERS.charge_points[1], name="by the gate")
        depot = replace(
            TWO_FEEDERS,
            strategy="priority",
            circuits=(TWO_FEEDERS.circuits[0], c1, *TWO_FEEDERS.circuits[2:]),
            charge_points=(TWO_FEEDERS.charge_points[0], cp2),
        )
        result = await store.import_depot(depot, at=LATER)
        assert changes(result) == ((), ("elizabeth", "C1", "CP2"), (), 7)
        assert await store.load_depot("elizabeth") == depot

    on(place, story)


def test_another_order_in_the_file_is_kept_and_is_no_change(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        turned = replace(
            EVERYTHING,
            circuits=EVERYTHING.circuits[::-1],
            charge_points=tuple(
                replace(one, connectors=one.connectors[::-1]) for one in EVERYTHING.charge_points[::-1]
            ),
        )
        result = await store.import_depot(turned, at=LATER)
        assert changes(result) == ((), (), (), 9)
        assert await store.load_depot("everything") == turned

    on(place, story)


def test_what_is_gone_is_retired_and_what_comes_back_is_changed(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        one_feeder = replace(TWO_FEEDERS, circuits=TWO_FEEDERS.circuits[:2], charge_points=(dc("CP1", "C1", "2"),))
        gone = await store.import_depot(one_feeder, at=LATER)
        assert changes(gone) == ((), (), ("GC2", "C2", "CP2", "CP1/1", "CP2/1"), 5)
        assert await store.load_depot("elizabeth") == one_feeder
        still_gone = await store.import_depot(one_feeder, at=LATER)
        assert changes(still_gone) == ((), (), (), 5)
        back = await store.import_depot(TWO_FEEDERS, at=LATER)
        assert changes(back) == ((), ("GC2", "C2", "CP2", "CP1/1", "CP2/1"), (), 5)
        assert await store.load_depot("elizabeth") == TWO_FEEDERS

    on(place, story)


def test_a_charge_point_moves_to_another_circuit_with_its_connectors(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        moved = replace(TWO_FEEDERS, charge_points=(dc("CP1", "C2", "1", "2"), dc("CP2", "C2")))
        result = await store.import_depot(moved, at=LATER)
        assert changes(result) == ((), ("CP1",), (), 9)
        assert await store.load_depot("elizabeth") == moved

    on(place, story)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TWO_FEEDERS, name="new", charge_points=(dc("CP1", "C1"), dc("CP9", "nowhere"))),
        replace(TWO_FEEDERS, name="new", circuits=(*TWO_FEEDERS.circuits, circuit("C9", parent="nowhere"))),
        replace(TWO_FEEDERS, name="new", circuits=(*TWO_FEEDERS.circuits, circuit("GC9"), circuit("C1"))),
        replace(TWO_FEEDERS, name="new", charge_points=(dc("CP9", "C1"), dc("CP8", "C1", "1", "1"))),
    ],
    ids=["charge point on no circuit", "circuit under none", "circuit twice", "connector twice"],
)
def test_a_failing_import_leaves_everything_as_it_was(place: Place, wrong: Depot) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(BusbarError):
            await store.import_depot(wrong, at=NOON)
        assert list(await store.depot_ids()) == []
        assert await store.microgrid("elizabeth") is None
        before = await store.import_depot(TWO_FEEDERS, at=NOON)
        with pytest.raises(BusbarError):
            await store.import_depot(wrong, at=LATER)
        assert await store.load_depot("elizabeth") == TWO_FEEDERS
        assert await store.microgrid("elizabeth") == before.microgrid
        assert changes(await store.import_depot(TWO_FEEDERS, at=LATER)) == ((), (), (), 10)

    on(place, story)


# Microgrids


def test_each_top_level_circuit_has_one_grid_connection(place: Place) -> None:
    async def story(store: Store) -> None:
        result = await store.import_depot(TWO_FEEDERS, at=NOON)
        assert await store.microgrid("elizabeth") == result.microgrid
        assert [(node.circuit_id, node.name) for node in result.microgrid.grid_connections] == [
            ("GC1", "GC1"),
            ("GC2", "GC2"),
        ]
        assert all(node.retired_at is None for node in result.microgrid.grid_connections)

    on(place, story)


def test_two_depots_have_two_microgrids(place: Place) -> None:
    async def story(store: Store) -> None:
        one = await store.import_depot(TWO_FEEDERS, at=NOON)
        other = await store.import_depot(replace(TWO_FEEDERS, id="other"), at=NOON)
        assert one.microgrid.id != other.microgrid.id
        ids = [node.id for result in (one, other) for node in result.microgrid.grid_connections]
        assert len(set(ids)) == 4

    on(place, story)


def test_a_renamed_top_level_circuit_keeps_its_grid_connection(place: Place) -> None:
    async def story(store: Store) -> None:
        before = connections(await store.import_depot(TWO_FEEDERS, at=NOON))
        renamed = replace(TWO_FEEDERS.circuits[0], name="North feeder")
        depot = replace(TWO_FEEDERS, circuits=(renamed, *TWO_FEEDERS.circuits[1:]))
        after = connections(await store.import_depot(depot, at=LATER))
        assert after == {"GC1": (before["GC1"][0], "North feeder", None), "GC2": before["GC2"]}

    on(place, story)


def test_a_grid_connection_retires_with_its_circuit_and_comes_back_as_the_same(place: Place) -> None:
    async def story(store: Store) -> None:
        before = connections(await store.import_depot(TWO_FEEDERS, at=NOON))
        one_feeder = replace(
            TWO_FEEDERS, circuits=TWO_FEEDERS.circuits[:2], charge_points=TWO_FEEDERS.charge_points[:1]
        )
        gone = connections(await store.import_depot(one_feeder, at=LATER))
        assert gone == {"GC1": before["GC1"], "GC2": (before["GC2"][0], "GC2", LATER)}
        again = connections(await store.import_depot(one_feeder, at=LATER + timedelta(days=1)))
        assert again == gone
        assert connections(await store.import_depot(TWO_FEEDERS, at=LATER)) == before

    on(place, story)


def test_a_top_level_circuit_that_becomes_nested_is_no_grid_connection(place: Place) -> None:
    async def story(store: Store) -> None:
        before = connections(await store.import_depot(TWO_FEEDERS, at=NOON))
        nested = replace(
            TWO_FEEDERS,
            circuits=tuple(replace(one, parent="GC1") if one.id == "GC2" else one for one in TWO_FEEDERS.circuits),
        )
        result = await store.import_depot(nested, at=LATER)
        assert changes(result) == ((), ("GC2",), (), 9)
        assert connections(result) == {"GC1": before["GC1"], "GC2": (before["GC2"][0], "GC2", LATER)}
        assert connections(await store.import_depot(TWO_FEEDERS, at=LATER)) == before

    on(place, story)


# Sessions


def test_sessions_come_back_by_connector(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await store.save_sessions("elizabeth", [VAN, BUS], at=NOON)
        assert list(await store.open_sessions("elizabeth")) == [BUS, VAN]

    on(place, story)


def test_sessions_change_and_end(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await store.save_sessions("elizabeth", [BUS, VAN], at=NOON)
        fuller = replace(BUS, soc=0.5, charging=False, charging_since=None)
        await store.save_sessions("elizabeth", [fuller], at=LATER)
        assert list(await store.open_sessions("elizabeth")) == [fuller]
        await store.save_sessions("elizabeth", [], at=LATER)
        assert list(await store.open_sessions("elizabeth")) == []

    on(place, story)


def test_another_vehicle_on_the_same_connector_replaces_the_one_before(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await store.save_sessions("elizabeth", [BUS], at=NOON)
        next_bus = replace(BUS, arrived=LATER)
        await store.save_sessions("elizabeth", [next_bus], at=LATER)
        assert list(await store.open_sessions("elizabeth")) == [next_bus]

    on(place, story)


def test_sessions_of_one_depot_leave_those_of_another_alone(place: Place) -> None:
    async def story(store: Store) -> None:
        for name in ("elizabeth", "other"):
            await store.import_depot(replace(TWO_FEEDERS, id=name), at=NOON)
            await store.save_sessions(name, [BUS], at=NOON)
        await store.save_sessions("other", [], at=LATER)
        assert list(await store.open_sessions("elizabeth")) == [BUS]

    on(place, story)


def test_two_sessions_on_one_connector_are_refused_and_nothing_is_saved(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await store.save_sessions("elizabeth", [VAN], at=NOON)
        with pytest.raises(BusbarError):
            await store.save_sessions("elizabeth", [BUS, replace(BUS, arrived=LATER)], at=LATER)
        assert list(await store.open_sessions("elizabeth")) == [VAN]

    on(place, story)


# Cycles


def test_cycles_come_back_as_they_were_recorded(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        for record in (cycle(1), cycle(2, allocations=0), cycle(7, allocations=1000)):
            await store.record_cycle("elizabeth", record)
        assert list(await store.cycles("elizabeth")) == [
            cycle(1),
            cycle(2, allocations=0),
            cycle(7, allocations=1000),
        ]
        assert await store.last_cycle_number("elizabeth") == 7

    on(place, story)


def test_cycles_are_read_page_by_page(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        for number in (5, 1, 9, 2, 4):
            await store.record_cycle("elizabeth", cycle(number))
        assert list(await store.cycles("elizabeth", limit=2)) == [cycle(1), cycle(2)]
        assert list(await store.cycles("elizabeth", after=2, limit=2)) == [cycle(4), cycle(5)]
        assert list(await store.cycles("elizabeth", after=5)) == [cycle(9)]
        assert list(await store.cycles("elizabeth", after=9)) == []
        assert list(await store.cycles("elizabeth", limit=0)) == []
        assert list(await store.cycles("elizabeth", limit=-1)) == []

    on(place, story)


def test_a_cycle_number_is_used_once_per_depot(place: Place) -> None:
    async def story(store: Store) -> None:
        for name in ("elizabeth", "other"):
            await store.import_depot(replace(TWO_FEEDERS, id=name), at=NOON)
            await store.record_cycle(name, cycle(1))
        with pytest.raises(BusbarError, match="Cycle 1 of depot elizabeth was kept already"):
            await store.record_cycle("elizabeth", cycle(1, allocations=3))
        assert list(await store.cycles("elizabeth")) == [cycle(1)]

    on(place, story)


def test_sessions_and_cycles_of_an_unknown_depot_are_refused(place: Place) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await store.record_cycle("nowhere", cycle(1))
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await store.save_sessions("nowhere", [], at=NOON)

    on(place, story)


# Times


def test_times_come_back_in_utc_to_the_microsecond(place: Place) -> None:
    async def story(store: Store) -> None:
        in_perth = NOON.astimezone(timezone(timedelta(hours=8)))
        await store.import_depot(TWO_FEEDERS, at=NOON)
        result = await store.import_depot(Depot(id="elizabeth", voltage_v=415), at=in_perth)
        await store.save_sessions("elizabeth", [replace(VAN, arrived=in_perth)], at=in_perth)
        await store.record_cycle("elizabeth", replace(cycle(1), at=in_perth))
        stored = await store.microgrid("elizabeth")
        assert stored is not None
        times = [node.retired_at for node in (*stored.grid_connections, *result.microgrid.grid_connections)]
        times += [session.arrived for session in await store.open_sessions("elizabeth")]
        times += [record.at for record in await store.cycles("elizabeth")]
        assert len(times) == 6
        for time in times:
            assert time == NOON
            assert time is not None
            assert time.tzinfo is UTC

    on(place, story)


def test_a_time_without_a_zone_is_refused(place: Place) -> None:
    async def story(store: Store) -> None:
        naive = NOON.replace(tzinfo=None)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.import_depot(TWO_FEEDERS, at=naive)
        assert list(await store.depot_ids()) == []
        await store.import_depot(TWO_FEEDERS, at=NOON)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.save_sessions("elizabeth", [replace(VAN, arrived=naive)], at=NOON)
        with pytest.raises(BusbarError, match="no time zone"):
            await store.record_cycle("elizabeth", replace(cycle(1), at=naive))

    on(place, story)
