"""Webhooks: who is told, as rows and back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.column_types import countable
from busbar.adapters.store.tables import deliveries, webhooks
from busbar.engine.access import NoticeKind, Webhook

TURN = "webhooks"
"""Whoever adds or removes a webhook, or many deliveries at once, takes this turn: nothing is put on its way to one
that is just being removed."""

_NAMES = tuple(field.name for field in fields(Webhook))
"""A webhook's fields are columns of the same names."""


async def write_webhook(
    connection: AsyncConnection,
    *,
    url: str,
    secret: str,
    depot_id: str | None,
    kinds: Sequence[NoticeKind],
    at: datetime,
) -> Webhook:
    """A new one."""
    row = {
        "url": url,
        "secret": secret,
        "depot_id": depot_id,
        "kinds": [kind.value for kind in kinds],
        "created_at": at,
    }
    kept = await connection.execute(insert(webhooks).returning(webhooks), row)
    return _webhook(kept.mappings().one())


async def read_webhooks(connection: AsyncConnection) -> tuple[Webhook, ...]:
    """Those in use, oldest first."""
    found = await connection.execute(select(webhooks).where(webhooks.c.removed_at.is_(None)).order_by(webhooks.c.id))
    return tuple(_webhook(row) for row in found.mappings())


async def remove(connection: AsyncConnection, webhook_id: int, *, at: datetime) -> Webhook | None:
    """Tell it nothing more and forget what was on its way; None where there is none in use."""
    removed = update(webhooks).where(webhooks.c.id == countable(webhook_id), webhooks.c.removed_at.is_(None))
    kept = await connection.execute(removed.values(removed_at=at).returning(webhooks))
    row = kept.mappings().one_or_none()
    if row is None:
        return None
    await connection.execute(delete(deliveries).where(deliveries.c.webhook_id == webhook_id))
    return _webhook(row)


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    kept = {name: row[name] for name in _NAMES}
    return Webhook(**{**kept, "kinds": tuple(NoticeKind(kind) for kind in row["kinds"])})
