"""The audit: recomputes every flow from the whole-number setpoints, plainly and exactly.

Shares nothing with the fill: limits come from `twin_limits`, straight from the stored records, and flows are added up
here. An allocation in which it finds anything must not be sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from busbar.core.allocation import Allocation
from busbar.core.charger import figures_of_charge_point
from busbar.core.depot import ChargePoint, Connector
from busbar.core.projection import Projection
from busbar.core.snapshot import Snapshot, least
from busbar.core.twin_limits import twin_available


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One promise of an allocation that does not hold."""

    node: str
    """The power node; a leaf where its own setpoint is wrong."""
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
    themselves: nothing beyond them), and every setpoint is 0 or a value the leaf takes, at least its minimum, at most
    its request and rating, and 0 where there is no vehicle or the charge point is out of service or reach.
    """
    setpoints: list[int] = allocation.setpoint.tolist()
    stored = _stored(projection, snapshot)
    found = [*_wrong_setpoints(projection, snapshot, stored, setpoints)]
    idle = _idle(snapshot, stored)
    reserved = [max(value, in_any_case) for value, in_any_case in zip(setpoints, idle, strict=True)]
    found += _overfull(projection, snapshot, reserved, idle)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """What the records say of a leaf."""

    max_rating: int
    minimum: int
    step: int
    steps: tuple[int, ...]
    fallback: int
    in_service: bool

    def takes(self, value: int) -> bool:
        if self.steps:
            return value in self.steps
        return value == self.minimum or value % self.step == 0


def _stored(projection: Projection, snapshot: Snapshot) -> list[_Stored]:
    """[n]"""
    parent, subjects = projection.parent.tolist(), projection.subjects
    found = []
    for node, minimum in zip(projection.leaf_node.tolist(), least(projection, snapshot).tolist(), strict=True):
        subject, above = subjects[node], subjects[parent[node]]
        if isinstance(subject, ChargePoint):
            found.append(_stored_unit(subject, minimum))
            continue
        assert isinstance(subject, Connector)
        assert isinstance(above, ChargePoint)
        found.append(
            _Stored(
                max_rating=subject.max_rating,
                minimum=_least(subject),
                step=subject.step,
                steps=subject.steps,
                fallback=subject.fallback,
                in_service=above.in_service,
            )
        )
    return found


def _stored_unit(unit: ChargePoint, minimum: int) -> _Stored:
    """A charge point as a leaf; its minimum depends on the vehicles there."""
    figures = figures_of_charge_point(unit)
    return _Stored(
        max_rating=figures.max_rating,
        minimum=minimum,
        step=figures.step,
        steps=figures.steps,
        fallback=figures.fallback,
        in_service=unit.in_service,
    )


def _idle(snapshot: Snapshot, stored: list[_Stored]) -> list[int]:
    """Reserved for a leaf in any case: its fallback, or what it may still draw while out of reach."""
    return [
        max(leaf.fallback, committed) if leaf.in_service else 0
        for leaf, committed in zip(stored, snapshot.committed.tolist(), strict=True)
    ]


def _wrong_setpoints(
    projection: Projection, snapshot: Snapshot, stored: list[_Stored], setpoints: list[int]
) -> Iterator[Violation]:
    requests: list[int] = snapshot.request.tolist()
    may_be_given = (snapshot.present & ~snapshot.out_of_reach).tolist()
    for index, value in enumerate(setpoints):
        if value == 0:
            continue
        leaf = stored[index]
        most = min(leaf.max_rating, max(requests[index], leaf.minimum))
        rule, bound = "", 0
        if not leaf.in_service or not may_be_given[index]:
            rule = "given something where nothing can be given"
        elif requests[index] <= 0:
            rule = "given something that was not asked for"
        elif value > most:
            rule, bound = "more than requested or rated", most
        elif value < leaf.minimum:
            rule, bound = "less than the minimum", leaf.minimum
        elif not leaf.takes(value):
            rule, bound = "not a value the connector takes", leaf.step
        if rule:
            yield Violation(node=projection.leaf_ids[index], row=None, rule=rule, value=value, bound=bound)


def _least(connector: Connector) -> int:
    if connector.steps:
        return min(value for value in connector.steps if value >= max(1, connector.minimum))
    return connector.minimum


def _overfull(projection: Projection, snapshot: Snapshot, reserved: list[int], idle: list[int]) -> Iterator[Violation]:
    available = twin_available(projection, snapshot)
    limited = [node for node, limits in enumerate(available) if any(limit is not None for limit in limits)]
    flows = _class_sums(projection, reserved)
    in_any_case: list[dict[int, int]] | None = None
    for index, row in enumerate(projection.rows):
        weights = projection.whole_weights[index]
        whole, scale = weights.of_class, weights.scale
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
            in_any_case = in_any_case or _class_sums(projection, idle)
            if flow <= _weighed(in_any_case[node], whole):
                continue
            yield Violation(
                node=projection.node_ids[node],
                row=row.label,
                rule="more than is available",
                value=ceil(Fraction(flow, scale)),
                bound=floor(limit),
            )


def _weighed(sums: dict[int, int], whole: tuple[int, ...]) -> int:
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
