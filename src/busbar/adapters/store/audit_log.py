"""The audit log: who wrote what, before and after."""

from dataclasses import fields

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.column_types import countable
from busbar.adapters.store.tables import audit_log
from busbar.engine.access import WriteRecord

_NAMES = tuple(field.name for field in fields(WriteRecord))
"""A write's fields are columns of the same names."""


async def note_write(connection: AsyncConnection, write: WriteRecord | None) -> None:
    """Into the log, in the transaction of what it is about; nothing where there is nothing to note."""
    if write is not None:
        row = {name: getattr(write, name) for name in _NAMES if name != "id"}
        await connection.execute(insert(audit_log), row)


async def read_writes(
    connection: AsyncConnection, depot_id: str, *, before: int | None, limit: int
) -> tuple[WriteRecord, ...]:
    """The newest first, with ids below `before`."""
    wanted = (
        select(audit_log)
        .where(audit_log.c.depot_id == depot_id)
        .order_by(audit_log.c.id.desc())
        .limit(countable(limit))
    )
    if before is not None:
        wanted = wanted.where(audit_log.c.id < countable(before))
    found = await connection.execute(wanted)
    return tuple(WriteRecord(**{name: row[name] for name in _NAMES}) for row in found.mappings())
