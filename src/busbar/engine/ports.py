"""What the engine asks of the world."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from busbar.core.depot import Depot
from busbar.core.snapshot import Session


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

    async def close(self) -> None:
        """Give back connections and files."""
        ...
