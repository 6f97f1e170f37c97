"""What the engine asks of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from busbar.core.depot import Depot
from busbar.core.snapshot import Session
from busbar.core.units import Amount
from busbar.engine.access import Notice, WriteRecord
from busbar.engine.breach_record import BreachRecord
from busbar.engine.events import ChargePointFacts
from busbar.engine.orders import Order


@dataclass(frozen=True, kw_only=True, slots=True)
class GridConnection:
    """A stored first-level node of a microgrid, provisioned from a top-level circuit."""

    id: int
    """Stays for good, whatever the circuit is called."""
    circuit_id: str
    name: str
    retired_at: datetime | None
    """When its top-level circuit went away; None: in use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Microgrid:
    """The stored root record of a depot's electrical model."""

    id: int
    depot_id: str
    grid_connections: tuple[GridConnection, ...]
    """In the order of their ids, retired ones included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """What an import changed: the depot's own values by its id, and its parts (connectors as `CHARGE_POINT/ID`)."""

    depot_id: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    """Includes what had been retired and came back."""
    retired: tuple[str, ...]
    """No longer in the file; kept in the store, out of the depot."""
    unchanged: int
    microgrid: Microgrid


class CycleOutcome(StrEnum):
    """How a cycle ended; the first that applies (design section 7)."""

    FAILED = "FAILED"
    PARTIAL = "PARTIAL"
    CONSTRAINED = "CONSTRAINED"
    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocationRecord:
    """What one connector with a vehicle was given in a cycle, and why not more."""

    leaf: str
    request: int
    setpoint: int
    unit: str
    """`mA` per phase or `W` at the vehicle."""
    power_w: int
    bound_by: dict[str, Any] | None
    """As in the allocation contract (design section 8)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleRecord:
    """One rebalance, as it is kept."""

    number: int
    """Counts every cycle of a depot, from 1; gaps are cycles that changed nothing."""
    at: datetime
    """The snapshot's instant (aware UTC)."""
    trigger: str
    strategy: str
    outcome: CycleOutcome
    duration_us: int
    allocations: tuple[AllocationRecord, ...]
    node_states: dict[str, str]
    """Node id -> state, for nodes that are not OK."""
    violations: tuple[str, ...] = ()
    """What the audit found; empty unless the outcome is FAILED."""
    setpoints: tuple[dict[str, Any], ...] = ()
    """What became of each setpoint that was sent or held back: connector, value, state (sent, acknowledged, settled,
    refused, no_answer, held_back), and why where it was held back."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """What it was decided from, as JSON: leaves, fair_in, vehicles (how many), limited (how many got less than their
    request because of a limit), base_load, modes and envelopes by node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A time-bound limit from outside on a node. Those of one node are merged by minimum."""

    id: int
    node: str
    amount: Amount
    starts_at: datetime
    ends_at: datetime | None
    """None: until it is withdrawn."""
    after: Amount | None = None
    """What holds once it has ended, until it is withdrawn; None: nothing of it."""
    by: str
    reason: str = ""
    at: datetime
    """When it was given."""
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None


class OverrideKind(StrEnum):
    """What a named person may order in daily use."""

    HOLD = "hold"
    """A connector is given nothing until the hold is lifted."""
    STOP = "stop"
    """The vehicle on a connector is stopped for good; the override ends with its session."""
    OUT_OF_SERVICE = "out_of_service"
    """A charge point is isolated: it counts nothing, and nothing is sent to it."""
    SAFE = "safe"
    """A node is SAFE, whatever its meter says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """What a named person ordered, and until when it held."""

    id: int
    kind: OverrideKind
    subject: str
    """A connector (`CP1/1`), a charge point, or a node, as the kind says."""
    by: str
    """Who; never empty."""
    reason: str
    at: datetime
    ended_at: datetime | None = None
    """None: in force."""
    ended_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is known of a vehicle beforehand. Found by connector, by id tag or by the vehicle's own id."""

    key: str
    """`connector:CP1/1`, `id_tag:04A2`, `vehicle:BUS17`."""
    departs: datetime | None = None
    energy_needed_wh: int | None = None
    priority: int | None = None
    by: str
    at: datetime


