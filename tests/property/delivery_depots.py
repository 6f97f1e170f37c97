"""Small depots for the delivery world: scarce enough that who gets what depends on who lets go first."""

import random
from dataclasses import replace

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves, Sharing
from busbar.core.units import PHASES, Amount, ApparentPower, Current, Phase

NOMINAL_V = 400


def amperes(ma: int) -> Current:
    """The same on every phase."""
    return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)


def made_depot(rng: random.Random) -> Depot:
    """One or two grid connections, circuits below them, three to six charge points with one or two connectors."""
    units = [_charge_point(rng, index) for index in range(rng.randint(3, 6))]
    circuits: list[Circuit] = []
    names = [f"C{index}" for index in range(rng.randint(1, 3))]
    placed = {unit.id: rng.choice(names) for unit in units}
    tops = ["G0", "G1"] if rng.random() < 0.3 else ["G0"]
    above = {
        name: rng.choice(tops) if index == 0 or rng.random() < 0.6 else names[0] for index, name in enumerate(names)
    }
    for top in tops:
        below = [unit for unit in units if _root(placed[unit.id], above) == top]
        circuits.append(_circuit(rng, top, None, below))
    for name in names:
        below = [unit for unit in units if name in _path(placed[unit.id], above)]
        circuits.append(_circuit(rng, name, above[name], below))
    return Depot(
        id="depot",
        voltage_v=NOMINAL_V,
        limit=ApparentPower(va=rng.choice((60_000, 200_000))) if rng.random() < 0.2 else None,
        circuits=tuple(circuits),
        charge_points=tuple(replace(unit, circuit=placed[unit.id]) for unit in units),
    )


def charge_points_share(rng: random.Random, depot: Depot) -> Depot:
    """Charge points share, so that they may be told one limit; of some it is known how they divide it."""
    units = tuple(
        replace(unit, sharing=rng.choice((Sharing.PARALLEL, Sharing.SEQUENTIAL, None))) for unit in depot.charge_points
    )
    return replace(depot, leaves=Leaves.CHARGE_POINT, charge_points=units)


def _path(name: str, above: dict[str, str]) -> list[str]:
    found = [name]
    while found[-1] in above:
        found.append(above[found[-1]])
    return found


def _root(name: str, above: dict[str, str]) -> str:
    return _path(name, above)[-1]


def _charge_point(rng: random.Random, index: int) -> ChargePoint:
    is_ac = rng.random() < 0.6
    phases: tuple[Phase, ...] = PHASES
    line_to_line = False
    if is_ac and rng.random() < 0.3:
        phases = tuple(rng.sample(PHASES, rng.choice((1, 2))))
        line_to_line = len(phases) == 2 and rng.random() < 0.5
    count = rng.choice((1, 1, 2))
    connectors = tuple(_connector(rng, str(number + 1), is_ac, phases, line_to_line) for number in range(count))
    ratings = [connector.max_rating for connector in connectors]
    return ChargePoint(
        id=f"CP{index}",
        circuit="",
        current=CurrentKind.AC if is_ac else CurrentKind.DC,
        max_rating=rng.choice((sum(ratings), max(ratings))),
        connectors=connectors,
        efficiency_permille=1000 if is_ac else 940,
    )


def _connector(rng: random.Random, name: str, is_ac: bool, phases: tuple[Phase, ...], line_to_line: bool) -> Connector:
    if is_ac:
        rating, minimum, step = rng.choice((16_000, 32_000, 32_000)), 6000, rng.choice((100, 1000))
        fallback = rng.choice((0, 0, 0, 6000))
    else:
        rating, minimum, step = rng.choice((20_000, 50_000)), 5000, rng.choice((100, 1000))
        fallback = rng.choice((0, 0, 0, 5000))
    steps = tuple(range(minimum, rating + 1, (rating - minimum) // 4)) if rng.random() < 0.15 else ()
    return Connector(
        id=name,
        max_rating=rating,
        minimum=minimum,
        step=step,
        fallback=fallback,
        steps=steps,
        phases=phases if is_ac else PHASES,
        line_to_line=line_to_line,
    )


def _circuit(rng: random.Random, name: str, parent: str | None, below: list[ChargePoint]) -> Circuit:
    """Carries between a third and nearly all of what hangs on it."""
    ma = sum(
        min(unit.max_rating, sum(each.max_rating for each in unit.connectors))
        * (1 if unit.current is CurrentKind.AC else 1.7)
        for unit in below
    )
    capacity = max(20_000, int(ma * rng.uniform(0.35, 0.9)))
    least = sum(
        each.fallback * (1 if unit.current is CurrentKind.AC else 2) for unit in below for each in unit.connectors
    )
    safe: Amount | None = None
    if rng.random() < 0.5:
        safe = amperes(min(capacity, max(int(capacity * rng.uniform(0.3, 0.8)), 2 * least)))
    return Circuit(
        id=name,
        parent=parent,
        default_operating_capacity=amperes(max(capacity, 2 * least)),
        safe_operating_capacity=safe,
        meter=safe is not None,
    )
