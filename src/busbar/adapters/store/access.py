"""What the HTTP interface and the webhooks keep, in the store's database."""

from collections.abc import Sequence
from datetime import datetime

from busbar.adapters.refusals import SAME_USE, in_utc, refuse_token
from busbar.adapters.store.audit_log import read_writes
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.deliveries import count_waiting, drop, fan_out, forget, postpone, read_due
from busbar.adapters.store.depots import refuse_unknown
from busbar.adapters.store.tokens import last_use, read_token, read_tokens, revoke, write_token, write_use
from busbar.adapters.store.webhooks import TURN, read_webhooks, remove, write_webhook
from busbar.engine.access import Delivery, Notice, NoticeKind, Role, Token, Webhook, WriteRecord


class SqlAccess:
    """Keeps who may ask and write, what was written, and who is told (the port `AccessRecords`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        async with self._database.writing("tokens") as connection:
            if depot_id is not None:
                await refuse_unknown(connection, depot_id)
            return await write_token(
                connection,
                name=name,
                role=role,
                secret_hash=secret_hash,
                depot_id=depot_id,
                nodes=nodes,
                at=at,
                expires_at=expires_at,
            )

    async def tokens(self) -> Sequence[Token]:
        """All, revoked ones too, oldest first."""
        async with self._database.reading() as connection:
            return await read_tokens(connection)

    async def token_with(self, secret_hash: str) -> Token | None:
        """The one with that hash, revoked or not."""
        async with self._database.reading() as connection:
            return await read_token(connection, secret_hash)

    async def revoke_token(self, token_id: int, *, at: datetime) -> Token | None:
        """Revoke it; None where there is none. Twice is fine, and the first stands."""
        async with self._database.writing("tokens") as connection:
            return await revoke(connection, token_id, at=at)

    async def note_use(self, token_id: int, *, at: datetime) -> None:
        """It was used; written where that is a minute or more from what is known."""
        at = in_utc(at)
        async with self._database.reading() as connection:
            is_there, used_at = await last_use(connection, token_id)
        if is_there and (used_at is None or abs(at - used_at) >= SAME_USE):
            async with self._database.writing("tokens") as connection:
                await write_use(connection, token_id, at=at)

    async def writes(self, depot_id: str, *, before: int | None = None, limit: int = 100) -> Sequence[WriteRecord]:
        """The newest first, with ids below `before`."""
        async with self._database.reading() as connection:
            return await read_writes(connection, depot_id, before=before, limit=max(limit, 0))

    async def add_webhook(
        self, *, url: str, secret: str, depot_id: str | None, kinds: Sequence[NoticeKind], at: datetime
    ) -> Webhook:
        """A new one. Raises BusbarError for an unknown depot."""
        async with self._database.writing(TURN) as connection:
            if depot_id is not None:
                await refuse_unknown(connection, depot_id)
            return await write_webhook(connection, url=url, secret=secret, depot_id=depot_id, kinds=kinds, at=at)

    async def webhooks(self) -> Sequence[Webhook]:
        """Those in use, oldest first."""
        async with self._database.reading() as connection:
            return await read_webhooks(connection)

    async def remove_webhook(self, webhook_id: int, *, at: datetime) -> Webhook | None:
        """Tell it nothing more and forget what was on its way; None where there is none in use."""
        async with self._database.writing(TURN) as connection:
            return await remove(connection, webhook_id, at=at)

    async def enqueue(self, depot_id: str, notices: Sequence[Notice], *, webhook_id: int | None = None) -> int:
        """Put notices on their way to every webhook that wants them, or to one; how many deliveries."""
        async with self._database.writing(f"depot {depot_id}") as connection:
            await refuse_unknown(connection, depot_id)
            return await fan_out(connection, depot_id, notices, webhook_id=webhook_id)

    async def due_deliveries(self, *, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        """The first undelivered one of each webhook, depot and node, where it is due; oldest first."""
        async with self._database.reading() as connection:
            return await read_due(connection, now=now, limit=max(limit, 0))

    async def deliveries_waiting(self) -> dict[int, int]:
        """Webhook -> how many wait, for those where some do."""
        async with self._database.reading() as connection:
            return await count_waiting(connection)

    async def delivered(self, delivery_id: int, *, at: datetime) -> None:
        """It arrived: forget it. `at` is checked and not kept."""
        in_utc(at)
        async with self._database.writing(f"delivery {delivery_id}") as connection:
            await forget(connection, delivery_id)

    async def postpone(self, delivery_id: int, *, due_at: datetime, error: str) -> None:
        """It did not arrive: one attempt more, due again then. Nothing where it is gone."""
        async with self._database.writing(f"delivery {delivery_id}") as connection:
            await postpone(connection, delivery_id, due_at=due_at, error=error)

    async def drop_deliveries(self, *, before: datetime) -> int:
        """Give up those whose notice is older; how many."""
        async with self._database.writing(TURN) as connection:
            return await drop(connection, before=before)
