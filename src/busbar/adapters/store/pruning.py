"""Forgetting what is old, in transactions so small that nothing waits for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, delete, func, select

from busbar.adapters.store.connecting import Database
from busbar.adapters.store.tables import allocations, cycles, overrides, sessions, transactions

_MOST_CYCLES = 100
_MOST_ROWS = 2000
"""Rows of one transaction; a cycle with more allocations than that goes alone."""


async def prune(database: Database, depot_id: str, *, before: datetime) -> int:
    """Delete cycles and what ended before that; the last cycle stays, because its number is not to be used again.

    How many rows, a cycle with its allocations counting as one.
    """
    gone = 0
    while batch := await _old_cycles(database, depot_id, before):
        async with database.writing(f"depot {depot_id}") as connection:
            await connection.execute(delete(allocations).where(allocations.c.cycle.in_(batch)))
            gone += (await connection.execute(delete(cycles).where(cycles.c.id.in_(batch)))).rowcount
    for table in (sessions, transactions, overrides):
        gone += await _prune_ended(database, table, depot_id, before)
    return gone


async def _old_cycles(database: Database, depot_id: str, before: datetime) -> Sequence[int]:
    """Row ids of the next cycles to go, few enough for one transaction."""
    async with database.reading() as connection:
        found = await connection.execute(_oldest(depot_id, before))
        ids = list(found.scalars())
        sizes = select(allocations.c.cycle, func.count().label("size")).where(allocations.c.cycle.in_(ids))
        counted = await connection.execute(sizes.group_by(allocations.c.cycle))
        allocated = {row.cycle: row.size for row in counted}
    batch: list[int] = []
    rows = 0
    for row_id in ids:
        rows += 1 + allocated.get(row_id, 0)
        if batch and rows > _MOST_ROWS:
            break
        batch.append(row_id)
    return batch


def _oldest(depot_id: str, before: datetime) -> Select[tuple[Any]]:
    last = select(func.max(cycles.c.number)).where(cycles.c.depot_id == depot_id).scalar_subquery()
    old = select(cycles.c.id).where(cycles.c.depot_id == depot_id, cycles.c.at < before, cycles.c.number < last)
    return old.order_by(cycles.c.at, cycles.c.id).limit(_MOST_CYCLES)


async def _prune_ended(database: Database, table: Table, depot_id: str, before: datetime) -> int:
    gone = 0
    while True:
        old = select(table.c.id).where(table.c.depot_id == depot_id, table.c.ended_at < before).limit(_MOST_ROWS)
        async with database.writing(f"depot {depot_id}") as connection:
            deleted = (await connection.execute(delete(table).where(table.c.id.in_(old)))).rowcount
        gone += deleted
        if deleted < _MOST_ROWS:
            return gone
