"""The store in memory: what the simulator uses, and the plain twin that the database stores must equal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from math import isfinite
from typing import Any

from busbar.adapters.memory_access import MemoryAccess
from busbar.adapters.memory_happened import (
    Happened,
    forget,
    holds_later,
    in_force,
    keep_breaches,
    listed_breaches,
    page,
    times_in_utc,
)
from busbar.adapters.memory_parts import NOTHING, Parts, merge, refuse_dangling, wanted_parts
from busbar.adapters.refusals import (
    KEPT_LONGER,
    OPEN_STATES,
    in_utc,
    refuse_envelope,
    refuse_nobody,
    refuse_other_depot,
    refuse_repeated,
    refuse_repeated_breaches,
    refuse_request_change,
    refuse_second_request,
    unknown_depot,
    with_settings,
)
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Session
from busbar.engine.access import Notice, WriteRecord
from busbar.engine.breach_record import BreachRecord
from busbar.engine.ports import (
    CommissioningRequest,
    CycleOutcome,
    CycleRecord,
    Envelope,
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What is kept of one depot."""

    depot: Depot
    parts: tuple[Parts, ...]
    microgrid: Microgrid
    revision: int


class MemoryStore:
    """Keeps depots and all that happens in them until the process ends (the port `Store`)."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._happened: dict[str, Happened] = {}
        self._microgrid_ids = count(1)
        self._node_ids = count(1)
        self._override_ids = count(1)
        self._request_ids = count(1)
        self._envelope_ids = count(1)
        self._access = MemoryAccess(self._kept)

    def access(self) -> MemoryAccess:
        """What the HTTP interface and the webhooks keep, about the same depots."""
        return self._access

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
        self._happened.setdefault(depot.id, Happened())
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
        """Change what is given of a depot's own settings as an import would; its new revision."""
        in_utc(at)
        refuse_other_depot(write, depot_id)
        before = self._kept.get(depot_id)
        if before is None:
            raise unknown_depot(depot_id)
        depot = with_settings(before.depot, strategy=strategy, leaves=leaves, fair_in=fair_in)
        [(_, own)] = wanted_parts(depot)[0]
        parts = (replace(before.parts[0], known={depot_id: own}), *before.parts[1:])
        self._kept[depot_id] = replace(before, depot=depot, parts=parts, revision=before.revision + 1)
        self._access.note_write(depot_id, write)
        return before.revision + 1

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
        """How often the depot was imported or its settings changed; 0 where there is none."""
        kept = self._kept.get(depot_id)
        return kept.revision if kept else 0

    async def save_sessions(self, depot_id: str, sessions: Sequence[Session], *, at: datetime) -> None:
        """These are the vehicles there now; of those that left nothing is kept but when."""
        at, here = in_utc(at), self._in(depot_id)
        present = {session.connector: times_in_utc(session) for session in sessions}
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
        here.cycles[cycle.number] = times_in_utc(cycle)

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        return max(self._seen_in(depot_id).cycles, default=0)

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        kept = self._seen_in(depot_id).cycles
        numbers = sorted(number for number in kept if number > after)
        return tuple(kept[number] for number in numbers[: max(limit, 0)])

    async def cycle_page(
        self,
        depot_id: str,
        *,
        before: int | None = None,
        outcomes: Sequence[CycleOutcome] = (),
        node: str | None = None,
        limit: int = 100,
    ) -> Sequence[CycleRecord]:
        """Kept cycles with a number below `before`, the newest first, without allocations and setpoints."""
        return page(self._seen_in(depot_id), before=before, outcomes=outcomes, node=node, limit=limit)

    async def cycle(self, depot_id: str, number: int) -> CycleRecord | None:
        """One, whole; None where that number was not kept."""
        return self._seen_in(depot_id).cycles.get(number)

    async def add_envelope(self, depot_id: str, envelope: Envelope, *, write: WriteRecord | None = None) -> Envelope:
        """Keep it; as kept, with its id."""
        refuse_envelope(envelope)
        refuse_other_depot(write, depot_id)
        here = self._in(depot_id)
        kept = replace(times_in_utc(envelope), id=next(self._envelope_ids), withdrawn_at=None, withdrawn_by=None)
        here.envelopes[kept.id] = kept
        self._access.note_write(depot_id, write)
        return kept

    async def withdraw_envelope(
        self, depot_id: str, envelope_id: int, *, by: str, at: datetime, write: WriteRecord | None = None
    ) -> Envelope | None:
        """It holds no more; None where there is none. Twice is fine, and the first withdrawal stands."""
        refuse_nobody(by)
        refuse_other_depot(write, depot_id)
        here, at = self._in(depot_id), in_utc(at)
        before = here.envelopes.get(envelope_id)
        if before is None or before.withdrawn_at is not None:
            return before
        here.envelopes[envelope_id] = replace(before, withdrawn_at=at, withdrawn_by=by)
        self._access.note_write(depot_id, write)
        return here.envelopes[envelope_id]

    async def envelopes(self, depot_id: str, *, now: datetime | None = None) -> Sequence[Envelope]:
        """Oldest first. With `now`: only those that hold then or later."""
        now = None if now is None else in_utc(now)
        kept = self._seen_in(depot_id).envelopes.values()
        wanted = (one for one in kept if now is None or holds_later(one, now))
        return tuple(sorted(wanted, key=lambda one: (one.at, one.id)))

    async def save_breaches(
        self, depot_id: str, breaches: Sequence[BreachRecord], *, notices: Sequence[Notice] = ()
    ) -> None:
        """Keep them by id, but for the acknowledgement, which stays; the notices go to the webhooks."""
        here = self._in(depot_id)
        refuse_repeated_breaches(breaches)
        for when in (one.at for breach in breaches for one in breach.series):
            in_utc(when)
        checked = [times_in_utc(one) for one in breaches]
        self._access.fan_out(depot_id, notices)
        keep_breaches(here, checked)

    async def open_breaches(self, depot_id: str) -> Sequence[BreachRecord]:
        """Those that go on, oldest first."""
        going_on = (one for one in self._seen_in(depot_id).breaches.values() if one.is_open)
        return tuple(sorted(going_on, key=lambda one: (one.started_at, one.id)))

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
        before = None if before is None else in_utc(before)
        return listed_breaches(self._seen_in(depot_id), is_open=is_open, node=node, before=before, limit=limit)

    async def breach(self, depot_id: str, breach_id: str) -> BreachRecord | None:
        """One, whole."""
        return self._seen_in(depot_id).breaches.get(breach_id)

    async def acknowledge_breach(
        self, depot_id: str, breach_id: str, *, by: str, note: str, at: datetime, write: WriteRecord | None = None
    ) -> BreachRecord | None:
        """A named person has seen it; again replaces the note. None where there is none."""
        refuse_nobody(by)
        refuse_other_depot(write, depot_id)
        here, at = self._in(depot_id), in_utc(at)
        before = here.breaches.get(breach_id)
        if before is None:
            return None
        here.breaches[breach_id] = replace(before, acknowledged_by=by, acknowledged_at=at, note=note)
        self._access.note_write(depot_id, write)
        return here.breaches[breach_id]

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        """Keep what is about to be sent, in place of what was kept of these connectors."""
        here = self._in(depot_id)
        refuse_repeated(one.connector for one in setpoints)
        if not all(isfinite(one.expiry_s) for one in setpoints):
            raise BusbarError("An expiry is a number of seconds; without end it is written as a negative one.")
        here.setpoints.update({one.connector: times_in_utc(one) for one in setpoints})

    async def stored_setpoints(self, depot_id: str) -> Sequence[StoredSetpoint]:
        """By connector."""
        return _by_key(self._seen_in(depot_id).setpoints)

    async def save_evidence(self, depot_id: str, evidence: Sequence[Evidence]) -> None:
        """In place of what was kept of these connectors."""
        here = self._in(depot_id)
        refuse_repeated(one.connector for one in evidence)
        here.evidence.update({one.connector: times_in_utc(one) for one in evidence})

    async def evidence(self, depot_id: str) -> Sequence[Evidence]:
        """By connector."""
        return _by_key(self._seen_in(depot_id).evidence)

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
        """Put one in force. Where the same is in force already, that one is given back, and nothing is written."""
        refuse_nobody(by)
        refuse_other_depot(write, depot_id)
        here, at = self._in(depot_id), in_utc(at)
        before = in_force(here, kind, subject)
        if before is not None:
            return before
        override = Override(id=next(self._override_ids), kind=kind, subject=subject, by=by, reason=reason, at=at)
        here.overrides[override.id] = override
        self._access.note_write(depot_id, write)
        return override

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
        """Lift it; None where there was none, and nothing is written."""
        refuse_nobody(by)
        refuse_other_depot(write, depot_id)
        here, at = self._in(depot_id), in_utc(at)
        before = in_force(here, kind, subject)
        if before is None:
            return None
        here.overrides[before.id] = replace(before, ended_at=at, ended_by=by)
        self._access.note_write(depot_id, write)
        return here.overrides[before.id]

    async def overrides(self, depot_id: str, *, ended: bool = False) -> Sequence[Override]:
        """Those in force, oldest first; with `ended`, the others too."""
        kept = self._seen_in(depot_id).overrides.values()
        wanted = (one for one in kept if ended or one.ended_at is None)
        return tuple(sorted(wanted, key=lambda one: (one.at, one.id)))

    async def save_plan(self, depot_id: str, plan: Plan, *, write: WriteRecord | None = None) -> None:
        """In place of the plan with the same key."""
        refuse_nobody(plan.by)
        refuse_other_depot(write, depot_id)
        self._in(depot_id).plans[plan.key] = times_in_utc(plan)
        self._access.note_write(depot_id, write)

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
        """Forget cycles and what ended before that; how many. The last cycle stays; breaches and audit entries do
        for 275 days longer."""
        before = in_utc(before)
        gone = forget(self._seen_in(depot_id), before=before)
        return gone + self._access.forget_writes(depot_id, before=before - KEPT_LONGER)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _in(self, depot_id: str) -> Happened:
        """To write to. Raises BusbarError where the depot is not known."""
        if depot_id not in self._happened:
            raise unknown_depot(depot_id)
        return self._happened[depot_id]

    def _seen_in(self, depot_id: str) -> Happened:
        """To read from; nothing has happened in a depot that is not known."""
        return self._happened.get(depot_id) or Happened()


def _by_key(kept: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(kept[key] for key in sorted(kept))
