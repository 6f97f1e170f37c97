"""R6: Busbar may be killed at any event. Nothing rises before it is reconciled, it is in control again within 30 s, and
nothing that was recorded is lost.

What the store held when a process died is what the next one is held to:

- Until a connector has acknowledged something anew, no order to it is above what was stored for it (or its fallback,
  or its rating where nothing was stored), and for a lease it counts for no less.
- Within 30 s a cycle was concluded, and every connector with a transaction for which something was stored was told
  something, 30 s after its charge point was connected at the latest. Not while the store fails or is slow, or while
  something is wrong with that charge point: no promise is made for then.
- Cycles (those of the last four hours; six are kept), setpoints, breaches and vehicles that were kept stay kept,
  unchanged; numbers of cycles are used once;
  breaches that were open go on or are closed; vehicles that are still there arrived when they did.
"""

from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from busbar.core.depot import Connector
from busbar.core.snapshot import Session
from busbar.engine.beliefs import believed_fallback
from busbar.engine.breach_record import BreachRecord
from busbar.engine.moment import Moment
from busbar.engine.orders import Order
from busbar.engine.ports import CycleOutcome, CycleRecord, StoredSetpoint
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.stations.outlets import Stage
from busbar.simulator.trail import Trail
from busbar.simulator.trials.trial import KEPT_DAYS, Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight

