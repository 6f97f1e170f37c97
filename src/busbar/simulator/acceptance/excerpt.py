"""A part of a scenario, from one second of it to another, as a scenario of its own: what a live run has time for."""

from dataclasses import dataclass, replace
from datetime import timedelta

from busbar.core.projection import project
from busbar.simulator.draw import draw_vehicles
from busbar.simulator.expectation import Always, At, By, Holds
from busbar.simulator.expectation_words import expectation_words, night_words
from busbar.simulator.scenario import Expectation, Load, NoLimitBroken, PeakAtMost, Scenario, Vehicle
from busbar.simulator.times import FOREVER_S, Calendar, Span

SETTLES_S = 45
"""So long a depot that starts in the middle takes until it is where it would have been."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """A part, and what of the whole cannot be judged in it."""

    scenario: Scenario
    not_judged: tuple[str, ...]


def excerpt(scenario: Scenario, *, seed: int, from_s: int, until_s: int, late_s: int = 0) -> Excerpt:
    """From one second up to another. `late_s`: windows of expectations begin so much later.

    Vehicles that are there already come at its first second, as full as they came.
    """
    until_s = min(until_s, scenario.duration_s)
    is_whole = from_s == 0 and until_s == scenario.duration_s
    calendar = Calendar(start=scenario.start, timezone=scenario.depot.timezone)
    projection = project(scenario.depot)
    kept: list[Expectation] = []
    left: list[str] = []
    for each in scenario.expectations:
        match each:
            case Holds():
                moved = _moved(each, from_s, until_s - from_s, late_s)
                if moved is None:
                    left.append(f"not judged, outside of what was run: {expectation_words(calendar, projection, each)}")
                else:
                    kept.append(moved)
            case NoLimitBroken() | PeakAtMost():
                kept.append(each)
            case _ if is_whole:
                kept.append(each)
            case _:
                left.append(f"not judged, it is about the whole night: {night_words(calendar, each)}")
    part = replace(
        scenario,
        start=scenario.start + timedelta(seconds=from_s),
        duration_s=until_s - from_s,
        vehicles=tuple(_vehicles(scenario, seed, from_s, until_s)),
        fleets=(),
        schedules=(),
        loads=tuple(_load(load, from_s) for load in scenario.loads),
        events=tuple(
            replace(event, span=_span(event.span, from_s))
            for event in scenario.events
            if _is_inside(event.span, from_s, until_s)
        ),
        faults=tuple(
            replace(fault, span=_span(fault.span, from_s))
            for fault in scenario.faults
            if _is_inside(fault.span, from_s, until_s)
        ),
        expectations=tuple(kept),
    )
    return Excerpt(scenario=part, not_judged=tuple(left))


def _vehicles(scenario: Scenario, seed: int, from_s: int, until_s: int) -> list[Vehicle]:
    return [
        replace(each, arrives_s=max(0, each.arrives_s - from_s), departs_s=each.departs_s - from_s)
        for each in draw_vehicles(scenario, seed)
        if each.departs_s > from_s and each.arrives_s < until_s
    ]


def _load(load: Load, from_s: int) -> Load:
    if load.is_daily:
        return load
    return replace(load, points=tuple((at_s - from_s, amount) for at_s, amount in load.points))


def _is_inside(span: Span, from_s: int, until_s: int) -> bool:
    return span.from_s < until_s and span.until_s > from_s


def _span(span: Span, from_s: int) -> Span:
    until_s = span.until_s if span.until_s >= FOREVER_S else span.until_s - from_s
    return Span(from_s=max(0, span.from_s - from_s), until_s=until_s)


def _moved(holds: Holds, from_s: int, duration_s: int, late_s: int) -> Holds | None:
    """The same expectation of the part; None: it is about another time."""
    # Who starts in the middle is not yet where the story is.
    first_s = SETTLES_S if from_s else 0
    match holds.when:
        case Always(from_s=begin_s, until_s=end_s):
            begin_s = max(first_s, begin_s - from_s + (late_s if begin_s else 0))
            end_s = end_s if end_s >= FOREVER_S else end_s - from_s
            when = Always(from_s=begin_s, until_s=end_s)
            return replace(holds, when=when) if begin_s < min(end_s, duration_s) else None
        case At(at_s=at_s):
            at_s -= from_s
            return replace(holds, when=At(at_s=at_s)) if first_s <= at_s < duration_s else None
        case By(by_s=by_s, stays=stays):
            by_s = by_s - from_s + late_s
            return replace(holds, when=By(by_s=by_s, stays=stays)) if first_s <= by_s < duration_s else None
