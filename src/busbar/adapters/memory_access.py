"""Tokens, the audit log and webhooks in memory: the plain twin of what the database keeps of them."""

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from busbar.adapters.addressees import MOST_WAITING, addressed
from busbar.adapters.refusals import (
    SAME_USE,
    in_utc,
    refuse_other_depot,
    refuse_second_token,
    refuse_token,
    unknown_depot,
)
from busbar.core.errors import BusbarError
from busbar.engine.access import Delivery, Notice, NoticeKind, Role, Token, Webhook, WriteRecord


class MemoryAccess:
    """Keeps who may ask and write, what was written and who is told, until the process ends (port `AccessRecords`).

    `MemoryStore.access()` gives the one that belongs to a store: they share depots, audit log and webhooks.
    """

    def __init__(self, depots: Container[str]) -> None:
        self._depots = depots
        self._tokens: dict[int, Token] = {}
        self._writes: dict[int, WriteRecord] = {}
        self._webhooks: dict[int, Webhook] = {}
        self._waiting: dict[int, dict[int, Delivery]] = {}
        """Webhook -> deliveries by id, the oldest first."""
        self._token_ids = count(1)
        self._write_ids = count(1)
        self._webhook_ids = count(1)
        self._delivery_ids = count(1)

    async def add_token(
        self,
        *,
        name: str,
        role: Role,
        secret_hash: str,
        depot_id: str | None,
        nodes: Sequence[str],
        at: datetime,
        expires_at: datetime | None,
    ) -> Token:
        """A new one. Raises BusbarError where a token of that name is in use, and for nodes without a depot."""
        at = in_utc(at)
        refuse_token(name, depot_id, nodes)
        self._refuse_unknown(depot_id)
        refuse_second_token((one for one in self._tokens.values() if one.name == name), at)
        if any(one.secret_hash == secret_hash for one in self._tokens.values()):
            raise BusbarError("There is a token with that secret already; make another.")
        token = Token(
            id=next(self._token_ids),
            name=name,
            role=role,
            secret_hash=secret_hash,
            depot_id=depot_id,
            nodes=tuple(nodes),
            created_at=at,
            expires_at=None if expires_at is None else in_utc(expires_at),
        )
        self._tokens[token.id] = token
        return token

    async def tokens(self) -> Sequence[Token]:
        """All, revoked ones too, oldest first."""
        return tuple(self._tokens.values())

    async def token_with(self, secret_hash: str) -> Token | None:
        """The one with that hash, revoked or not."""
        return next((one for one in self._tokens.values() if one.secret_hash == secret_hash), None)

    async def revoke_token(self, token_id: int, *, at: datetime) -> Token | None:
        """Revoke it; None where there is none. Twice is fine, and the first stands."""
        at, token = in_utc(at), self._tokens.get(token_id)
        if token is not None and token.revoked_at is None:
            self._tokens[token_id] = token = replace(token, revoked_at=at)
        return token

    async def note_use(self, token_id: int, *, at: datetime) -> None:
        """It was used; kept where that is a minute or more from what is known."""
        at, token = in_utc(at), self._tokens.get(token_id)
        if token is not None and (token.used_at is None or abs(at - token.used_at) >= SAME_USE):
            self._tokens[token_id] = replace(token, used_at=at)

    async def writes(self, depot_id: str, *, before: int | None = None, limit: int = 100) -> Sequence[WriteRecord]:
        """The newest first, with ids below `before`."""
        found = [
            one
            for one in reversed(self._writes.values())
            if one.depot_id == depot_id and (before is None or one.id < before)
        ]
        return tuple(found[: max(limit, 0)])

    def note_write(self, depot_id: str, write: WriteRecord | None) -> None:
        """Into the audit log, where there is one to note. Raises BusbarError."""
        if write is not None:
            refuse_other_depot(write, depot_id)
            noted = replace(write, id=next(self._write_ids), at=in_utc(write.at))
            self._writes[noted.id] = noted

    def forget_writes(self, depot_id: str, *, before: datetime) -> int:
        """Audit entries of that depot that are older; how many."""
        old = [one.id for one in self._writes.values() if one.depot_id == depot_id and one.at < before]
        for write_id in old:
            del self._writes[write_id]
        return len(old)

    async def add_webhook(
        self, *, url: str, secret: str, depot_id: str | None, kinds: Sequence[NoticeKind], at: datetime
    ) -> Webhook:
        """A new one. Raises BusbarError for an unknown depot."""
        at = in_utc(at)
        self._refuse_unknown(depot_id)
        webhook = Webhook(
            id=next(self._webhook_ids), url=url, secret=secret, depot_id=depot_id, kinds=tuple(kinds), created_at=at
        )
        self._webhooks[webhook.id] = webhook
        self._waiting[webhook.id] = {}
        return webhook

    async def webhooks(self) -> Sequence[Webhook]:
        """Those in use, oldest first."""
        return tuple(self._webhooks.values())

    async def remove_webhook(self, webhook_id: int, *, at: datetime) -> Webhook | None:
        """Tell it nothing more and forget what was on its way; None where there is none in use."""
        at, webhook = in_utc(at), self._webhooks.pop(webhook_id, None)
        if webhook is None:
            return None
        del self._waiting[webhook_id]
        return replace(webhook, removed_at=at)

    async def enqueue(self, depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None) -> int:
        """Put notices on their way to every webhook that wants them, or to one; how many deliveries."""
        self._refuse_unknown(depot_id)
        return self.fan_out(depot_id, notices, webhook_id=webhook_id)

    def fan_out(self, depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None) -> int:
        """The same, in the middle of something else that is kept; all or nothing."""
        notices = [replace(one, at=in_utc(one.at)) for one in notices]
        found = addressed(self._webhooks.values(), depot_id, notices, webhook_id=webhook_id)
        for addressee, notice in found:
            delivery = Delivery(
                id=next(self._delivery_ids), webhook_id=addressee, depot_id=depot_id, notice=notice, due_at=notice.at
            )
            waiting = self._waiting[addressee]
            waiting[delivery.id] = delivery
            if len(waiting) > MOST_WAITING:
                del waiting[next(iter(waiting))]
        return len(found)

    async def due_deliveries(self, *, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """The first undelivered one of each webhook, depot and node, where it is due; oldest first."""
        now, first = in_utc(now), dict[tuple[int, str, str], Delivery]()
        for waiting in self._waiting.values():
            for one in waiting.values():
                first.setdefault((one.webhook_id, one.depot_id, one.notice.node), one)
        due = sorted((one for one in first.values() if one.due_at <= now), key=lambda one: one.id)
        return tuple(due[: max(limit, 0)])

    async def deliveries_waiting(self) -> dict[int, int]:
        """Webhook -> how many wait, for those where some do."""
        return {webhook_id: len(waiting) for webhook_id, waiting in self._waiting.items() if waiting}

    async def delivered(self, delivery_id: int, *, at: datetime) -> None:
        """It arrived: forget it. `at` is checked and not kept."""
        in_utc(at)
        for waiting in self._waiting.values():
            waiting.pop(delivery_id, None)

    async def postpone(self, delivery_id: int, *, due_at: datetime, error: str) -> None:
        """It did not arrive: one attempt more, due again then. Nothing where it is gone."""
        due_at = in_utc(due_at)
        for waiting in self._waiting.values():
            if (one := waiting.get(delivery_id)) is not None:
                waiting[delivery_id] = replace(one, attempts=one.attempts + 1, due_at=due_at, last_error=error)

    async def drop_deliveries(self, *, before: datetime) -> int:
        """Give up those whose notice is older; how many."""
        before, dropped = in_utc(before), 0
        for waiting in self._waiting.values():
            old = [one.id for one in waiting.values() if one.notice.at < before]
            dropped += len(old)
            for delivery_id in old:
                del waiting[delivery_id]
        return dropped

    def _refuse_unknown(self, depot_id: str | None) -> None:
        if depot_id is not None and depot_id not in self._depots:
            raise unknown_depot(depot_id)
