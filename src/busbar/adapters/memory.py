"""The store in memory: what the simulator uses, and the plain twin that the database stores must equal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Session
from busbar.engine.ports import CycleRecord, GridConnection, ImportResult, Microgrid
from busbar.engine.provisioning import Difference, Provisioning, difference, import_result, provision

Value = TypeVar("Value", Session, CycleRecord)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """All parts of one kind that a depot ever had."""

    known: Mapping[str, Any]
    retired: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What is kept of one depot."""

    depot: Depot
    parts: tuple[_Parts, ...]
    microgrid: Microgrid


_NOTHING = _Parts(known={}, retired=frozenset())


class MemoryStore:
    """Keeps depots, microgrids, sessions and cycles until the process ends (the port `Store`)."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._sessions: dict[str, tuple[Session, ...]] = {}
        self._cycles: dict[str, dict[int, CycleRecord]] = {}
        self._microgrid_ids = count(1)
        self._node_ids = count(1)

    async def import_depot(self, depot: Depot, *, at: datetime) -> ImportResult:
        """Store a checked depot and provision its microgrid; all or nothing."""
        at = _in_utc(at)
        _refuse_dangling(depot)
        before = self._kept.get(depot.id)
        wanted = _wanted_parts(depot)
        known = before.parts if before else (_NOTHING,) * len(wanted)
        differences = [
            difference(known=old.known, retired=old.retired, wanted=new) for old, new in zip(known, wanted, strict=True)
        ]
        parts = tuple(_merge(*three) for three in zip(known, wanted, differences, strict=True))
        nodes = before.microgrid.grid_connections if before else ()
        nodes = self._provisioned(nodes, provision(depot, nodes), at=at)
        microgrid_id = before.microgrid.id if before else next(self._microgrid_ids)
        microgrid = Microgrid(id=microgrid_id, depot_id=depot.id, grid_connections=nodes)
        self._kept[depot.id] = _Kept(depot=depot, parts=parts, microgrid=microgrid)
        return import_result(differences, microgrid)

    def _provisioned(
        self, nodes: tuple[GridConnection, ...], wanted: Provisioning, *, at: datetime
    ) -> tuple[GridConnection, ...]:
        names = {**wanted.rename, **wanted.bring_back}
        result = []
        for node in nodes:
            if node.id in names:
                node = replace(node, name=names[node.id], retired_at=None)
            elif node.id in wanted.retire:
                node = replace(node, retired_at=at)
            result.append(node)
        for circuit_id, name in wanted.add.items():
            new = GridConnection(id=next(self._node_ids), circuit_id=circuit_id, name=name, retired_at=None)
            result.append(new)
        return tuple(result)

    async def load_depot(self, depot_id: str) -> Depot | None:
        """The depot as last imported; None where there is none."""
        kept = self._kept.get(depot_id)
        return kept.depot if kept else None

    async def depot_ids(self) -> Sequence[str]:
        """All depots, sorted."""
        return tuple(sorted(self._kept))

    async def microgrid(self, depot_id: str) -> Microgrid | None:
        """The depot's microgrid with its grid connections; None where there is none."""
        kept = self._kept.get(depot_id)
        return kept.microgrid if kept else None

    async def save_sessions(self, depot_id: str, sessions: Sequence[Session], *, at: datetime) -> None:
        """These are the vehicles there now; those that left are forgotten. `at` is checked and not kept."""
        _in_utc(at)
        self._refuse_unknown(depot_id)
        present = {session.connector: _times_in_utc(session) for session in sessions}
        if len(present) != len(sessions):
            raise BusbarError(f"Two sessions are on one connector of depot {depot_id}.")
        self._sessions[depot_id] = tuple(present[connector] for connector in sorted(present))

    async def open_sessions(self, depot_id: str) -> Sequence[Session]:
        """The vehicles there as last saved, by connector."""
        return self._sessions.get(depot_id, ())

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        """Keep a cycle with its allocations. Raises BusbarError where the number was kept already."""
        self._refuse_unknown(depot_id)
        kept = self._cycles.setdefault(depot_id, {})
        if cycle.number in kept:
            raise BusbarError(f"Cycle {cycle.number} of depot {depot_id} was kept already; a number is used once.")
        kept[cycle.number] = _times_in_utc(cycle)

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        return max(self._cycles.get(depot_id, ()), default=0)

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        kept = self._cycles.get(depot_id, {})
        numbers = sorted(number for number in kept if number > after)
        return tuple(kept[number] for number in numbers[: max(limit, 0)])

    async def close(self) -> None:
        """There is nothing to give back."""

    def _refuse_unknown(self, depot_id: str) -> None:
        if depot_id not in self._kept:
            raise BusbarError(f"There is no depot {depot_id} in the store; import it first.")


def _wanted_parts(depot: Depot) -> tuple[list[tuple[str, Any]], ...]:
    """Id and content of the depot's own values, its circuits, its charge points and its connectors."""
    return (
        [(depot.id, replace(depot, circuits=(), charge_points=()))],
        [(circuit.id, circuit) for circuit in depot.circuits],
        [(charge_point.id, replace(charge_point, connectors=())) for charge_point in depot.charge_points],
        [
            (f"{charge_point.id}/{connector.id}", connector)
            for charge_point in depot.charge_points
            for connector in charge_point.connectors
        ],
    )


def _merge(known: _Parts, wanted: Iterable[tuple[str, Any]], result: Difference) -> _Parts:
    in_use = dict(wanted)
    return _Parts(known={**known.known, **in_use}, retired=(known.retired | set(result.retired)).difference(in_use))


def _refuse_dangling(depot: Depot) -> None:
    """What foreign keys do in a database. Raises BusbarError for a circuit that is named and not there."""
    there = {circuit.id for circuit in depot.circuits}
    named = {circuit.parent for circuit in depot.circuits if circuit.parent is not None}
    named |= {charge_point.circuit for charge_point in depot.charge_points}
    if named - there:
        raise BusbarError(f"Depot {depot.id} has no circuit {', '.join(sorted(named - there))}.")


def _times_in_utc(value: Value) -> Value:
    times: dict[str, Any] = {
        field.name: _in_utc(when) for field in fields(value) if isinstance(when := getattr(value, field.name), datetime)
    }
    return replace(value, **times)


def _in_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise BusbarError(f"{when.isoformat()} has no time zone; times are stored aware.")
    return when.astimezone(UTC)
