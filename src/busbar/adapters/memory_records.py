"""What the OCPP adapter keeps, in memory: for demos and tests, and the plain twin of the one in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from busbar.core.errors import BusbarError
from busbar.engine.events import ChargePointFacts
from busbar.engine.ports import Credential, OpenTransaction, PendingIdentity

MOST_PENDING = 1000
"""How many of those that were turned away are remembered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTransaction:
    """A transaction with what became of it."""

    depot_id: str
    transaction: OpenTransaction
    given_reference: str | None
    """The reference as it was reported; None for one that was named by us."""
    ended_at: datetime | None = None
    reason: str = ""


class MemoryRecords:
    """Keeps credentials, facts, transactions and the turned away until the process ends (port `ChargePointRecords`)."""

    def __init__(self) -> None:
        self._credentials: dict[tuple[str, str, str], Credential] = {}
        self._pending: dict[str, PendingIdentity] = {}
        self._facts: dict[str, dict[str, ChargePointFacts]] = {}
        self._transactions: dict[int, KeptTransaction] = {}
        self._ids = count(1)

    async def credential(self, kind: str, depot_id: str, subject: str) -> Credential | None:
        """How that charge point or meter proves who it is; None: it was given nothing yet."""
        return self._credentials.get((kind, depot_id, subject))

    async def save_credential(self, credential: Credential, *, at: datetime) -> None:
        """Replaces what was there. `at` is checked and not kept."""
        _in_utc(at)
        self._credentials[credential.kind, credential.depot_id, credential.subject] = credential

    async def note_pending(self, identity: str, *, address: str, reason: str, at: datetime) -> None:
        """Somebody was turned away; the oldest are forgotten beyond a thousand."""
        at = _in_utc(at)
        known = self._pending.pop(identity, None)
        self._pending[identity] = PendingIdentity(
            identity=identity,
            address=address,
            reason=reason,
            first_at=known.first_at if known else at,
            last_at=at,
            attempts=known.attempts + 1 if known else 1,
        )
        while len(self._pending) > MOST_PENDING:
            self._pending.pop(next(iter(self._pending)))

    async def pending_identities(self) -> Sequence[PendingIdentity]:
        """Who was turned away, the latest first."""
        return tuple(reversed(self._pending.values()))

    async def save_facts(self, depot_id: str, charge_point: str, facts: ChargePointFacts, *, at: datetime) -> None:
        """What a charge point said it is. `at` is checked and not kept."""
        _in_utc(at)
        self._facts.setdefault(depot_id, {})[charge_point] = facts

    async def facts(self, depot_id: str) -> Mapping[str, ChargePointFacts]:
        """By charge point."""
        return dict(self._facts.get(depot_id, {}))

    async def begin_transaction(
        self,
        depot_id: str,
        *,
        charge_point: str,
        connector: str,
        reference: str | None,
        id_tag: str | None,
        vehicle: str | None,
        started_at: datetime,
        meter_start_wh: int | None,
    ) -> OpenTransaction:
        """Begins one, or gives back the open one that was reported before.

        An open one of the same connector that began earlier ends. Where one is open that began later, this one was
        kept back by the charge point while it was offline: it is recorded as ended already, and the later one stays.
        """
        started_at = _in_utc(started_at)
        open_ones = [
            kept
            for kept in self._transactions.values()
            if kept.depot_id == depot_id and kept.ended_at is None and kept.transaction.connector == connector
        ]
        for kept in open_ones:
            if _is_same(kept, charge_point, reference, started_at, meter_start_wh):
                return kept.transaction
        is_late = any(kept.transaction.started_at > started_at for kept in open_ones)
        for kept in open_ones:
            if kept.transaction.started_at <= started_at:
                await self.end_transaction(depot_id, kept.transaction.id, at=started_at, reason="another one began")
        number = next(self._ids)
        begun = OpenTransaction(
            id=number,
            reference=reference if reference is not None else str(number),
            charge_point=charge_point,
            connector=connector,
            id_tag=id_tag,
            vehicle=vehicle,
            started_at=started_at,
            meter_start_wh=meter_start_wh,
        )
        self._transactions[number] = KeptTransaction(
            depot_id=depot_id,
            transaction=begun,
            given_reference=reference,
            ended_at=started_at if is_late else None,
            reason="reported late" if is_late else "",
        )
        return begun

    async def end_transaction(self, depot_id: str, transaction_id: int, *, at: datetime, reason: str) -> None:
        """Ends one; ending twice is fine, and the first end stays, except for one that was only reported late."""
        kept = self._transactions.get(transaction_id)
        if kept is None or kept.depot_id != depot_id:
            return
        if kept.ended_at is None or kept.reason == "reported late":
            self._transactions[transaction_id] = replace(kept, ended_at=_in_utc(at), reason=reason)

    async def open_transactions(self, depot_id: str) -> Sequence[OpenTransaction]:
        """All that have not ended, by connector."""
        open_ones = (
            kept.transaction
            for kept in self._transactions.values()
            if kept.depot_id == depot_id and kept.ended_at is None
        )
        return tuple(sorted(open_ones, key=lambda transaction: transaction.connector))

    def kept_transactions(self) -> Sequence[KeptTransaction]:
        """All of them with their ends, in the order they were reported."""
        return tuple(self._transactions.values())


def _is_same(
    kept: KeptTransaction, charge_point: str, reference: str | None, started_at: datetime, meter_start_wh: int | None
) -> bool:
    if kept.transaction.charge_point != charge_point or kept.given_reference != reference:
        return False
    if reference is not None:
        return True
    return kept.transaction.started_at == started_at and kept.transaction.meter_start_wh == meter_start_wh


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise BusbarError(f"{when.isoformat()} has no time zone; times are stored aware.")
    return when.astimezone(UTC)
