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
    setpoints: list[int] = allocation.setpoint.tolist()
    wired = _wired(projection)
    found = [*_wrong_setpoints(projection, snapshot, wired, setpoints)]
    idle = _idle(snapshot, wired)
    reserved = [
        max(value, least) if unit.in_service else 0
        for value, least, (_, unit) in zip(setpoints, idle, wired, strict=True)
    ]
    found += _overfull(projection, snapshot, reserved, idle)
    return found


def _wired(projection: Projection) -> list[tuple[Connector, ChargePoint]]:
    """[n] every leaf's connector with its charge point, as they are stored."""
    parent, subjects = projection.parent.tolist(), projection.subjects
    found = []
    for node in projection.leaf_node.tolist():
        connector, unit = subjects[node], subjects[parent[node]]
        assert isinstance(connector, Connector)
        assert isinstance(unit, ChargePoint)
        found.append((connector, unit))
    return found


def _idle(snapshot: Snapshot, wired: list[tuple[Connector, ChargePoint]]) -> list[int]:
    """Reserved for a leaf in any case: its fallback, or what it may still draw while out of reach."""
    return [
        max(connector.fallback, committed) if unit.in_service else 0
        for (connector, unit), committed in zip(wired, snapshot.committed.tolist(), strict=True)
    ]


def _wrong_setpoints(
    projection: Projection, snapshot: Snapshot, wired: list[tuple[Connector, ChargePoint]], setpoints: list[int]
) -> Iterator[Violation]:
    requests: list[int] = snapshot.request.tolist()
    may_be_given = (snapshot.present & ~snapshot.out_of_reach).tolist()
    for leaf, value in enumerate(setpoints):
        if value == 0:
            continue
        connector, unit = wired[leaf]
        least = _least(connector)
        most = min(connector.max_rating, max(requests[leaf], least))
        rule, bound = "", 0
        if not unit.in_service or not may_be_given[leaf]:
            rule = "given something where nothing can be given"
        elif requests[leaf] <= 0:
            rule = "given something that was not asked for"
        elif value > most:
            rule, bound = "more than requested or rated", most
        elif value < least:
            rule, bound = "less than the minimum", least
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
    limited = [node for node, limits in enumerate(available) if any(limit is not None for limit in limits)]
    flows = _class_sums(projection, reserved)
    least: list[dict[int, int]] | None = None
    for index, row in enumerate(projection.rows):
        weights = projection.weights[index]
        scale = lcm(*(weight.denominator for weight in weights)) if weights else 1
        whole = [int(weight * scale) for weight in weights]
        # A flow is a whole number of these units, so the limit may be rounded down. Alike nodes share their limits.
        whole_limit: dict[int, int] = {}
        for node in limited:
            limit = available[node][index]
            if limit is None:
                continue
            most = whole_limit.get(id(limit))
            if most is None:
                most = whole_limit[id(limit)] = limit.numerator * scale // limit.denominator
            flow = _weighed(flows[node], whole)
            if flow <= most:
                continue
            least = least or _class_sums(projection, idle)
            if flow <= _weighed(least[node], whole):
                continue
            yield Violation(
                node=projection.node_ids[node],
                row=row.label,
                rule="more than is available",
                value=ceil(Fraction(flow, scale)),
                bound=floor(limit),
            )


def _weighed(sums: dict[int, int], whole: list[int]) -> int:
    flow = 0
    for load, value in sums.items():
        flow += whole[load] * value
    return flow


def _class_sums(projection: Projection, values: list[int]) -> list[dict[int, int]]:
    """[N] load class -> what the leaves of that class below a node add up to."""
    sums: list[dict[int, int]] = [{} for _ in projection.node_ids]
    parent = projection.parent.tolist()
    for node, load, value in zip(projection.leaf_node.tolist(), projection.leaf_class.tolist(), values, strict=True):
        above = node
        while above >= 0 and value:
            here = sums[above]
            here[load] = here.get(load, 0) + value
            above = parent[above]
    return sums