class TrustLevel(StrEnum):
    """How far a fallback is believed: stored evidence, not configuration (design section 6)."""

    NONE = "none"
    ACCEPTED = "accepted"
    VERIFIED = "verified"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Why a connector's fallback is believed."""

    connector: str
    trust: TrustLevel
    fallback: int
    """The value it is about, in the connector's unit; worth nothing for another one."""
    at: datetime
    detail: str
    """What was seen, in words and figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSetpoint:
    """What safety needs to know of a connector after a restart."""

    connector: str
    value: int
    """The most it may still draw by anything ever sent to it, in its unit."""
    expiry_s: float
    """How long after it was sent the last of it may take effect; negative: so long if its charge point's clock is right
    after all, which was doubted."""
    order_id: str
    at: datetime
    fallback: int = 0
    """The most it may fall back to when its lease ends: another than the depot's where that was edited meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CommissioningRequest:
    """A person's wish to prove a charge point's fallbacks, and what came of it."""

    id: int
    charge_point: str
    by: str
    at: datetime
    state: str
    """`asked`, `running`, `passed` or `failed`."""
    result: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenTransaction:
    """A charge that a charge point began and has not ended, in its own terms."""

    id: int
    """Ours, never used twice: what an OCPP 1.6 charge point is told."""
    reference: str
    """The charge point's own name for it (OCPP 2.0.1); for 1.6 the text of `id`."""
    charge_point: str
    connector: str
    id_tag: str | None
    vehicle: str | None
    started_at: datetime
    meter_start_wh: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingIdentity:
    """Somebody who tried to connect and is not known, or could not prove who they are."""

    identity: str
    address: str
    reason: str
    first_at: datetime
    last_at: datetime
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """How somebody proves who they are. The secret itself is never kept."""

    kind: str
    """`charge_point` or `meter`."""
    depot_id: str
    subject: str
    """The charge point or the metered node."""
    secret_hash: str
    """As `adapters/secrets.py` writes it."""


class ChargePointRecords(Protocol):
    """What the OCPP adapter keeps across restarts. Every method is one transaction; raises BusbarError."""

    async def credential(self, kind: str, depot_id: str, subject: str) -> Credential | None:
        """How that charge point or meter proves who it is; None: it was given nothing yet."""
        ...

    async def save_credential(self, credential: Credential, *, at: datetime) -> None:
        """Replaces what was there."""
        ...

    async def note_pending(self, identity: str, *, address: str, reason: str, at: datetime) -> None:
        """Somebody was turned away. Bounded: the oldest are forgotten beyond a thousand."""
        ...

    async def pending_identities(self) -> Sequence[PendingIdentity]:
        """Who was turned away, the latest first."""
        ...

    async def save_facts(self, depot_id: str, charge_point: str, facts: ChargePointFacts, *, at: datetime) -> None:
        """What a charge point said it is."""
        ...

    async def facts(self, depot_id: str) -> Mapping[str, ChargePointFacts]:
        """By charge point."""
        ...

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
        """Begins one, or gives back the open one that was reported before (same charge point, connector and
        reference; without a reference, same start and register: a charge point that lost our answer asks again).
        An open one of the same connector that is another ends."""
        ...

    async def end_transaction(self, depot_id: str, transaction_id: int, *, at: datetime, reason: str) -> None:
        """Ends one; ending twice is fine."""
        ...

    async def open_transactions(self, depot_id: str) -> Sequence[OpenTransaction]:
        """All that have not ended, by connector."""
        ...


class ChargePoints(Protocol):
    """Real charge points, or simulated ones. Nothing here waits: what comes back comes back as events."""

    def serve_depot(self, depot: Depot) -> None:
        """These charge points are known from now on, in place of what was known of this depot before.

        Charge points that are gone are disconnected; connectors whose fallback changed are told the new one.
        """
        ...

    def send(self, order: Order) -> None:
        """Send it now. Exactly one `Answered` follows, at the latest after the answer time."""
        ...

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        """Close its connection; turn it away for so long."""
        ...


