"""Envelopes: time-bound limits from outside, as rows and back."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.column_types import countable
from busbar.adapters.store.tables import envelopes
from busbar.engine.ports import Envelope

_NAMES = tuple(field.name for field in fields(Envelope))
"""An envelope's fields are columns of the same names."""
_GIVEN_LATER = ("id", "withdrawn_at", "withdrawn_by")


async def write_envelope(connection: AsyncConnection, depot_id: str, envelope: Envelope) -> Envelope:
    """Keep a new one; as kept, with its id."""
    row = {name: getattr(envelope, name) for name in _NAMES if name not in _GIVEN_LATER}
    kept = await connection.execute(insert(envelopes).returning(envelopes), {**row, "depot_id": depot_id})
    return _envelope(kept.mappings().one())


async def withdraw(
    connection: AsyncConnection, depot_id: str, envelope_id: int, *, by: str, at: datetime
) -> tuple[Envelope | None, bool]:
    """The envelope, None where there is none, and whether this withdrew it: the first withdrawal stands."""
    its = (envelopes.c.depot_id == depot_id, envelopes.c.id == countable(envelope_id))
    changed = update(envelopes).where(*its, envelopes.c.withdrawn_at.is_(None)).values(withdrawn_at=at, withdrawn_by=by)
    found = (await connection.execute(changed.returning(envelopes))).mappings().one_or_none()
    if found is not None:
        return _envelope(found), True
    known = (await connection.execute(select(envelopes).where(*its))).mappings().one_or_none()
    return (None if known is None else _envelope(known)), False


async def read_envelopes(connection: AsyncConnection, depot_id: str, *, now: datetime | None) -> tuple[Envelope, ...]:
    """Oldest first. With `now`: only those that hold then or later."""
    wanted = select(envelopes).where(envelopes.c.depot_id == depot_id).order_by(envelopes.c.at, envelopes.c.id)
    if now is not None:
        goes_on = or_(envelopes.c.ends_at.is_(None), envelopes.c.ends_at > now, envelopes.c.after.is_not(None))
        wanted = wanted.where(envelopes.c.withdrawn_at.is_(None), goes_on)
    found = await connection.execute(wanted)
    return tuple(_envelope(row) for row in found.mappings())


def _envelope(row: Mapping[Any, Any]) -> Envelope:
    return Envelope(**{name: row[name] for name in _NAMES})
