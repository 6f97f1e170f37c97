"""Which webhooks a notice goes to, and how much may wait for one; the same for every store."""

from collections.abc import Iterable, Sequence

from busbar.core.errors import BusbarError
from busbar.engine.access import Notice, Webhook

MOST_WAITING = 100_000
"""Deliveries that wait for one webhook; beyond it the oldest are given up."""


def addressed(
    webhooks: Iterable[Webhook], depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None
) -> list[tuple[int, Notice]]:
    """Webhook ids with the notices for them, notices in their order.

    `webhooks` are those in use. With `webhook_id`, all go to that one, whatever it wants: so it can be tested. Raises
    BusbarError where that one is not in use.
    """
    if webhook_id is None:
        found = list(webhooks)
        return [(one.id, notice) for notice in notices for one in found if _wants(one, depot_id, notice)]
    if all(one.id != webhook_id for one in webhooks):
        raise BusbarError(f"There is no webhook {webhook_id} in use; `busbar webhook list` shows those there are.")
    return [(webhook_id, notice) for notice in notices]


def _wants(webhook: Webhook, depot_id: str, notice: Notice) -> bool:
    is_about = webhook.depot_id is None or webhook.depot_id == depot_id
    return is_about and (not webhook.kinds or notice.kind in webhook.kinds)
