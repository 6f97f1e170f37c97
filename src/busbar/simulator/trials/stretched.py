"""A scenario made as long as wanted: one that is shorter begins again when its vehicles have left."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from busbar.core.units import Amount
from busbar.simulator.draw import draw_vehicles
from busbar.simulator.fault import FaultEvent
from busbar.simulator.scenario import FOREVER_S, Event, Load, Scenario, Span, Vehicle
from busbar.simulator.times import DAY_S
from busbar.simulator.trials.cut import shortened

_WHOLE_S = 900
"""It begins again at a whole quarter of an hour."""
_AWAY_S = 60
"""How long at least a vehicle is away before it comes again."""

_Happening = TypeVar("_Happening", Event, FaultEvent)


def stretched(scenario: Scenario, *, seed: int, duration_s: int) -> Scenario:
    """The scenario for so long, with the vehicles that this seed draws; without what was expected of it.

    What is shorter begins again: vehicles, base load, events and faults of every round are those of the first, so much
    later. What lasts for ever happens once, and daily base loads follow the clock.
    """
    drawn = replace(
        scenario, vehicles=draw_vehicles(scenario, seed), fleets=(), schedules=(), expectations=(), seed=seed
    )
    if duration_s <= scenario.duration_s:
        return shortened(drawn, duration_s)
    round_s = begins_again_s(drawn)
    rounds = range(0, duration_s, round_s)
    return shortened(
        replace(
            drawn,
            duration_s=duration_s,
            vehicles=tuple(_vehicles(drawn.vehicles, rounds)),
            loads=tuple(load if load.is_daily else _repeated(load, rounds) for load in drawn.loads),
            events=tuple(_happenings(drawn.events, rounds)),
            faults=tuple(_happenings(drawn.faults, rounds)),
        ),
        duration_s,
    )


def begins_again_s(scenario: Scenario) -> int:
    """How long one round of a scenario with listed vehicles lasts: until all have left, a day at the most, and no
    shorter than the scenario itself."""
    last_s = max((vehicle.departs_s for vehicle in scenario.vehicles), default=0) + _AWAY_S
    wanted_s = max(scenario.duration_s, min(DAY_S, last_s))
    return -(-wanted_s // _WHOLE_S) * _WHOLE_S


def _vehicles(vehicles: Sequence[Vehicle], rounds: range) -> Iterable[Vehicle]:
    for number, begin_s in enumerate(rounds, start=1):
        for each in vehicles:
            yield replace(
                each,
                id=each.id if number == 1 else f"{each.id}.{number}",
                arrives_s=each.arrives_s + begin_s,
                # Who would stay for longer leaves before coming again.
                departs_s=min(each.departs_s, each.arrives_s + rounds.step - _AWAY_S) + begin_s,
            )


def _repeated(load: Load, rounds: range) -> Load:
    """What it is at the beginning, and everything up to the next, in every round."""
    before = [amount for at_s, amount in load.points if at_s <= 0]
    first = before[-1] if before else load.points[0][1]
    within: list[tuple[int, Amount]] = [(0, first)]
    within += [(at_s, amount) for at_s, amount in load.points if 0 < at_s < rounds.step]
    return replace(load, points=tuple((begin_s + at_s, amount) for begin_s in rounds for at_s, amount in within))


def _happenings(happenings: Sequence[_Happening], rounds: range) -> Iterable[_Happening]:
    for begin_s in rounds:
        for each in happenings:
            span = each.span
            if span.until_s == FOREVER_S and begin_s:
                continue
            until_s = span.until_s if span.until_s == FOREVER_S else span.until_s + begin_s
            yield replace(each, span=Span(from_s=span.from_s + begin_s, until_s=until_s))
