"""A depot as a network of cables and transformers, chosen by stated rules from what is stored.

Every circuit and charge point is a bus at the end of its own cable. Flow is counted at the head of that cable, where a
breaker or meter sits. A transformer stands before the cable where the voltage changes, and where a top-level circuit
is given in kVA.
"""

from dataclasses import dataclass, replace
from math import sqrt
from random import Random

from witness_parts import Cable, Transformer, cable_for, transformer_for

from busbar.core.depot import ChargePoint, Circuit, CurrentKind, Depot
from busbar.core.projection import Projection
from busbar.core.units import ActivePower, Amount, ApparentPower, Current

GRID_V = 11_000
"""Before the transformer of a top-level circuit that is given in kVA."""
SERVICE_CABLE_M = 50
CIRCUIT_CABLES_M = (50, 150)
UNIT_CABLES_M = (10, 50)
CLOCK = 11
"""The depot's side leads by 30 degrees."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """How one bus is fed."""

    node: int
    """In the projection; the bus has the same number."""
    above: int
    """The bus that feeds it; below 0: the grid."""
    voltage_v: int
    above_v: int
    """Before the transformer, where there is one."""
    cable: Cable
    transformer: Transformer | None
    turned_deg: int
    """How far all transformers above it turn its voltage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """Parents first."""

    projection: Projection
    feeds: tuple[Feed, ...]


def network_of(projection: Projection, *, longer: float = 1.0) -> Network:
    """Lay out the cables; every cable `longer` times as long as it was chosen for."""
    feeds: dict[int, Feed] = {}
    for node in projection.frame.nodes.tolist()[1:]:
        feeds[node] = _feed(projection, node, feeds.get(int(projection.parent[node])), longer)
    return Network(projection=projection, feeds=tuple(feeds.values()))


def _feed(projection: Projection, node: int, above: Feed | None, longer: float) -> Feed:
    subject, voltage_v = projection.subjects[node], int(projection.voltage_v[node])
    assert isinstance(subject, ChargePoint | Circuit)
    current_a = _rated_a(projection, node, subject)
    above_v = voltage_v
    if above is not None:
        above_v = above.voltage_v
    elif isinstance(subject, Circuit) and _is_in_kva(subject) and voltage_v <= 1000:
        above_v = GRID_V
    transformer = None if above_v == voltage_v else transformer_for(sqrt(3) * voltage_v * current_a)
    cable = cable_for(current_a, voltage_v=voltage_v, length_m=_length_m(projection, node))
    turned_deg = (above.turned_deg if above else 0) - (30 * CLOCK if transformer else 0)
    return Feed(
        node=node,
        above=above.node if above else -1,
        voltage_v=voltage_v,
        above_v=above_v,
        cable=replace(
            cable,
            length_m=cable.length_m * longer,
            resistance_ohm=cable.resistance_ohm * longer,
            reactance_ohm=cable.reactance_ohm * longer,
        ),
        transformer=transformer,
        turned_deg=turned_deg % 360,
    )


def _is_in_kva(circuit: Circuit) -> bool:
    return any(isinstance(given, ApparentPower) for given in (circuit.rating, circuit.default_operating_capacity))


def _rated_a(projection: Projection, node: int, subject: ChargePoint | Circuit) -> float:
    """What its cable is chosen for: the rating, or the default operating capacity where none is given."""
    depot, voltage_v = projection.depot, int(projection.voltage_v[node])
    if isinstance(subject, Circuit):
        given = subject.rating or subject.default_operating_capacity
        return limit_a(given, depot, voltage_v, len(projection.phases[node]))
    if subject.current is CurrentKind.AC:
        return subject.max_rating / 1000
    supply_va = subject.max_rating * 1e6 / subject.efficiency_permille / subject.power_factor_permille
    return supply_va / (sqrt(3) * voltage_v * _lowest(depot))


def limit_a(amount: Amount, depot: Depot, voltage_v: int, phases: int) -> float:
    """The largest line current that a limit allows; of one in kW at the lowest voltage and base load's power factor."""
    match amount:
        case Current():
            return max((ma or 0) for ma in amount.per_phase_ma()) / 1000
        case ApparentPower(va=va):
            return va * sqrt(3) / (phases * voltage_v)
        case ActivePower(w=w):
            lowest_v = voltage_v * _lowest(depot)
            return w * sqrt(3) / (phases * lowest_v * depot.base_power_factor_permille / 1000)


def _lowest(depot: Depot) -> float:
    return 1 - depot.voltage_margin_permille / 1000


def _length_m(projection: Projection, node: int) -> float:
    """Whole tens of metres, drawn from the node's depth and name."""
    depth = sum(1 for _ in projection.path(node)) - 2
    if depth == 0:
        return SERVICE_CABLE_M
    shortest, longest = UNIT_CABLES_M if isinstance(projection.subjects[node], ChargePoint) else CIRCUIT_CABLES_M
    return Random(f"{depth}/{projection.node_ids[node]}").randrange(shortest, longest + 1, 10)
