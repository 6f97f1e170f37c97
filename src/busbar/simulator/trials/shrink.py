"""A failing trial made smaller: as little as possible goes wrong, as few vehicles as possible come, as briefly as
possible, and the same goal is still missed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from busbar.core.errors import BusbarError
from busbar.simulator.fault import FaultEvent
from busbar.simulator.scenario import FOREVER_S, Event, Scenario
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.trials.cut import begun_later, shortened, window
from busbar.simulator.trials.drawn import CALM_BEGIN_S, CALM_END_S
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.summary import Goals, run_scenario
from busbar.simulator.trials.trial import Violation

MOST_RUNS = 120
LONG_S = 7_200
"""What is longer is first cut to what came shortly before its first violation."""
_WINDOWS_S = (900, 1_800, 3_600)
_MOST_RUNS_OF_LONG = 40
_END_S = 10
"""What is missed so late is missed at the end."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """What is left of a failing trial."""

    scenario: Scenario
    goal: str
    """The goal that it misses."""
    violation: Violation
    """The first time."""
    runs: int


class _Shrinking:
    """Tries smaller scenarios. (Mutable: it counts its runs and keeps the smallest that fails.)"""

    def __init__(self, scenario: Scenario, goals: Goals, most_runs: int, tell: Callable[[int, int], None]) -> None:
        self.best = scenario
        self.violation: Violation | None = None
        self.goal = ""
        self.runs = 0
        self._goals, self._most_runs, self._tell = goals, most_runs, tell

    def fails(self, scenario: Scenario) -> bool:
        """Whether it still misses the goal; what does is kept. Once all runs are used up, nothing fails."""
        if self.runs >= self._most_runs:
            return False
        self.runs += 1
        is_first = not self.goal
        self._tell(self.runs, self._most_runs)
        found = run_scenario(scenario, seed=scenario.seed, goals=self._goals).violations
        counted = (
            each for each in found if each.goal == (self.goal or each.goal) and (is_first or _counts(each, scenario))
        )
        first = next(counted, None)
        if first is None:
            return False
        self.goal, self.best, self.violation = first.goal, scenario, first
        return True


def shrink(
    scenario: Scenario,
    *,
    goals: Goals = all_goals,
    most_runs: int = MOST_RUNS,
    tell: Callable[[int, int], None] = lambda done, count: None,
) -> Shrunk:
    """Make a failing scenario small. Raises BusbarError where it misses nothing.

    Its end is cut off first and last: what is shorter is tried sooner. Then its beginning is. What is left at the end
    after the last fault stays as calm as it was, so that nothing fails for want of time.
    """
    is_long = scenario.duration_s > LONG_S
    shrinking = _Shrinking(scenario, goals, min(most_runs, _MOST_RUNS_OF_LONG) if is_long else most_runs, tell)
    if not shrinking.fails(scenario):
        raise BusbarError(f"{scenario.id} misses no goal; there is nothing to make smaller")
    if is_long and not _cut_out(shrinking):
        raise BusbarError(f"{scenario.id} misses nothing where only the hour before is played")
    _shorten(shrinking)
    _fewer(shrinking.best.faults, lambda left: replace(shrinking.best, faults=tuple(left)), shrinking)
    _fewer(shrinking.best.events, lambda left: replace(shrinking.best, events=tuple(left)), shrinking)
    # No scenario is without vehicles: its file would be refused.
    _fewer(shrinking.best.vehicles, lambda left: replace(shrinking.best, vehicles=tuple(left)), shrinking, fewest=1)
    _shorten(shrinking)
    _begin_later(shrinking)
    assert shrinking.violation is not None
    best = replace(
        shrinking.best,
        id=f"{scenario.id}_shrunk",
        name=f"{scenario.name}, made smaller",
        story=f"{shrinking.goal}: {' '.join(shrinking.violation.text.split())}",
    )
    return Shrunk(scenario=best, goal=shrinking.goal, violation=shrinking.violation, runs=shrinking.runs)


def _counts(violation: Violation, scenario: Scenario) -> bool:
    """Whether something was missed, and not only not reached yet when the time was over."""
    calm_from_s = _last_s((*scenario.faults, *scenario.events))
    is_at_end = violation.at_s > scenario.duration_s - _END_S
    return not is_at_end or calm_from_s + CALM_END_S <= scenario.duration_s


def _fewer(
    items: Sequence[_Item],
    made_of: Callable[[Sequence[_Item]], Scenario],
    shrinking: _Shrinking,
    fewest: int = 0,
) -> None:
    """Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002):
    leave out halves, quarters, eighths and at last single ones, as long as it still fails without them."""
    left = list(items)
    size = len(left)
    while size and len(left) > fewest:
        before = len(left)
        for first in reversed(range(0, len(left), size)):
            fewer = [*left[:first], *left[first + size :]]
            if len(fewer) >= fewest and len(fewer) < len(left) and shrinking.fails(made_of(fewer)):
                left = fewer
        if size == 1 and len(left) == before:
            return
        size = size // 2 if len(left) == before else min(size, len(left))


def _shorten(shrinking: _Shrinking) -> None:
    """To shortly after the first violation; where what happens later belongs to it, to its calm end."""
    scenario, violation = shrinking.best, shrinking.violation
    assert violation is not None
    faults_so_far = [fault for fault in scenario.faults if fault.span.from_s <= violation.at_s]
    wanted = (
        violation.at_s + _END_S,
        max(violation.at_s, _last_s(faults_so_far)) + CALM_END_S,
        _last_s(scenario.faults) + CALM_END_S,
    )
    for until_s in sorted({_whole_cycles(each, scenario.cycle_s) for each in wanted}):
        if until_s < scenario.duration_s and shrinking.fails(shortened(scenario, until_s)):
            return


def _cut_out(shrinking: _Shrinking) -> bool:
    """Play only what came before the first violation: a quarter of an hour of it, or more."""
    scenario, violation = shrinking.best, shrinking.violation
    assert violation is not None
    until_s = min(scenario.duration_s, _whole_cycles(violation.at_s + CALM_END_S, scenario.cycle_s))
    for before_s in _WINDOWS_S:
        from_s = max(0, _whole_cycles(violation.at_s - before_s, scenario.cycle_s))
        if shrinking.fails(window(scenario, from_s, until_s)):
            return True
    return False


def _begin_later(shrinking: _Shrinking) -> None:
    """Leave out what comes before the first fault, but for a calm beginning: as much of it as can be."""
    scenario = shrinking.best
    first_s = min((each.span.from_s for each in (*scenario.faults, *scenario.events)), default=0)
    for calm_s in (CALM_BEGIN_S, 3 * CALM_BEGIN_S):
        by_s = (first_s - calm_s) // scenario.cycle_s * scenario.cycle_s
        if by_s > 0 and shrinking.fails(begun_later(scenario, by_s)):
            return


def _last_s(happenings: Sequence[Event | FaultEvent]) -> int:
    """When the last of those that end ends."""
    return max([0, *(each.span.until_s for each in happenings if each.span.until_s != FOREVER_S)])


def _whole_cycles(at_s: float, cycle_s: int) -> int:
    return (int(at_s) // cycle_s + 1) * cycle_s


def write_shrunk(shrunk: Shrunk, folder: Path) -> Path:
    """Write it as a scenario file with its depot inside. Raises BusbarError."""
    path = folder / f"{shrunk.scenario.id}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario_text(shrunk.scenario))
    except OSError as error:
        raise BusbarError(f"{path} cannot be written: {error.strerror}") from error
    return path
