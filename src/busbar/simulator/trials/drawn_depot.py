"""A depot drawn at random: one that the rules accept, whose fallbacks fit, and whose limits bind."""

from dataclasses import dataclass, replace
from math import sqrt
from random import Random

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
from busbar.core.fallbacks import Excess, fallbacks_that_do_not_fit
from busbar.core.projection import project
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current, Phase

MOST_CONNECTORS = 24
FEWEST_CONNECTORS = 4
_VOLTAGE_V = 415
_GRID_V = 11_000
_DEEPEST = 3
"""Circuits below a grid connection nest so deep."""
_BASE_POWER_FACTOR = 0.9
_LOWEST_VOLTAGE = 0.95
_ROTATIONS = (PHASES, (Phase.L2, Phase.L3, Phase.L1), (Phase.L3, Phase.L1, Phase.L2))


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnDepot:
    """A depot, and what may happen in it without anybody breaking a promise."""

    depot: Depot
    base_w: dict[str, int]
    """Metered circuit -> the most base load that may hang on itself, so that seen or unseen it is within what the
    depot file promises: default less safe capacity, here and above."""
    lowest_share: dict[str, float]
    """Circuit -> the share of its default capacity that it can be cut to while that promise still holds."""
    meters: tuple[str, ...]
    """Circuits whose meters may fail while that promise still holds."""


@dataclass(slots=True)
class _Sketch:
    """A circuit before it has capacities. (Mutable.)"""

    id: str
    parent: "_Sketch | None"
    depth: int
    has_meter: bool
    voltage_v: int
    own_base_w: int = 0

    def path(self) -> "list[_Sketch]":
        """Itself and everything above."""
        return [self, *(self.parent.path() if self.parent else ())]


def drawn_depot(random: Random) -> DrawnDepot:
    """One depot of 4 to 24 connectors. The same state of `random` gives the same depot."""
    sketches = _sketches(random)
    units = _charge_points(random, sketches)
    for sketch in sketches:
        # What nobody sees above cannot carry what changes below.
        is_first = sketch is sketches[0]
        if all(each.has_meter for each in sketch.path()) and (is_first or random.random() < 0.6):
            peak_w = max(20_000.0, _peak_w(_below(units, sketches, sketch)))
            sketch.own_base_w = round(peak_w * random.uniform(0.05, 0.2)) // 100 * 100
    leaves = random.choice((Leaves.CONNECTOR, Leaves.CHARGE_POINT))
    circuits = tuple(_circuit(random, sketch, sketches, units) for sketch in sketches)
    depot = Depot(
        id="depot",
        voltage_v=_VOLTAGE_V,
        limit=_limit(random, units, sketches) if random.random() < 0.25 else None,
        strategy=random.choice(STRATEGY_NAMES),
        leaves=leaves,
        fair_in=random.choice((FairIn.POWER, FairIn.POWER, FairIn.CURRENT)),
        circuits=circuits,
        charge_points=tuple(units),
    )
    depot = _with_fallbacks_that_fit(depot)
    return DrawnDepot(
        depot=depot,
        base_w={sketch.id: sketch.own_base_w for sketch in sketches if sketch.own_base_w},
        lowest_share={circuit.id: _lowest_share(circuit, _base_below(sketches, circuit.id)) for circuit in circuits},
        meters=tuple(circuit.id for circuit in circuits if circuit.meter),
    )


def capacity(amount: Amount) -> int:
    """An amount as one number, in its own unit; drawn limits are the same on every line."""
    match amount:
        case Current():
            return min(each for each in amount.per_phase_ma() if each is not None)
        case ApparentPower(va=va):
            return va
        case ActivePower(w=w):
            return w


