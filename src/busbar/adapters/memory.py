"""The store in memory: what the simulator uses, and the plain twin that the database stores must equal."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import count
from math import isfinite
from typing import Any, TypeVar

from busbar.adapters.memory_parts import NOTHING, Parts, merge, refuse_dangling, wanted_parts
from busbar.adapters.refusals import (
    OPEN_STATES,
    in_utc,
    refuse_nobody,
    refuse_repeated,
    refuse_request_change,
    refuse_second_request,
    unknown_depot,
)
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Session
from busbar.engine.ports import (
    CommissioningRequest,
    CycleRecord,
    Evidence,
    GridConnection,
    ImportResult,
    Microgrid,
    Override,
    OverrideKind,
    Plan,
    StoredSetpoint,
)
from busbar.engine.provisioning import Provisioning, difference, import_result, provision

Value = TypeVar("Value", Session, CycleRecord, StoredSetpoint, Evidence, Plan)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What is kept of one depot."""

    depot: Depot
    parts: tuple[Parts, ...]
    microgrid: Microgrid
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Happened:
    """What happened in one depot, and what is to happen there."""

    sessions: dict[str, Session] = field(default_factory=dict)
    ended_sessions: list[datetime] = field(default_factory=list)
    """When each ended; nobody asks for more of them."""
    cycles: dict[int, CycleRecord] = field(default_factory=dict)
    setpoints: dict[str, StoredSetpoint] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    overrides: dict[int, Override] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    requests: dict[int, CommissioningRequest] = field(default_factory=dict)


