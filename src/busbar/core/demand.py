"""Demand: what a connected vehicle could use now, estimated from what it draws of what it is given. Pure.

A request starts at the connector's rating and is lowered only on evidence: the vehicle was given more, for long enough,
and did not take it. It goes back to the rating at once when the vehicle takes all of a lowered request, and when nobody
can see any more what it takes. Values in mA (AC) or W at the vehicle (DC); times in monotonic seconds.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf

PATIENCE_S = 60.0
"""A vehicle has to leave something unused, or rest, for so long before the rest is freed."""
MOST_PATIENCE_S = 900.0
"""Each growing doubles the patience up to here: whoever goes up and down often is followed less often."""
CALM_S = 3600.0
"""After so long without growing, the patience is as at first."""
START_S = 180.0
"""A vehicle that has not drawn anything yet may take so long to begin."""
STUCK_S = 300.0
"""A charge point may hold back so long what it was given before that counts as resting (evcc 29861: minutes)."""
FULL_S = 1800.0
"""A vehicle that has rested so long, of the time in which it was offered something, is taken for full."""
LITTLE_S = 300.0
"""One that was offered only little has to rest so long: less than a turn, or full ones would take turns for ever."""
RETRY_S = 1800.0
"""A vehicle that was only ever offered little is offered all again so long after it was taken for resting."""
SILENT_S = 300.0
"""Without a sample for so long, nobody knows what a vehicle takes."""
STALE_S = 60.0
"""Where a connector says that nothing flows, a sample older than this does not gainsay it."""
FULL_SOC = 0.99

NOTICEABLE = 1000
"""1 A or 1 kW: smaller differences are no sign of anything."""
QUIET = 500
"""0.5 A or 0.5 kW: a vehicle that draws less is not charging."""

_BELOW = 0.95
"""Using less than this part of what is given is leaving something unused."""
_NEAR = 0.90
"""Using this part of a lowered request is wanting more: vehicles and meters are rarely nearer than a few percent."""
_MARGIN = 1.15
_LEAST_MARGIN = 2000
"""A lowered request is above the draw by the larger of these, so that noise of a few percent stays below `_NEAR`."""
_WORTH = 0.10
"""A request is lowered only by at least this part of itself: a taper is followed in few changes."""
_RISING = 1.04
"""A draw above the highest so far by this factor and a little is still rising."""
_RISEN = 0.96
_STEADY = 0.97
_LEAST_SHARE = 0.2
_ENOUGH = 2.5
"""With a minimum of 6 A: 15 A, which every vehicle starts with; some need 13 (ev-dashboard 1743)."""


class Reason(StrEnum):
    """Why a request is what it is."""

    RATING = "rating"
    """Nothing says that it wants less than its connector can give."""
    UNMEASURED = "unmeasured"
    """It wanted less, and then its meter fell silent: the rating again."""
    DRAWS_LESS = "draws_less"
    """It left part of what it was given unused."""
    TAPERING = "tapering"
    """It goes on taking less."""
    PAUSED = "paused"
    """It rests by its own will: the smallest offer, so that it can go on."""
    FULL = "full"
    """It has rested for long, or is full by its own word: the smallest offer. Nothing once its charging is finished."""
    MAKES_ROOM = "makes_room"
    """It is full, and others wait for room: nothing."""
    GROWING = "growing"
    """It took all of a lowered request: the rating again."""
    FOLLOWS = "follows"
    """It draws a part of whatever it is given, and takes all it can: the rating."""
    CANNOT_CHARGE = "cannot_charge"
    """Its connector says it is free, unavailable or faulted: nothing."""
    HELD = "held"
    """A named person holds or stopped it: nothing."""


_RESTS = (Reason.PAUSED, Reason.FULL)
_LOWERED = (Reason.DRAWS_LESS, Reason.TAPERING, *_RESTS)


class Standing(StrEnum):
    """What a connector says of the vehicle's charging."""

    UNKNOWN = "unknown"
    CHARGING = "charging"
    RESTING = "resting"
    """Paused by the vehicle."""
    WITHHELD = "withheld"
    """Paused by the charge point."""
    FINISHED = "finished"
    UNUSABLE = "unusable"
    """Free, unavailable or faulted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """The values that a connector can be given: 0, or from the minimum to the rating."""

    rating: int
    minimum: int
    step: int
    steps: tuple[int, ...] = ()
    """The only values above 0 it takes, ascending; empty: every multiple of `step`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What is known of a vehicle at one instant."""

    now_s: float
    standing: Standing = Standing.UNKNOWN
    given: int | None = None
    """The setpoint that its charge point acknowledged and holds; None: not known."""
    is_settled: bool = False
    """Whether the draw has had time to follow it, and no other is on its way."""
    draw: int | None = None
    """By the last sample; None: there never was one."""
    sampled_s: float | None = None
    """When that was taken."""
    soc: float | None = None
    """0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A stretch of time in which the vehicle left something unused."""

    since_s: float
    least_given: int
    most: int
    """The highest draw in it."""
    least: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The estimate for one vehicle, and what the next one needs to remember."""

    request: int
    """0, or from the connector's minimum to its rating."""
    reason: Reason
    due_s: float = inf
    """When to look again though nothing has changed."""
    share: float = 1.0
    """The part of what it is given that it draws when it takes all it can."""
    patience_s: float = PATIENCE_S
    grew_s: float = -inf
    sampled_s: float | None = None
    """Of the last sample that was looked at."""
    given: int = 0
    """What it was given then."""
    drew_at: int | None = None
    """The smallest value given at which it was seen to charge; None: it never was."""
    quiet_since_s: float | None = None
    """Since when it takes nothing of what it is offered; None: it takes something, or is offered nothing."""
    rested_s: float = 0.0
    """How long it rested before that, since it charged last."""
    retry_s: float = inf
    """When to offer all again to one that rests and was never offered enough."""
    window: Window | None = None
    known: int = 0
    """What it drew when its request was lowered last."""
    known_at: int | None = None
    """What it was given then, until it is clear whether its draw came down with that; None: clear."""


