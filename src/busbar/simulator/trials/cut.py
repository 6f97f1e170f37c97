"""A scenario cut: without what comes after a second, or before one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from busbar.core.units import Amount
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import FOREVER_S, Event, Load, Scenario, Span

_Happening = TypeVar("_Happening", Event, FaultEvent)


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


def window(scenario: Scenario, from_s: int, until_s: int) -> Scenario:
    """What comes in between. Faults that began before are left out; events and vehicles begin then, as at first."""
    cut = shortened(scenario, until_s)
    events = tuple(
        replace(each, span=Span(from_s=max(each.span.from_s, from_s), until_s=each.span.until_s))
        for each in cut.events
        if each.span.until_s > from_s
    )
    faults = tuple(each for each in cut.faults if each.span.from_s >= from_s)
    found = begun_later(replace(cut, events=events, faults=faults), from_s)
    return replace(found, start=scenario.start + timedelta(seconds=from_s))
