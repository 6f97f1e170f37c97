"""HiGHS as an independent oracle: the lexicographic max-min by iterated linear programmes, and the most that fits."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import highspy
import numpy as np
from exactly import Ledger, idle, share_out
from forests import AT, Case, Shape, by_charge_point, cases
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from busbar.core.allocation import Verdict
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Leaves
from busbar.core.projection import project
from busbar.core.rows import TOTAL
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.strategies import STRATEGIES
from busbar.core.units import ActivePower

SMALL = Shape(circuits=4, charge_points=3, minima=False)
FREE = float("inf")


class Programme:
    """max c x, rows' sums at most their limits, low <= x <= high."""

    def __init__(self, low: list[float], high: list[float]) -> None:
        self._model: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._model.silent()
        self._model.changeObjectiveSense(highspy.ObjSense.kMaximize)
        for least, most in zip(low, high, strict=True):
            self._model.addVar(least, max(least, most))

    def at_most(self, weights: dict[int, float], limit: float) -> None:
        self._model.addRow(-FREE, limit, len(weights), list(weights), list(weights.values()))

    def best(self, objective: dict[int, float]) -> tuple[float, list[float]]:
        for column in range(self._model.getNumCol()):
            self._model.changeColCost(column, objective.get(column, 0.0))
        self._model.run()
        assert self._model.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return self._model.getObjectiveValue(), list(self._model.getSolution().col_value)


class Oracle:
    """The lexicographic optimum of one case, tier by tier, in floats."""

    def __init__(self, case: Case, admitted: list[int]) -> None:
        self.ledger, self.admitted = Ledger(case), admitted
        ranking = STRATEGIES[case.strategy](case.projection, case.snapshot)
        self.tier = {leaf: int(ranking.tier[leaf]) for leaf in admitted}
        self.offset = {leaf: float(ranking.offset[leaf]) for leaf in admitted}
        self.per_level = {}
        self.low, self.high = {}, {}
        for leaf in admitted:
            load = case.projection.leaf_class[leaf]
            lines = [case.projection.weights[line][load] for line in range(TOTAL)]
            counted = case.projection.weights[TOTAL][load] if case.fair_in is FairIn.POWER else max(lines)
            self.per_level[leaf] = float(ranking.weight[leaf]) / float(counted)
            request = min(int(case.snapshot.request[leaf]), int(case.projection.max_rating[leaf]))
            self.low[leaf], self.high[leaf] = float(min(request, idle(case, leaf))), float(request)
        taken = self.ledger.taken([idle(case, leaf) for leaf in case.leaves])
        self.left = {place: max(Fraction(0), limit - taken[place]) for place, limit in self.ledger.available.items()}

    def solve(self) -> dict[int, float]:
        fixed: dict[int, float] = {}
        for tier in sorted(set(self.tier.values())):
            rising = [leaf for leaf in self.admitted if self.tier[leaf] == tier]
            while rising:
                level = self._highest_level(rising, fixed)
                stuck = [leaf for leaf in rising if self._most(leaf, level, rising, fixed) <= self._at(leaf, level)]
                assert stuck
                for leaf in stuck:
                    fixed[leaf] = self._at(leaf, level, slack=0.0)
                rising = [leaf for leaf in rising if leaf not in fixed]
        return fixed

    def _at(self, leaf: int, level: float, slack: float = 0.02) -> float:
        value = self.per_level[leaf] * (level - self.offset[leaf])
        return min(self.high[leaf], max(self.low[leaf], value)) + slack

    def _highest_level(self, rising: list[int], fixed: dict[int, float]) -> float:
        """Everybody who has begun to rise at that level has at least that level, and nobody's request is passed."""
        begins = {leaf: self.offset[leaf] + self.low[leaf] / self.per_level[leaf] for leaf in rising}
        ends = {leaf: self.offset[leaf] + self.high[leaf] / self.per_level[leaf] for leaf in rising}
        # Between two corners the set of those rising does not change: one programme each, from the lowest up.
        corners = sorted({*begins.values(), *ends.values()})
        first_end = min(ends.values())
        level = corners[0]
        for low, high in pairwise(corners):
            if low >= first_end:
                break
            begun = [leaf for leaf in rising if begins[leaf] <= low]
            level = self._level_between(low, high, begun, rising, fixed)
            if level < high - 1e-9 * max(1.0, abs(high)):
                break
        return level

    def _level_between(
        self, low: float, high: float, begun: list[int], rising: list[int], fixed: dict[int, float]
    ) -> float:
        programme = self._programme(rising, fixed, also=(0.0, high - low))
        height = len(self.admitted)
        for leaf in begun:
            # x >= per_level (low + height - offset)
            column, rate = self.admitted.index(leaf), self.per_level[leaf]
            programme.at_most({height: 1.0, column: -1.0 / rate}, self.offset[leaf] - low)
        return low + programme.best({height: 1.0})[0]

    def _most(self, leaf: int, level: float, rising: list[int], fixed: dict[int, float]) -> float:
        """The most one can have while everybody rising keeps that level."""
        keeping = {other: self._at(other, level, slack=0.0) for other in rising if other != leaf}
        programme = self._programme([leaf], fixed | keeping)
        return programme.best({self.admitted.index(leaf): 1.0})[0]

    def _programme(
        self, rising: list[int], fixed: dict[int, float], also: tuple[float, float] | None = None
    ) -> Programme:
        """Who is neither rising nor fixed stays at the floor. Fixed ones may give way by a hair, for the floats."""
        low = [fixed.get(leaf, self.low[leaf]) for leaf in self.admitted]
        high = [self.high[leaf] if leaf in rising else low[i] for i, leaf in enumerate(self.admitted)]
        low = [max(self.low[leaf], value - 1e-3) for leaf, value in zip(self.admitted, low, strict=True)]
        programme = Programme([*low, *([also[0]] if also else [])], [*high, *([also[1]] if also else [])])
        for place, left in self.left.items():
            puts = {
                i: float(weight)
                for i, leaf in enumerate(self.admitted)
                if (weight := self.ledger.puts(leaf).get(place)) is not None
            }
            if puts:
                floors = sum(weight * self.low[self.admitted[i]] for i, weight in puts.items())
                # The solver's own rounding may be that much.
                programme.at_most(puts, (float(left) + floors) * (1 + 1e-9))
        return programme


