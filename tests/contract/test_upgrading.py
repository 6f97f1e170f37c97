"""A database that an earlier Busbar made is brought up to date with all that is in it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from alembic import command
from sqlalchemy import Connection, text
from store_examples import BUS, LATER, NOON, TWO_FEEDERS, breach, cycle, notice, write

from busbar.adapters.store import migrate
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.store import open_store
from busbar.adapters.store.urls import driver_url

CONTENT = """
INSERT INTO depots VALUES (7, 'elizabeth', NULL, 'UTC', 415, 50, 900, NULL, 'equal_share', 'connector', 'power',
    'accepted', '2026-11-22 12:00:00.123456+00');
INSERT INTO circuits VALUES (1, 'elizabeth', 'GC1', NULL, NULL, '640 A', NULL, NULL, NULL, NULL, NULL, FALSE, NULL, 0,
    NULL);
INSERT INTO circuits VALUES (2, 'elizabeth', 'C1', 'GC1', NULL, '640 A', NULL, NULL, NULL, NULL, NULL, FALSE, NULL, 1,
    NULL);
INSERT INTO circuits VALUES (3, 'elizabeth', 'GC2', NULL, NULL, '640 A', NULL, NULL, NULL, NULL, NULL, FALSE, NULL, 2,
    NULL);
INSERT INTO circuits VALUES (4, 'elizabeth', 'C2', 'GC2', NULL, '640 A', NULL, NULL, NULL, NULL, NULL, FALSE, NULL, 3,
    NULL);
INSERT INTO charge_points VALUES (1, 'elizabeth', 'CP1', 'C1', NULL, 'DC', 400000, 1000, 980, 0, TRUE, 0, NULL);
INSERT INTO charge_points VALUES (2, 'elizabeth', 'CP2', 'C2', NULL, 'DC', 400000, 1000, 980, 0, TRUE, 1, NULL);
INSERT INTO connectors VALUES (1, 'elizabeth', 'CP1', '1', 150000, 10000, 1000, '[]', 0, 'L1 L2 L3', FALSE, 0, NULL);
INSERT INTO connectors VALUES (2, 'elizabeth', 'CP1', '2', 150000, 10000, 1000, '[]', 0, 'L1 L2 L3', FALSE, 1, NULL);
INSERT INTO connectors VALUES (3, 'elizabeth', 'CP2', '1', 150000, 10000, 1000, '[]', 0, 'L1 L2 L3', FALSE, 2, NULL);
INSERT INTO microgrids VALUES (5, 'elizabeth');
INSERT INTO power_nodes VALUES (11, 'elizabeth', 'GC1', 'GRID_CONNECTION', 'GC1', NULL);
INSERT INTO power_nodes VALUES (12, 'elizabeth', 'GC2', 'GRID_CONNECTION', 'GC2', NULL);
INSERT INTO sessions VALUES (1, 'elizabeth', 'CP1/1', 120000, '2026-11-22 12:00:00.123456+00',
    '2026-11-22 13:00:00.123456+00', 210000, 0.31, 2, 1.5, TRUE, NULL, NULL, NULL, '2026-11-22 12:00:00.123456+00',
    NULL);
INSERT INTO cycles VALUES (1, 'elizabeth', 3, '2026-11-22 12:00:03.123456+00', 'session', 'equal_share', 'CONSTRAINED',
    1234, '{"GC1": "SAFE", "C1": "CONSTRAINED"}', '["C1 L1: 641 A above 640 A"]');
INSERT INTO allocations VALUES (1, 0, 'CP1/1', 120000, 60000, 'W', 63830, NULL);
"""


LATER_CONTENT = """
INSERT INTO cycles VALUES (2, 'elizabeth', 4, '2026-11-22 12:00:04.123456+00', 'session', 'equal_share', 'APPLIED',
    1234, '{"C1": "CONSTRAINED"}', '[]', '[{"connector": "CP1/1", "state": "settled"}]');
INSERT INTO cycles VALUES (3, 'elizabeth', 9, '2026-11-22 12:00:09.123456+00', 'session', 'equal_share', 'APPLIED',
    1234, '{}', '[]', '[]');
INSERT INTO cycles VALUES (4, 'elizabeth', 10, '2026-11-22 12:00:10.123456+00', 'session', 'equal_share', 'APPLIED',
    1234, '{"C1": "SAFE"}', '[]', '[]');
INSERT INTO allocations VALUES (3, 0, 'CP1/1', 120000, 60000, 'W', 63830, NULL);
INSERT INTO allocations VALUES (4, 0, 'CP2/1', 120000, 60000, 'W', 63830, NULL);
INSERT INTO overrides VALUES (3, 'elizabeth', 'hold', 'CP1/1', 'Ann', '', '2026-11-22 12:00:00.123456+00', NULL, NULL);
INSERT INTO plans VALUES ('elizabeth', 'vehicle:BUS17', NULL, 210000, NULL, 'Ann', '2026-11-22 12:00:00.123456+00');
INSERT INTO commissioning_requests VALUES (5, 'elizabeth', 'CP1', 'Ann', '2026-11-22 12:00:00.123456+00', 'asked',
    '{}');
