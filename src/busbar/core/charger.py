"""What one leaf takes, from its stored record: a connector, or a whole charge point that shares among its own.

A charge point's setpoint caps what its connectors draw together: W at the vehicles (DC), mA on every line (AC).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from busbar.core.depot import ChargePoint, Connector, CurrentKind, Depot, Leaves, Sharing
from busbar.core.units import PHASES

_HEADWAY = 16
"""Reservations beyond this many times the ratings are refused before they get here (`adapters/files`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeafFigures:
    """What a leaf takes, in mA per phase (AC) or W at the vehicle (DC)."""

    max_rating: int
    minimum: int
    """The smallest value above 0 that it takes."""
    step: int
    fallback: int
    steps: tuple[int, ...]
    """The only values it takes, ascending; empty: the minimum and every multiple of the step above it."""
    rating: int
    """Its maximum rating, or that of the charge point it belongs to where that is less."""
    most: int
    """More than it is ever asked to carry, commitments included."""


def figures_of_connector(connector: Connector, unit: ChargePoint) -> LeafFigures:
    """A connector as a leaf."""
    margin = connector.minimum + connector.step
    return LeafFigures(
        max_rating=connector.max_rating,
        minimum=smallest_value(connector),
        step=connector.step,
        fallback=connector.fallback,
        steps=useful_steps(connector),
        rating=min(connector.max_rating, unit.max_rating),
        # The restart gap asks for one step above the minimum, however coarse the step.
        most=max(_HEADWAY * max(connector.max_rating, connector.fallback, 1), margin),
    )


def figures_of_charge_point(unit: ChargePoint) -> LeafFigures:
    """A whole charge point as a leaf.

    It takes at most its rating, and at most what as many of its connectors as may run at once are rated for. Its
    minimum is the least of its connectors', and what a snapshot says once vehicles are there. Its step is the greatest
    that divides all of theirs, so that no value that they can make up together is passed over; a list of steps is kept
    where there is one connector. Its fallback is the sum of its connectors', counted once per connector where its
    sharing is not verified, and never more than its rating.
    """
    each = [figures_of_connector(connector, unit) for connector in unit.connectors]
    rating = min(unit.max_rating, _together(unit, [figures.max_rating for figures in each]))
    fallback = sum(figures.fallback for figures in each)
    if sharing_of(unit) is Sharing.UNVERIFIED:
        fallback *= len(each)
    return LeafFigures(
        max_rating=rating,
        minimum=min(figures.minimum for figures in each),
        step=each[0].step if len(each) == 1 else gcd(*_strides(unit)),
        fallback=min(fallback, unit.max_rating),
        steps=each[0].steps if len(each) == 1 else (),
        rating=rating,
        most=sum(figures.most for figures in each) + _HEADWAY * unit.max_rating,
    )


def sharing_of(unit: ChargePoint) -> Sharing:
    """How it shares; where that is not said, `unverified`, but for one with nothing to share."""
    if len(unit.connectors) == 1:
        return Sharing.PARALLEL
    return unit.sharing or Sharing.UNVERIFIED


def may_be_limited_as_a_whole(depot: Depot, unit: ChargePoint) -> bool:
    """Whether one limit for all of its connectors means something: charge points share, and they sit on the same wires.

    On different wires nothing follows from a sum for any one of them.
    """
    wires = {(frozenset(each.phases), each.line_to_line) for each in unit.connectors}
    return depot.leaves is Leaves.CHARGE_POINT and (unit.current is CurrentKind.DC or len(wires) == 1)


def times_taken(unit: ChargePoint) -> int:
    """How many times one limit for the whole unit counts: where its sharing is not verified, once per connector.

    Those without a vehicle too: whoever plugs in may take the limit before Busbar hears of it.
    """
    return len(unit.connectors) if sharing_of(unit) is Sharing.UNVERIFIED else 1


def fallback_as_a_whole(unit: ChargePoint) -> int:
    """The fallback of a unit that is limited as a whole: what all connectors make up, wherever it is taken."""
    return min(sum(each.fallback for each in unit.connectors) // times_taken(unit), unit.max_rating)


def outputs_of(unit: ChargePoint) -> int:
    """How many of its connectors may run at once."""
    if sharing_of(unit) is Sharing.SEQUENTIAL:
        return 1
    return min(unit.outputs or len(unit.connectors), len(unit.connectors))


def modules_of(unit: ChargePoint) -> int | None:
    """How many power modules it has; None: its power may be divided freely."""
    return unit.max_rating // unit.module_size if unit.module_size else None


def lines_of(unit: ChargePoint, connector: Connector) -> tuple[str, ...]:
    """What of the charge point's setpoint a connector draws on: the lines it sits on, or (DC) the one total."""
    return tuple(connector.phases) if unit.current is CurrentKind.AC else ("total",)


def smallest_value(connector: Connector) -> int:
    """The minimum, or the smallest listed step above it: what a connector has to be given to be given anything."""
    if connector.steps:
        return min(value for value in connector.steps if value >= max(1, connector.minimum))
    return connector.minimum


def useful_steps(connector: Connector) -> tuple[int, ...]:
    """The listed steps that are not below the minimum."""
    return tuple(value for value in connector.steps if value >= smallest_value(connector))


def on_busiest_line(parts: Iterable[tuple[tuple[str, ...], int]]) -> int:
    """What (lines, value) pairs add up to on the line that carries most of them."""
    sums: dict[str, int] = dict.fromkeys((*PHASES, "total"), 0)
    for lines, value in parts:
        for line in lines:
            sums[line] += value
    return max(sums.values())


def _together(unit: ChargePoint, ratings: Sequence[int]) -> int:
    """The most that as many connectors as may run at once can draw on one line."""
    outputs = outputs_of(unit)
    most = 0
    for line in (*PHASES, "total"):
        on_line = [
            rating
            for rating, connector in zip(ratings, unit.connectors, strict=True)
            if line in lines_of(unit, connector)
        ]
        most = max(most, sum(sorted(on_line, reverse=True)[:outputs]))
    return most


def _strides(unit: ChargePoint) -> Iterable[int]:
    """Everything that the values of its connectors are multiples of."""
    for connector in unit.connectors:
        yield from useful_steps(connector) or (connector.step,)
