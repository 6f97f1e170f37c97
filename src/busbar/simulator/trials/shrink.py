"""A failing trial made smaller: as little as possible goes wrong, as few vehicles as possible come, as briefly as
possible, and the same goal is still missed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from busbar.core.errors import BusbarError
from busbar.core.units import Amount
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import FOREVER_S, Event, Load, Scenario, Span
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.trials.drawn import CALM_BEGIN_S, CALM_END_S
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.summary import Goals, run_scenario
from busbar.simulator.trials.trial import Violation

MOST_RUNS = 120
_END_S = 10
"""What is missed so late is missed at the end."""

_Item = TypeVar("_Item")
_Happening = TypeVar("_Happening", Event, FaultEvent)


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
    shrinking = _Shrinking(scenario, goals, most_runs, tell)
    if not shrinking.fails(scenario):
        raise BusbarError(f"{scenario.id} misses no goal; there is nothing to make smaller")
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


def shortened(scenario: Scenario, duration_s: int) -> Scenario:
    """The scenario's first seconds: what begins later is left out, what ends later ends with it."""
    vehicles = tuple(each for each in scenario.vehicles if each.arrives_s < duration_s)
    return replace(
        scenario,
        duration_s=duration_s,
        vehicles=vehicles or scenario.vehicles[:1],
        faults=tuple(_still(fault, scenario.lease_s) for fault in _within(scenario.faults, duration_s)),
        events=_within(scenario.events, duration_s),
        loads=tuple(
            replace(load, points=tuple(point for point in load.points if point[0] < duration_s) or load.points[:1])
            if not load.is_daily
            else load
            for load in scenario.loads
        ),
    )


def begun_later(scenario: Scenario, by_s: int) -> Scenario:
    """The scenario without its first seconds, in which nothing began: who is there by then is there from the start."""
    vehicles = tuple(
        replace(each, arrives_s=max(0, each.arrives_s - by_s), departs_s=each.departs_s - by_s)
        for each in scenario.vehicles
        if each.departs_s > by_s
    )
    return replace(
        scenario,
        duration_s=scenario.duration_s - by_s,
        vehicles=vehicles or scenario.vehicles[:1],
        faults=tuple(replace(each, span=_earlier(each.span, by_s)) for each in scenario.faults),
        events=tuple(replace(each, span=_earlier(each.span, by_s)) for each in scenario.events),
        loads=tuple(load if load.is_daily else replace(load, points=_points(load, by_s)) for load in scenario.loads),
    )


def _earlier(span: Span, by_s: int) -> Span:
    return Span(from_s=span.from_s - by_s, until_s=span.until_s - (0 if span.until_s == FOREVER_S else by_s))


def _points(load: Load, by_s: int) -> tuple[tuple[int, Amount], ...]:
    """What holds at the new beginning, and what comes later."""
    before = [amount for at_s, amount in load.points if at_s <= by_s]
    begin = before[-1] if before else load.points[0][1]
    return ((0, begin), *((at_s - by_s, amount) for at_s, amount in load.points if at_s > by_s))


def _within(happenings: Sequence[_Happening], duration_s: int) -> tuple[_Happening, ...]:
    found = []
    for each in happenings:
        if each.span.from_s < duration_s:
            until_s = each.span.until_s
            ends_s = until_s if until_s == FOREVER_S else min(until_s, duration_s)
            found.append(replace(each, span=Span(from_s=each.span.from_s, until_s=ends_s)))
    return tuple(found)


def _still(fault: FaultEvent, lease_s: int) -> FaultEvent:
    """A profile that has no time to expire is a connection that is lost."""
    if fault.kind is FaultKind.PROFILE_EXPIRED and fault.span.until_s - fault.span.from_s <= lease_s:
        return replace(fault, kind=FaultKind.CONNECTION_DROPPED)
    return fault


def write_shrunk(shrunk: Shrunk, folder: Path) -> Path:
    """Write it as a scenario file with its depot inside. Raises BusbarError."""
    path = folder / f"{shrunk.scenario.id}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario_text(shrunk.scenario))
    except OSError as error:
        raise BusbarError(f"{path} cannot be written: {error.strerror}") from error
    return path
