"""Breaches, as rows and back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import in_utc, refuse_repeated_breaches
from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.column_types import countable
from busbar.adapters.store.tables import breaches
from busbar.engine.breach_record import BreachCause, BreachRecord, Sample

_NAMES = tuple(field.name for field in fields(BreachRecord))
"""A breach's fields are columns of the same names."""
_BY_PEOPLE = ("acknowledged_by", "acknowledged_at", "note")
_SEEN = tuple(name for name in _NAMES if name not in _BY_PEOPLE)


async def write_breaches(connection: AsyncConnection, depot_id: str, given: Sequence[BreachRecord]) -> None:
    """Keep them by id, in place of what was kept, but for the acknowledgement, which stays."""
    refuse_repeated_breaches(given)
    rows = [(depot_id, *(_written(breach, name) for name in _SEEN)) for breach in given]
    await write_rows(connection, breaches, rows, columns=" ".join(("depot_id", *_SEEN)), replace=True)


async def read_open(connection: AsyncConnection, depot_id: str) -> tuple[BreachRecord, ...]:
    """Those that go on, oldest first."""
    going_on = select(breaches).where(breaches.c.depot_id == depot_id, breaches.c.ended_at.is_(None))
    found = await connection.execute(going_on.order_by(breaches.c.started_at, breaches.c.id))
    return tuple(_breach(row) for row in found.mappings())


async def read_breaches(
    connection: AsyncConnection,
    depot_id: str,
    *,
    is_open: bool | None,
    node: str | None,
    before: datetime | None,
    limit: int,
) -> tuple[BreachRecord, ...]:
    """Open ones first, then the newest first, without series."""
    wanted = select(*(column for column in breaches.c if column.name != "series"))
    wanted = wanted.where(breaches.c.depot_id == depot_id)
    if is_open is not None:
        wanted = wanted.where(breaches.c.ended_at.is_(None) if is_open else breaches.c.ended_at.is_not(None))
    if node is not None:
        wanted = wanted.where(breaches.c.node == node)
    if before is not None:
        wanted = wanted.where(breaches.c.started_at < before)
    is_over = breaches.c.ended_at.is_not(None)
    found = await connection.execute(
        wanted.order_by(is_over, breaches.c.started_at.desc(), breaches.c.id.desc()).limit(countable(limit))
    )
    return tuple(_breach(row) for row in found.mappings())


async def read_breach(connection: AsyncConnection, depot_id: str, breach_id: str) -> BreachRecord | None:
    """One, whole; None where there is none."""
    wanted = select(breaches).where(breaches.c.depot_id == depot_id, breaches.c.id == breach_id)
    row = (await connection.execute(wanted)).mappings().one_or_none()
    return None if row is None else _breach(row)


async def acknowledge(
    connection: AsyncConnection, depot_id: str, breach_id: str, *, by: str, note: str, at: datetime
) -> BreachRecord | None:
    """Write down who has seen it; None where there is none."""
    seen = update(breaches).where(breaches.c.depot_id == depot_id, breaches.c.id == breach_id)
    seen = seen.values(acknowledged_by=by, acknowledged_at=at, note=note)
    row = (await connection.execute(seen.returning(breaches))).mappings().one_or_none()
    return None if row is None else _breach(row)


def _written(breach: BreachRecord, name: str) -> Any:
    if name == "series":
        return [(in_utc(one.at).isoformat(), one.flow, one.limit) for one in breach.series]
    return getattr(breach, name)


def _breach(row: Mapping[Any, Any]) -> BreachRecord:
    series = tuple(
        Sample(at=datetime.fromisoformat(at), flow=flow, limit=limit) for at, flow, limit in row.get("series", ())
    )
    kept = {name: row[name] for name in _NAMES if name != "series"}
    return BreachRecord(**{**kept, "series": series, "cause": BreachCause(row["cause"])})