def unknown_demand(reach: Reach) -> Demand:
    """Of a vehicle nothing is known of."""
    return Demand(request=reach.rating, reason=Reason.RATING)


def at_least(reach: Reach, value: float) -> int:
    """The smallest value above 0 that the connector takes and that is not less; the rating where there is none.

    A request between two values would be rounded down when it is given, and the vehicle cut short.
    """
    if reach.steps:
        return next((step for step in reach.steps if step >= value), reach.rating)
    if value <= reach.minimum and reach.minimum > 0:
        return reach.minimum
    return min(reach.rating, ceil(value / reach.step) * reach.step)


def smallest_offer(reach: Reach) -> int:
    """The least by which a vehicle can show that it wants to charge: the minimum, or 1 A or 1 kW where that is 0.

    With a step of 100 W one step would do by the letter, and nobody could tell from a meter that it was taken.
    """
    return at_least(reach, reach.minimum if reach.minimum > 0 else NOTICEABLE)


def estimate(demand: Demand, sight: Sight, reach: Reach) -> Demand:
    """The next estimate. To be asked when a sample, the standing or what is given has changed, or when it is due.

    - Less than 95 % of what it is given, and 1 A or 1 kW less, for a minute: the request is what it drew and a margin.
    - All of a lowered request: the rating at once; the patience with it doubles, so that it does not swing.
    - A draw that came down together with what was given was no sign of wanting less: the rating again, and remembered.
    - Nothing drawn of what is given, for a minute: the smallest offer. Where little was given it takes five, and all is
      offered again in time, because some vehicles need 13 A to start; where the charge point holds it back, five too.
    - Rested for half an hour, or the battery says so: full, still with the smallest offer. A vehicle that is offered
      nothing cannot show that it wants to go on (to warm up, say), and offering now and then would wake it in vain.
    - What is given is 0, or not known: nothing is learnt.
    """
    if sight.standing is Standing.FINISHED:
        return Demand(request=0, reason=Reason.FULL)
    is_quiet = _is_quiet(demand, sight, reach)
    if demand.request == 0 and (sight.standing is not Standing.UNUSABLE or not is_quiet):
        demand = unknown_demand(reach)
    is_new = sight.draw is not None and sight.sampled_s is not None and sight.sampled_s != demand.sampled_s
    if is_new:
        demand = _with_sample(demand, sight)
    if is_quiet:
        demand = _at_rest(demand, sight, reach)
    else:
        demand = _not_at_rest(demand, sight, reach)
        if demand.reason in _RESTS and _takes_up_again(demand, sight, reach):
            demand = _grown(demand, sight, reach)
        elif is_new and sight.given:
            demand = _of_what_is_given(demand, sight, sight.given, reach)
    if demand.reason in _LOWERED and sight.given and not _is_measured(sight) and sight.standing is not Standing.RESTING:
        demand = replace(unknown_demand(reach), reason=Reason.UNMEASURED, share=demand.share, drew_at=demand.drew_at)
    due_s = _due(demand, sight)
    return demand if due_s == demand.due_s else replace(demand, due_s=due_s)


def _is_measured(sight: Sight, within_s: float = SILENT_S) -> bool:
    return sight.draw is not None and sight.sampled_s is not None and sight.now_s - sight.sampled_s < within_s


