"""What really flows, and what may: the simulator's own arithmetic, which shares nothing with the core's.

Currents are phasors, each relative to the voltage of its own line, added as complex numbers per line; the core's rows
bound them from above. What is compared with a limit is rounded to whole mA and W.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current, Phase

Phasors = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LEAD_30 = complex(sqrt(3) / 2, 0.5)

NO_LIMIT = int(np.iinfo(np.int64).max)
"""In arrays of limits: not limited here."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What flows at M inner nodes."""

    line_ma: Phasors
    """[M, 3] referred to the depot's voltage."""
    total_w: Floats
    """[M]"""


@dataclass(frozen=True, kw_only=True)
class LeafLoad:
    """What one unit of draw (1 mA or 1 W at the vehicle) puts on the tree, per leaf."""

    line_ma: Phasors
    """[n, 3]"""
    total_w: Floats
    """[n]"""
    wire_w: Floats
    """[n] AC: the W of each wire; 0 for DC."""


def leaf_loads(projection: Projection, voltage_permille: int) -> LeafLoad:
    """Per leaf, at the true voltage, all wires of the connector used."""
    n = len(projection.leaf_ids)
    line, total, per_wire = np.zeros((n, 3), complex), np.zeros(n), np.zeros(n)
    for leaf, node in enumerate(projection.leaf_node.tolist()):
        connector, unit = projection.subjects[node], projection.subjects[int(projection.parent[node])]
        assert isinstance(connector, Connector)
        assert isinstance(unit, ChargePoint)
        power_factor = unit.power_factor_permille / 1000
        if unit.current is CurrentKind.DC:
            volts = projection.depot.voltage_v * voltage_permille / 1000
            total[leaf] = 1000 / unit.efficiency_permille
            line[leaf] = 1000 * total[leaf] / (power_factor * sqrt(3) * volts) * lagging(power_factor)
            continue
        nominal_v = int(projection.voltage_v[node])
        turned = lagging(power_factor) * nominal_v / projection.depot.voltage_v
        line[leaf], across_v = _wired(connector, turned, nominal_v * voltage_permille / 1000)
        total[leaf] = across_v * power_factor / 1000
        per_wire[leaf] = total[leaf] / len(connector.phases)
    return LeafLoad(line_ma=line, total_w=total, wire_w=per_wire)


def lagging(power_factor: float) -> complex:
    """A current of length 1 that lags its voltage so far."""
    return complex(power_factor, -sqrt(max(0.0, 1 - power_factor**2)))


def _wired(connector: Connector, turned: complex, volts: float) -> tuple[Phasors, float]:
    """Phasors per mA, and the voltages that drive it, summed over the wires."""
    line = np.zeros(3, complex)
    if not connector.line_to_line:
        for phase in connector.phases:
            line[PHASES.index(phase)] = turned
        return line, len(connector.phases) * volts / sqrt(3)
    first, second = (PHASES.index(phase) for phase in connector.phases)
    if (second - first) % 3 != 1:
        first, second = second, first
    # The voltage between two lines leads the first one's by 30 degrees; turned round, it lags the second one's.
    line[first], line[second] = turned * _LEAD_30, turned * _LEAD_30.conjugate()
    return line, volts


def base_flow(
    amount: Amount, depot: Depot, *, nominal_v: int, phases: Sequence[Phase], voltage_permille: int
) -> tuple[Phasors, float]:
    """Phasors per line, in mA referred, and W of a load that Busbar does not control; generation is negative."""
    power_factor = depot.base_power_factor_permille / 1000
    turned = lagging(power_factor)
    neutral_v = depot.voltage_v * voltage_permille / 1000 / sqrt(3)
    match amount:
        case ActivePower(w=w):
            each = [1000 * w / (len(phases) * neutral_v * power_factor) if phase in phases else 0.0 for phase in PHASES]
            return np.array(each) * turned, float(w)
        case ApparentPower(va=va):
            each = [1000 * va / (len(phases) * neutral_v) if phase in phases else 0.0 for phase in PHASES]
            return np.array(each) * turned, va * power_factor
        case Current():
            given = zip(PHASES, amount.per_phase_ma(), strict=True)
            each = [float(ma or 0) * nominal_v / depot.voltage_v if phase in phases else 0.0 for phase, ma in given]
            return np.array(each) * turned, sum(each) / 1000 * neutral_v * power_factor


