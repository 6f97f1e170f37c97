"""What the database stores promise beyond the port: what is in the tables, and what is said when it fails."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.dialects import sqlite
from store_examples import BUS, EVERYTHING, LATER, NOON, TWO_FEEDERS, VAN, cycle, dc
from store_places import Place

from busbar.adapters.store.column_types import AmountText
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.migrate import VERSION_TABLE
from busbar.adapters.store.store import open_store
from busbar.adapters.store.tables import metadata
from busbar.adapters.store.urls import driver_url
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.core.units import LARGEST, ActivePower, Amount, ApparentPower, Current
from busbar.engine.events import ChargePointFacts
from busbar.engine.ports import Credential, StoredSetpoint

ALL_TABLES = [table.name for table in metadata.sorted_tables]


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a query finds, past the store."""

    async def ask() -> list[tuple[Any, ...]]:
        database = Database(driver_url(url))
        try:
            async with database.writing("a test") as connection:
                result = await connection.execute(text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            await database.close()

    return asyncio.run(ask())


def import_all(url: str, *depots: Depot) -> None:
    async def story() -> None:
        async with Place(url=url).store() as store:
            for depot in depots:
                await store.import_depot(depot, at=NOON)

    asyncio.run(story())


NESTED = replace(
    TWO_FEEDERS,
    circuits=tuple(replace(one, parent="GC1") if one.id == "GC2" else one for one in TWO_FEEDERS.circuits),
)
ONE_FEEDER = replace(TWO_FEEDERS, circuits=TWO_FEEDERS.circuits[:2], charge_points=TWO_FEEDERS.charge_points[:1])


# What is in the tables


def test_the_migrations_build_exactly_the_tables(database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async def story() -> list[Any]:
        await (await open_store(database_url)).close()
        database = Database(driver_url(database_url))
        async with database.reading() as connection:
            found = await connection.run_sync(differences)
        await database.close()
        return found

    assert asyncio.run(story()) == []


def test_no_power_node_but_grid_connections_is_ever_stored(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS, ONE_FEEDER, NESTED, EVERYTHING, TWO_FEEDERS, NESTED, EVERYTHING)
    assert rows(database_url, "SELECT kind, circuit_id FROM power_nodes ORDER BY id") == [
        ("GRID_CONNECTION", "GC1"),
        ("GRID_CONNECTION", "GC2"),
        ("GRID_CONNECTION", "A1"),
        ("GRID_CONNECTION", "B0"),
    ]


@pytest.mark.parametrize("kind", ["CIRCUIT", "MICROGRID", "CHARGE_POINT", "CONNECTOR", "grid_connection", ""])
def test_the_database_refuses_any_other_power_node(database_url: str, kind: str) -> None:
    import_all(database_url, TWO_FEEDERS)
    insert = f"INSERT INTO power_nodes (depot_id, circuit_id, kind, name) VALUES ('elizabeth', 'C1', '{kind}', '')"
    with pytest.raises(BusbarError, match="ck_power_nodes_kind"):
        rows(database_url, insert)
    assert rows(database_url, "SELECT count(*) FROM power_nodes") == [(2,)]


def test_rows_stay_through_moving_retiring_and_coming_back(database_url: str) -> None:
    queries = (
        "SELECT id, circuit_id FROM circuits ORDER BY id",
        "SELECT id, charge_point_id FROM charge_points ORDER BY id",
        "SELECT id, charge_point_id, connector_id FROM connectors ORDER BY id",
    )
    import_all(database_url, TWO_FEEDERS)
    before = [rows(database_url, query) for query in queries]
    moved = replace(TWO_FEEDERS, charge_points=(dc("CP2", "C1"), dc("CP1", "C2", "2", "1")))
    for depot in (moved, ONE_FEEDER, TWO_FEEDERS):
        import_all(database_url, depot)
        assert [rows(database_url, query) for query in queries] == before


def test_what_is_retired_says_since_when(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS, ONE_FEEDER)
    retired = "SELECT {} FROM {} WHERE retired_at IS NOT NULL ORDER BY id"
    assert rows(database_url, retired.format("circuit_id", "circuits")) == [("GC2",), ("C2",)]
    assert rows(database_url, retired.format("charge_point_id", "charge_points")) == [("CP2",)]
    assert rows(database_url, retired.format("circuit_id", "power_nodes")) == [("GC2",)]


def test_amounts_can_be_read_in_the_table(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS, EVERYTHING)
    query = "SELECT default_operating_capacity, base_load FROM circuits WHERE circuit_id IN ('C1', 'C9', 'A1')"
    per_phase = json.dumps({"L1": "32 A", "L2": "32.001 A"})
    assert set(rows(database_url, query)) == {
        ("640 A", None),
        (per_phase, None),
        ("1200 kVA", "-12.345 kW"),
    }


WHOLE = st.integers(min_value=-LARGEST, max_value=LARGEST)
AMOUNTS = st.one_of(
    st.builds(ActivePower, w=WHOLE),
    st.builds(ApparentPower, va=WHOLE),
    st.builds(Current, l1_ma=st.none() | WHOLE, l2_ma=st.none() | WHOLE, l3_ma=st.none() | WHOLE),
    WHOLE.map(lambda ma: Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)),
)


@given(AMOUNTS)
def test_every_amount_comes_back_from_its_text(amount: Amount) -> None:
    column, dialect = AmountText(), sqlite.dialect()
    assert column.process_result_value(column.process_bind_param(amount, dialect), dialect) == amount


def test_an_amount_that_could_not_be_read_again_is_not_stored(database_url: str) -> None:
    with pytest.raises(BusbarError, match="Too large"):
        import_all(database_url, replace(TWO_FEEDERS, limit=ActivePower(w=LARGEST + 1)))
    assert rows(database_url, "SELECT count(*) FROM depots") == [(0,)]


def test_an_amount_spoilt_in_the_table_is_refused_when_read(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS)
    rows(database_url, "UPDATE circuits SET rating = '640 furlongs'")

    async def story() -> None:
        async with Place(url=database_url).store() as store:
            with pytest.raises(BusbarError, match="furlongs"):
                await store.load_depot("elizabeth")

    asyncio.run(story())


def test_a_session_keeps_its_row_while_the_vehicle_stays_and_is_kept_when_it_left(database_url: str) -> None:
    async def story() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            await store.save_sessions("elizabeth", [BUS, VAN], at=NOON)
            await store.save_sessions("elizabeth", [replace(BUS, soc=0.4), VAN], at=LATER)
            await store.save_sessions("elizabeth", [replace(BUS, arrived=LATER)], at=LATER)

    asyncio.run(story())
    kept = rows(database_url, "SELECT connector, soc, ended_at IS NULL FROM sessions ORDER BY id")
    assert [(connector, soc, bool(is_open)) for connector, soc, is_open in kept] == [
        ("CP1/1", 0.4, False),
        ("CP2/1", None, False),
        ("CP1/1", 0.31, True),
    ]


# Over time, and with others


def test_a_reopened_database_has_everything(database_url: str) -> None:
    import_all(database_url, EVERYTHING)

    async def story() -> None:
        async with Place(url=database_url).store() as store:
            assert await store.load_depot("everything") == EVERYTHING
            await store.record_cycle("everything", cycle(3))
        async with Place(url=database_url).store() as store:
            assert list(await store.cycles("everything")) == [cycle(3)]

    asyncio.run(story())


def test_two_stores_on_one_database_write_in_turn_and_see_each_other(database_url: str) -> None:
    async def story() -> None:
        place = Place(url=database_url)
        async with place.store() as one, place.store() as other:
            imports = [store.import_depot(TWO_FEEDERS, at=NOON) for store in (one, other) * 4]
            results = await asyncio.gather(*imports)
            assert sorted(len(result.added) for result in results) == [0] * 7 + [10]
            assert len({result.microgrid for result in results}) == 1
            writes = [(one, other)[number % 2].record_cycle("elizabeth", cycle(number)) for number in range(1, 21)]
            reads = [store.load_depot("elizabeth") for store in (one, other) * 5]
            _, depots = await asyncio.gather(asyncio.gather(*writes), asyncio.gather(*reads))
            assert depots == [TWO_FEEDERS] * 10
            assert [record.number for record in await one.cycles("elizabeth")] == list(range(1, 21))

    asyncio.run(story())


def test_a_reader_sees_a_depot_before_or_after_an_import_and_never_between(database_url: str) -> None:
    async def story() -> None:
        place = Place(url=database_url)
        versions = [TWO_FEEDERS, replace(EVERYTHING, id="elizabeth")]
        async with place.store() as writer, place.store() as reader:
            await writer.import_depot(TWO_FEEDERS, at=NOON)

            async def write() -> None:
                for number in range(30):
                    await writer.import_depot(versions[number % 2], at=NOON)

            writing = asyncio.create_task(write())
            while not writing.done():
                assert await reader.load_depot("elizabeth") in versions
            await writing

    asyncio.run(story())


def test_of_two_stores_one_records_a_cycle_number(database_url: str) -> None:
    async def story() -> None:
        place = Place(url=database_url)
        async with place.store() as one, place.store() as other:
            await one.import_depot(TWO_FEEDERS, at=NOON)
            both = [store.record_cycle("elizabeth", cycle(1)) for store in (one, other)]
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes if outcome is not None] == [BusbarError]

    asyncio.run(story())


