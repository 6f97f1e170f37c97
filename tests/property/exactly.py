"""Exact book-keeping for the property tests: what flows on every row, what is left, what would fit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from forests import Case

from busbar.core.allocation import Allocation
from busbar.core.balance import balance
from busbar.core.depot import Connector
from busbar.core.projection import Projection
from busbar.core.twin_limits import twin_available

Place = tuple[int, int]
"""(node, row)"""


def share_out(case: Case) -> Allocation:
    """The allocation of a case."""
    return balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in)


def connector(projection: Projection, leaf: int) -> Connector:
    """The stored record of a leaf."""
    found = projection.subjects[projection.leaf_node[leaf]]
    assert isinstance(found, Connector)
    return found


def takes(projection: Projection, leaf: int, value: int) -> bool:
    """Whether a unit accepts a setpoint."""
    unit = connector(projection, leaf)
    if value == 0:
        return True
    if unit.steps:
        return value in unit.steps and value >= unit.minimum
    return value == unit.minimum or (value > unit.minimum and value % unit.step == 0)


def following(projection: Projection, leaf: int, value: int) -> int | None:
    """The next value above one that a unit accepts; None where there is no more in its list of steps."""
    unit = connector(projection, leaf)
    if unit.steps:
        return min((step for step in unit.steps if step > value and step >= unit.minimum), default=None)
    if value < unit.minimum:
        return unit.minimum
    return (value // unit.step + 1) * unit.step


def idle(case: Case, leaf: int) -> int:
    """Reserved for a leaf in any case."""
    if not case.projection.in_service[leaf]:
        return 0
    return max(connector(case.projection, leaf).fallback, int(case.snapshot.committed[leaf]))


@dataclass
class Ledger:
    """What is available and what is taken, in Fractions, at every limited row."""

    case: Case
    available: dict[Place, Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = twin_available(self.case.projection, self.case.snapshot)
        self.available = {
            (node, row): limit for node, rows in enumerate(found) for row, limit in enumerate(rows) if limit is not None
        }

    def puts(self, leaf: int) -> dict[Place, Fraction]:
        """What one unit of a leaf's setpoint puts on every limited row above it."""
        projection = self.case.projection
        load = projection.leaf_class[leaf]
        return {
            (node, row): weights[load]
            for node in projection.path(int(projection.leaf_node[leaf]))
            for row, weights in enumerate(projection.weights)
            if weights[load] and (node, row) in self.available
        }

    def taken(self, reserved: Sequence[int | Fraction]) -> dict[Place, Fraction]:
        """What leaves put on every limited row together."""
        flows = dict.fromkeys(self.available, Fraction(0))
        for leaf, value in enumerate(reserved):
            for place, weight in self.puts(leaf).items():
                flows[place] += weight * value
        return flows

    def refusing(self, reserved: Sequence[int], leaf: int, value: int) -> list[Place]:
        """The rows, going up, in which a leaf's reservation cannot become `value`."""
        more = value - reserved[leaf]
        if more <= 0:
            return []
        flows = self.taken(reserved)
        return [
            place for place, weight in self.puts(leaf).items() if flows[place] + weight * more > self.available[place]
        ]