def add_up(projection: Projection, load: LeafLoad, draw: Ints, wires: Ints) -> Flow:
    """What charge points draw at every inner node. `draw` [n] in mA or W at the vehicle; `wires` [n]: how many of its
    connector's wires each vehicle uses, 0 meaning all of them."""
    line, total = leaf_flows(projection, load, draw, wires)
    nodes = projection.frame.nodes.tolist()
    ranges = [(int(projection.first_leaf[node]), int(projection.last_leaf[node])) for node in nodes]
    return Flow(
        line_ma=np.array([line[first:last].sum(axis=0) for first, last in ranges]),
        total_w=np.array([total[first:last].sum() for first, last in ranges]),
    )


def leaf_flows(projection: Projection, load: LeafLoad, draw: Ints, wires: Ints) -> tuple[Phasors, Floats]:
    """[n, 3] phasors in mA, referred, and [n] W: what each leaf draws from the tree."""
    line, total = load.line_ma * draw[:, None], load.total_w * draw
    for leaf in np.flatnonzero(wires).tolist():
        connector = projection.subjects[int(projection.leaf_node[leaf])]
        assert isinstance(connector, Connector)
        for phase in connector.phases[int(wires[leaf]) :]:
            line[leaf, PHASES.index(phase)] = 0
        total[leaf] = load.wire_w[leaf] * min(int(wires[leaf]), len(connector.phases)) * draw[leaf]
    return line, total


def leaves_below_nodes(projection: Projection) -> Floats:
    """[M, n] 1 where a leaf is below an inner node, else 0."""
    below = np.zeros((len(projection.frame.nodes), len(projection.leaf_ids)))
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        below[inner, int(projection.first_leaf[node]) : int(projection.last_leaf[node])] = 1
    return below


def whole_flow(flow: Flow) -> Ints:
    """[M, 4] mA on L1, L2, L3 and W, rounded to the nearest."""
    rows: Floats = np.column_stack([np.abs(flow.line_ma), flow.total_w])
    return np.rint(rows).astype(np.int64)


def physical_limits(projection: Projection, envelopes: Mapping[str, Amount]) -> Ints:
    """[M, 4] the least of everything given for a node: rating, default operating capacity, maximum rating, envelope.

    mA on L1, L2, L3 (referred) and W, rounded to the nearest; NO_LIMIT where a row is not limited. Whether a node is
    seen does not matter to its cable.
    """
    depot = projection.depot
    limits = []
    for node in projection.frame.nodes.tolist():
        subject, phases = projection.subjects[node], projection.phases[node]
        nominal_v = int(projection.voltage_v[node])
        given = [envelopes.get(projection.node_ids[node])]
        rows = [NO_LIMIT] * 4
        match subject:
            case Circuit():
                given += [subject.rating, subject.default_operating_capacity]
            case Depot():
                given.append(subject.limit)
            case ChargePoint():
                rows = _rated(subject, depot, nominal_v, phases)
        for amount in given:
            if amount is not None:
                capped = limit_rows(amount, depot, nominal_v=nominal_v, phases=phases)
                rows = [min(row, more) for row, more in zip(rows, capped, strict=True)]
        limits.append(rows)
    return np.array(limits, dtype=np.int64)


def limit_rows(amount: Amount, depot: Depot, *, nominal_v: int, phases: Sequence[Phase]) -> list[int]:
    """A limit on the four rows (design section 3)."""
    match amount:
        case ActivePower(w=w):
            return [NO_LIMIT] * 3 + [w]
        case ApparentPower(va=va):
            each = 1000 * va * sqrt(3) / (len(phases) * depot.voltage_v)
            return [round(each) if phase in phases else NO_LIMIT for phase in PHASES] + [NO_LIMIT]
        case Current():
            return [
                NO_LIMIT if ma is None or phase not in phases else round(ma * nominal_v / depot.voltage_v)
                for phase, ma in zip(PHASES, amount.per_phase_ma(), strict=True)
            ] + [NO_LIMIT]


def _rated(unit: ChargePoint, depot: Depot, nominal_v: int, phases: Sequence[Phase]) -> list[int]:
    if unit.current is CurrentKind.DC:
        return [NO_LIMIT] * 3 + [round(unit.max_rating * 1000 / unit.efficiency_permille)]
    each = round(unit.max_rating * nominal_v / depot.voltage_v)
    return [each if phase in phases else NO_LIMIT for phase in PHASES] + [NO_LIMIT]
