"""Who may ask and write, what was written, and who is told: what the HTTP interface and the webhooks keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """What a token is good for."""

    VIEWER = "viewer"
    """Reads everything of its depots."""
    OPERATOR = "operator"
    """Reads and writes."""
    DERMS = "derms"
    """Status, cycles, breaches and envelopes of the nodes it is granted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A key to the HTTP interface. The secret itself is never kept."""

    id: int
    name: str
    """Whose it is; stands in the audit log as who wrote."""
    role: Role
    secret_hash: str
    """SHA-256 of the secret, in hex: secrets are random and long, so nothing slower is needed."""
    depot_id: str | None = None
    """None: all depots."""
    nodes: tuple[str, ...] = ()
    """Of a DERMS: the nodes of its depot that it is granted, with everything below them."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    """When it was last used, to the minute; None: never."""

    def is_good(self, now: datetime) -> bool:
        """Whether it may be used now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteRecord:
    """One write by a person or a system: who, when, what, before and after."""

    depot_id: str
    at: datetime
    by: str
    """The token's name, with the name that a person gave where one did."""
    action: str
    """`order`, `lift_order`, `plan`, `settings`, `envelope`, `withdraw_envelope` or `acknowledge`."""
    subject: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    id: int = 0
    """Given by the store."""


class NoticeKind(StrEnum):
    """What others can be told of."""

    BREACH_OPENED = "breach.opened"
    BREACH_UPDATED = "breach.updated"
    BREACH_CLOSED = "breach.closed"
    MODE_CHANGED = "mode.changed"
    ENVELOPE_SHORTFALL = "envelope.shortfall"
    TEST = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that others are to be told; those about one node arrive in order."""

    kind: NoticeKind
    node: str
    at: datetime
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """Who is told."""

    id: int
    url: str
    secret: str
    """Signs every delivery; needed in clear for that."""
    depot_id: str | None = None
    """None: of all depots."""
    kinds: tuple[NoticeKind, ...] = ()
    """Empty: every kind."""
    created_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One notice on its way to one webhook. Deliveries of one webhook and node go in order of their ids."""

    id: int
    webhook_id: int
    depot_id: str
    notice: Notice
    attempts: int = 0
    due_at: datetime
    last_error: str = ""


class AccessRecords(Protocol):
    """What the HTTP interface and the webhooks keep. Every method is one transaction; raises BusbarError."""

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
        """A new one. Raises BusbarError where a token of that name is in use (neither revoked nor expired), for an
        unknown depot, and for nodes without a depot."""
        ...

    async def tokens(self) -> Sequence[Token]:
        """All, revoked ones too, oldest first."""
        ...

    async def token_with(self, secret_hash: str) -> Token | None:
        """The one with that hash, revoked or not."""
        ...

    async def revoke_token(self, token_id: int, *, at: datetime) -> Token | None:
        """Revoke it; None where there is none. Twice is fine."""
        ...

    async def note_use(self, token_id: int, *, at: datetime) -> None:
        """It was used."""
        ...

    async def writes(self, depot_id: str, *, before: int | None = None, limit: int = 100) -> Sequence[WriteRecord]:
        """The newest first, with ids below `before`."""
        ...

    async def add_webhook(
        self, *, url: str, secret: str, depot_id: str | None, kinds: Sequence[NoticeKind], at: datetime
    ) -> Webhook:
        """A new one. Raises BusbarError for an unknown depot."""
        ...

    async def webhooks(self) -> Sequence[Webhook]:
        """Those in use, oldest first."""
        ...

    async def remove_webhook(self, webhook_id: int, *, at: datetime) -> Webhook | None:
        """Tell it nothing more and forget what was on its way; None where there is none in use."""
        ...

    async def enqueue(self, depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None) -> int:
        """Put notices on their way to every webhook that wants them, or to one; how many deliveries."""
        ...

    async def due_deliveries(self, *, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """The first undelivered one of each webhook and node, where it is due; oldest first."""
        ...

    async def deliveries_waiting(self) -> dict[int, int]:
        """Webhook -> how many wait."""
        ...

    async def delivered(self, delivery_id: int, *, at: datetime) -> None:
        """It arrived: forget it."""
        ...

    async def postpone(self, delivery_id: int, *, due_at: datetime, error: str) -> None:
        """It did not arrive: one attempt more, due again then."""
        ...

    async def drop_deliveries(self, *, before: datetime) -> int:
        """Give up those whose notice is older; how many."""
        ...
