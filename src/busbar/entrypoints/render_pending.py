"""What `busbar pending` shows: who was turned away, and why."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from busbar.engine.ports import PendingIdentity

_MOST = 50


def pending_text(found: Sequence[PendingIdentity]) -> RenderableType:
    """The latest first; what strangers call themselves is shown without anything that steers a terminal."""
    if not found:
        return "Nobody was turned away."
    table = Table.grid(padding=(0, 2))
    table.add_row("identity", "from", "reason", "tries", "first (UTC)", "last (UTC)", style="dim")
    for one in found[:_MOST]:
        times = (at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (one.first_at, one.last_at))
        table.add_row(_shown(one.identity), _shown(one.address), _shown(one.reason), str(one.attempts), *times)
    if len(found) > _MOST:
        table.add_row(f"and {len(found) - _MOST} more (--json lists all)")
    return table


def _shown(said: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in said)


def pending_document(found: Sequence[PendingIdentity]) -> dict[str, Any]:
    """The same for programs (`busbar/pending/1`)."""
    return {
        "schema": "busbar/pending/1",
        "pending": [
            {
                "identity": one.identity,
                "address": one.address,
                "reason": one.reason,
                "first_at": one.first_at.astimezone(UTC).isoformat(),
                "last_at": one.last_at.astimezone(UTC).isoformat(),
                "attempts": one.attempts,
            }
            for one in found
        ],
    }
