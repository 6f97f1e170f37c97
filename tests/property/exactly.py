"""Exact book-keeping for the property tests: what flows on every row, what is left, what would fit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd

from forests import Case

from busbar.core.allocation import Allocation, Verdict
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Connector, Sharing
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import least
from busbar.core.strategies import STRATEGIES
from busbar.core.twin import twin_balance
from busbar.core.twin_limits import Exact, twin_available

Place = tuple[int, int]
"""(node, row)"""


def share_out(case: Case) -> Allocation:
    """The allocation of a case."""
    return balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in)


def record(projection: Projection, leaf: int) -> Connector | ChargePoint:
    """The stored record of a leaf."""
    found = projection.subjects[projection.leaf_node[leaf]]
    assert isinstance(found, Connector | ChargePoint)
    return found


def minimum(case: Case, leaf: int) -> int:
    """The smallest value above 0 that a leaf can be given now."""
    return int(least(case.projection, case.snapshot)[leaf])


def step(projection: Projection, leaf: int) -> int:
    """What values above the minimum are multiples of."""
    found = record(projection, leaf)
    if isinstance(found, Connector):
        return found.step
    if len(found.connectors) == 1:
        return found.connectors[0].step
    return gcd(*(stride for each in found.connectors for stride in _listed(each) or (each.step,)))


def _listed(connector: Connector) -> tuple[int, ...]:
    return tuple(value for value in connector.steps if value >= connector.minimum)


def steps(projection: Projection, leaf: int) -> tuple[int, ...]:
    """The only values a leaf takes; none: it takes any multiple of its step."""
    found = record(projection, leaf)
    if isinstance(found, Connector):
        return _listed(found)
    return _listed(found.connectors[0]) if len(found.connectors) == 1 else ()


def takes(case: Case, leaf: int, value: int) -> bool:
    """Whether a unit accepts a setpoint."""
    if value == 0:
        return True
    if steps(case.projection, leaf):
        return value in steps(case.projection, leaf)
    least_value = minimum(case, leaf)
    return value == least_value or (value > least_value and value % step(case.projection, leaf) == 0)


def following(case: Case, leaf: int, value: int) -> int | None:
    """The next value above one that a unit accepts; None where there is no more in its list of steps."""
    listed = steps(case.projection, leaf)
    if listed:
        return min((each for each in listed if each > value), default=None)
    if value < minimum(case, leaf):
        return minimum(case, leaf)
    return (value // step(case.projection, leaf) + 1) * step(case.projection, leaf)


def fallback(projection: Projection, leaf: int) -> int:
    """What a leaf does when left alone: a charge point that may apply a limit to each connector counts it for each."""
    found = record(projection, leaf)
    if isinstance(found, Connector):
        return found.fallback
    together, count = sum(each.fallback for each in found.connectors), len(found.connectors)
    times = count if found.sharing in (None, Sharing.UNVERIFIED) else 1
    return min(found.max_rating, together * times)


def idle(case: Case, leaf: int) -> int:
    """Reserved for a leaf in any case."""
    if not case.projection.in_service[leaf]:
        return 0
    return max(fallback(case.projection, leaf), int(case.snapshot.committed[leaf]))


@dataclass
class Ledger:
    """What is available and what is taken, in Fractions, at every limited row."""

    case: Case
    available: dict[Place, Exact] = field(default_factory=dict)

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


def assert_lexicographic_optimum(case: Case) -> None:
    """Whoever is below the request meets a full row on which nobody of the same or a later tier is better off.

    That is the bottleneck condition, which only the lexicographic optimum satisfies; checked exactly.
    """
    projection, snapshot, ledger = case.projection, case.snapshot, Ledger(case)
    exact = twin_balance(projection, snapshot, strategy=case.strategy, fair_in=case.fair_in)
    ranking = STRATEGIES[case.strategy](projection, snapshot)
    rising = [leaf for leaf in case.leaves if exact.verdict[leaf] == Verdict.ADMITTED]
    request = {leaf: min(int(snapshot.request[leaf]), int(projection.max_rating[leaf])) for leaf in rising}
    floor = {leaf: min(request[leaf], idle(case, leaf)) for leaf in rising}

    def level(leaf: int) -> Fraction:
        load = projection.leaf_class[leaf]
        lines = [projection.weights[line][load] for line in range(TOTAL)]
        counted = projection.weights[TOTAL][load] if case.fair_in == "power" else max(lines)
        weight, offset = Fraction(float(ranking.weight[leaf])), Fraction(float(ranking.offset[leaf]))
        found: Fraction = exact.share[leaf] * counted / weight + offset
        return found

    reserved = [max(exact.share[leaf], Fraction(idle(case, leaf))) for leaf in case.leaves]
    flows = ledger.taken(reserved)
    for leaf in rising:
        assert floor[leaf] <= exact.share[leaf] <= request[leaf]
        if exact.share[leaf] == request[leaf]:
            continue
        better_off = {
            other
            for other in rising
            if exact.share[other] > floor[other]
            and (
                ranking.tier[other] > ranking.tier[leaf]
                or (ranking.tier[other] == ranking.tier[leaf] and level(other) > level(leaf))
            )
        }
        full = [place for place in ledger.puts(leaf) if flows[place] >= ledger.available[place]]
        assert any(all(place not in ledger.puts(other) for other in better_off) for place in full)
