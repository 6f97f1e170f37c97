"""What people order in daily use, and their plans."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.tables import overrides, plans
from busbar.engine.ports import Override, OverrideKind, Plan

_PLAN_NAMES = tuple(field.name for field in fields(Plan))
"""A plan's fields are columns of the same names."""


async def put_in_force(
    connection: AsyncConnection, depot_id: str, *, kind: OverrideKind, subject: str, by: str, reason: str, at: datetime
) -> tuple[Override, bool]:
    """Order it, or find the same in force already; and whether it is new."""
    before = await _in_force(connection, depot_id, kind, subject)
    if before is not None:
        return before, False
    row = {"depot_id": depot_id, "kind": kind.value, "subject": subject, "by": by, "reason": reason, "at": at}
    kept = await connection.execute(insert(overrides).returning(overrides), row)
    return _override(kept.mappings().one()), True


async def lift(
    connection: AsyncConnection, depot_id: str, *, kind: OverrideKind, subject: str, by: str, at: datetime
) -> Override | None:
    """End what is in force; None where nothing is."""
    before = await _in_force(connection, depot_id, kind, subject)
    if before is None:
        return None
    ended = update(overrides).where(overrides.c.id == before.id).values(ended_at=at, ended_by=by)
    kept = await connection.execute(ended.returning(overrides))
    return _override(kept.mappings().one())


async def read_overrides(connection: AsyncConnection, depot_id: str, *, ended: bool) -> tuple[Override, ...]:
    """Those in force, oldest first; with `ended`, the others too."""
    wanted = select(overrides).where(overrides.c.depot_id == depot_id).order_by(overrides.c.at, overrides.c.id)
    if not ended:
        wanted = wanted.where(overrides.c.ended_at.is_(None))
    found = await connection.execute(wanted)
    return tuple(_override(row) for row in found.mappings())


async def _in_force(connection: AsyncConnection, depot_id: str, kind: OverrideKind, subject: str) -> Override | None:
    found = await connection.execute(
        select(overrides).where(
            overrides.c.depot_id == depot_id,
            overrides.c.kind == kind.value,
            overrides.c.subject == subject,
            overrides.c.ended_at.is_(None),
        )
    )
    row = found.mappings().one_or_none()
    return None if row is None else _override(row)


def _override(row: Mapping[Any, Any]) -> Override:
    return Override(
        id=row["id"],
        kind=OverrideKind(row["kind"]),
        subject=row["subject"],
        by=row["by"],
        reason=row["reason"],
        at=row["at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
    )


async def write_plan(connection: AsyncConnection, depot_id: str, plan: Plan) -> None:
    """In place of the plan with the same key."""
    row = (depot_id, *(getattr(plan, name) for name in _PLAN_NAMES))
    await write_rows(connection, plans, [row], columns=" ".join(("depot_id", *_PLAN_NAMES)), replace=True)


async def read_plans(connection: AsyncConnection, depot_id: str) -> tuple[Plan, ...]:
    """By key."""
    found = await connection.execute(select(plans).where(plans.c.depot_id == depot_id))
    kept = [Plan(**{name: row[name] for name in _PLAN_NAMES}) for row in found.mappings()]
    return tuple(sorted(kept, key=lambda plan: plan.key))
