"""A database that an earlier Busbar made is brought up to date with all that is in it."""

import asyncio
from dataclasses import replace

from alembic import command
from sqlalchemy import Connection, text
from store_examples import BUS, LATER, TWO_FEEDERS, cycle

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


def make_first_schema(connection: Connection) -> None:
    """As Busbar 0.1 made it, with a depot, a vehicle and a cycle."""
    config = migrate._config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    zone = "" if connection.dialect.name == "sqlite" else "+00"
    for statement in CONTENT.replace("+00'", f"{zone}'").strip().removesuffix(";").split(";\n"):
        connection.execute(text(statement.replace(":", "\\:")))
    if zone:
        # The rows brought their ids along, so the counters have not moved.
        for table in ("depots", "circuits", "charge_points", "connectors", "sessions", "cycles"):
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"))


def made_by_the_first(url: str) -> None:
    async def make() -> None:
        database = Database(driver_url(url))
        await database.prepare()
        async with database.writing("migration") as connection:
            await connection.run_sync(make_first_schema)
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
        assert kept == replace(first, allocations=(replace(first.allocations[0], bound_by=None),))
        assert kept.setpoints == ()
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
