"""Forgetting what is old, in transactions so small that nothing waits for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, or_, select

from busbar.adapters.refusals import DONE_STATES, KEPT_LONGER
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.tables import (
    allocations,
    audit_log,
    breaches,
    cycle_nodes,
    cycles,
    envelopes,
    overrides,
    sessions,
    transactions,
)
from busbar.adapters.store.tables import commissioning_requests as requests

_MOST_CYCLES = 100
_MOST_ROWS = 2000
"""Rows of one transaction; a cycle with more allocations than that goes alone."""


async def prune(database: Database, depot_id: str, *, before: datetime) -> int:
    """Delete cycles and what ended before that; the last cycle stays, because its number is not to be used again.

    Closed breaches and the audit log are kept longer.

    How many rows, a cycle with its allocations counting as one.
    """
    gone = 0
    while batch := await _old_cycles(database, depot_id, before):
        async with database.writing(f"depot {depot_id}") as connection:
            await connection.execute(delete(allocations).where(allocations.c.cycle.in_(batch)))
            gone += (await connection.execute(delete(cycles).where(cycles.c.id.in_(batch)))).rowcount
    for table, is_old in _old_rows(before):
        gone += await _prune_rows(database, table, depot_id, is_old)
    oldest = select(func.min(cycles.c.id)).where(cycles.c.depot_id == depot_id).scalar_subquery()
    # Where cycles belong to nodes is no row of its own to anybody.
    await _prune_rows(database, cycle_nodes, depot_id, cycle_nodes.c.last_cycle < oldest)
    return gone


def _old_rows(before: datetime) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """What goes, table by table."""
    given = envelopes.c
    ended_for_good = and_(given.withdrawn_at.is_(None), given.ends_at < before, given.after.is_(None))
    return (
        *((table, table.c.ended_at < before) for table in (sessions, transactions, overrides)),
        (envelopes, or_(given.withdrawn_at < before, ended_for_good)),
        (requests, and_(requests.c.state.in_(DONE_STATES), requests.c.at < before)),
        (breaches, breaches.c.ended_at < before - KEPT_LONGER),
        (audit_log, audit_log.c.at < before - KEPT_LONGER),
    )


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


async def _prune_rows(database: Database, table: Table, depot_id: str, is_old: ColumnElement[bool]) -> int:
    gone, of_depot = 0, table.c.depot_id == depot_id
    while True:
        old = select(table.c.id).where(of_depot, is_old).limit(_MOST_ROWS)
        async with database.writing(f"depot {depot_id}") as connection:
            deleted = (await connection.execute(delete(table).where(of_depot, table.c.id.in_(old)))).rowcount
        gone += deleted
        if deleted < _MOST_ROWS:
            return gone