WITHIN_S = 30.0
"""So long after it began a process is in control."""
_ALL = 10**9
_FORGOTTEN_S = 3600.0 * 24 * KEPT_DAYS - 2 * 3600.0
"""Cycles that are older may be forgotten: a wall clock that was put forward makes them look an hour older."""
_CALM_S = 10
"""So long before and after the store fails nothing is said about what it keeps."""
_AT_UNITS = frozenset(
    kind
    for kind in FaultKind
    if kind.value.startswith(("message_", "connection_", "reboot_", "answer_"))
    or kind in (FaultKind.PROFILE_EXPIRED, FaultKind.IGNORED, FaultKind.REFUSED, FaultKind.CLOCK_STEP)
)
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What the store held when a process died."""

    at_s: float
    last_number: int
    setpoints: Mapping[str, StoredSetpoint]
    breaches: Mapping[str, BreachRecord]
    sessions: Mapping[str, Session]
    vehicles: tuple[object, ...]
    """[n] who was really there."""


@dataclass(slots=True)
class _Life:
    """One process. (Mutable.)"""

    before: _Kept | None = None
    """None: it is the first one, or nobody saw how the one before it ended."""
    anew: set[str] = field(default_factory=set)
    """Connectors that have acknowledged something."""
    told: set[str] = field(default_factory=set)
    number: int = 0
    """Of its last cycle; 0: none yet."""
    worth_keeping: dict[int, float] = field(default_factory=dict)
    """Number of a cycle that changed something -> when it was seen."""
    is_store_bad: bool = False
    """At any time so far."""
    is_late: bool = False
    """That was said."""


class Restarts(Goal):
    """R6: killed and started again, nothing is raised in ignorance and nothing is lost."""

    def __init__(self) -> None:
        self._number = 0
        self._life = _Life()
        self._kept: _Kept | None = None
        self._cycles: dict[int, CycleRecord] = {}
        """What was in the store when a process died."""
        self._breaches: dict[str, BreachRecord] = {}
        self._setpoints: set[str] = set()
        self._bad_s: set[int] = set()
        """Seconds in which the store was bad, in tens."""
        self._fine_s: dict[str, float] = {}
        """Charge point -> since when it has been connected and nothing was wrong with it."""
        self._struck_s: dict[str, float] = {}
        """Charge point -> when something was wrong with it last."""
        self._there: list[tuple[object, float]] = []
        """[n] who is plugged in, and since when."""

    def _begin_life(self, trial: Trial) -> _Life:
        if trial.lives != self._number:
            self._number = trial.lives
            self._life, self._kept = _Life(before=self._kept), None
        return self._life

    # Once a second

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Take down what is kept when a process has died, and look whether the next one is in control in time."""
        life = self._begin_life(trial)
        if trial.disk.fails or trial.disk.slow_s:
            self._bad_s.add(sight.at_s // _CALM_S)
            life.is_store_bad = True
        self._see_yard(trial, sight)
        if trial.process is None:
            if self._kept is None:
                self._kept = self._take_down(trial, sight)
                yield from self._gaps(trial, life)
            return
        self._see_answers(trial, life)
        yield from self._late(trial, sight, life)

    def _see_yard(self, trial: Trial, sight: Sight) -> None:
        vehicles = _vehicles(trial)
        self._there = self._there or [(None, sight.now_s)] * len(vehicles)
        self._there = [
            before if before[0] is vehicle else (vehicle, sight.now_s)
            for before, vehicle in zip(self._there, vehicles, strict=True)
        ]
        for name, unit in trial.yard.units.items():
            is_struck = _is_struck(trial, name)
            if is_struck:
                self._struck_s[name] = sight.now_s
            if is_struck or trial.process is None or not unit.link.is_connected:
                self._fine_s.pop(name, None)
            else:
                self._fine_s.setdefault(name, sight.now_s)

    def _see_answers(self, trial: Trial, life: _Life) -> None:
        assert trial.process is not None
        control = trial.process.loop.control
        acknowledged = control.dispatch.acknowledged().tolist()
        life.anew |= {name for name, value in zip(control.projection.leaf_ids, acknowledged, strict=True) if value >= 0}

    def _take_down(self, trial: Trial, sight: Sight) -> _Kept:
        store, depot_id = trial.people, trial.depot_id
        after = max(self._cycles, default=0)
        for cycle in _now(store.cycles(depot_id, after=after, limit=_ALL)):
            self._cycles[cycle.number] = cycle
        self._forget(trial)
        breaches = {each.id: each for each in _now(store.breaches(depot_id, limit=_ALL))}
        setpoints = {each.connector: each for each in _now(store.stored_setpoints(depot_id))}
        self._breaches |= breaches
        self._setpoints |= setpoints.keys()
        return _Kept(
            at_s=sight.now_s,
            last_number=_now(store.last_cycle_number(depot_id)),
            setpoints=setpoints,
            breaches=breaches,
            sessions={each.connector: each for each in _now(store.open_sessions(depot_id))},
            vehicles=tuple(_vehicles(trial)),
        )

    def _forget(self, trial: Trial) -> None:
        """What Busbar need not remember any more."""
        before = trial.clock.true_now() - timedelta(seconds=_FORGOTTEN_S)
        self._cycles = {number: cycle for number, cycle in self._cycles.items() if cycle.at >= before}

    def _late(self, trial: Trial, sight: Sight, life: _Life) -> Iterable[Violation]:
        process, kept = trial.process, life.before
        if process is None or kept is None or life.is_store_bad or life.is_late:
            return
        if not life.number and sight.now_s > process.began_s + WITHIN_S:
            life.is_late = True
            yield _missed(trial, f"no cycle within {WITHIN_S:.0f} s of life {trial.lives}")
        for leaf, name in enumerate(trial.yard.projection.leaf_ids):
            vehicle, since_s = self._there[leaf]
            fine_s = self._fine_s.get(name.rpartition("/")[0])
            if vehicle is None or fine_s is None or name in life.told or name not in kept.setpoints:
                continue
            outlet = trial.yard.outlets[leaf]
            if outlet is None or outlet.stage is not Stage.CHARGING:
                continue
            if trial.clock.true_s - outlet.stage_since_s <= WITHIN_S:
                continue
            if sight.now_s > max(process.began_s, fine_s, since_s) + WITHIN_S:
                life.told.add(name)
                yield _missed(trial, f"{name} was told nothing within {WITHIN_S:.0f} s of life {trial.lives}")

    # Orders

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        """The first word to a connector raises nothing."""
        life = self._begin_life(trial)
        if trial.process is None:
            return
        self._see_answers(trial, life)
        if order.connector not in life.told and life.before is not None:
            trial.worst("R6 restart until told", trial.clock.now_s() - trial.process.began_s)
        life.told.add(order.connector)
        if life.before is None or order.connector in life.anew:
            return
        most, why = _most(trial, life.before, order.connector)
        if order.limit > most:
            yield _missed(
                trial,
                f"{order.connector} is told {order.limit} before it has acknowledged anything in life {trial.lives}; "
                f"{most} is {why}",
            )

    # Cycles

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """What was stored counts, cycles are numbered on, and what went on goes on."""
        life = self._begin_life(trial)
        process, kept, number = trial.process, life.before, moment.record.number
        if process is None:
            return
        now_s = trial.clock.now_s()
        self._see_answers(trial, life)
        is_first, before = not life.number, max(life.number, 0 if kept is None else kept.last_number)
        if number <= before:
            yield _missed(trial, f"cycle {number} comes after cycle {before}")
        life.number = number
        if moment.record.outcome is not CycleOutcome.UNCHANGED:
            life.worth_keeping[number] = now_s
        if kept is None:
            return
        if is_first:
            trial.worst("R6 restart until a cycle", now_s - process.began_s)
            yield from self._forgotten(trial, moment, kept)
        if now_s < process.began_s + trial.lease_s:
            yield from self._uncounted(trial, moment, kept, life)

    def _uncounted(self, trial: Trial, moment: Moment, kept: _Kept, life: _Life) -> Iterable[Violation]:
        for leaf, name in enumerate(moment.projection.leaf_ids):
            stored = kept.setpoints.get(name)
            # What counts for several connectors is held down to their charge point's rating.
            is_alone = len(trial.yard.units[name.rpartition("/")[0]].leaves) == 1
            if stored is None or not is_alone or name in life.anew or not moment.projection.in_service[leaf]:
                continue
            if moment.committed[leaf] < stored.value:
                yield _missed(trial, f"{name} counts for {moment.committed[leaf]}; {stored.value} was stored")

    def _forgotten(self, trial: Trial, moment: Moment, kept: _Kept) -> Iterable[Violation]:
        known = {each.id for each in moment.breaches}
        known |= {each.id for each in _now(trial.people.breaches(trial.depot_id, is_open=False, limit=_ALL))}
        for each in kept.breaches.values():
            if each.is_open and each.id not in known:
                yield _missed(trial, f"breach {each.id} of {each.node} was open and is forgotten")
        vehicles = _vehicles(trial)
        for leaf, name in enumerate(moment.projection.leaf_ids):
            session, vehicle = kept.sessions.get(name), vehicles[leaf]
            unit = name.rpartition("/")[0]
            if session is None or vehicle is None or vehicle is not kept.vehicles[leaf]:
                continue
            # One that was rebooted may have begun anew with a vehicle that stayed.
            if self._struck_s.get(unit, 0.0) > kept.at_s - _CALM_S:
                continue
            outlet = trial.yard.outlets[leaf]
            charge = None if outlet is None else outlet.transaction
            arrived_s = 0.0 if session.arrived is None else session.arrived.timestamp()
            if charge is not None and charge.began_s > arrived_s + 1:
                # Its charge began anew, out of Busbar's reach.
                continue
            plugged = moment.plugged.get(name)
            if plugged is None or plugged.session.arrived != session.arrived:
                yield _missed(trial, f"the vehicle at {name} was there before life {trial.lives} and is forgotten")

    # What is kept

    def _gaps(self, trial: Trial, life: _Life) -> Iterable[Violation]:
        """Cycles of one life that changed something and came before the last that was kept."""
        now_s = trial.clock.now_s()
        recent = {number: seen_s for number, seen_s in life.worth_keeping.items() if now_s - seen_s < _FORGOTTEN_S}
        after = min(recent, default=1) - 1
        kept = {cycle.number for cycle in _now(trial.people.cycles(trial.depot_id, after=after, limit=_ALL))}
        last = max((number for number in recent if number in kept), default=0)
        for number, seen_s in recent.items():
            if number < last and number not in kept and not self._was_store_bad(trial, seen_s):
                yield _missed(trial, f"cycle {number} was not kept, and {last} was")
        life.worth_keeping.clear()

    def _was_store_bad(self, trial: Trial, seen_s: float) -> bool:
        ten = int(seen_s - trial.clock.now_s() + trial.clock.passed_s) // _CALM_S
        return not self._bad_s.isdisjoint(range(ten - 1, ten + 2))

    def ended(self, trial: Trial, trail: Trail) -> Iterable[Violation]:
        """Everything that was kept when a process died is there."""
        store, depot_id = trial.people, trial.depot_id
        yield from self._gaps(trial, self._life)
        self._forget(trial)
        for number, cycle in self._cycles.items():
            if _now(store.cycle(depot_id, number)) != cycle:
                yield _missed(trial, f"cycle {number} is not kept as it was")
        gone = self._setpoints - {each.connector for each in _now(store.stored_setpoints(depot_id))}
        if gone:
            yield _missed(trial, f"the setpoints of {', '.join(sorted(gone))} are not kept any more")
        breaches = {each.id: each for each in _now(store.breaches(depot_id, limit=_ALL))}
        for before in self._breaches.values():
            after = breaches.get(before.id)
            if after is None or not _goes_on(before, after):
                yield _missed(trial, f"breach {before.id} of {before.node} is not kept as it was")


def _missed(trial: Trial, text: str) -> Violation:
    return Violation(goal="R6", at_s=trial.clock.passed_s, text=text)


def _now(work: Coroutine[Any, Any, Value]) -> Value:
    """What the store in memory says: it never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        found: Value = done.value
        return found
    raise AssertionError("the store in memory waits")


def _vehicles(trial: Trial) -> list[object]:
    """[n] who is plugged in."""
    return [None if outlet is None else outlet.vehicle for outlet in trial.yard.outlets]


def _is_struck(trial: Trial, name: str) -> bool:
    """A fault keeps Busbar and this charge point from understanding each other."""
    return any(
        isinstance(each, FaultEvent) and each.kind in _AT_UNITS and each.node in (None, name)
        for each in trial.in_force.values()
    )


def _most(trial: Trial, kept: _Kept, connector: str) -> tuple[int, str]:
    """The most that a connector may be told first, and why."""
    projection = trial.yard.projection
    leaf = projection.leaf_index[connector]
    subject = projection.subjects[int(projection.leaf_node[leaf])]
    assert isinstance(subject, Connector)
    stored = kept.setpoints.get(connector)
    if stored is None:
        return subject.max_rating, "its rating"
    # A fallback that is not believed counts at the rating: within that nothing is raised.
    assert trial.process is not None
    evidence = trial.process.loop.control.evidence.get(connector)
    believed = believed_fallback(subject, evidence, trial.depot.require)
    counted = subject.max_rating if believed is None else believed
    return max(stored.value, stored.fallback, counted), "what counted for it"


def _goes_on(before: BreachRecord, after: BreachRecord) -> bool:
    """It is the same breach; what was closed stays as it was."""
    if (before.node, before.row, before.started_at) != (after.node, after.row, after.started_at):
        return False
    return before.is_open or before.ended_at == after.ended_at