def _with_sample(demand: Demand, sight: Sight) -> Demand:
    assert sight.draw is not None
    share, drew_at = demand.share, demand.drew_at
    gap_s = 0.0 if demand.sampled_s is None or sight.sampled_s is None else sight.sampled_s - demand.sampled_s
    if sight.given and sight.is_settled:
        if sight.given >= demand.given:
            # Where it was given more before, it may still be on its way down.
            share = max(share, min(1.0, sight.draw / sight.given))
        if sight.draw >= max(QUIET, share * sight.given / 4):
            drew_at = sight.given if drew_at is None else min(drew_at, sight.given)
    # Between samples far apart, nobody knows what it did.
    window = demand.window if 0 <= gap_s < SILENT_S else None
    given = sight.given or 0
    return replace(demand, sampled_s=sight.sampled_s, given=given, share=share, drew_at=drew_at, window=window)


# Resting


def _is_quiet(demand: Demand, sight: Sight, reach: Reach) -> bool:
    """Whether it takes nothing of what it is given, by its own will as far as one can tell."""
    says_so = sight.standing in (Standing.RESTING, Standing.UNUSABLE)
    is_measured = _is_measured(sight, STALE_S if says_so else SILENT_S)
    if is_measured and sight.draw is not None and sight.draw >= _charging_from(demand, reach):
        return False
    if sight.standing is Standing.UNUSABLE:
        return True
    if not sight.given:
        return False
    return says_so or (is_measured and (sight.is_settled or demand.quiet_since_s is not None))