@settings(max_examples=max(20, settings().max_examples // 2))
@given(cases(SMALL))
def test_the_fill_is_the_lexicographic_optimum_that_highs_finds(case: Case) -> None:
    allocation = share_out(case)
    admitted = np.flatnonzero(allocation.verdict == Verdict.ADMITTED).tolist()
    assume(len(admitted) >= 2)
    best = Oracle(case, admitted).solve()
    shared = sum(1 for leaf in admitted if best[leaf] < case.snapshot.request[leaf] - 1)
    event(f"{shared} below the request")
    ledger = Ledger(case)
    for leaf in admitted:
        # Up to a step, and what others' rounding leaves over.
        puts = ledger.puts(leaf)
        over = max(
            (
                sum(float(ledger.puts(other).get(place, 0)) for other in case.leaves) / float(weight)
                for place, weight in puts.items()
            ),
            default=0.0,
        )
        assert best[leaf] - 1.1 <= int(allocation.setpoint[leaf]) <= best[leaf] + 1.1 + over


@st.composite
def single_row_depots(draw: st.DrawFn) -> Depot:
    """A tree limited in kW only, with DC charge points of several efficiencies."""
    circuits = [
        Circuit(
            id=f"C{index}",
            parent=None if index == 0 else f"C{draw(st.integers(0, index - 1))}",
            default_operating_capacity=ActivePower(w=draw(st.integers(0, 400_000))),
        )
        for index in range(draw(st.integers(1, 6)))
    ]
    return Depot(
        id="depot",
        voltage_v=400,
        circuits=tuple(circuits),
        charge_points=tuple(
            ChargePoint(
                id=f"CP{index}",
                circuit=f"C{draw(st.integers(0, len(circuits) - 1))}",
                current=CurrentKind.DC,
                max_rating=draw(st.sampled_from((100_000, 300_000))),
                connectors=tuple(
                    Connector(id=str(number), max_rating=draw(st.integers(1, 150_000)), minimum=0, step=1)
                    for number in range(draw(st.integers(1, 3)))
                ),
                efficiency_permille=draw(st.sampled_from((1000, 940, 937))),
            )
            for index in range(draw(st.integers(1, 6)))
        ),
    )


@given(single_row_depots(), st.sampled_from(sorted(STRATEGIES)), st.sampled_from(FairIn), st.sampled_from(Leaves))
def test_on_one_row_nothing_that_fits_is_left_over(depot: Depot, strategy: str, fair_in: FairIn, among: Leaves) -> None:
    """In a tree with one row sharing costs nothing: the sum is the most that any sharing could reach."""
    connectors = project(depot)
    rating = connectors.max_rating
    wanted = snapshot_from_arrays(connectors, at=AT, request=rating, priority=np.arange(len(rating)) % 3)
    case = Case(depot=depot, projection=connectors, snapshot=wanted, strategy=strategy, fair_in=fair_in)
    if among is Leaves.CHARGE_POINT:
        case = by_charge_point(case)
    projection, request = case.projection, case.snapshot.request
    allocation = share_out(case)
    ledger = Ledger(case)
    leaves = case.leaves
    per_unit = {leaf: float(projection.weights[TOTAL][projection.leaf_class[leaf]]) for leaf in leaves}
    programme = Programme([0.0] * len(request), [float(value) for value in request])
    for place, limit in ledger.available.items():
        puts = {leaf: float(w) for leaf in leaves if (w := ledger.puts(leaf).get(place)) is not None}
        if puts:
            programme.at_most(puts, float(limit))
    most, _ = programme.best(per_unit)
    total = sum(per_unit[leaf] * int(allocation.setpoint[leaf]) for leaf in leaves)
    # Each node may lose less than the coarsest step below it.
    assert most - sum(per_unit.values()) <= total <= most + 1e-3
