"""What `busbar token` and `busbar webhook` show: sentences, two tables, and documents. No secret is ever among them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from busbar.engine.access import Token, Webhook
from busbar.entrypoints.words import plural

_NEVER = "never"


def state_of(token: Token, now: datetime) -> str:
    """`good`, `expired` or `revoked`."""
    if token.revoked_at is not None:
        return "revoked"
    return "good" if token.is_good(now) else "expired"


def reach_text(token: Token) -> str:
    """What it is good for: `operator of all depots`, `derms of GC1, GC2 in wa_pta`."""
    where = "all depots" if token.depot_id is None else token.depot_id
    nodes = f"{', '.join(token.nodes)} in " if token.nodes else ""
    return f"{token.role.value} of {nodes}{where}"


def tokens_text(tokens: Sequence[Token], now: datetime) -> RenderableType:
    """All of them, oldest first."""
    if not tokens:
        return "There is no token. Make one: `busbar token create NAME --role viewer`."
    table = Table.grid(padding=(0, 2))
    table.add_row("name", "good for", "state", "created (UTC)", "expires", "last used", style="dim")
    for token in tokens:
        times = (utc_text(at) for at in (token.created_at, token.expires_at, token.used_at))
        table.add_row(token.name, reach_text(token), state_of(token, now), *times)
    return table


def webhooks_text(webhooks: Sequence[Webhook], waiting: Mapping[int, int]) -> RenderableType:
    """Those in use, oldest first."""
    if not webhooks:
        return "There is no webhook. Add one: `busbar webhook add URL`."
    table = Table.grid(padding=(0, 2))
    table.add_row("id", "address", "depot", "told of", "wait", "since (UTC)", style="dim")
    for webhook in webhooks:
        kinds = ", ".join(kind.value for kind in webhook.kinds) or "everything"
        count, since = str(waiting.get(webhook.id, 0)), utc_text(webhook.created_at)
        table.add_row(str(webhook.id), webhook.url, webhook.depot_id or "all", kinds, count, since)
    return table


def removed_text(webhook: Webhook, forgotten: int) -> str:
    """What is told nothing more."""
    lost = f" {plural(forgotten, 'notice')} on the way to it {_are(forgotten)} forgotten." if forgotten else ""
    return f"Webhook {webhook.id} ({webhook.url}) is told nothing more.{lost}"


def token_document(token: Token, now: datetime, *, secret: str | None, changed: bool) -> dict[str, Any]:
    """One token (`busbar/token/1`)."""
    return {"schema": "busbar/token/1", "token": _token(token, now), "secret": secret, "changed": changed}


def tokens_document(tokens: Sequence[Token], now: datetime) -> dict[str, Any]:
    """All of them (`busbar/tokens/1`)."""
    return {"schema": "busbar/tokens/1", "tokens": [_token(token, now) for token in tokens]}


def webhook_document(webhook: Webhook, *, waiting: int, secret: str | None) -> dict[str, Any]:
    """One webhook (`busbar/webhook/1`)."""
    return {"schema": "busbar/webhook/1", "webhook": _webhook(webhook, waiting), "secret": secret}


def webhooks_document(webhooks: Sequence[Webhook], waiting: Mapping[int, int]) -> dict[str, Any]:
    """All that are in use (`busbar/webhooks/1`)."""
    found = [_webhook(webhook, waiting.get(webhook.id, 0)) for webhook in webhooks]
    return {"schema": "busbar/webhooks/1", "webhooks": found}


def utc_text(at: datetime | None) -> str:
    """`2026-11-22 20:00`."""
    return _NEVER if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _token(token: Token, now: datetime) -> dict[str, Any]:
    return {
        "name": token.name,
        "role": token.role.value,
        "depot": token.depot_id,
        "nodes": list(token.nodes),
        "state": state_of(token, now),
        "created_at": _iso(token.created_at),
        "expires_at": _iso(token.expires_at),
        "revoked_at": _iso(token.revoked_at),
        "used_at": _iso(token.used_at),
    }


def _webhook(webhook: Webhook, waiting: int) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "depot": webhook.depot_id,
        "kinds": [kind.value for kind in webhook.kinds],
        "created_at": _iso(webhook.created_at),
        "removed_at": _iso(webhook.removed_at),
        "waiting": waiting,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