def _charging_from(demand: Demand, reach: Reach) -> int:
    """Once it rests, trickles do not count: it is charging when it takes half of the smallest offer."""
    return max(QUIET, smallest_offer(reach) // 2) if demand.reason in _RESTS else QUIET


def _at_rest(demand: Demand, sight: Sight, reach: Reach) -> Demand:
    since_s = sight.now_s if demand.quiet_since_s is None else demand.quiet_since_s
    demand = replace(demand, quiet_since_s=since_s, window=None)
    quiet_s = sight.now_s - since_s
    if sight.standing is Standing.UNUSABLE:
        is_over = quiet_s >= PATIENCE_S and demand.reason is not Reason.CANNOT_CHARGE
        return replace(demand, request=0, reason=Reason.CANNOT_CHARGE) if is_over else demand
    if demand.reason in _RESTS and sight.now_s >= demand.retry_s:
        rested_s = demand.rested_s + quiet_s
        return replace(unknown_demand(reach), rested_s=rested_s, quiet_since_s=sight.now_s, sampled_s=demand.sampled_s)
    if demand.reason not in _RESTS:
        is_enough = _is_enough(demand, sight.given or 0, reach)
        if quiet_s < (_rest_s(demand, sight) if is_enough else LITTLE_S):
            return demand
        demand = replace(
            demand,
            request=smallest_offer(reach),
            reason=Reason.PAUSED,
            retry_s=inf if is_enough else sight.now_s + RETRY_S,
            known=0,
            known_at=None,
        )
    if demand.rested_s + quiet_s >= FULL_S or (sight.soc is not None and sight.soc >= FULL_SOC):
        return replace(demand, reason=Reason.FULL)
    return demand


def _not_at_rest(demand: Demand, sight: Sight, reach: Reach) -> Demand:
    if _is_measured(sight) and sight.draw is not None and sight.draw >= _charging_from(demand, reach):
        is_so = demand.quiet_since_s is None and not demand.rested_s
        return demand if is_so else replace(demand, quiet_since_s=None, rested_s=0.0)
    if demand.quiet_since_s is None:
        return demand
    # It is offered nothing any more: that time tells nothing, but what it rested before does.
    return replace(demand, quiet_since_s=None, rested_s=demand.rested_s + sight.now_s - demand.quiet_since_s)


def _rest_s(demand: Demand, sight: Sight) -> float:
    """How long it has to rest before that counts."""
    if sight.standing is Standing.WITHHELD:
        return max(STUCK_S, demand.patience_s)
    return max(START_S, demand.patience_s) if demand.drew_at is None else demand.patience_s


def _is_enough(demand: Demand, given: int, reach: Reach) -> bool:
    """Whether leaving it unused says anything: so much that every vehicle starts, or that this one was seen to."""
    started = demand.drew_at is not None and given >= demand.drew_at
    return started or given >= min(reach.rating, _ENOUGH * reach.minimum)


def _takes_up_again(demand: Demand, sight: Sight, reach: Reach) -> bool:
    """By its meter, or by its connector's word where there is none."""
    if _is_measured(sight):
        return sight.draw is not None and sight.draw >= _charging_from(demand, reach)
    return sight.standing is Standing.CHARGING


# Drawing


def _of_what_is_given(demand: Demand, sight: Sight, given: int, reach: Reach) -> Demand:
    assert sight.draw is not None
    if demand.request < reach.rating and _wants_more(demand, sight.draw, given, reach):
        return _grown(demand, sight, reach)
    if not sight.is_settled:
        # A renewal is on its way, or a change: what was seen before it still holds.
        return demand
    if not _is_enough(demand, given, reach):
        return replace(demand, window=None)
    window = _next_window(demand, sight, given)
    demand = replace(demand, window=window)
    if window is None or sight.sampled_s is None or sight.sampled_s - window.since_s < demand.patience_s:
        return demand
    return _judged(replace(demand, window=None), window, sight.draw, given, reach)


def _wants_more(demand: Demand, draw: int, given: int, reach: Reach) -> bool:
    """Whether it takes all of a lowered request. Where a limit gives it less than it asks for, that says nothing."""
    if given < demand.request and at_least(reach, given + 1) <= demand.request:
        return False
    most = demand.share * min(given, demand.request)
    if draw >= _NEAR * most or (draw >= most / 2 and most - draw <= NOTICEABLE):
        return True
    # At the smallest offer vehicles often take less than they are given, though they want more.
    at_the_end = demand.request <= smallest_offer(reach)
    return at_the_end and draw >= most / 2 and draw > 1.25 * demand.known + QUIET


def _grown(demand: Demand, sight: Sight, reach: Reach) -> Demand:
    is_calm = sight.now_s - demand.grew_s > CALM_S
    return replace(
        demand,
        request=reach.rating,
        reason=Reason.GROWING,
        patience_s=PATIENCE_S if is_calm else min(MOST_PATIENCE_S, 2 * demand.patience_s),
        grew_s=sight.now_s,
        quiet_since_s=None,
        rested_s=0.0,
        retry_s=inf,
        window=None,
        known=0,
        known_at=None,
    )


def _next_window(demand: Demand, sight: Sight, given: int) -> Window | None:
    assert sight.draw is not None
    assert sight.sampled_s is not None
    draw, window = sight.draw, demand.window
    least_given = given if window is None else min(given, window.least_given)
    most = demand.share * least_given
    if draw >= _BELOW * most or most - draw <= NOTICEABLE:
        return None
    if window is None or draw > _RISING * window.most + QUIET:
        # What still rises is not what it wants: a new start.
        return Window(since_s=sight.sampled_s, least_given=given, most=draw, least=draw)
    return replace(window, least_given=least_given, most=max(window.most, draw), least=min(window.least, draw))


def _judged(demand: Demand, window: Window, draw: int, given: int, reach: Reach) -> Demand:
    """It left something unused for long enough: free that, or find that it follows what it is given."""
    if draw >= _STEADY * window.most and window.least < _RISEN * window.most - QUIET:
        # It went up all the time.
        return demand
    if demand.known_at is not None and given < demand.known_at:
        came_down = demand.known * (1 - given / demand.known_at)
        if demand.known - draw > came_down / 2:
            share = max(_LEAST_SHARE, draw / given)
            return replace(demand, request=reach.rating, reason=Reason.FOLLOWS, share=share, known=0, known_at=None)
        demand = replace(demand, known_at=None)
    wanted = max(_MARGIN * window.most, window.most + _LEAST_MARGIN) / demand.share
    request = at_least(reach, max(wanted, smallest_offer(reach)))
    if demand.request - request < max(_WORTH * demand.request, NOTICEABLE):
        return demand
    is_steady = window.least >= _STEADY * window.most
    return replace(
        demand,
        request=request,
        reason=Reason.TAPERING if demand.reason in _LOWERED else Reason.DRAWS_LESS,
        known=draw,
        known_at=given if is_steady and demand.share >= 1 else None,
    )


def _due(demand: Demand, sight: Sight) -> float:
    """The next instant at which time alone changes something."""
    due = [inf]
    if demand.quiet_since_s is not None:
        stretches_s = (PATIENCE_S, _rest_s(demand, sight), LITTLE_S, FULL_S - demand.rested_s)
        due += [demand.quiet_since_s + stretch_s for stretch_s in stretches_s]
        due.append(demand.retry_s)
    if sight.sampled_s is not None:
        if sight.standing in (Standing.RESTING, Standing.UNUSABLE):
            due.append(sight.sampled_s + STALE_S)
        if demand.reason in _LOWERED or demand.quiet_since_s is not None:
            due.append(sight.sampled_s + SILENT_S)
    return min(at_s for at_s in due if at_s > sight.now_s)
