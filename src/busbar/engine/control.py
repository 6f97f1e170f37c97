"""One depot under control: what the loop decides with. Synchronous, without input or output.

Events and what people ordered come in; snapshots, orders and records come out. The loop (`engine/loop.py`) gives it
time and keeps what it hands out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from busbar.core.base_load import BaseLoadRules
from busbar.core.breach import BreachRules
from busbar.core.depot import Circuit, Connector, Depot
from busbar.core.limits import NO_LIMIT, flow_limit
from busbar.core.metering import Cause
from busbar.core.projection import Projection, project
from busbar.core.rooms import Rooms, rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Bools, Ints, Mode, Session, Snapshot, on_charge_points, snapshot_from_sessions
from busbar.engine.beliefs import beliefs, believed_fallback, when_answered
from busbar.engine.breach_record import BreachRecord
from busbar.engine.cycle import Cycle
from busbar.engine.dispatch import Dispatch, Release
from busbar.engine.envelopes import in_force
from busbar.engine.events import (
    Connected,
    Described,
    Disconnected,
    Event,
    FallbackAnswered,
    Measured,
    NodeMeasured,
    Ready,
    StateChanged,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.inputs import inputs_of
from busbar.engine.metering import Metered, Metering
from busbar.engine.moment import Moment
from busbar.engine.ports import CycleOutcome, Envelope, Evidence, Override, OverrideKind, Plan, StoredSetpoint
from busbar.engine.sessions import after_cycle
from busbar.engine.timing import Timing
from busbar.engine.vehicles import Vehicles
from busbar.engine.watching import Seen, Watching


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What a store kept of a depot when the process ended."""

    setpoints: Sequence[StoredSetpoint] = ()
    evidence: Sequence[Evidence] = ()
    sessions: Sequence[Session] = ()
    last_cycle_number: int = 0
    breaches: Sequence[BreachRecord] = ()
    """Those that were open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What an event asks of the loop."""

    release: bool = False
    """Something may leave now."""
    cycle: str | None = None
    """A new balance is wanted, and why; None: the next one in its turn will do."""


