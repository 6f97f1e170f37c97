"""Which kinds of fault meet in a trial: what goes wrong alone is seldom what goes wrong together."""

from collections.abc import Sequence
from itertools import combinations

from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import Scenario

Pair = frozenset[FaultKind]
WITHIN_S = 30
"""Two faults meet where one begins before the other has been over for so long."""
AIMED = 3
"""Pairs that every seed makes overlap."""

ALL_PAIRS: tuple[tuple[FaultKind, FaultKind], ...] = tuple(combinations(FaultKind, 2))
"""Every unordered pair of two kinds, once."""
# Coprime with the number of pairs: neighbouring seeds aim at pairs that have nothing in common.
_STRIDE = 200


def aimed_pairs(seed: int) -> tuple[tuple[FaultKind, FaultKind], ...]:
    """What this seed makes overlap. As many seeds as there are pairs aim at each of them three times."""
    count = len(ALL_PAIRS)
    return tuple(ALL_PAIRS[(seed * AIMED + number) * _STRIDE % count] for number in range(AIMED))


def gap_s(one: FaultEvent, other: FaultEvent) -> int:
    """Seconds from the end of one to the beginning of the other; negative: so long they overlap."""
    return max(one.span.from_s, other.span.from_s) - min(one.span.until_s, other.span.until_s)


def pairs_among(faults: Sequence[FaultEvent]) -> set[Pair]:
    """Every two kinds of which two faults meet."""
    return {
        frozenset((one.kind, other.kind))
        for one, other in combinations(faults, 2)
        if one.kind is not other.kind and gap_s(one, other) <= WITHIN_S
    }


def pairs_met(scenario: Scenario) -> set[Pair]:
    """Every two kinds of which two faults of the scenario meet."""
    return pairs_among(scenario.faults)
