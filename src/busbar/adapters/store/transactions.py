"""Charges that charge points began, in their own terms."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.tables import transactions
from busbar.engine.ports import OpenTransaction

_ANOTHER_BEGAN = "another one began"
"""Why one ended whose end was never reported."""
_LATE = "reported late"
"""Why one was over when it was reported: a later one is open. Its true end may still be reported."""
_LARGEST_ID = 2**63 - 1


async def begin(connection: AsyncConnection, depot_id: str, told: Mapping[str, Any]) -> OpenTransaction:
    """Begin one, or find the open one that was reported before. `told` is a row of what the charge point said.

    An open one of the same connector that began earlier ends. Where one is open that began later, the charge point
    kept this one back while it was offline: it is recorded as over, and the later one stays.
    """
    found = await connection.execute(_open(depot_id).where(transactions.c.connector == told["connector"]))
    before = found.mappings().one_or_none()
    row = {**told, "depot_id": depot_id}
    if before is not None and _is_same(before, told):
        return _transaction(before)
    if before is not None and before["started_at"] > told["started_at"]:
        row |= {"ended_at": told["started_at"], "end_reason": _LATE}
    elif before is not None:
        ended = update(transactions).where(transactions.c.id == before["id"])
        await connection.execute(ended, {"ended_at": told["started_at"], "end_reason": _ANOTHER_BEGAN})
    kept = await connection.execute(insert(transactions).returning(transactions), row)
    return _transaction(kept.mappings().one())


async def end(connection: AsyncConnection, depot_id: str, transaction_id: int, *, at: datetime, reason: str) -> None:
    """End one; nothing where its end is known already, or there is none."""
    if not 0 < transaction_id <= _LARGEST_ID:
        return
    end_is_unknown = or_(transactions.c.ended_at.is_(None), transactions.c.end_reason == _LATE)
    ended = update(transactions).where(
        transactions.c.depot_id == depot_id, transactions.c.id == transaction_id, end_is_unknown
    )
    await connection.execute(ended, {"ended_at": at, "end_reason": reason})


async def read_open(connection: AsyncConnection, depot_id: str) -> tuple[OpenTransaction, ...]:
    """All that have not ended, by connector."""
    found = await connection.execute(_open(depot_id))
    return tuple(sorted((_transaction(row) for row in found.mappings()), key=lambda one: one.connector))


def _open(depot_id: str) -> Any:
    return select(transactions).where(transactions.c.depot_id == depot_id, transactions.c.ended_at.is_(None))


def _is_same(before: Mapping[Any, Any], told: Mapping[str, Any]) -> bool:
    """Whether a charge point that lost our answer says the same again."""
    names = ["charge_point", "reference"]
    if told["reference"] is None:
        names += ["started_at", "meter_start_wh"]
    return all(before[name] == told[name] for name in names)


def _transaction(row: Mapping[Any, Any]) -> OpenTransaction:
    return OpenTransaction(
        id=row["id"],
        reference=str(row["id"]) if row["reference"] is None else row["reference"],
        charge_point=row["charge_point"],
        connector=row["connector"],
        id_tag=row["id_tag"],
        vehicle=row["vehicle"],
        started_at=row["started_at"],
        meter_start_wh=row["meter_start_wh"],
    )
