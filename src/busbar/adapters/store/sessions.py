"""Sessions: the vehicles that are there, and those that were."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.tables import sessions
from busbar.core.snapshot import Session

_NAMES = tuple(field.name for field in fields(Session))
"""A session's fields are columns of the same names."""
_values = attrgetter(*_NAMES)


async def write_sessions(
    connection: AsyncConnection, depot_id: str, present: Sequence[Session], *, at: datetime
) -> None:
    """Make these the open sessions; writes only what differs from before, in two batches at most."""
    before = {row["connector"]: row for row in await _open_rows(connection, depot_id)}
    known, new = [], []
    for session in present:
        row = before.get(session.connector)
        if row is None or row["arrived"] != session.arrived:
            new.append((depot_id, *_values(session), at))
            continue
        del before[session.connector]
        if _session(row) != session:
            known.append((row["id"], depot_id, *_values(session), row["opened_at"], None))
    known += [(row["id"], depot_id, *_values(_session(row)), row["opened_at"], at) for row in before.values()]
    names = " ".join(_NAMES)
    # Ended before new: a connector has one open session at a time.
    await write_rows(connection, sessions, known, columns=f"id depot_id {names} opened_at ended_at", replace=True)
    await write_rows(connection, sessions, new, columns=f"depot_id {names} opened_at")


async def read_open_sessions(connection: AsyncConnection, depot_id: str) -> tuple[Session, ...]:
    """The vehicles there, sorted by connector."""
    found = [_session(row) for row in await _open_rows(connection, depot_id)]
    # Sorted here, because databases sort text by the customs of their country.
    return tuple(sorted(found, key=lambda session: session.connector))


async def _open_rows(connection: AsyncConnection, depot_id: str) -> Sequence[Mapping[str, Any]]:
    is_open = select(sessions).where(sessions.c.depot_id == depot_id, sessions.c.ended_at.is_(None))
    return (await connection.execute(is_open)).mappings().all()  # type: ignore[return-value]


def _session(row: Mapping[str, Any]) -> Session:
    return Session(**{name: row[name] for name in _NAMES})