class Control:
    """The state of one depot in operation. (Mutable: it follows events.)"""

    def __init__(
        self,
        depot: Depot,
        timing: Timing,
        *,
        order_ids: Callable[[], str],
        now_s: float,
        breach_ids: Callable[[], str] | None = None,
        epoch: str = "",
    ) -> None:
        self.stored_depot = depot
        self.timing = timing
        self.shared: Projection = project(depot, leaves=depot.leaves)
        """What the strategy shares among. Vehicles, orders and meters are by connector in any case."""
        self.projection: Projection = self.shared.connectors
        self.dispatch = Dispatch(self.projection, timing, order_ids=order_ids)
        self.vehicles = Vehicles(self.projection)
        self.metering = Metering(self.projection, now_s=now_s, timing=timing, base_load_rules=_base_load_rules(timing))
        self.metered = Metered(modes={}, base_load={}, no_raise=frozenset(), conditions={})
        self.evidence: dict[str, Evidence] = {}
        self.before: Cycle | None = None
        self.number = 0
        self._found: Rooms | None = None
        """The rooms of the last cycle."""
        self.envelopes: tuple[Envelope, ...] = ()
        """Those that hold now or later."""
        self.watching = Watching(self.projection, new_id=breach_ids or order_ids, rules=_breach_rules(timing))
        self._epoch, self._sequence = epoch, 0
        self._overrides: tuple[Override, ...] = ()
        self._isolated: frozenset[str] = frozenset()
        self._stopped: dict[int, str] = {}
        self._withheld: frozenset[str] = frozenset()
        self._safe: frozenset[str] = frozenset()
        self._is_switching = False
        """What shares, and how, has just been changed: the cycle that switches raises nothing."""
        self._alarms = _alarms(self.projection)

    # The depot and what people ordered

    def restore(self, memory: Memory, *, at: datetime, now_s: float) -> None:
        """Go on where an earlier process ended."""
        self.evidence = {each.connector: each for each in memory.evidence}
        self._believe()
        self.dispatch.restore(memory.setpoints, now_s)
        self.vehicles.restore(memory.sessions, at)
        self.watching.restore(memory.breaches)
        self.number = memory.last_cycle_number

    def use(self, depot: Depot, *, now_s: float) -> None:
        """Go on with an edited depot; what is known of what stays is carried over. Raises BusbarError, changing
        nothing, where it cannot be laid out."""
        before = self.stored_depot
        self._lay_out(depot, self._isolated, now_s)
        self.stored_depot = depot
        if (depot.strategy, depot.leaves, depot.fair_in) != (before.strategy, before.leaves, before.fair_in):
            self._is_switching = True

    def _lay_out(self, depot: Depot, isolated: frozenset[str], now_s: float) -> None:
        units = tuple(replace(unit, in_service=False) if unit.id in isolated else unit for unit in depot.charge_points)
        shared = project(replace(depot, charge_points=units), leaves=depot.leaves)
        projection = shared.connectors
        self.shared, self.projection, self._isolated, self.before = shared, projection, isolated, None
        self.dispatch.use(projection)
        self.vehicles.use_projection(projection)
        self.metering.use(projection, now_s=now_s)
        self.watching.use(projection)
        self._alarms = _alarms(projection)
        self._believe()

    def _believe(self) -> None:
        for connector, fallback in beliefs(self.projection.depot, self.evidence).items():
            self.dispatch.believe(connector, fallback)

    def obey(self, overrides: Sequence[Override], *, now_s: float) -> list[Override]:
        """Follow what people have ordered; those that are done and can be ended."""
        done: list[Override] = []
        if tuple(overrides) == self._overrides and not self._stopped:
            return done
        self._overrides = tuple(overrides)
        subjects = {kind: frozenset(each.subject for each in overrides if each.kind is kind) for kind in OverrideKind}
        isolated = subjects[OverrideKind.OUT_OF_SERVICE]
        if isolated != self._isolated:
            self._lay_out(self.stored_depot, isolated, now_s)
        self.vehicles.hold(subjects[OverrideKind.HOLD])
        self._safe = subjects[OverrideKind.SAFE]
        present = self.vehicles.connectors()
        stops = {each.id: each for each in overrides if each.kind is OverrideKind.STOP}
        for lifted in self._stopped.keys() - stops.keys():
            self.dispatch.let_go_on(self._stopped.pop(lifted))
        for each in stops.values():
            if each.subject in present:
                self._stopped[each.id] = each.subject
                self.dispatch.stop(each.subject)
            else:
                self._stopped.pop(each.id, None)
                done.append(each)
        return done

    def plan(self, plans: Sequence[Plan]) -> None:
        """What is known of vehicles beforehand."""
        self.vehicles.use_plans(plans)

    def withhold(self, connectors: Iterable[str]) -> None:
        """Raise nothing on these connectors for now (a commissioning test watches them)."""
        self._withheld = frozenset(connectors)

    # What happens

    def take(self, event: Event, now_s: float) -> Needs:
        """Follow an event."""
        release = self.dispatch.take(event, now_s)
        match event:
            case NodeMeasured():
                self.metering.node_measured(event)
                return Needs(cycle="meter" if self._is_over(event) else None)
            case VehicleArrived():
                self.vehicles.take(event)
                return Needs(release=release, cycle="plug_in")
            case VehicleLeft():
                self.vehicles.take(event)
                return Needs(release=release, cycle="plug_out")
            case Measured():
                self.metering.connector_measured(event)
                self.vehicles.take(event)
            case StateChanged():
                self.vehicles.take(event)
            case Ready() | Disconnected():
                self.vehicles.take(event)
                return Needs(release=release, cycle="connection")
            case Connected() | Described():
                return Needs()
        return Needs(release=release)

    def _is_over(self, event: NodeMeasured) -> bool:
        """Whether more flows than may: no time to wait for the next cycle's turn."""
        lines, total_w = self._alarms.get(event.node, ((None, None, None), None))
        if total_w is not None and event.power_w is not None and event.power_w > total_w:
            return True
        given = event.phases_ma or (None, None, None)
        pairs = zip(given, lines, strict=True)
        return any(flow is not None and limit is not None and abs(flow) > limit for flow, limit in pairs)

    def weigh(self, events: Iterable[FallbackAnswered], *, at: datetime) -> tuple[Evidence, ...]:
        """What charge points answered about their fallbacks, as new evidence: to be stored, then `accept`ed."""
        found: dict[str, Evidence] = {}
        for event in events:
            if event.connector not in self.projection.leaf_index:
                continue
            known = found.get(event.connector, self.evidence.get(event.connector))
            new = when_answered(event, known, at=at)
            if new is not None:
                found[event.connector] = new
        return tuple(found.values())

    def accept(self, evidence: Iterable[Evidence]) -> None:
        """Evidence that has been stored counts from now on."""
        projection = self.projection
        for each in evidence:
            self.evidence[each.connector] = each
            leaf = projection.leaf_index.get(each.connector)
            if leaf is None:
                continue
            connector = projection.subjects[projection.leaf_node[leaf]]
            assert isinstance(connector, Connector)
            self.dispatch.believe(each.connector, believed_fallback(connector, each, projection.depot.require))

    # The cycle

    def look(self, at: datetime, now_s: float) -> Snapshot:
        """What is wanted, and what is known, now; by what the strategy shares among."""
        projection, reserved = self.projection, self.dispatch.reservations(now_s)
        self.vehicles.given(self.dispatch.given(), now_s)
        envelopes = {node: caps for node, caps in in_force(self.envelopes, at).items() if node in projection.node_index}
        self.metered = self.metering.cycle(
            now_s=now_s,
            committed=self._plugged(reserved.out_of_reach),
            raised_s=self.dispatch.raises(now_s),
            safe_by_order=self._safe,
            envelopes=envelopes,
        )
        snapshot = snapshot_from_sessions(
            projection,
            at=at,
            sessions=self.vehicles.sessions(at),
            base_load=self.metered.base_load,
            modes=self.metered.modes,
            envelopes=envelopes,
        )
        snapshot = replace(
            snapshot,
            request=np.minimum(snapshot.request, reserved.at_most),
            out_of_reach=reserved.out_of_reach,
            committed=reserved.committed,
        )
        return snapshot if self.shared.by_connector is None else on_charge_points(self.shared, snapshot)

    def has_unheard_meters(self, now_s: float) -> bool:
        """Whether a metered node is not believed yet, because it has hardly spoken since the start."""
        found = self.metering.cycle(now_s=now_s, committed=self.dispatch.committed(), safe_by_order=self._safe)
        return any(each.mode is Mode.SAFE and each.cause is not Cause.BY_ORDER for each in found.conditions.values())

    def _plugged(self, out_of_reach: Bools) -> Ints:
        """[n] what is committed; 0 where certainly nothing is plugged in."""
        committed = self.dispatch.committed()
        there = out_of_reach.copy()
        for connector in self.vehicles.connectors():
            there[self.projection.leaf_index[connector]] = True
        return np.where(there, committed, 0)

    def conclude(self, cycle: Cycle, *, now_s: float) -> Cycle:
        """Aim at what a cycle gave; the cycle with what became of earlier setpoints on its record."""
        projection = self.projection
        self.before, self.number = cycle, cycle.record.number
        self.vehicles.remember(
            after_cycle(
                self.vehicles.sessions(cycle.snapshot.at),
                projection,
                cycle.allocation,
                cycle.setpoint,
                at=cycle.snapshot.at,
            )
        )
        self._found = rooms(projection, cycle.snapshot)
        self.dispatch.aim(cycle.setpoint, found=self._found, frozen=self._frozen(), now_s=now_s)
        self._is_switching = False
        record = replace(
            cycle.record,
            outcome=self._outcome(cycle),
            setpoints=self.dispatch.news(),
            inputs=inputs_of(cycle, self.metered.conditions),
        )
        return replace(cycle, record=record)

    def watch(self, cycle: Cycle, *, at: datetime, now_s: float) -> Seen:
        """Hold what flows against what may, after a cycle; the depot as it is now, whole. `at` and `now_s` are one
        instant by two clocks."""
        self._sequence += 1
        dispatch, projection = self.dispatch, self.projection
        plugged = self.vehicles.plugged(now_s)
        measurement = self.watching.measure(self.metering, plugged.keys(), now_s)
        moment = Moment(
            depot_id=projection.depot.id,
            epoch=self._epoch,
            sequence=self._sequence,
            at=at,
            projection=projection,
            snapshot=cycle.snapshot,
            allocation=cycle.allocation,
            shared=cycle.shared,
            setpoint=cycle.setpoint.copy(),
            record=cycle.record,
            committed=dispatch.committed(),
            acknowledged=dispatch.acknowledged(),
            held=dispatch.held(),
            troubled=dict(dispatch.troubled()),
            reachable=dispatch.reachable(),
            states=self.vehicles.states(),
            plugged=plugged,
            flows=measurement.flows,
            conditions=self.metered.conditions,
            overrides=self._overrides,
            envelopes=self.envelopes,
        )
        # Of the cycle that was concluded just before.
        assert self._found is not None
        return self.watching.look(
            moment, found=self._found, taken_s=measurement.taken_s, told=dispatch.told(), now_s=now_s
        )

    def _outcome(self, cycle: Cycle) -> CycleOutcome:
        outcome = cycle.record.outcome
        if outcome is not CycleOutcome.FAILED and self.dispatch.troubled():
            return CycleOutcome.PARTIAL
        return outcome

    def _frozen(self) -> Bools:
        """[n] leaves that are not to be raised: below a silent meter, or watched by a commissioning test."""
        projection = self.projection
        frozen = np.full(len(projection.leaf_ids), self._is_switching, dtype=np.bool_)
        for node_id in self.metered.no_raise | self.watching.frozen:
            node = projection.node_index[node_id]
            frozen[projection.first_leaf[node] : projection.last_leaf[node]] = True
        for connector in self._withheld:
            if connector in projection.leaf_index:
                frozen[projection.leaf_index[connector]] = True
        return frozen

    def release(self, at: datetime, now_s: float) -> Release:
        """What may leave now."""
        projection = self.projection
        for node_id in self.metering.stale(now_s) - self.metered.modes.keys():
            # Silent for too long since the last cycle looked.
            node = projection.node_index[node_id]
            self.dispatch.freeze(slice(int(projection.first_leaf[node]), int(projection.last_leaf[node])))
        return self.dispatch.release(now_s, at)