INSERT INTO setpoints VALUES ('elizabeth', 'CP1/1', 60000, 145.0, 'a', '2026-11-22 12:00:00.123456+00', 0);
"""


def make_first_schema(connection: Connection) -> None:
    """As Busbar 0.1 made it, with a depot, a vehicle and a cycle."""
    fill(connection, "0001", CONTENT)


def make_second_schema(connection: Connection) -> None:
    """As it was before envelopes and breaches, with orders and more cycles."""
    make_first_schema(connection)
    fill(connection, "0002", LATER_CONTENT)


def fill(connection: Connection, revision: str, content: str) -> None:
    config = migrate._config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    zone = "" if connection.dialect.name == "sqlite" else "+00"
    for statement in content.replace("+00'", f"{zone}'").strip().removesuffix(";").split(";\n"):
        connection.execute(text(statement.replace(":", "\\:")))
    if zone:
        # The rows brought their ids along, so the counters have not moved.
        for table in ("depots", "circuits", "charge_points", "connectors", "sessions", "cycles"):
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))


def made_by_the_first(url: str) -> None:
    made_with(url, make_first_schema)


def made_with(url: str, schema: Callable[[Connection], None]) -> None:
    async def make() -> None:
        database = Database(driver_url(url))
        await database.prepare()
        async with database.writing("migration") as connection:
            await connection.run_sync(schema)
        await database.close()

    asyncio.run(make())


def test_everything_of_the_first_schema_is_kept(database_url: str) -> None:
    made_by_the_first(database_url)

    async def story() -> None:
        store = await open_store(database_url)
        assert await store.load_depot("elizabeth") == TWO_FEEDERS
        microgrid = await store.microgrid("elizabeth")
        assert microgrid is not None
        assert microgrid.id == 5
        assert [(node.id, node.circuit_id) for node in microgrid.grid_connections] == [(11, "GC1"), (12, "GC2")]
        bus = replace(BUS, charging_since=None, waiting_since=None, stopped_at=None)
        assert list(await store.open_sessions("elizabeth")) == [bus]
        [kept] = await store.cycles("elizabeth")
        first = cycle(3, allocations=1)
        assert kept == replace(
            first, allocations=(replace(first.allocations[0], bound_by=None),), setpoints=(), inputs={}
        )
        assert await store.last_cycle_number("elizabeth") == 3
        await store.close()

    asyncio.run(story())


def test_an_upgraded_depot_was_imported_once_and_goes_on(database_url: str) -> None:
    made_by_the_first(database_url)

    async def story() -> None:
        store = await open_store(database_url)
        assert await store.depot_revision("elizabeth") == 1
        assert (await store.import_depot(TWO_FEEDERS, at=LATER)).unchanged == 10
        assert await store.depot_revision("elizabeth") == 2
        await store.record_cycle("elizabeth", cycle(4))
        assert await store.last_cycle_number("elizabeth") == 4
        assert list(await store.stored_setpoints("elizabeth")) == []
        assert list(await store.overrides("elizabeth", ended=True)) == []
        await store.close()

    asyncio.run(story())


def test_everything_of_the_second_schema_is_kept_and_what_is_new_works(database_url: str) -> None:
    made_with(database_url, make_second_schema)

    async def story() -> None:
        store = await open_store(database_url)
        [held] = await store.overrides("elizabeth")
        assert (held.id, held.subject, held.by) == (3, "CP1/1", "Ann")
        assert [one.key for one in await store.plans("elizabeth")] == ["vehicle:BUS17"]
        assert [one.id for one in await store.commissioning_requests("elizabeth")] == [5]
        assert [one.value for one in await store.stored_setpoints("elizabeth")] == [60_000]
        kept = await store.cycle("elizabeth", 4)
        assert kept is not None
        assert (kept.setpoints, kept.inputs) == (({"connector": "CP1/1", "state": "settled"},), {})
        access = store.access()
        hook = await access.add_webhook(url="http://x", secret="s", depot_id="elizabeth", kinds=(), at=NOON)
        await store.save_breaches("elizabeth", [breach()], notices=[notice()])
        await store.change_settings("elizabeth", strategy="first_come", at=NOON, write=write())
        assert await access.deliveries_waiting() == {hook.id: 1}
        assert (await store.depot_revision("elizabeth"), len(await access.writes("elizabeth"))) == (2, 1)
        await store.close()

    asyncio.run(story())


def test_cycles_kept_before_are_found_by_node_too(database_url: str) -> None:
    made_with(database_url, make_second_schema)

    async def story() -> None:
        store = await open_store(database_url)

        async def numbers(node: str) -> list[int]:
            return [one.number for one in await store.cycle_page("elizabeth", node=node)]

        before = {"GC1": [3], "C1": [10, 4, 3], "CP1/1": [9, 3], "CP2/1": [10], "C2": []}
        assert {node: await numbers(node) for node in before} == before
        await store.record_cycle("elizabeth", cycle(11, allocations=1))
        after = {"GC1": [11, 3], "C1": [11, 10, 4, 3], "CP1/1": [11, 9, 3], "CP2/1": [10], "C2": []}
        assert {node: await numbers(node) for node in after} == after
        await store.close()

    asyncio.run(story())