def scaled(amount: Amount, share: float) -> Amount:
    """A share of a limit, in whole amperes, kVA or kW."""
    whole = max(1, int(capacity(amount) * share) // 1000) * 1000
    match amount:
        case Current():
            return Current(l1_ma=whole, l2_ma=whole, l3_ma=whole)
        case ApparentPower():
            return ApparentPower(va=whole)
        case ActivePower():
            return ActivePower(w=whole)


def fallback_excesses(depot: Depot) -> list[Excess]:
    """Where its fallbacks do not fit, whichever leaves it shares among."""
    return [excess for leaves in Leaves for excess in fallbacks_that_do_not_fit(project(depot, leaves=leaves))]


# Wiring


def _sketches(random: Random) -> list[_Sketch]:
    found: list[_Sketch] = []
    for number in range(1, random.choice((1, 1, 2)) + 1):
        is_high = random.random() < 0.15
        # Meters fail, and base load steps, in every trial: the first grid connection is always seen.
        has_meter = number == 1 or random.random() < 0.7
        found.append(_Sketch(f"GC{number}", None, 0, has_meter, _GRID_V if is_high else _VOLTAGE_V))
    for number in range(1, random.randint(1, 6) + 1):
        above = random.choice([sketch for sketch in found if sketch.depth < _DEEPEST])
        found.append(_Sketch(f"C{number}", above, above.depth + 1, random.random() < 0.4, _VOLTAGE_V))
    return found


def _charge_points(random: Random, sketches: list[_Sketch]) -> list[ChargePoint]:
    left = random.randint(FEWEST_CONNECTORS, MOST_CONNECTORS)
    # Nothing hangs on 11 kV itself.
    places = [sketch.id for sketch in sketches if sketch.voltage_v == _VOLTAGE_V]
    ac_share = random.choice((0.2, 0.5, 0.5, 0.8))
    fallback_share = random.choice((0.0, 0.3, 0.6))
    units: list[ChargePoint] = []
    while left:
        count = min(left, random.choice((1, 1, 2, 2, 3)))
        left -= count
        draw = _ac_unit if random.random() < ac_share else _dc_unit
        units.append(draw(random, f"CP{len(units) + 1}", random.choice(places), count, fallback_share))
    return units


def _ac_unit(random: Random, name: str, circuit: str, count: int, fallback_share: float) -> ChargePoint:
    rating = random.choice((16_000, 32_000, 32_000, 63_000))
    is_unbalanced = random.random() < 0.4
    connectors = []
    for number in range(1, count + 1):
        phases: tuple[Phase, ...] = random.choice(_ROTATIONS)
        line_to_line = False
        if is_unbalanced:
            phases = phases[: random.choice((1, 1, 2))]
            line_to_line = len(phases) == 2 and random.random() < 0.5
        connectors.append(
            Connector(
                id=str(number),
                max_rating=rating,
                minimum=6_000,
                step=random.choice((100, 1_000)),
                fallback=6_000 if random.random() < fallback_share else 0,
                phases=phases,
                line_to_line=line_to_line,
            )
        )
    return ChargePoint(
        id=name,
        circuit=circuit,
        current=CurrentKind.AC,
        max_rating=rating if count == 1 or random.random() < 0.4 else rating * count,
        connectors=tuple(connectors),
        power_factor_permille=random.choice((950, 980, 1000)),
        sharing=_sharing(random, count),
    )


def _dc_unit(random: Random, name: str, circuit: str, count: int, fallback_share: float) -> ChargePoint:
    rating = random.choice((30_000, 60_000, 150_000))
    minimum = random.choice((0, 5_000, 10_000))
    connectors = tuple(
        Connector(
            id=str(number),
            max_rating=rating,
            minimum=minimum,
            step=random.choice((100, 1_000)),
            fallback=max(minimum, 5_000) if random.random() < fallback_share else 0,
        )
        for number in range(1, count + 1)
    )
    most = rating if count == 1 else random.choice((rating, rating * count * 3 // 4, rating * count))
    return ChargePoint(
        id=name,
        circuit=circuit,
        current=CurrentKind.DC,
        max_rating=most,
        connectors=connectors,
        efficiency_permille=random.choice((920, 940, 960)),
        power_factor_permille=random.choice((950, 980)),
        sharing=_sharing(random, count),
    )


def _sharing(random: Random, count: int) -> Sharing | None:
    return None if count == 1 else random.choice((None, Sharing.PARALLEL, Sharing.UNVERIFIED, Sharing.SEQUENTIAL))


# Capacities


def _circuit(random: Random, sketch: _Sketch, sketches: list[_Sketch], units: list[ChargePoint]) -> Circuit:
    below = _below(units, sketches, sketch)
    unit = random.choice((Current, Current, ApparentPower, ActivePower))
    if sketch.voltage_v != _VOLTAGE_V and unit is Current:
        unit = ApparentPower
    charging = max(_one_minimum(below, unit), round(_peak(below, unit) * random.uniform(0.35, 0.8)))
    base = _in_unit(_base_below(sketches, sketch.id), unit)
    default = _amount(unit, charging + base)
    safe: Amount | None = None
    if sketch.has_meter:
        # Room for a cut of the default capacity above what base load may be there unseen.
        safe = _amount(unit, min(charging * random.uniform(0.35, 0.8), capacity(default) - base))
    elif random.random() < 0.3:
        safe = _amount(unit, charging * random.uniform(0.4, 0.9))
    return Circuit(
        id=sketch.id,
        parent=None if sketch.parent is None else sketch.parent.id,
        rating=_amount(unit, capacity(default) * 1.25) if random.random() < 0.4 else None,
        default_operating_capacity=default,
        safe_operating_capacity=safe,
        voltage_v=_own_voltage(sketch),
        meter=sketch.has_meter,
    )


def _own_voltage(sketch: _Sketch) -> int | None:
    above_v = _VOLTAGE_V if sketch.parent is None else sketch.parent.voltage_v
    return None if sketch.voltage_v == above_v else sketch.voltage_v


def _limit(random: Random, units: list[ChargePoint], sketches: list[_Sketch]) -> Amount:
    unit = random.choice((ApparentPower, ActivePower))
    base = _in_unit(sum(sketch.own_base_w for sketch in sketches), unit)
    return _amount(unit, max(_one_minimum(units, unit), _peak(units, unit) * random.uniform(0.5, 0.9)) + base)


def _lowest_share(circuit: Circuit, base_w: int) -> float:
    default, safe = circuit.default_operating_capacity, circuit.safe_operating_capacity
    base = _in_unit(base_w, type(default))
    return min(1.0, ((0 if safe is None else capacity(safe)) + base + 2_000) / capacity(default))


def _below(units: list[ChargePoint], sketches: list[_Sketch], top: _Sketch) -> list[ChargePoint]:
    names = {sketch.id for sketch in sketches if top in sketch.path()}
    return [unit for unit in units if unit.circuit in names]


def _base_below(sketches: list[_Sketch], name: str) -> int:
    return sum(sketch.own_base_w for sketch in sketches if name in {each.id for each in sketch.path()})


def _peak_w(units: list[ChargePoint]) -> float:
    return sum(_unit_w(unit) for unit in units)


def _unit_w(unit: ChargePoint) -> float:
    rated = sum(connector.max_rating for connector in unit.connectors)
    share = min(1.0, unit.max_rating / rated)
    if unit.current is CurrentKind.DC:
        return share * rated * 1000 / unit.efficiency_permille
    return share * sum(_VOLTAGE_V / sqrt(3) * len(each.phases) * each.max_rating / 1000 for each in unit.connectors)


def _peak(units: list[ChargePoint], unit: type[Amount]) -> float:
    """What all of them draw together, on the fullest line or in total."""
    if unit is ActivePower:
        return _peak_w(units)
    lines = [0.0, 0.0, 0.0]
    for each in units:
        if each.current is CurrentKind.DC:
            lines = [line + _dc_ma(_unit_w(each), each) for line in lines]
            continue
        for index, phase in enumerate(PHASES):
            drawn = sum(one.max_rating for one in each.connectors if phase in one.phases)
            lines[index] += min(drawn, each.max_rating)
    return _like(max(lines), unit)


def _one_minimum(units: list[ChargePoint], unit: type[Amount]) -> float:
    """Enough for the largest minimum below, and a little more."""
    if unit is ActivePower:
        each_w = [
            2 * max(one.minimum for one in each.connectors) * (1 if each.current is CurrentKind.DC else 0.72)
            for each in units
        ]
        return max([8_000.0, *each_w])
    each_ma = [
        2 * one.minimum if each.current is CurrentKind.AC else 2 * _dc_ma(one.minimum, each)
        for each in units
        for one in each.connectors
    ]
    return _like(max([10_000.0, *each_ma]), unit)


def _dc_ma(power_w: float, unit: ChargePoint) -> float:
    return 1000 * power_w / (sqrt(3) * _VOLTAGE_V * _LOWEST_VOLTAGE * unit.power_factor_permille / 1000)


def _in_unit(base_w: int, unit: type[Amount]) -> float:
    """Base load given in kW, as much as it can be in that unit."""
    if unit is ActivePower:
        return float(base_w)
    return _like(1000 * base_w / (sqrt(3) * _VOLTAGE_V * _LOWEST_VOLTAGE * _BASE_POWER_FACTOR), unit)


def _like(line_ma: float, unit: type[Amount]) -> float:
    return line_ma if unit is Current else line_ma * sqrt(3) * _VOLTAGE_V / 1000


def _amount(unit: type[Amount], value: float) -> Amount:
    """In whole amperes, kVA or kW."""
    whole = max(1, round(value / 1000)) * 1000
    if unit is Current:
        return Current(l1_ma=whole, l2_ma=whole, l3_ma=whole)
    return ApparentPower(va=whole) if unit is ApparentPower else ActivePower(w=whole)


# Fallbacks


def _with_fallbacks_that_fit(depot: Depot) -> Depot:
    """Below a circuit that could not carry them, nobody has one."""
    while excesses := fallback_excesses(depot):
        full = excesses[0].node
        above = {circuit.id: circuit.parent for circuit in depot.circuits}

        def hangs_on(name: str | None, full: str = full, above: dict[str, str | None] = above) -> bool:
            return name is not None and (name == full or hangs_on(above[name]))

        depot = replace(
            depot,
            charge_points=tuple(
                replace(unit, connectors=tuple(replace(one, fallback=0) for one in unit.connectors))
                if hangs_on(unit.circuit)
                else unit
                for unit in depot.charge_points
            ),
        )
    return depot