def _breach_rules(timing: Timing) -> BreachRules:
    """It is looked once a cycle, and charge points say what they draw once in a sample interval: samples so far apart
    are nothing out of the ordinary, however long cycles are."""
    return BreachRules(gap_s=max(BreachRules().gap_s, timing.cycle_s + timing.sample_s))


def _base_load_rules(timing: Timing) -> BaseLoadRules:
    """How long flows are explained by draws goes by how often charge points say what they draw."""
    sample_s = float(timing.sample_s)
    return BaseLoadRules(
        explain_s=timing.ramp_s,
        rising_s=6 * sample_s,
        own_s=6 * sample_s,
        slack_s=min(5.0, sample_s / 2),
        hold_s=sample_s,
        # Each has to say it twice around an instant, 5 s away from both: after three of its samples, and some delay.
        settle_s=4 * sample_s,
    )


def _alarms(projection: Projection) -> dict[str, tuple[tuple[int | None, int | None, int | None], int | None]]:
    """Metered node -> its limits in mA at its own voltage and in W, as its meter tells them."""
    found = {}
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        subject = projection.subjects[node]
        if isinstance(subject, Circuit) and subject.meter:
            scale = projection.frame.scale
            ticks = flow_limit(projection.frame.limits[inner], NO_LIMIT)
            own_v, depot_v = int(projection.voltage_v[node]), projection.depot.voltage_v
            line = [None if each is None else each * depot_v // (scale.per_ma * own_v) for each in ticks[:TOTAL]]
            total = ticks[TOTAL]
            found[subject.id] = ((line[0], line[1], line[2]), None if total is None else total // scale.per_w)
    return found
