"""Playing a scenario: the engine's own cycle in a made-up depot with made-up time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from busbar.core.errors import BusbarError
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Mode, Session, snapshot_from_sessions
from busbar.core.split import split
from busbar.core.units import Amount
from busbar.engine.cycle import Cycle, run_cycle
from busbar.engine.ports import Store
from busbar.engine.sessions import after_cycle
from busbar.simulator.base_load import BaseLoad, BaseLoads
from busbar.simulator.battery import target_ws
from busbar.simulator.draw import draw_vehicles
from busbar.simulator.expectation import Holds
from busbar.simulator.physics import Flow, Ints, physical_limits, whole_flow
from busbar.simulator.played import NOT_HELD, ROWS, Constraint, Excess, Outing, Played
from busbar.simulator.played_trail import is_shown_by_playing
from busbar.simulator.scenario import (
    CapacityEvent,
    EnvelopeEvent,
    ModeEvent,
    OutOfReachEvent,
    Scenario,
    with_capacity,
)
from busbar.simulator.world import Stay, World

Progress = Callable[[int, int], None]
"""Called after each cycle with how many are done, and how many there are."""

TRIGGER = "clock"
SKEW_S = 30
"""How much longer than the lease an unreachable charge point is counted at its last setpoint."""


def play(
    scenario: Scenario,
    *,
    seed: int | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
    clock_us: Callable[[], int] = lambda: 0,
) -> Played:
    """Play a scenario from its start to its end. The same scenario and seed give the same result, bit for bit.

    Raises BusbarError for a scenario with faults, or with expectations that playing does not show (`played_trail`).

    `seed` takes the place of the scenario's own. Where a store is given, this runs an event loop of its own; inside
    one, await `play_into`. `clock_us` times the cycles that are stored; it enters nothing else.
    """
    _refuse_faults(scenario)
    if store is not None:
        return asyncio.run(play_into(store, scenario, seed=seed, progress=progress, clock_us=clock_us))
    night = _Night(scenario, scenario.seed if seed is None else seed, clock_us)
    for done, _ in enumerate(night.cycles(), start=1):
        if progress is not None:
            progress(done, night.count)
    return night.played()


async def play_into(
    store: Store,
    scenario: Scenario,
    *,
    seed: int | None = None,
    progress: Progress | None = None,
    clock_us: Callable[[], int] = lambda: 0,
) -> Played:
    """Play a scenario and keep its depot, its vehicles and every cycle that changed something in a store."""
    _refuse_faults(scenario)
    depot_id = scenario.depot.id
    await store.import_depot(scenario.depot, at=scenario.start)
    first = await store.last_cycle_number(depot_id) + 1
    night = _Night(scenario, scenario.seed if seed is None else seed, clock_us, first_number=first)
    for done, cycle in enumerate(night.cycles(), start=1):
        if cycle.is_worth_keeping:
            await store.record_cycle(depot_id, cycle.record)
            await store.save_sessions(depot_id, night.sessions, at=cycle.record.at)
        if progress is not None:
            progress(done, night.count)
    return night.played()


def _refuse_faults(scenario: Scenario) -> None:
    """Here orders arrive at once and meters are right; what is about anything else is played by an acceptance run."""
    if scenario.faults:
        raise BusbarError("this scenario has faults; run it with busbar accept")
    projection = project(scenario.depot)
    holds = [each for each in scenario.expectations if isinstance(each, Holds)]
    if not all(is_shown_by_playing(each, projection) for each in holds):
        raise BusbarError("this scenario expects states, connections or breaches; run it with busbar accept")


@dataclass(slots=True)
class _Series:
    """What is written down cycle by cycle."""

    at_s: list[int] = field(default_factory=list)
    charging: list[Ints] = field(default_factory=list)
    base: list[Ints] = field(default_factory=list)
    flow: list[Ints] = field(default_factory=list)
    limit: list[Ints] = field(default_factory=list)
    safe: list[list[bool]] = field(default_factory=list)
    setpoint: list[Ints] = field(default_factory=list)
    drawn: list[Ints] = field(default_factory=list)
    soc: list[list[float]] = field(default_factory=list)
    power_w: list[list[int]] = field(default_factory=list)
    held: list[list[int]] = field(default_factory=list)


class _Night:
    """One playing of a scenario."""

    def __init__(self, scenario: Scenario, seed: int, clock_us: Callable[[], int], *, first_number: int = 1) -> None:
        self.count = scenario.duration_s // scenario.cycle_s
        self.sessions: tuple[Session, ...] = ()
        self._scenario = scenario
        self._seed = seed
        self._clock_us = clock_us
        self._first_number = first_number
        self._shared = project(scenario.depot, leaves=scenario.depot.leaves)
        """What the strategy shares among; vehicles are on connectors in any case."""
        self._projection = self._shared.connectors
        self._variants: dict[tuple[int, ...], Projection] = {}
        vehicles = draw_vehicles(scenario, seed)
        self._world = World(scenario, self._projection, vehicles)
        self._base_loads = BaseLoads(scenario, self._projection, seed)
        self._before: Cycle | None = None
        self._in_force: Ints = np.zeros(len(self._projection.leaf_ids), dtype=np.int64)
        self._held_value: dict[int, int] = {}
        self._series = _Series()
        self._constraints: dict[Constraint, int] = {}
        self._held: dict[str, int] = {}
        self._excesses: list[Excess] = []
        self._outcomes: Counter[str] = Counter()
        self._violations: list[str] = []
        self._joined: dict[str, tuple[str, int]] = {}
        self._delivered_ws: Counter[str] = Counter()
        self._held_s: Counter[str] = Counter()
        self._supplied_ws = 0.0

    def cycles(self) -> Iterator[Cycle]:
        """Every cycle in order; the world moves between them."""
        for index in range(self.count):
            yield self._step(index * self._scenario.cycle_s, self._first_number + index)

    def _step(self, at_s: int, number: int) -> Cycle:
        scenario, world = self._scenario, self._world
        world.move(at_s)
        shared = self._projection_at(at_s)
        projection = shared.connectors
        base = self._base_loads.at(at_s)
        envelopes = self._envelopes_at(at_s)
        unseen = self._unseen_at(at_s)
        lost = self._lost_at(at_s)
        at, sessions = world.calendar.instant(at_s), world.sessions()
        snapshot = snapshot_from_sessions(
            shared,
            at=at,
            sessions=sessions,
            base_load={node: figure for node, figure in base.figures.items() if node not in unseen},
            modes=dict.fromkeys(unseen, Mode.SAFE),
            envelopes=envelopes,
            committed=self._committed(lost, at_s),
        )
        cycle = run_cycle(
            shared,
            snapshot,
            strategy=scenario.strategy,
            fair_in=scenario.fair_in,
            number=number,
            trigger=TRIGGER,
            clock_us=self._clock_us,
            before=self._before,
        )
        self._before = cycle
        given = split(shared, snapshot, cycle.setpoint).setpoint
        self.sessions = after_cycle(sessions, shared, cycle.allocation, given, at=at)
        world.remember(self.sessions)
        self._obey(given, lost, at_s)
        self._happen(projection, base, envelopes, unseen, at_s)
        self._note(cycle)
        return cycle

    # What holds at a moment

    def _projection_at(self, at_s: int) -> Projection:
        """The depot laid out with the capacities that events have given it by now."""
        changed = tuple(
            index
            for index, event in enumerate(self._scenario.events)
            if isinstance(event, CapacityEvent) and event.span.holds(at_s)
        )
        if not changed:
            return self._shared
        if changed not in self._variants:
            depot = self._scenario.depot
            for index in changed:
                event = self._scenario.events[index]
                assert isinstance(event, CapacityEvent)
                depot = with_capacity(depot, event.node, event.limit)
            self._variants[changed] = project(depot, leaves=depot.leaves)
        return self._variants[changed]

    def _envelopes_at(self, at_s: int) -> dict[str, Amount]:
        events = self._scenario.events
        return {
            event.node: event.limit for event in events if isinstance(event, EnvelopeEvent) and event.span.holds(at_s)
        }

    def _unseen_at(self, at_s: int) -> list[str]:
        return [
            event.node
            for event in self._scenario.events
            if isinstance(event, ModeEvent) and event.mode is Mode.SAFE and event.span.holds(at_s)
        ]

    def _lost_at(self, at_s: int) -> dict[int, int]:
        """Leaf -> since when its charge point is out of reach."""
        found: dict[int, int] = {}
        for event in self._scenario.events:
            if isinstance(event, OutOfReachEvent) and event.span.holds(at_s):
                node = self._projection.node_index[event.node]
                leaves = range(int(self._projection.first_leaf[node]), int(self._projection.last_leaf[node]))
                found |= dict.fromkeys(leaves, event.span.from_s)
        return found

    def _committed(self, lost: dict[int, int], at_s: int) -> dict[str, int]:
        """The most that unreachable connectors may still draw: their last setpoint until its lease has surely ended."""
        for leaf in sorted(self._held_value.keys() - lost.keys()):
            del self._held_value[leaf]
        committed = {}
        for leaf, since_s in lost.items():
            self._held_value.setdefault(leaf, int(self._in_force[leaf]))
            fallback = int(self._projection.fallback[leaf])
            is_over = at_s >= since_s + self._scenario.lease_s + SKEW_S
            committed[self._projection.leaf_ids[leaf]] = fallback if is_over else max(fallback, self._held_value[leaf])
        return committed

    # What happens

    def _obey(self, setpoint: Ints, lost: dict[int, int], at_s: int) -> None:
        """Setpoints arrive at once, except where nothing arrives."""
        self._in_force = setpoint.copy()
        for leaf, since_s in lost.items():
            ended = at_s >= since_s + self._scenario.lease_s
            self._in_force[leaf] = self._projection.fallback[leaf] if ended else self._held_value[leaf]

    def _happen(
        self,
        projection: Projection,
        base: BaseLoad,
        envelopes: dict[str, Amount],
        unseen: list[str],
        at_s: int,
    ) -> None:
        cycle_s, series, stays = self._scenario.cycle_s, self._series, self._world.stays
        drawn = self._world.draw(self._in_force, cycle_s)
        charging = self._world.flow(drawn)
        both = Flow(line_ma=charging.line_ma + base.flow.line_ma, total_w=charging.total_w + base.flow.total_w)
        flow, base_rows = whole_flow(both), whole_flow(base.flow)
        limit = physical_limits(projection, envelopes)
        self._check(flow, base_rows, limit, drawn, at_s)
        names = [self._projection.node_ids[node] for node in self._projection.frame.nodes.tolist()]
        series.at_s.append(at_s)
        series.charging.append(whole_flow(charging))
        series.base.append(base_rows)
        series.flow.append(flow)
        series.limit.append(limit)
        series.safe.append([name in unseen for name in names])
        series.setpoint.append(self._in_force)
        series.drawn.append(drawn)
        series.soc.append([np.nan if stay.leaf is None else _soc(stay) for stay in stays])
        stored = self._world.charge(drawn, cycle_s, at_s)
        series.power_w.append([round(stored.get(stay.vehicle.id, 0) / cycle_s) for stay in stays])
        self._supplied_ws += float(charging.total_w[0]) * cycle_s
        self._delivered_ws.update(stored)
        for stay in stays:
            if stay.leaf is not None and stay.plugged_s is not None:
                self._joined[stay.vehicle.id] = (self._projection.leaf_ids[stay.leaf], stay.plugged_s)

    def _check(self, flow: Ints, base: Ints, limit: Ints, drawn: Ints, at_s: int) -> None:
        """The independent check: physical flow against every limit, and every draw against its connector."""
        names = [self._projection.node_ids[node] for node in self._projection.frame.nodes.tolist()]
        for inner, row in np.argwhere(flow > limit).tolist():
            self._excesses.append(
                Excess(
                    at_s=at_s,
                    node=names[inner],
                    row=ROWS[row],
                    flow=int(flow[inner, row]),
                    limit=int(limit[inner, row]),
                    by_base_load=bool(base[inner, row] > limit[inner, row]),
                )
            )
        for leaf in np.flatnonzero(drawn > self._projection.max_rating).tolist():
            self._excesses.append(
                Excess(
                    at_s=at_s,
                    node=self._projection.leaf_ids[leaf],
                    row="own unit",
                    flow=int(drawn[leaf]),
                    limit=int(self._projection.max_rating[leaf]),
                    by_base_load=False,
                )
            )

    def _note(self, cycle: Cycle) -> None:
        """Who is held back by what; a cycle that changed nothing leaves it as it was."""
        self._outcomes[cycle.record.outcome.value] += 1
        self._violations += cycle.record.violations
        if cycle.is_worth_keeping:
            self._held = {}
            for record in cycle.record.allocations:
                bound = record.bound_by
                if bound is None or bound["limit"] == "request" or bound["node"] == record.leaf:
                    continue
                constraint = Constraint(node=bound["node"], limit=bound["limit"])
                held_by = self._constraints.setdefault(constraint, len(self._constraints))
                places = self._shared.connectors_of(self._shared.leaf_index[record.leaf])
                self._held |= {self._projection.leaf_ids[place]: held_by for place in places}
        held = []
        for stay in self._world.stays:
            leaf = None if stay.leaf is None else self._projection.leaf_ids[stay.leaf]
            held.append(NOT_HELD if leaf is None else self._held.get(leaf, NOT_HELD))
            if held[-1] != NOT_HELD:
                self._held_s[stay.vehicle.id] += self._scenario.cycle_s
        self._series.held.append(held)

    # The result

    def played(self) -> Played:
        """Everything that was written down."""
        series = self._series
        return Played(
            scenario=self._scenario,
            seed=self._seed,
            projection=self._projection,
            at_s=np.array(series.at_s, dtype=np.int64),
            charging=np.array(series.charging),
            base=np.array(series.base),
            flow=np.array(series.flow),
            limit=np.array(series.limit),
            safe=np.array(series.safe, dtype=np.bool_),
            setpoint=np.array(series.setpoint),
            drawn=np.array(series.drawn),
            soc=np.array(series.soc, dtype=np.float64),
            power_w=np.array(series.power_w, dtype=np.int64),
            held=np.array(series.held, dtype=np.int16),
            constraints=tuple(self._constraints),
            excesses=tuple(self._excesses),
            outings=tuple(self._outing(stay) for stay in self._world.stays),
            supplied_wh=round(self._supplied_ws / 3600),
            outcomes=dict(sorted(self._outcomes.items())),
            violations=tuple(self._violations),
        )

    def _outing(self, stay: Stay) -> Outing:
        vehicle = stay.vehicle
        connector, plugged_s = self._joined.get(vehicle.id, (None, None))
        capacity_ws = vehicle.type.battery_wh * 3600
        needed_ws = max(0, target_ws(vehicle.type) - round(capacity_ws * vehicle.soc))
        return Outing(
            vehicle=vehicle,
            connector=connector,
            plugged_s=plugged_s,
            left_soc=stay.stored_ws / capacity_ws,
            needed_wh=round(needed_ws / 3600),
            delivered_wh=round(self._delivered_ws[vehicle.id] / 3600),
            ready_s=stay.ready_s if needed_ws else vehicle.arrives_s,
            held_s=self._held_s[vehicle.id],
        )


def _soc(stay: Stay) -> float:
    return stay.stored_ws / (stay.vehicle.type.battery_wh * 3600)
