"""The audit: recomputes every flow from the whole-number setpoints, plainly and exactly.

Shares nothing with the fill: limits come from `twin_limits`, straight from the stored records, and flows are added up
here. An allocation in which it finds anything must not be sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, lcm

from busbar.core.allocation import Allocation
from busbar.core.depot import ChargePoint, Connector
from busbar.core.projection import Projection
from busbar.core.snapshot import Snapshot
from busbar.core.twin_limits import twin_available


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One promise of an allocation that does not hold."""

    node: str
    """The power node; a connector where its own setpoint is wrong."""
    row: str | None
    """L1, L2, L3 or total; None where no row is concerned."""
    rule: str
    value: int
    """What was found, in mA or W, loads rounded up."""
    bound: int
    """What is allowed, in the same unit, limits rounded down."""

    def __str__(self) -> str:
        unit = "" if self.row is None else " W" if self.row == "total" else " mA"
        where = self.node if self.row is None else f"{self.node} {self.row}"
        return f"{where}: {self.rule} ({self.value}{unit}, allowed {self.bound}{unit})"


def audit(projection: Projection, snapshot: Snapshot, allocation: Allocation) -> list[Violation]:
    """Every promise that does not hold; empty where the allocation may be sent.

    Checked: no row of any node above what is available (where reservations that nobody can lower are above it by
    themselves: nothing beyond them), and every setpoint is 0 or a value the connector takes, at least its minimum, at
    most its request and rating, and 0 where there is no vehicle or the charge point is out of service or reach.
    """
    setpoints = [int(value) for value in allocation.setpoint]
    found = [*_wrong_setpoints(projection, snapshot, setpoints)]
    idle = [_idle(projection, snapshot, leaf) for leaf in range(len(setpoints))]
    reserved = [
        max(value, least) if projection.in_service[leaf] else 0
        for leaf, (value, least) in enumerate(zip(setpoints, idle, strict=True))
    ]
    found += _overfull(projection, snapshot, reserved, idle)
    return found


def _idle(projection: Projection, snapshot: Snapshot, leaf: int) -> int:
    """Reserved for a leaf in any case: its fallback, or what it may still draw while out of reach."""
    node = int(projection.leaf_node[leaf])
    connector, unit = projection.subjects[node], projection.subjects[projection.parent[node]]
    assert isinstance(connector, Connector)
    assert isinstance(unit, ChargePoint)
    return max(connector.fallback, int(snapshot.committed[leaf])) if unit.in_service else 0


def _wrong_setpoints(projection: Projection, snapshot: Snapshot, setpoints: list[int]) -> Iterator[Violation]:
    for leaf, value in enumerate(setpoints):
        if value == 0:
            continue
        node = int(projection.leaf_node[leaf])
        connector, unit = projection.subjects[node], projection.subjects[projection.parent[node]]
        assert isinstance(connector, Connector)
        assert isinstance(unit, ChargePoint)
        most = min(connector.max_rating, max(int(snapshot.request[leaf]), _least(connector)))
        rule, bound = "", 0
        if not unit.in_service or snapshot.out_of_reach[leaf] or not snapshot.present[leaf]:
            rule = "given something where nothing can be given"
        elif snapshot.request[leaf] <= 0:
            rule = "given something that was not asked for"
        elif value > most:
            rule, bound = "more than requested or rated", most
        elif value < _least(connector):
            rule, bound = "less than the minimum", _least(connector)
        elif not _takes(connector, value):
            rule, bound = "not a value the connector takes", connector.step
        if rule:
            yield Violation(node=projection.leaf_ids[leaf], row=None, rule=rule, value=value, bound=bound)


def _least(connector: Connector) -> int:
    if connector.steps:
        return min(value for value in connector.steps if value >= max(1, connector.minimum))
    return connector.minimum


def _takes(connector: Connector, value: int) -> bool:
    if connector.steps:
        return value in connector.steps
    return value == connector.minimum or value % connector.step == 0


def _overfull(projection: Projection, snapshot: Snapshot, reserved: list[int], idle: list[int]) -> Iterator[Violation]:
    available = twin_available(projection, snapshot)
    flows = _class_sums(projection, reserved)
    least = _class_sums(projection, idle)
    for index, row in enumerate(projection.rows):
        weights = projection.weights[index]
        scale = lcm(*(weight.denominator for weight in weights)) if weights else 1
        whole = [int(weight * scale) for weight in weights]
        for node, limits in enumerate(available):
            limit = limits[index]
            if limit is None:
                continue
            flow = sum(whole[load] * value for load, value in flows[node].items())
            if flow * limit.denominator <= limit.numerator * scale:
                continue
            unavoidable = sum(whole[load] * value for load, value in least[node].items())
            if flow <= unavoidable:
                continue
            yield Violation(
                node=projection.node_ids[node],
                row=row.label,
                rule="more than is available",
                value=ceil(Fraction(flow, scale)),
                bound=floor(limit),
            )


def _class_sums(projection: Projection, values: list[int]) -> list[dict[int, int]]:
    """[N] load class -> what the leaves of that class below a node add up to."""
    sums: list[dict[int, int]] = [{} for _ in projection.node_ids]
    parent = [int(above) for above in projection.parent]
    for leaf, value in enumerate(values):
        load = int(projection.leaf_class[leaf])
        node = int(projection.leaf_node[leaf])
        while node >= 0 and value:
            sums[node][load] = sums[node].get(load, 0) + value
            node = parent[node]
    return sums
