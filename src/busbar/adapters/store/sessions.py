"""Sessions: the vehicles that are there, and those that were."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.tables import sessions
from busbar.core.snapshot import Session

_NAMES = tuple(field.name for field in fields(Session))
"""A session's fields are columns of the same names."""


async def write_sessions(
    connection: AsyncConnection, depot_id: str, present: Sequence[Session], *, at: datetime
) -> None:
    """Make these the open sessions; writes only what differs from before, in three batches at most."""
    before = {row["connector"]: row for row in await _open_rows(connection, depot_id)}
    going_on, new = [], []
    for session in present:
        row = before.get(session.connector)
        if row is None or row["arrived"] != session.arrived:
            new.append({**_row(session), "depot_id": depot_id, "opened_at": at})
            continue
        del before[session.connector]
        if _session(row) != session:
            going_on.append({**_row(session), "row_id": row["id"]})
    ended = [{"row_id": row["id"], "ended_at": at} for row in before.values()]
    # Ended before new: a connector has one open session at a time.
    for batch in (ended, going_on):
        if batch:
            await connection.execute(update(sessions).where(sessions.c.id == bindparam("row_id")), batch)
    if new:
        await connection.execute(insert(sessions), new)


async def read_open_sessions(connection: AsyncConnection, depot_id: str) -> tuple[Session, ...]:
    """The vehicles there, sorted by connector."""
    found = [_session(row) for row in await _open_rows(connection, depot_id)]
    # Sorted here, because databases sort text by the customs of their country.
    return tuple(sorted(found, key=lambda session: session.connector))


async def _open_rows(connection: AsyncConnection, depot_id: str) -> Sequence[Mapping[str, Any]]:
    is_open = select(sessions).where(sessions.c.depot_id == depot_id, sessions.c.ended_at.is_(None))
    return (await connection.execute(is_open)).mappings().all()  # type: ignore[return-value]


def _row(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in _NAMES}


def _session(row: Mapping[str, Any]) -> Session:
    return Session(**{name: row[name] for name in _NAMES})
