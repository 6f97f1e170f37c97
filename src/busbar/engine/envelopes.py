"""Envelopes: which of them hold at an instant, merged by minimum, and by how much one cannot be met."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil

import numpy as np

from busbar.core.balance import demand_of
from busbar.core.flows import loads, sum_below
from busbar.core.headroom import Rooms, headroom
from busbar.core.limits import Caps, caps_ticks
from busbar.core.projection import Projection
from busbar.core.release import within_ratings
from busbar.core.rooms import rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Snapshot
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current, format_ma, format_w
from busbar.engine.moment import Moment
from busbar.engine.ports import Envelope

ROWS = (*(phase.value for phase in PHASES), "total")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortfall:
    """By how much an envelope cannot be met on a row: what flows or may flow whatever Busbar does."""

    row: str
    """L1, L2, L3 or total."""
    by: int
    """mA referred to the depot's voltage, or W; rounded up."""
    text: str


def in_force(envelopes: Iterable[Envelope], at: datetime) -> dict[str, Caps]:
    """Node -> what holds there at `at`: the minimum of all its envelopes, row by row.

    Amounts of one unit become one; of several units, which cap different rows or the same ones differently, every one
    is kept, and all of them hold.
    """
    given: dict[str, list[Amount]] = {}
    for envelope in envelopes:
        amount = amount_at(envelope, at)
        if amount is not None:
            given.setdefault(envelope.node, []).append(amount)
    return {node: _merged(amounts) for node, amounts in given.items()}


def amount_at(envelope: Envelope, at: datetime) -> Amount | None:
    """What an envelope allows at `at`; None: it does not hold then."""
    if envelope.withdrawn_at is not None or at < envelope.starts_at:
        return None
    has_ended = envelope.ends_at is not None and at >= envelope.ends_at
    return envelope.after if has_ended else envelope.amount


def state_at(envelope: Envelope, at: datetime) -> str:
    """`coming`, `in_force`, `after`, `ended` or `withdrawn`."""
    if envelope.withdrawn_at is not None:
        return "withdrawn"
    if at < envelope.starts_at:
        return "coming"
    if envelope.ends_at is None or at < envelope.ends_at:
        return "in_force"
    return "ended" if envelope.after is None else "after"


def next_change(envelopes: Iterable[Envelope], after: datetime) -> datetime | None:
    """When the next of them begins or ends; None: nothing changes by itself any more."""
    times = [
        when
        for envelope in envelopes
        if envelope.withdrawn_at is None
        for when in (envelope.starts_at, envelope.ends_at)
        if when is not None and when > after
    ]
    return min(times, default=None)


def _merged(amounts: Sequence[Amount]) -> Caps:
    apparent = [each.va for each in amounts if isinstance(each, ApparentPower)]
    active = [each.w for each in amounts if isinstance(each, ActivePower)]
    currents = [each.per_phase_ma() for each in amounts if isinstance(each, Current)]
    found: list[Amount] = []
    if currents:
        least = [min((ma for ma in phase if ma is not None), default=None) for phase in zip(*currents, strict=True)]
        found.append(Current(l1_ma=least[0], l2_ma=least[1], l3_ma=least[2]))
    if apparent:
        found.append(ApparentPower(va=min(apparent)))
    if active:
        found.append(ActivePower(w=min(active)))
    return found[0] if len(found) == 1 else tuple(found)


def shortfalls(moment: Moment, node: str, caps: Caps) -> tuple[Shortfall, ...]:
    """By how much, row by row, a node cannot keep to `caps`; empty: it can. Raises KeyError for an unknown node.

    Counted is what no setpoint lowers: the base load, and for every connector its fallback, or what it may still draw
    while it cannot be reached or does not come down.
    """
    found = rooms(moment.projection, moment.snapshot)
    return shortfalls_in(moment.projection, moment.snapshot, found, node, caps)


def shortfalls_in(
    projection: Projection, snapshot: Snapshot, found: Rooms, node: str, caps: Caps
) -> tuple[Shortfall, ...]:
    """The same in rooms that are given."""
    index = projection.node_index[node]
    inner = int(projection.frame.inner_of[index])
    if inner < 0:
        raise KeyError(node)
    scale = projection.frame.scale
    limit = caps_ticks(caps, scale, voltage_v=int(projection.voltage_v[index]), phases=projection.phases[index])
    idle = np.where(projection.in_service, demand_of(projection, snapshot).idle, 0)
    in_any_case = loads(projection, sum_below(projection, within_ratings(projection, idle), index), index)
    base = headroom(projection, found, inner).base
    missing = []
    for row, most in enumerate(limit):
        if most is None:
            continue
        per_unit = scale.per_unit(row)
        over = Fraction(base[row] - most, per_unit) + in_any_case[row]
        if over > 0:
            carried = _Carried(
                base=ceil(Fraction(base[row], per_unit)),
                is_assumed=inner in found.safe,
                in_any_case=ceil(in_any_case[row]),
                limit=most // per_unit,
            )
            missing.append(Shortfall(row=ROWS[row], by=ceil(over), text=_text(node, row, ceil(over), carried)))
    return tuple(missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Carried:
    """What a row of a node carries whatever Busbar does, in whole mA or W."""

    base: int
    is_assumed: bool
    in_any_case: int
    limit: int


def _text(node: str, row: int, over: int, carried: _Carried) -> str:
    figure = format_w if row == TOTAL else format_ma
    parts = []
    if carried.base > 0:
        parts.append(f"{figure(carried.base)} of base load" + (" (assumed: it is SAFE)" if carried.is_assumed else ""))
    if carried.in_any_case:
        parts.append(f"{figure(carried.in_any_case)} that connectors may draw and that cannot be lowered")
    less = f", less {figure(-carried.base)} of generation," if carried.base < 0 else ""
    where = "in total" if row == TOTAL else f"on {ROWS[row]}"
    is_too_much = f"{' and '.join(parts)}{less} are {figure(over)} too much"
    return f"{node} cannot keep to {figure(carried.limit)} {where}: {is_too_much}."