class MemoryStore:
    """Keeps depots and all that happens in them until the process ends (the port `Store`)."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._happened: dict[str, _Happened] = {}
        self._microgrid_ids = count(1)
        self._node_ids = count(1)
        self._override_ids = count(1)
        self._request_ids = count(1)

    async def import_depot(self, depot: Depot, *, at: datetime) -> ImportResult:
        """Store a checked depot and provision its microgrid; all or nothing."""
        at = in_utc(at)
        refuse_dangling(depot)
        before = self._kept.get(depot.id)
        wanted = wanted_parts(depot)
        known = before.parts if before else (NOTHING,) * len(wanted)
        differences = [
            difference(known=old.known, retired=old.retired, wanted=new) for old, new in zip(known, wanted, strict=True)
        ]
        parts = tuple(merge(*three) for three in zip(known, wanted, differences, strict=True))
        nodes = before.microgrid.grid_connections if before else ()
        nodes = self._provisioned(nodes, provision(depot, nodes), at=at)
        microgrid_id = before.microgrid.id if before else next(self._microgrid_ids)
        microgrid = Microgrid(id=microgrid_id, depot_id=depot.id, grid_connections=nodes)
        revision = before.revision + 1 if before else 1
        self._kept[depot.id] = _Kept(depot=depot, parts=parts, microgrid=microgrid, revision=revision)
        self._happened.setdefault(depot.id, _Happened())
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

    async def depot_revision(self, depot_id: str) -> int:
        """How often the depot was imported; 0 where there is none."""
        kept = self._kept.get(depot_id)
        return kept.revision if kept else 0

    async def save_sessions(self, depot_id: str, sessions: Sequence[Session], *, at: datetime) -> None:
        """These are the vehicles there now; of those that left nothing is kept but when."""
        at, here = in_utc(at), self._in(depot_id)
        present = {session.connector: _times_in_utc(session) for session in sessions}
        if len(present) != len(sessions):
            raise BusbarError(f"Two sessions are on one connector of depot {depot_id}.")
        stayed = {
            connector
            for connector, session in here.sessions.items()
            if connector in present and present[connector].arrived == session.arrived
        }
        here.ended_sessions.extend([at] * (len(here.sessions) - len(stayed)))
        here.sessions.clear()
        here.sessions.update(present)

    async def open_sessions(self, depot_id: str) -> Sequence[Session]:
        """The vehicles there as last saved, by connector."""
        return _by_key(self._seen_in(depot_id).sessions)

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        """Keep a cycle with its allocations. Raises BusbarError where the number was kept already."""
        here = self._in(depot_id)
        if cycle.number in here.cycles:
            raise BusbarError(f"Cycle {cycle.number} of depot {depot_id} was kept already; a number is used once.")
        here.cycles[cycle.number] = _times_in_utc(cycle)

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        return max(self._seen_in(depot_id).cycles, default=0)

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        kept = self._seen_in(depot_id).cycles
        numbers = sorted(number for number in kept if number > after)
        return tuple(kept[number] for number in numbers[: max(limit, 0)])

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        """Keep what is about to be sent, in place of what was kept of these connectors."""
        here = self._in(depot_id)
        refuse_repeated(one.connector for one in setpoints)
        if not all(isfinite(one.expiry_s) for one in setpoints):
            raise BusbarError("An expiry is a number of seconds; without end it is written as a negative one.")
        here.setpoints.update({one.connector: _times_in_utc(one) for one in setpoints})

    async def stored_setpoints(self, depot_id: str) -> Sequence[StoredSetpoint]:
        """By connector."""
        return _by_key(self._seen_in(depot_id).setpoints)

    async def save_evidence(self, depot_id: str, evidence: Sequence[Evidence]) -> None:
        """In place of what was kept of these connectors."""
        here = self._in(depot_id)
        refuse_repeated(one.connector for one in evidence)
        here.evidence.update({one.connector: _times_in_utc(one) for one in evidence})

    async def evidence(self, depot_id: str) -> Sequence[Evidence]:
        """By connector."""
        return _by_key(self._seen_in(depot_id).evidence)

    async def add_override(
        self, depot_id: str, *, kind: OverrideKind, subject: str, by: str, reason: str, at: datetime
    ) -> Override:
        """Put one in force. Where the same is in force already, that one is given back."""
        refuse_nobody(by)
        here, at = self._in(depot_id), in_utc(at)
        before = _in_force(here, kind, subject)
        if before is not None:
            return before
        override = Override(id=next(self._override_ids), kind=kind, subject=subject, by=by, reason=reason, at=at)
        here.overrides[override.id] = override
        return override

    async def end_override(
        self, depot_id: str, *, kind: OverrideKind, subject: str, by: str, at: datetime
    ) -> Override | None:
        """Lift it; None where there was none."""
        refuse_nobody(by)
        here, at = self._in(depot_id), in_utc(at)
        before = _in_force(here, kind, subject)
        if before is None:
            return None
        here.overrides[before.id] = replace(before, ended_at=at, ended_by=by)
        return here.overrides[before.id]

    async def overrides(self, depot_id: str, *, ended: bool = False) -> Sequence[Override]:
        """Those in force, oldest first; with `ended`, the others too."""
        kept = self._seen_in(depot_id).overrides.values()
        wanted = (one for one in kept if ended or one.ended_at is None)
        return tuple(sorted(wanted, key=lambda one: (one.at, one.id)))

    async def save_plan(self, depot_id: str, plan: Plan) -> None:
        """In place of the plan with the same key."""
        refuse_nobody(plan.by)
        self._in(depot_id).plans[plan.key] = _times_in_utc(plan)

    async def plans(self, depot_id: str) -> Sequence[Plan]:
        """By key."""
        return _by_key(self._seen_in(depot_id).plans)

    async def ask_commissioning(self, depot_id: str, *, charge_point: str, by: str, at: datetime) -> int:
        """Write down a wish; its id. Raises BusbarError where one of the same charge point is open."""
        refuse_nobody(by)
        here, at = self._in(depot_id), in_utc(at)
        same = (one for one in here.requests.values() if one.charge_point == charge_point and one.state in OPEN_STATES)
        refuse_second_request(next(same, None))
        request_id = next(self._request_ids)
        here.requests[request_id] = CommissioningRequest(
            id=request_id, charge_point=charge_point, by=by, at=at, state="asked", result={}
        )
        return request_id

    async def commissioning_requests(self, depot_id: str, *, is_open: bool = True) -> Sequence[CommissioningRequest]:
        """Oldest first; with `is_open` those asked or running."""
        kept = self._seen_in(depot_id).requests.values()
        wanted = (one for one in kept if not is_open or one.state in OPEN_STATES)
        return tuple(sorted(wanted, key=lambda one: (one.at, one.id)))

    async def update_commissioning(self, depot_id: str, request_id: int, *, state: str, result: dict[str, Any]) -> None:
        """What became of it so far. Raises BusbarError where there is none, and where it would open again."""
        here = self._in(depot_id)
        before = here.requests.get(request_id)
        refuse_request_change(before, request_id, state)
        assert before is not None, "one that is not there has been refused"
        here.requests[request_id] = replace(before, state=state, result=dict(result))

    async def prune(self, depot_id: str, *, before: datetime) -> int:
        """Forget cycles, and sessions and overrides that ended before that; how many. The last cycle stays."""
        before, here = in_utc(before), self._seen_in(depot_id)
        last = max(here.cycles, default=0)
        old_cycles = [number for number, cycle in here.cycles.items() if cycle.at < before and number != last]
        old_overrides = [one.id for one in here.overrides.values() if one.ended_at and one.ended_at < before]
        recent = [ended_at for ended_at in here.ended_sessions if ended_at >= before]
        old_sessions = len(here.ended_sessions) - len(recent)
        here.ended_sessions[:] = recent
        for number in old_cycles:
            del here.cycles[number]
        for override_id in old_overrides:
            del here.overrides[override_id]
        return len(old_cycles) + len(old_overrides) + old_sessions

    async def close(self) -> None:
        """There is nothing to give back."""

    def _in(self, depot_id: str) -> _Happened:
        """To write to. Raises BusbarError where the depot is not known."""
        if depot_id not in self._happened:
            raise unknown_depot(depot_id)
        return self._happened[depot_id]

    def _seen_in(self, depot_id: str) -> _Happened:
        """To read from; nothing has happened in a depot that is not known."""
        return self._happened.get(depot_id) or _Happened()


def _by_key(kept: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(kept[key] for key in sorted(kept))


def _in_force(here: _Happened, kind: OverrideKind, subject: str) -> Override | None:
    same = (one for one in here.overrides.values() if (one.kind, one.subject, one.ended_at) == (kind, subject, None))
    return next(same, None)


def _times_in_utc(value: Value) -> Value:
    times: dict[str, Any] = {
        field.name: in_utc(when) for field in fields(value) if isinstance(when := getattr(value, field.name), datetime)
    }
    return replace(value, **times)