OPENS_ON_A_WORD = """
import asyncio, sys
from busbar.adapters.store.store import open_store
print("ready", flush=True)
async def main(url):
    store = await open_store(url)
    await store.close()
asyncio.run(main(sys.stdin.readline().strip()))
print("opened", flush=True)
"""


def test_processes_may_open_a_new_database_at_the_same_moment(database_url: str) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OPENS_ON_A_WORD]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start() as one, start() as two, start() as three:
        processes = (one, two, three)
        pipes = [(process.stdin, process.stdout) for process in processes]
        for _, said in pipes:
            assert said is not None
            assert said.readline() == "ready\n"
        for told, _ in pipes:
            assert told is not None
            told.write(f"{database_url}\n")
            told.flush()
        assert [said.readline() for _, said in pipes if said is not None] == ["opened\n"] * 3
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_a_database_of_a_newer_busbar_is_refused_and_left_alone(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS)
    rows(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(BusbarError, match="schema 9999, from a newer Busbar"):
        asyncio.run(open_store(database_url))
    assert rows(database_url, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


# All or nothing


def test_a_value_the_database_refuses_in_the_last_table_undoes_the_first(database_url: str) -> None:
    good = TWO_FEEDERS.charge_points[0]
    too_large = replace(good, connectors=(*good.connectors, replace(good.connectors[0], id="3", max_rating=2**63)))
    with pytest.raises(BusbarError):
        import_all(database_url, replace(TWO_FEEDERS, charge_points=(too_large,)))
    for table in ALL_TABLES:
        assert rows(database_url, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_fault_while_power_nodes_are_written_undoes_the_whole_import(sqlite_url: str) -> None:
    import_all(sqlite_url, ONE_FEEDER)
    rows(
        sqlite_url,
        "CREATE TRIGGER fault BEFORE INSERT ON power_nodes BEGIN SELECT RAISE(ABORT, 'disk fell out'); END",
    )
    before = {table: rows(sqlite_url, f"SELECT * FROM {table}") for table in ALL_TABLES}
    with pytest.raises(BusbarError, match="disk fell out"):
        import_all(sqlite_url, TWO_FEEDERS)
    assert {table: rows(sqlite_url, f"SELECT * FROM {table}") for table in ALL_TABLES} == before


def test_a_fault_while_allocations_are_written_leaves_no_cycle(sqlite_url: str) -> None:
    import_all(sqlite_url, TWO_FEEDERS)
    rows(
        sqlite_url,
        "CREATE TRIGGER fault BEFORE INSERT ON allocations WHEN NEW.position = 500 "
        "BEGIN SELECT RAISE(ABORT, 'disk fell out'); END",
    )

    async def story() -> None:
        async with Place(url=sqlite_url).store() as store:
            with pytest.raises(BusbarError, match="disk fell out"):
                await store.record_cycle("elizabeth", cycle(1, allocations=1000))
            assert await store.last_cycle_number("elizabeth") == 0

    asyncio.run(story())
    assert rows(sqlite_url, "SELECT count(*) FROM allocations") == [(0,)]


# Numbers


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to any database meanwhile; a batch counts once."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_the_number_of_statements_does_not_grow_with_the_depot(database_url: str) -> None:
    def depot(size: int) -> Depot:
        return replace(TWO_FEEDERS, id=f"d{size}", charge_points=tuple(dc(f"CP{n}", "C1") for n in range(size)))

    async def count(store: Any, size: int) -> tuple[int, int, int]:
        with statements() as first:
            await store.import_depot(depot(size), at=NOON)
        turned = replace(depot(size), charge_points=depot(size).charge_points[::-1])
        with statements() as second:
            await store.import_depot(turned, at=NOON)
        with statements() as third:
            await store.record_cycle(f"d{size}", cycle(1, allocations=size))
        return len(first), len(second), len(third)

    async def story() -> None:
        async with Place(url=database_url).store() as store:
            await count(store, 2)
            assert await count(store, 1000) == await count(store, 3)

    asyncio.run(story())


# Settings


def test_sqlite_survives_a_power_cut_and_lets_others_read(sqlite_url: str) -> None:
    async def ask(pragma: str) -> Any:
        store = await open_store(sqlite_url)
        await store.close()
        database = Database(driver_url(sqlite_url))
        try:
            async with database.writing("a test") as connection:
                return (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one()
        finally:
            await database.close()

    assert asyncio.run(ask("journal_mode")) == "wal"
    assert asyncio.run(ask("synchronous")) == 2, "FULL"
    assert asyncio.run(ask("foreign_keys")) == 1
    assert asyncio.run(ask("busy_timeout")) >= 5000


def test_times_are_written_alike_whichever_way_they_were_kept(sqlite_url: str) -> None:
    async def story() -> None:
        async with Place(url=sqlite_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            on_the_second = NOON.replace(microsecond=0)
            kept = StoredSetpoint(connector="CP1/1", value=1, expiry_s=1.0, order_id="a", at=on_the_second)
            await store.save_setpoints("elizabeth", [kept])

    asyncio.run(story())
    # Compared as text, so they have to be of one shape.
    assert rows(sqlite_url, "SELECT at FROM setpoints") == [("2026-11-22 12:00:00.000000",)]
    assert rows(sqlite_url, "SELECT imported_at FROM depots") == [("2026-11-22 12:00:00.123456",)]


@pytest.mark.parametrize("wrong", [2**53, -(2**63), 2**64])
def test_a_value_that_could_be_rounded_on_its_way_is_refused(database_url: str, wrong: int) -> None:
    async def story() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            kept = StoredSetpoint(connector="CP1/1", value=wrong, expiry_s=1.0, order_id="a", at=NOON)
            with pytest.raises(BusbarError):
                await store.save_setpoints("elizabeth", [kept])
            assert list(await store.stored_setpoints("elizabeth")) == []

    asyncio.run(story())


def test_saving_setpoints_and_sessions_takes_as_many_statements_for_thousands_as_for_one(database_url: str) -> None:
    async def count(store: Any, size: int) -> list[int]:
        at = NOON.replace(year=2026 + size % 7)
        kept = [
            StoredSetpoint(connector=f"CP{number}/1", value=size, expiry_s=1.0, order_id="a", at=at)
            for number in range(size)
        ]
        vehicles = [replace(BUS, connector=one.connector) for one in kept]
        found = []
        saves: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: store.save_setpoints("elizabeth", kept),
            lambda: store.save_sessions("elizabeth", vehicles, at=NOON),
            lambda: store.save_sessions("elizabeth", [replace(one, soc=0.5) for one in vehicles], at=NOON),
            lambda: store.save_sessions("elizabeth", [], at=NOON),
        )
        for save in saves:
            with statements() as sent:
                await save()
            found.append(len(sent))
        return found

    async def story() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            await count(store, 1)
            assert await count(store, 3000) == await count(store, 1)

    asyncio.run(story())


# What strangers say


@pytest.mark.parametrize(
    ("said", "kept"),
    [("a\0b", "a\ufffdb"), ("half \ud83d", "half ?"), ("x" * 9000, "x" * 255), ("", ""), ("⚡" * 300, "⚡" * 255)],
)
def test_whatever_strangers_call_themselves_is_kept_as_text(database_url: str, said: str, kept: str) -> None:
    async def story() -> None:
        async with Place(url=database_url).records() as records:
            await records.note_pending(said, address=said, reason=said, at=NOON)
            [noted] = await records.pending_identities()
            assert (noted.identity, noted.address, noted.reason) == (kept, kept, kept)
            facts = ChargePointFacts(protocol="ocpp1.6", vendor=said, rate_units=("A", said[:20]))
            await records.save_facts("elizabeth", "CP1", facts, at=NOON)
            assert (await records.facts("elizabeth"))["CP1"].vendor == kept
            told = {"charge_point": "CP1", "connector": "CP1/1", "started_at": NOON, "meter_start_wh": None}
            begun = await records.begin_transaction("elizabeth", reference=said, id_tag=said, vehicle=said, **told)  # type: ignore[arg-type]
            assert (begun.reference, begun.id_tag, begun.vehicle) == (kept, kept, kept)
            again = await records.begin_transaction("elizabeth", reference=said, id_tag=said, vehicle=said, **told)  # type: ignore[arg-type]
            assert again == begun
            await records.end_transaction("elizabeth", begun.id, at=NOON, reason=said)

    asyncio.run(story())


def test_records_of_a_depot_that_is_not_known_are_refused(database_url: str) -> None:
    async def story() -> None:
        async with Place(url=database_url).records() as records:
            with pytest.raises(BusbarError, match="no depot nowhere"):
                await records.save_facts("nowhere", "CP1", ChargePointFacts(protocol="ocpp1.6"), at=NOON)
            stranger = Credential(kind="meter", depot_id="nowhere", subject="C1", secret_hash="x")
            with pytest.raises(BusbarError, match="no depot nowhere"):
                await records.save_credential(stranger, at=NOON)
            with pytest.raises(BusbarError, match="ck_credentials_kind"):
                await records.save_credential(replace(stranger, kind="person", depot_id="elizabeth"), at=NOON)

    asyncio.run(story())


def test_records_are_there_when_the_database_is_opened_again(database_url: str) -> None:
    facts = ChargePointFacts(protocol="ocpp1.6", rate_units=("W",))
    credential = Credential(kind="charge_point", depot_id="elizabeth", subject="CP1", secret_hash="x")

    async def story() -> None:
        place = Place(url=database_url)
        told = {"reference": None, "id_tag": None, "vehicle": None, "started_at": NOON, "meter_start_wh": 5}
        async with place.records() as records:
            begun = await records.begin_transaction("elizabeth", charge_point="CP1", connector="CP1/1", **told)  # type: ignore[arg-type]
            await records.save_facts("elizabeth", "CP1", facts, at=NOON)
            await records.save_credential(credential, at=NOON)
            await records.note_pending("CP77", address="", reason="unknown", at=NOON)
        async with place.records() as records:
            assert list(await records.open_transactions("elizabeth")) == [begun]
            assert await records.facts("elizabeth") == {"CP1": facts}
            assert await records.credential("charge_point", "elizabeth", "CP1") == credential
            assert [one.identity for one in await records.pending_identities()] == ["CP77"]

    asyncio.run(story())


def test_the_database_itself_keeps_one_in_force_one_open_and_one_going_on(database_url: str) -> None:
    import_all(database_url, TWO_FEEDERS)
    twice = {
        'overrides (depot_id, kind, subject, "by", reason, at)': "'elizabeth', 'hold', 'CP1/1', 'Ann', '', ",
        'commissioning_requests (depot_id, charge_point, "by", state, result, at)': (
            "'elizabeth', 'CP1', 'Ann', 'asked', '{}', "
        ),
        "transactions (depot_id, charge_point, connector, started_at)": "'elizabeth', 'CP1', 'CP1/1', ",
    }
    for table, values in twice.items():
        insert = f"INSERT INTO {table} VALUES ({values}'2026-11-22 12:00:00.000000')"
        rows(database_url, insert)
        with pytest.raises(BusbarError, match=r"(?i)unique"):
            rows(database_url, insert)