class Store(Protocol):
    """Where depots, microgrids, sessions and cycles are kept. Every method is one transaction.

    Raises BusbarError for whatever cannot be kept or read: a depot that is not known, a time without a zone, an
    id or a connector that is there twice, a database that does not answer.
    """

    async def import_depot(self, depot: Depot, *, at: datetime) -> ImportResult:
        """Store a checked depot and provision its microgrid; all or nothing.

        Ids of what was already there stay; what is no longer in the depot is retired, not lost.
        """
        ...

    async def load_depot(self, depot_id: str) -> Depot | None:
        """The depot as last imported, without what is retired; None where there is none."""
        ...

    async def depot_ids(self) -> Sequence[str]:
        """All depots, sorted."""
        ...

    async def microgrid(self, depot_id: str) -> Microgrid | None:
        """The depot's microgrid with its grid connections; None where there is none."""
        ...

    async def save_sessions(self, depot_id: str, sessions: Sequence[Session], *, at: datetime) -> None:
        """These are the vehicles there now; open sessions of other connectors end at `at`.

        A session is the same one as before while connector and arrival are the same.
        """
        ...

    async def open_sessions(self, depot_id: str) -> Sequence[Session]:
        """The vehicles there as last saved, by connector."""
        ...

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        """Keep a cycle with its allocations. Raises BusbarError where the number was kept already."""
        ...

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        ...

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        ...

    async def cycle_page(
        self,
        depot_id: str,
        *,
        before: int | None = None,
        outcomes: Sequence[CycleOutcome] = (),
        node: str | None = None,
        limit: int = 100,
    ) -> Sequence[CycleRecord]:
        """Kept cycles with a number below `before`, the newest first, without allocations and setpoints.

        `outcomes`: only those (empty: all). `node`: only cycles in which that node was not OK, or, of a connector,
        that gave it something or bound it.
        """
        ...

    async def cycle(self, depot_id: str, number: int) -> CycleRecord | None:
        """One, whole; None where that number was not kept."""
        ...

    async def change_settings(
        self,
        depot_id: str,
        *,
        strategy: str | None = None,
        leaves: str | None = None,
        fair_in: str | None = None,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> int:
        """Change what is given of a depot's own settings (None: as it is) as an import would; its new revision."""
        ...

    async def add_envelope(self, depot_id: str, envelope: Envelope, *, write: WriteRecord | None = None) -> Envelope:
        """Keep it; as kept, with its id (the given one is ignored)."""
        ...

    async def withdraw_envelope(
        self, depot_id: str, envelope_id: int, *, by: str, at: datetime, write: WriteRecord | None = None
    ) -> Envelope | None:
        """It holds no more; None where there is none. Twice is fine, and the first withdrawal stands."""
        ...

    async def envelopes(self, depot_id: str, *, now: datetime | None = None) -> Sequence[Envelope]:
        """Oldest first. With `now`: only those that hold then or later (not withdrawn, and not ended for good)."""
        ...

    async def save_breaches(
        self, depot_id: str, breaches: Sequence[BreachRecord], *, notices: Sequence[Notice] = ()
    ) -> None:
        """Keep them by id, in place of what was kept, but for the acknowledgement, which stays; and put the notices
        on their way to the webhooks, in one transaction."""
        ...

    async def open_breaches(self, depot_id: str) -> Sequence[BreachRecord]:
        """Those that go on, oldest first."""
        ...

    async def breaches(
        self,
        depot_id: str,
        *,
        is_open: bool | None = None,
        node: str | None = None,
        before: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[BreachRecord]:
        """Open ones first, then the newest first, without series; `before`: started before then."""
        ...

    async def breach(self, depot_id: str, breach_id: str) -> BreachRecord | None:
        """One, whole."""
        ...

    async def acknowledge_breach(
        self, depot_id: str, breach_id: str, *, by: str, note: str, at: datetime, write: WriteRecord | None = None
    ) -> BreachRecord | None:
        """A named person has seen it (which closes nothing); again replaces the note. None where there is none."""
        ...

    async def depot_revision(self, depot_id: str) -> int:
        """Grows with every import and every change of settings of the depot; 0 where there is none."""
        ...

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        """Keep what is about to be sent, all of it or nothing; replaces what was kept of these connectors.

        When it returns the rows have reached the disk. Fast for ten thousand rows.
        """
        ...

    async def stored_setpoints(self, depot_id: str) -> Sequence[StoredSetpoint]:
        """By connector."""
        ...

    async def save_evidence(self, depot_id: str, evidence: Sequence[Evidence]) -> None:
        """Replaces what was kept of these connectors."""
        ...

    async def evidence(self, depot_id: str) -> Sequence[Evidence]:
        """By connector."""
        ...

    async def add_override(
        self,
        depot_id: str,
        *,
        kind: OverrideKind,
        subject: str,
        by: str,
        reason: str,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> Override:
        """Put one in force. Where the same is in force already, that one is given back.

        `write`, here and below, goes into the audit log in the same transaction.
        """
        ...

    async def end_override(
        self,
        depot_id: str,
        *,
        kind: OverrideKind,
        subject: str,
        by: str,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> Override | None:
        """Lift it; None where there was none (and nothing is written)."""
        ...

    async def overrides(self, depot_id: str, *, ended: bool = False) -> Sequence[Override]:
        """Those in force, oldest first; with `ended`, the others too."""
        ...

    async def save_plan(self, depot_id: str, plan: Plan, *, write: WriteRecord | None = None) -> None:
        """Replaces the plan with the same key."""
        ...

    async def plans(self, depot_id: str) -> Sequence[Plan]:
        """By key."""
        ...

    async def ask_commissioning(self, depot_id: str, *, charge_point: str, by: str, at: datetime) -> int:
        """Write down a wish; its id. Raises BusbarError where one of the same charge point is open."""
        ...

    async def commissioning_requests(self, depot_id: str, *, is_open: bool = True) -> Sequence[CommissioningRequest]:
        """Oldest first; with `is_open` those asked or running."""
        ...

    async def update_commissioning(self, depot_id: str, request_id: int, *, state: str, result: dict[str, Any]) -> None:
        """What became of it so far."""
        ...

    async def prune(self, depot_id: str, *, before: datetime) -> int:
        """Forget cycles and ended sessions, transactions and overrides older than that; how many rows.

        In small transactions, so that nothing waits for it.
        """
        ...

    async def close(self) -> None:
        """Give back connections and files."""
        ...
