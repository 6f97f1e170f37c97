"""Hypothesis strategies: random depots of every shape that the rules accept, and random snapshots of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from busbar.core.depot import (
    STRATEGY_NAMES,
    ChargePoint,
    Circuit,
    Connector,
    CurrentKind,
    Depot,
    FairIn,
    Leaves,
    Sharing,
)
from busbar.core.projection import NodeKind, Projection, project
from busbar.core.snapshot import Mode, Snapshot, on_charge_points, snapshot_from_arrays
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current, Phase

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
_Record = TypeVar("_Record")
_LEVELS_V = (11_000, 690, 480, 415, 400, 208)
_EFFICIENCIES = (1000, 940, 940, 937, 953, 971, 887, 911)
_POWER_FACTORS = (1000, 980, 980, 990, 997, 953, 919, 700, 400)
_STEPS_MA = (1, 100, 1000, 1000, 333, 6000, 10**6)
_STEPS_W = (1, 100, 1000, 1000, 2500, 777, 10**9)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A depot, its snapshot, and how it is to be shared."""

    depot: Depot
    projection: Projection
    snapshot: Snapshot
    strategy: str
    fair_in: FairIn

    def __repr__(self) -> str:
        """What is needed to see the case again; arrays in leaf order."""
        said = vars(self.snapshot.connectors)
        given = {name: value.tolist() for name, value in said.items() if isinstance(value, np.ndarray)}
        about = {name: getattr(self.snapshot, name) for name in ("base_load", "modes", "envelopes")}
        return f"Case({self.depot!r}, {given}, {about}, {self.strategy}, {self.fair_in}, {self.projection.leaves})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    @cached_property
    def leaves(self) -> range:
        """Leaf indices."""
        return range(len(self.projection.leaf_ids))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a drawn depot may have."""

    circuits: int = 9
    charge_points: int = 7
    minima: bool = True
    """Minima, lists of steps and coarse steps; without them every connector takes every W or mA."""
    fallbacks: bool = True
    phasors: bool = True
    """Line-to-line connectors."""
    connectors: tuple[int, ...] = (1, 1, 2, 3)
    """How many a charge point may have."""
    leaves: tuple[Leaves, ...] = tuple(Leaves)
    """What strategies may share among."""


def sometimes(draw: st.DrawFn, one_in: int) -> bool:
    """True about once in so many draws (unlike whole numbers, which favour their ends)."""
    return draw(st.sampled_from((False,) * (one_in - 1) + (True,)))


def amounts(
    draw: st.DrawFn, *, phases: tuple[Phase, ...], scale_ma: int, voltage_v: int, kinds: str = "AaSP"
) -> Amount:
    """A limit of about `scale_ma` per phase: A, per-phase (a)mperes, kVA (S) or kW (P); zero now and then."""
    kind = draw(st.sampled_from(kinds))
    size = draw(st.sampled_from((1000, 300, 600, 850, 1000, 1300, 2000, 3000, 3000, 5000, 0)))
    ma = scale_ma * size // 1000 + draw(st.integers(0, 999)) * (size > 0)
    match kind:
        case "A":
            return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)
        case "a":
            each = {phase: ma * draw(st.sampled_from((1000, 1000, 500, 1100, 0))) // 1000 for phase in phases}
            return Current(l1_ma=each.get(Phase.L1), l2_ma=each.get(Phase.L2), l3_ma=each.get(Phase.L3))
        case "S":
            return ApparentPower(va=ma * voltage_v * len(phases) // 1732)
        case _:
            return ActivePower(w=ma * voltage_v * len(phases) // 1732)


def part_of(amount: Amount, permille: int) -> Amount:
    """A share of an amount, in its own unit."""
    match amount:
        case Current():
            each = [None if ma is None else ma * permille // 1000 for ma in amount.per_phase_ma()]
            return Current(l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])
        case ApparentPower(va=va):
            return ApparentPower(va=va * permille // 1000)
        case ActivePower(w=w):
            return ActivePower(w=w * permille // 1000)


def _phases_within(draw: st.DrawFn, phases: tuple[Phase, ...]) -> tuple[Phase, ...] | None:
    if not sometimes(draw, 6):
        return None
    kept = tuple(phase for phase in phases if draw(st.booleans()))
    return kept or None


def _circuits(
    draw: st.DrawFn, nominal_v: int, shape: Shape
) -> tuple[list[Circuit], list[tuple[Phase, ...]], list[int]]:
    """Circuits, and what phases and voltage each has."""
    tops = draw(st.integers(1, 4))
    count = tops + draw(st.integers(0, shape.circuits - 1))
    circuits: list[Circuit] = []
    phases: list[tuple[Phase, ...]] = []
    voltages: list[int] = []
    deep = draw(st.booleans())
    depths: list[int] = []
    for index in range(count):
        parent = None
        if index >= tops:
            parent = index - 1 if deep else draw(st.integers(0, index - 1))
            if depths[parent] >= 7:
                parent = 0
        above = PHASES if parent is None else phases[parent]
        own_phases = _phases_within(draw, above)
        own_voltage = draw(st.sampled_from(_LEVELS_V)) if sometimes(draw, 6) else None
        there = own_phases or above
        voltage = own_voltage or (nominal_v if parent is None else voltages[parent])
        phases.append(there)
        voltages.append(voltage)
        depths.append(0 if parent is None else depths[parent] + 1)
        scale = draw(st.sampled_from((40_000, 120_000, 400_000))) * nominal_v // voltage
        default = amounts(draw, phases=there, scale_ma=scale, voltage_v=voltage)
        safe = part_of(default, draw(st.sampled_from((1000, 700, 700, 300, 0)))) if draw(st.booleans()) else None
        rating = None
        if sometimes(draw, 3):
            same = part_of(default, draw(st.sampled_from((1000, 1200))))
            other = amounts(draw, phases=there, scale_ma=scale, voltage_v=voltage, kinds="AaS")
            rating = other if isinstance(default, ActivePower) else same
        base = None
        if sometimes(draw, 4):
            base = amounts(draw, phases=there, scale_ma=scale // 4, voltage_v=voltage)
        circuits.append(
            Circuit(
                id=f"C{index}",
                parent=None if parent is None else f"C{parent}",
                default_operating_capacity=default,
                safe_operating_capacity=safe,
                rating=rating,
                voltage_v=own_voltage,
                phases=own_phases,
                base_load=base,
            )
        )
    return circuits, phases, voltages


def _connector(draw: st.DrawFn, number: int, *, is_ac: bool, phases: tuple[Phase, ...], shape: Shape) -> Connector:
    if is_ac:
        rating = draw(st.sampled_from((32_000, 16_000, 32_000, 63_000, 63_000, 12_345, 0)))
        minimum = draw(st.sampled_from((6000, 6000, 0, 4350, 6001)))
        step = draw(st.sampled_from(_STEPS_MA))
    else:
        rating = draw(st.sampled_from((50_000, 150_000, 150_000, 22_222)))
        minimum = draw(st.sampled_from((10_000, 10_000, 0, 5001)))
        step = draw(st.sampled_from(_STEPS_W))
    steps: tuple[int, ...] = ()
    if shape.minima and rating and sometimes(draw, 5):
        eighths = draw(st.sets(st.integers(1, 8), min_size=1, max_size=5))
        steps = tuple(sorted(rating * eighth // 8 for eighth in eighths))
        minimum = min(minimum, steps[-1])
    fallback = 0
    if shape.fallbacks and sometimes(draw, 3):
        fallback = min(rating, draw(st.sampled_from((minimum, 4000, 8000, rating))))
    wired: tuple[Phase, ...] = PHASES
    line_to_line = False
    if is_ac:
        wired = tuple(draw(st.permutations(phases)))[: draw(st.sampled_from((1, 2, 3, 3)))]
        line_to_line = shape.phasors and len(wired) == 2 and draw(st.booleans())
    return Connector(
        id=str(number),
        max_rating=rating,
        minimum=min(minimum, rating) if shape.minima else 0,
        step=step if shape.minima else 1,
        fallback=fallback,
        steps=steps,
        phases=wired,
        line_to_line=line_to_line,
    )


@st.composite
def depots(draw: st.DrawFn, shape: Shape = Shape()) -> Depot:
    """A depot that the rules accept."""
    nominal_v = draw(st.sampled_from((415, 400, 208, 480)))
    circuits, phases, _ = _circuits(draw, nominal_v, shape)
    units = []
    for index in range(draw(st.integers(1, shape.charge_points))):
        at = draw(st.integers(0, len(circuits) - 1))
        is_ac = phases[at] != PHASES or draw(st.booleans())
        connectors = tuple(
            _connector(draw, number, is_ac=is_ac, phases=phases[at], shape=shape)
            for number in range(1, 1 + draw(st.sampled_from(shape.connectors)))
        )
        ratings = [connector.max_rating for connector in connectors]
        rating = draw(st.sampled_from((sum(ratings), sum(ratings), max(ratings), max(ratings) // 2)))
        sharing = draw(st.sampled_from((None, *Sharing))) if len(connectors) > 1 else None
        modules = draw(st.sampled_from((None, None, 2, 5)))
        outputs = draw(st.sampled_from((None, None, 1, len(connectors))))
        units.append(
            ChargePoint(
                id=f"CP{index}",
                circuit=f"C{at}",
                current=CurrentKind.AC if is_ac else CurrentKind.DC,
                max_rating=rating // modules * modules if modules and not is_ac else rating,
                connectors=connectors,
                efficiency_permille=1000 if is_ac else draw(st.sampled_from(_EFFICIENCIES)),
                power_factor_permille=draw(st.sampled_from(_POWER_FACTORS)),
                idle_load_w=draw(st.sampled_from((0, 0, 50, 1234))),
                in_service=not sometimes(draw, 10),
                sharing=sharing,
                module_size=rating // modules if modules and not is_ac else None,
                outputs=None if sharing is Sharing.SEQUENTIAL else outputs,
            )
        )
    limit = None
    if sometimes(draw, 4):
        tops = [there for circuit, there in zip(circuits, phases, strict=True) if circuit.parent is None]
        flowing = tuple(phase for phase in PHASES if any(phase in there for there in tops))
        limit = amounts(draw, phases=flowing, scale_ma=200_000, voltage_v=nominal_v)
    return Depot(
        id="depot",
        voltage_v=nominal_v,
        voltage_margin_permille=draw(st.sampled_from((50, 50, 0, 100))),
        base_power_factor_permille=draw(st.sampled_from((900, 1000, 850))),
        limit=limit,
        circuits=tuple(circuits),
        charge_points=tuple(units),
    )


def _about_nodes(
    draw: st.DrawFn, projection: Projection
) -> tuple[dict[str, Amount], dict[str, Mode], dict[str, Amount]]:
    """Measured base loads, modes and envelopes."""
    base: dict[str, Amount] = {}
    modes: dict[str, Mode] = {}
    envelopes: dict[str, Amount] = {}
    nominal_v = projection.depot.voltage_v
    for node, kind in enumerate(projection.kinds):
        if kind is NodeKind.CONNECTOR or not sometimes(draw, 3):
            continue
        node_id, phases = projection.node_ids[node], projection.phases[node]
        voltage_v = int(projection.voltage_v[node])
        # A charge point has no meter of its own: base loads and modes are those of circuits.
        sayable = "e" if kind is NodeKind.CHARGE_POINT else "bme"
        said = draw(st.sets(st.sampled_from(sayable), min_size=1))
        scale_ma = 60_000 * nominal_v // voltage_v
        if "b" in said:
            found = amounts(draw, phases=phases, scale_ma=scale_ma // 3, voltage_v=voltage_v)
            base[node_id] = part_of(found, draw(st.sampled_from((1000, 1000, -1000))))
        if "m" in said:
            modes[node_id] = draw(st.sampled_from((Mode.SAFE, Mode.SAFE, Mode.NORMAL)))
        if "e" in said:
            envelopes[node_id] = amounts(draw, phases=phases, scale_ma=scale_ma, voltage_v=voltage_v)
    return base, modes, envelopes


@st.composite
def snapshots(draw: st.DrawFn, projection: Projection) -> Snapshot:
    """What is wanted and known at one instant, some of it out of reach, stopped or unknown."""
    base, modes, envelopes = _about_nodes(draw, projection) if draw(st.booleans()) else ({}, {}, {})
    n = len(projection.leaf_ids)
    request = np.zeros(n, dtype=np.int64)
    names = ("arrived_ago_s", "departs_in_s", "energy_needed_wh", "soc", "charging_for_s")
    columns: dict[str, np.ndarray] = {name: np.full(n, np.nan) for name in (*names, "waiting_for_s", "stopped_ago_s")}
    columns |= {"weight": np.ones(n), "priority": np.zeros(n, np.int64), "committed": np.zeros(n, np.int64)}
    columns |= {name: np.zeros(n, np.bool_) for name in ("charging", "out_of_reach")}
    tells = draw(st.booleans())
    for leaf in range(n):
        rating, minimum = int(projection.max_rating[leaf]), int(projection.minimum[leaf])
        request[leaf] = draw(
            st.sampled_from((rating, rating, rating, rating * 2, rating * 2 // 3, minimum + 1, minimum // 2, 1, 0))
        )
        if sometimes(draw, 10):
            columns["out_of_reach"][leaf] = True
            columns["committed"][leaf] = draw(st.sampled_from((0, rating // 2, rating)))
        if not tells:
            continue
        seconds = st.one_of(st.just(np.nan), st.sampled_from((0.0, 60.0, 599.9, 600.0, 3600.0, 7201.5)))
        columns["arrived_ago_s"][leaf] = draw(seconds)
        columns["departs_in_s"][leaf] = draw(seconds) - draw(st.sampled_from((0.0, 0.0, 300.0)))
        columns["energy_needed_wh"][leaf] = draw(st.sampled_from((np.nan, 0.0, 5000.0, 80_000.0)))
        columns["soc"][leaf] = draw(st.sampled_from((np.nan, 0.1, 0.104, 0.5, 1.0)))
        columns["priority"][leaf] = draw(st.integers(-1, 2))
        columns["weight"][leaf] = draw(st.sampled_from((1.0, 1.0, 2.0, 0.3, 10.0)))
        state = draw(st.sampled_from(("charging", "waiting", "stopped", "nothing")))
        columns["charging"][leaf] = state == "charging"
        if state == "charging":
            columns["charging_for_s"][leaf] = draw(seconds)
        if state in ("waiting", "stopped"):
            columns["waiting_for_s"][leaf] = draw(seconds)
        if state == "stopped" or sometimes(draw, 6):
            columns["stopped_ago_s"][leaf] = draw(seconds)
    return snapshot_from_arrays(
        projection, at=AT, request=request, base_load=base, modes=modes, envelopes=envelopes, **columns
    )


@st.composite
def cases(draw: st.DrawFn, shape: Shape = Shape()) -> Case:
    """Everything at once."""
    depot = draw(depots(shape))
    projection = project(depot)
    case = Case(
        depot=depot,
        projection=projection,
        snapshot=draw(snapshots(projection)),
        strategy=draw(st.sampled_from(STRATEGY_NAMES)),
        fair_in=draw(st.sampled_from(FairIn)),
    )
    return case if draw(st.sampled_from(shape.leaves)) is Leaves.CONNECTOR else by_charge_point(case)


def by_charge_point(case: Case) -> Case:
    """The same case, shared among charge points."""
    projection = project(case.depot, leaves=Leaves.CHARGE_POINT)
    return replace(case, projection=projection, snapshot=on_charge_points(projection, case.snapshot))


def reordered(depot: Depot, seed: int) -> Depot:
    """The same depot with its records in another order."""
    rng = np.random.default_rng(seed)

    def shuffled(records: tuple[_Record, ...]) -> tuple[_Record, ...]:
        return tuple(records[index] for index in rng.permutation(len(records)))

    return replace(
        depot,
        circuits=shuffled(depot.circuits),
        charge_points=tuple(
            replace(unit, connectors=shuffled(unit.connectors)) for unit in shuffled(depot.charge_points)
        ),
    )
