"""The yard: charge points, vehicles, wiring and base load as they really are, whatever anybody knows of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from busbar.core.depot import Depot
from busbar.core.projection import Projection, project
from busbar.core.units import Amount
from busbar.simulator.base_load import BaseLoad, BaseLoads
from busbar.simulator.physics import Flow, Ints, leaf_flows, leaf_loads, leaves_below_nodes, physical_limits, whole_flow
from busbar.simulator.scenario import Scenario
from busbar.simulator.stations.behaviours import HONEST, Behaviour, together
from busbar.simulator.stations.building import Cast, make_stations
from busbar.simulator.stations.charger import Charger
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.outlets import Outlet, Transaction
from busbar.simulator.stations.profiles import Profile
from busbar.simulator.stations.station import Station
from busbar.simulator.stations.traffic import NOBODY
from busbar.simulator.trials.line import Line, SiteClock

BACK_IN_LINE_S = 15.0
"""How long a unit that did otherwise than told takes to be back at what it is told: its ramp, and some."""
_LIMITS_KEPT = 32
"""Limits come back when an envelope or an edit is over; the oldest are worked out anew."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One second of the truth. M inner nodes, n connectors, in the order of the projection."""

    at_s: int
    """Since the start of the scenario."""
    now_s: float
    """By the clock that never jumps."""
    draw: Ints
    """[n] mA per phase, or W at the vehicle."""
    told: Ints
    """[n] the most its profiles let each connector draw by now, had it obeyed and lost none of them."""
    flow: Flow
    """Base load included."""
    flow_rows: Ints
    """[M, 4] the same, whole."""
    base_rows: Ints
    """[M, 4]"""
    limit: Ints
    """[M, 4] in force by what is stored."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What an outlet was told, and how long that is so."""

    profiles: tuple[Profile, ...]
    transaction: Transaction | None
    until_s: float
    limit: int


@dataclass(slots=True)
class Unit:
    """One charge point in the yard. (Mutable.)"""

    link: Line
    leaves: range
    behaviours: dict[int, Behaviour] = field(default_factory=dict)
    """What faults make of it, by their numbers."""
    has_forgotten: set[int] = field(default_factory=set)
    """Leaves whose fallback it has lost with its memory, until it is told anew."""

    odd_until_s: float = -1.0
    """It, or its vehicles, did otherwise than told, and take until then to be back in line."""

    @property
    def refuses(self) -> bool:
        """It refuses setpoints."""
        return any(behaviour.name == "refusing" for behaviour in self.behaviours.values())

    @property
    def is_odd(self) -> bool:
        """Faults make it, or its vehicles, do otherwise than told."""
        return bool(self.behaviours) or self.link.now_s < self.odd_until_s

    def behave(self, true_s: float) -> None:
        """Take what is in force."""
        self.odd_until_s = self.link.now_s + BACK_IN_LINE_S
        self.link.station.behave(together(list(self.behaviours.values())) or HONEST, true_s)
        self.link.poke()


MakeLine = Callable[[Station, Conditions, Random], Line]
"""How a charge point gets its way to Busbar."""


