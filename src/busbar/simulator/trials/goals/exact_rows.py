"""What flows and what is left on every row, in Fractions and straight from the stored records: for those who check."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from busbar.core.allocation import Allocation, Verdict
from busbar.core.depot import ChargePoint, Connector, Sharing
from busbar.core.projection import Projection
from busbar.core.snapshot import Snapshot, least
from busbar.core.twin_limits import Exact, twin_available

Place = tuple[int, int]
"""(node, row)"""


@dataclass(frozen=True, kw_only=True)
class ExactRows:
    """One allocation, added up exactly. Made by `exact_rows`."""

    projection: Projection
    snapshot: Snapshot
    available: Sequence[Sequence[Exact | None]]
    """[N][rows]"""
    reserved: Sequence[int]
    """[n]"""

    def refusing(self, leaf: int, value: int) -> list[Place]:
        """The rows, going up, on which what is reserved for a leaf cannot become `value`."""
        projection, more = self.projection, value - self.reserved[leaf]
        if more <= 0:
            return []
        load = int(projection.leaf_class[leaf])
        after = [*self.reserved]
        after[leaf] = value
        return [
            (node, row)
            for node in projection.path(int(projection.leaf_node[leaf]))
            for row, limit in enumerate(self.available[node])
            if limit is not None
            and projection.weights[row][load] > 0
            and exact_flow(projection, node, row, after) > limit
        ]


def exact_flow(projection: Projection, node: int, row: int, values: Sequence[int]) -> Fraction:
    """What values, one per leaf, put on a row of a node."""
    weights = projection.whole_weights[row]
    below = slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
    classes = projection.leaf_class[below].tolist()
    flow = sum(weights.of_class[load] * value for load, value in zip(classes, values[below], strict=True))
    return Fraction(flow, weights.scale)


def exact_rows(projection: Projection, snapshot: Snapshot, allocation: Allocation) -> ExactRows:
    """Add an allocation up."""
    reserved = [
        max(value, fallback_of(projection, leaf), int(snapshot.committed[leaf])) if projection.in_service[leaf] else 0
        for leaf, value in enumerate(allocation.setpoint.tolist())
    ]
    available = twin_available(projection, snapshot)
    return ExactRows(projection=projection, snapshot=snapshot, available=available, reserved=reserved)


def record_of(projection: Projection, leaf: int) -> Connector | ChargePoint:
    """The stored record of a leaf."""
    found = projection.subjects[int(projection.leaf_node[leaf])]
    assert isinstance(found, Connector | ChargePoint)
    return found


def fallback_of(projection: Projection, leaf: int) -> int:
    """What a leaf does when left alone: a charge point that may apply a limit to each connector counts it for each."""
    found = record_of(projection, leaf)
    if isinstance(found, Connector):
        return found.fallback
    together, count = sum(each.fallback for each in found.connectors), len(found.connectors)
    times = count if found.sharing in (None, Sharing.UNVERIFIED) else 1
    return min(found.max_rating, together * times)


def next_value(projection: Projection, snapshot: Snapshot, allocation: Allocation, leaf: int) -> int | None:
    """The next value a leaf takes, above its setpoint; to start again after a stop, one above its minimum. None: it
    takes no more."""
    minimum, setpoint = int(least(projection, snapshot)[leaf]), int(allocation.setpoint[leaf])
    if allocation.verdict[leaf] == Verdict.RESTART_GAP:
        return _following(projection, leaf, minimum, minimum) or minimum
    return _following(projection, leaf, minimum, setpoint)


def _following(projection: Projection, leaf: int, minimum: int, value: int) -> int | None:
    found = record_of(projection, leaf)
    alone = found if isinstance(found, Connector) else found.connectors[0] if len(found.connectors) == 1 else None
    if alone is not None and (listed := _listed(alone)):
        return min((each for each in listed if each > value), default=None)
    if value < minimum:
        return minimum
    step = alone.step if alone is not None else _common_step(found)
    return (value // step + 1) * step


def _common_step(unit: Connector | ChargePoint) -> int:
    assert isinstance(unit, ChargePoint)
    return gcd(*(stride for each in unit.connectors for stride in _listed(each) or (each.step,)))


def _listed(connector: Connector) -> tuple[int, ...]:
    return tuple(value for value in connector.steps if value >= connector.minimum)
