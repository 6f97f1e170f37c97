"""Charge points that are told one limit for all of their connectors.

The ledgers stay by connector: each holds a part, and the parts add up to at least as much as the charge point may draw.
The limit replaces the former one as a whole, so one order is a new value for every connector, and so is its answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from busbar.core import commitment as ledgers
from busbar.core.attributing import attributed
from busbar.core.projection import Projection
from busbar.core.release import stepped_down
from busbar.engine import answers
from busbar.engine.events import Answered
from busbar.engine.lines import Line, Unit, in_effect
from busbar.engine.orders import Order

Part = tuple[Line, int]
"""A connector, and its part of the limit."""


def parts(projection: Projection, line: Line, value: int, now_s: float) -> list[Part]:
    """What every connector of the unit holds by an order that gives this one that value.

    Nobody else is raised by it: they hold what they have, or less where they are to have less, and nothing without a
    vehicle.
    """
    return [(each, value if each is line else _kept(projection, each, now_s)) for each in line.unit.lines]


def _kept(projection: Projection, line: Line, now_s: float) -> int:
    if not line.has_vehicle:
        return 0
    value = min(in_effect(line, now_s), ledgers.committed(line.ledger, now_s), line.rating)
    if line.value is None:
        # Where its fallback is not believed its rating counts: no reason to give it that.
        value = min(value, line.fallback)
    return stepped_down(projection, line.leaf, value if line.wanted is None else min(value, line.wanted))


def limit_of(unit: Unit, held: list[Part]) -> int:
    """The limit that is sent for these parts: as often as the unit may take it, together no more than they are."""
    return min(sum(value for _, value in held) // unit.times, unit.max_rating)


def answers_for(unit: Unit, order: Order, event: Answered, now_s: float) -> None:
    """Follow the answer to an order for a whole unit: it is one for every connector's part."""
    for line in unit.lines:
        part = next((sent for sent in line.ledger.on_the_way if sent.order_id == order.id), None)
        if part is not None:
            own = replace(order, connector=line.id, limit=part.value, fallback=part.fallback)
            answers.answered(line, own, event, now_s)


def draws(unit: Unit, now_s: float) -> Iterator[Part]:
    """What the ledger of every connector is to be told that it draws, by the last samples of all of them."""
    lines = unit.lines
    drawn = [line.drawn or 0 for line in lines]
    held = [ledgers.part_of(line.ledger, now_s) for line in lines]
    if unit.times > 1 and max(drawn) > (each := sum(held) // unit.times):
        # It may have taken the limit for every connector: while one is above it, the others may yet rise to it.
        drawn = [max(draw, each) for draw in drawn]
    handed = attributed(
        drawn,
        held,
        [max(ledgers.obeyed(line.ledger, now_s), line.ledger.unsettled) for line in lines],
    )
    yield from zip(lines, handed, strict=True)


def as_drawn(unit: Unit, values: Sequence[int]) -> list[int]:
    """The same in all, handed around so that whoever draws more than its part has what a neighbour leaves of its own.

    For whoever looks at connectors one by one: nobody is to blame while all together keep to the limit.
    """
    drawn = [line.drawn or 0 for line in unit.lines]
    handed = attributed(drawn, values, values)
    return [value + draw - own for value, draw, own in zip(values, drawn, handed, strict=True)]


def sampled_s(unit: Unit) -> float:
    """How old what is known of all of them together is: as the oldest sample.

    That is enough where a unit raises nobody while all together are above its limit: whoever was sampled earlier has
    not risen since.
    """
    return min(line.drawn_s if line.drawn is not None else float("-inf") for line in unit.lines if line.has_vehicle)


def change_way(unit: Unit, *, is_whole: bool, now_s: float, ramp_s: float) -> None:
    """From this connection on it is told in the other way: what it was told before counts until its lease is over.

    Back to a limit for each connector, nobody is told anything but its fallback, which it was greeted with, before all
    of them have come down to theirs: one that is still above its part takes the room of the others. So it is where
    a unit may take one limit for every connector.
    """
    followed_s = now_s + ramp_s
    for line in unit.lines:
        if not is_whole or unit.times > 1:
            line.ledger = ledgers.when_parted(line.ledger, now_s=now_s, until_s=followed_s)
            line.lower_not_before_s = line.raise_not_before_s = followed_s
        line.ledger = ledgers.when_told_otherwise(line.ledger)
        if not line.has_vehicle:
            line.value = None
    unit.is_whole = is_whole