class Yard:
    """Everything physical of one depot. (It lives.)"""

    def __init__(
        self, scenario: Scenario, *, seed: int, make_line: MakeLine, clock: SiteClock, sample_s: int, speed: float = 1.0
    ) -> None:
        """`speed`: how many times as fast as the clock batteries fill."""
        self.projection: Projection = project(scenario.depot, leaves=scenario.depot.leaves).connectors
        self._clock = clock
        self._load = leaf_loads(self.projection, scenario.voltage_permille)
        conditions = Conditions(
            traffic=NOBODY,
            sample_s=sample_s,
            voltage_permille=scenario.voltage_permille,
            ramp_s=3.0,
            patience_s=10.0,
            speed=speed,
        )
        made = make_stations(self.projection, self._load, Cast(seed=seed), conditions, now_s=clock.true_s)
        self.units: dict[str, Unit] = {}
        self.outlets: list[Outlet | None] = [None] * len(self.projection.leaf_ids)
        self.unit_of: list[Unit | None] = [None] * len(self.projection.leaf_ids)
        for station, leaves in made:
            random = Random(f"{seed}/link/{station.id}")
            unit = self.units[station.id] = Unit(make_line(station, conditions, random), leaves)
            for leaf, outlet in zip(leaves, station.outlets, strict=True):
                self.outlets[leaf], self.unit_of[leaf] = outlet, unit
        self._base_loads = BaseLoads(scenario, self.projection, seed)
        self.more_base: dict[int, tuple[str, Amount]] = {}
        """What faults add to the base load, by their numbers."""
        self._base: tuple[BaseLoad, Ints] | None = None
        """And the same in whole rows."""
        self._base_until_s = -1
        self._base_every_s = scenario.cycle_s
        self._limits: dict[tuple[object, ...], Ints] = {}
        self._wires = np.zeros(len(self.outlets), dtype=np.int64)
        self._below = leaves_below_nodes(self.projection)
        self._told: dict[int, _Told] = {}

    def start(self) -> None:
        """Switch everything on."""
        for unit in self.units.values():
            unit.link.start()

    def base_changed(self) -> None:
        """A fault adds to the base load, or does no more."""
        self._base_until_s = -1

    def clock_set(self, unit: Unit) -> None:
        """A charge point's clock was set: its profiles begin and end at other times."""
        for leaf in unit.leaves:
            self._told.pop(leaf, None)

    def look(self, at_s: int, depot: Depot, revision: int, envelopes: Mapping[str, Sequence[Amount]]) -> Sight:
        """What is true now. `depot`, as of its `revision`, and `envelopes`: what is stored decides what may flow."""
        draw, told = self._draws()
        charging = self._added_up(draw)
        base, base_rows = self._base_at(at_s)
        flow = Flow(
            line_ma=charging.line_ma + base.flow.line_ma,
            total_w=charging.total_w + base.flow.total_w,
        )
        return Sight(
            at_s=at_s,
            now_s=self._clock.now_s(),
            draw=draw,
            told=told,
            flow=flow,
            flow_rows=whole_flow(flow),
            base_rows=base_rows,
            limit=self._limit(depot, revision, envelopes),
        )

    def rows_of(self, draw: Ints) -> Ints:
        """[M, 4] what draws (mA or W per connector) put on every inner node, by themselves."""
        if not draw.any():
            return np.zeros((len(self._below), 4), dtype=np.int64)
        return whole_flow(self._added_up(draw))

    def _added_up(self, draw: Ints) -> Flow:
        """As `physics.add_up` does, by one product for all nodes: it is asked for every second."""
        line_ma, total_w = leaf_flows(self.projection, self._load, draw, self._wires)
        return Flow(line_ma=self._below @ line_ma, total_w=self._below @ total_w)

    def _draws(self) -> tuple[Ints, Ints]:
        true_s = self._clock.true_s
        draw, told = np.zeros(len(self.outlets), dtype=np.int64), np.zeros(len(self.outlets), dtype=np.int64)
        for unit in self.units.values():
            charger = unit.link.station.charger
            charger.advance(true_s)
            for place, leaf in enumerate(unit.leaves):
                outlet = self.outlets[leaf]
                assert outlet is not None
                draw[leaf], self._wires[leaf] = outlet.drawn, outlet.wires_used
                if outlet.vehicle is not None:
                    told[leaf] = self._told_now(leaf, charger, place, true_s)
                    if leaf in unit.has_forgotten and any(each.connector == outlet.number for each in charger.profiles):
                        unit.has_forgotten.discard(leaf)
                        unit.odd_until_s = unit.link.now_s + BACK_IN_LINE_S
                    if leaf in unit.has_forgotten:
                        told[leaf] = min(told[leaf], int(self.projection.fallback[leaf]))
        return draw, told

    def _told_now(self, leaf: int, charger: Charger, place: int, true_s: float) -> int:
        """What its profiles say; worked out anew only when they, or what they apply to, are others."""
        transaction = charger.outlets[place].transaction
        known = self._told.get(leaf)
        if (
            known is None
            or known.profiles is not charger.profiles
            or known.transaction is not transaction
            or true_s >= known.until_s
        ):
            limit, until_s = charger.own_limit(place, true_s)
            known = self._told[leaf] = _Told(charger.profiles, transaction, until_s, limit)
        return known.limit

    def _base_at(self, at_s: int) -> tuple[BaseLoad, Ints]:
        if self._base is None or at_s >= self._base_until_s:
            more: dict[str, list[Amount]] = {}
            for circuit, amount in self.more_base.values():
                more.setdefault(circuit, []).append(amount)
            base = self._base_loads.at(at_s, more)
            self._base = base, whole_flow(base.flow)
            self._base_until_s = (at_s // self._base_every_s + 1) * self._base_every_s
        return self._base

    def _limit(self, depot: Depot, revision: int, envelopes: Mapping[str, Sequence[Amount]]) -> Ints:
        key = (revision, tuple(sorted((node, tuple(map(repr, amounts))) for node, amounts in envelopes.items())))
        if key not in self._limits:
            projection = project(depot).connectors
            assert projection.node_ids == self.projection.node_ids, "edits of a trial keep the wiring"
            found = physical_limits(projection, {})
            for node, amounts in envelopes.items():
                for amount in amounts:
                    found = np.minimum(found, physical_limits(projection, {node: amount}))
            if len(self._limits) >= _LIMITS_KEPT:
                self._limits.pop(next(iter(self._limits)))
            self._limits[key] = found
        return self._limits[key]
