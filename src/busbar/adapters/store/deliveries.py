"""Deliveries: notices on their way to webhooks. Those of one webhook, depot and node go in the order of their ids."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.addressees import MOST_WAITING, addressed
from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.column_types import countable
from busbar.adapters.store.connecting import take_turn
from busbar.adapters.store.tables import deliveries
from busbar.adapters.store.webhooks import TURN, read_webhooks
from busbar.engine.access import Delivery, Notice, NoticeKind


async def fan_out(
    connection: AsyncConnection, depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None
) -> int:
    """Put notices on their way to every webhook that wants them, or to one; how many deliveries.

    In the transaction, and the turn, of the depot that they are about.
    """
    if not notices:
        return 0
    await take_turn(connection, TURN)
    found = addressed(await read_webhooks(connection), depot_id, notices, webhook_id=webhook_id)
    rows = [
        (addressee, depot_id, notice.kind.value, notice.node, notice.at, notice.document, 0, notice.at, "")
        for addressee, notice in found
    ]
    columns = "webhook_id depot_id kind node at document attempts due_at last_error"
    await write_rows(connection, deliveries, rows, columns=columns)
    for addressee in sorted({addressee for addressee, _ in found}):
        await _drop_oldest(connection, addressee)
    return len(rows)


async def _drop_oldest(connection: AsyncConnection, webhook_id: int) -> None:
    its = deliveries.c.webhook_id == webhook_id
    newest = select(deliveries.c.id).where(its).order_by(deliveries.c.id.desc())
    last_to_go = (await connection.execute(newest.offset(MOST_WAITING).limit(1))).scalar_one_or_none()
    if last_to_go is not None:
        await connection.execute(delete(deliveries).where(its, deliveries.c.id <= last_to_go))


async def read_due(connection: AsyncConnection, *, now: datetime, limit: int) -> tuple[Delivery, ...]:
    """The first of each webhook, depot and node, where it is due; oldest first."""
    first = select(func.min(deliveries.c.id)).group_by(
        deliveries.c.webhook_id, deliveries.c.depot_id, deliveries.c.node
    )
    due = select(deliveries).where(deliveries.c.id.in_(first), deliveries.c.due_at <= now)
    found = await connection.execute(due.order_by(deliveries.c.id).limit(countable(limit)))
    return tuple(_delivery(row) for row in found.mappings())


async def count_waiting(connection: AsyncConnection) -> dict[int, int]:
    """Webhook -> how many wait, for those where some do."""
    counted = select(deliveries.c.webhook_id, func.count()).group_by(deliveries.c.webhook_id)
    found = await connection.execute(counted)
    return {row[0]: row[1] for row in found}


async def forget(connection: AsyncConnection, delivery_id: int) -> None:
    """It arrived."""
    await connection.execute(delete(deliveries).where(deliveries.c.id == countable(delivery_id)))


async def postpone(connection: AsyncConnection, delivery_id: int, *, due_at: datetime, error: str) -> None:
    """One attempt more, due again then."""
    again = update(deliveries).where(deliveries.c.id == countable(delivery_id))
    await connection.execute(again.values(attempts=deliveries.c.attempts + 1, due_at=due_at, last_error=error))


async def drop(connection: AsyncConnection, *, before: datetime) -> int:
    """Give up those whose notice is older; how many."""
    return (await connection.execute(delete(deliveries).where(deliveries.c.at < before))).rowcount


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        depot_id=row["depot_id"],
        notice=Notice(kind=NoticeKind(row["kind"]), node=row["node"], at=row["at"], document=row["document"]),
        attempts=row["attempts"],
        due_at=row["due_at"],
        last_error=row["last_error"],
    )
