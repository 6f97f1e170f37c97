"""What one connector may still draw, given everything ever sent to it (design section 6).

    committed = max(acknowledged, every value sent that may still take effect, fallback, draw not yet settled)

Values are in the connector's unit: mA per phase (AC) or W at the vehicle (DC); times are seconds of one monotonic
clock.
"""

from dataclasses import dataclass, replace

EXCESS_PERMILLE = 30
EXCESS_LEAST = 1000
"""A draw disobeys where it is above what is allowed by more than 3 % and by more than 1 A or 1 kW."""
GOOD_SAMPLES = 3
"""So many samples in a row within what is allowed, and a connector that disobeyed is trusted again."""
MOST_ON_THE_WAY = 6
"""Beyond so many unanswered values the two oldest are counted as one."""
FRESH_S = 30.0
"""A sample older than this does not say what was drawn before a value was lowered."""
NO_CONNECTION = -1
"""Of values whose connection is over for good: no answer can name them, no later one frees them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A value that left, and may have arrived."""

    order_id: str
    value: int
    fallback: int
    """What the connector falls back to when this lease ends."""
    connection: int
    """The connection it was sent on; on one unbroken connection messages keep their order."""
    sent_s: float
    until_s: float
    """Its lease, the largest clock skew and the ramp have passed: it has no effect any more."""
    comes_by_s: float
    """It has come by then, or does not come any more: no message is under way for longer than a lease lasts."""
    over_at_s: float = float("-inf")
    """The same instant by the wall clock, in Unix seconds; minus infinity: it is not known."""
    is_leased: bool = True
    """Whether that can be relied upon; where not, a value holds until another one takes its place."""
    is_over: bool = False
    """The session it was meant for has ended: that it was acknowledged means nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commitment:
    """The ledger of one connector."""

    fallback: int
    """What counts as its fallback: the fallback that is believed, or its rating."""
    falls_to: int = 0
    """What it may fall back to beside that: leases, or a session, may go by a former fallback. 0: nothing does."""
    in_force: Sent | None = None
    """The last value that was acknowledged."""
    on_the_way: tuple[Sent, ...] = ()
    """Sent and not answered, oldest first."""
    unsettled: int = 0
    """The draw may still be so much, from before it was lowered; 0: it has settled."""
    lowered_s: float = 0.0
    """When the lower value was acknowledged."""
    draw_before: int = 0
    """Its last sample before it was lowered; 0: none was fresh."""
    obeys: bool = False
    """It was seen by meter, in this session, to go down when it was told to."""
    may_rise: bool = True
    """False after a restart, until it has acknowledged anew."""
    draw: int | None = None
    """By its last sample."""
    drawn_s: float = 0.0
    over_since_s: float | None = None
    """Since when every sample was above what it was told."""
    disobeys: bool = False
    """It draws more than it was told, for longer than it takes to follow."""
    rogue: int = 0
    """What a connector counts for that draws more than is committed; 0: it does not."""
    good: int = 0
    """Samples in a row within what it was told."""


def committed(ledger: Commitment, now_s: float) -> int:
    """The most the connector may still draw."""
    return max(allowed(ledger, now_s), ledger.unsettled, ledger.rogue)


def allowed(ledger: Commitment, now_s: float) -> int:
    """The most it may draw without disobeying, once it has settled."""
    most = left_alone(ledger)
    if ledger.in_force is not None:
        most = max(most, _at_most(ledger.in_force, now_s))
    for sent in ledger.on_the_way:
        most = max(most, _at_most(sent, now_s))
    return most


def _at_most(sent: Sent, now_s: float) -> int:
    """While it has effect, and if it is the last one that arrives, when it ends."""
    return max(sent.value, sent.fallback) if _has_effect(sent, now_s) else sent.fallback


def left_alone(ledger: Commitment) -> int:
    """What it may draw when every lease has ended."""
    return max(ledger.fallback, ledger.falls_to)


def told(ledger: Commitment, now_s: float) -> int:
    """The most it may draw as long as it hears from us: what is committed, without the fallback of a running lease."""
    in_force = ledger.in_force
    most = left_alone(ledger) if in_force is None or not _has_effect(in_force, now_s) else in_force.value
    for sent in ledger.on_the_way:
        if sent.value > most and _has_effect(sent, now_s):
            most = sent.value
    return max(most, ledger.unsettled, ledger.rogue)


def may_come(ledger: Commitment, now_s: float) -> tuple[int, ...]:
    """The values on the way that may be in effect, or take effect yet."""
    return tuple(sent.value for sent in ledger.on_the_way if _has_effect(sent, now_s))


def has_effect(ledger: Commitment, now_s: float) -> bool:
    """Whether anything that was sent may be in effect, or take effect yet."""
    return any(sent is not None and _has_effect(sent, now_s) for sent in (ledger.in_force, *ledger.on_the_way))


def _has_effect(sent: Sent, now_s: float) -> bool:
    return now_s < sent.until_s or not sent.is_leased


def over_at_s(ledger: Commitment) -> float:
    """When the last of what was sent ends by the wall clock, if its charge point's clock is right (Unix seconds)."""
    sent_values = (ledger.in_force, *ledger.on_the_way)
    return max((each.over_at_s for each in sent_values if each is not None and not each.is_over), default=0.0)


def is_leased(ledger: Commitment) -> bool:
    """Whether everything that was sent ends by itself."""
    return all(sent.is_leased for sent in (ledger.in_force, *ledger.on_the_way) if sent is not None)


def is_beyond(draw: int, allowed_value: int) -> bool:
    """Above it by more than 3 % and by more than 1 A or 1 kW."""
    excess = draw - allowed_value
    return excess > EXCESS_LEAST and excess * 1000 > allowed_value * EXCESS_PERMILLE


def with_fallback(ledger: Commitment, fallback: int, *, former: int = 0) -> Commitment:
    """Another fallback counts from now on.

    `former`: under which a vehicle that is there may go on until it is told something. Many units apply a new fallback
    from the next session on.
    """
    return replace(ledger, fallback=fallback, falls_to=max(ledger.falls_to, former))


def when_found_empty(ledger: Commitment) -> Commitment:
    """Nobody is there: no session goes by a former fallback."""
    return replace(ledger, falls_to=0)


def when_said_free(ledger: Commitment) -> Commitment:
    """The connector says that it is free: what was sent before a restart was for a session that is over."""
    ended = tuple(_ended(sent) for sent in ledger.on_the_way)
    return replace(ledger, falls_to=0, on_the_way=ended)


def _ended(sent: Sent) -> Sent:
    """Its session is over: it counts for as long as it may still come."""
    return replace(sent, is_leased=True, is_over=True, until_s=sent.comes_by_s)


# Values


def when_sent(ledger: Commitment, sent: Sent) -> Commitment:
    """A value leaves."""
    waiting = (*ledger.on_the_way, sent)
    if len(waiting) > MOST_ON_THE_WAY:
        first, second = waiting[:2]
        # Counted as one that no acknowledgement frees: only time does.
        both = replace(
            second,
            order_id="",
            value=max(first.value, second.value),
            fallback=max(first.fallback, second.fallback),
            connection=NO_CONNECTION,
            until_s=max(first.until_s, second.until_s),
            comes_by_s=max(first.comes_by_s, second.comes_by_s),
            over_at_s=max(first.over_at_s, second.over_at_s),
            is_leased=first.is_leased and second.is_leased,
        )
        waiting = (both, *waiting[2:])
    return replace(ledger, on_the_way=waiting)


def when_acknowledged(ledger: Commitment, order_id: str, *, connection: int, now_s: float) -> Commitment:
    """It is in force now, and every earlier value of the same connection is void; the draw has yet to follow."""
    found = next((sent for sent in ledger.on_the_way if sent.order_id == order_id), None)
    if found is None or found.is_over or found.connection == NO_CONNECTION:
        return ledger
    place = ledger.on_the_way.index(found)
    void, rest = [], []
    for index, sent in enumerate(ledger.on_the_way):
        if index < place and sent.connection == found.connection == connection:
            void.append(sent)
        elif index != place and not _is_replaced(sent, found):
            rest.append(sent)
    before = [left_alone(ledger) if ledger.in_force is None else ledger.in_force.value]
    lowered_from = max(before + [sent.value for sent in void])
    ledger = replace(ledger, in_force=found, on_the_way=tuple(rest), falls_to=0, may_rise=True)
    return _lowered(ledger, lowered_from, now_s)


def _is_replaced(sent: Sent, acknowledged: Sent) -> bool:
    """A value of an earlier connection may come late and then hold until another takes its place, where leases cannot
    be relied upon, or last longer than they were to. What was sent after it could come has taken its place."""
    return acknowledged.sent_s >= sent.comes_by_s


def _lowered(ledger: Commitment, lowered_from: int, now_s: float) -> Commitment:
    """The value in force took the place of others, up to `lowered_from`: how much its draw may be until it follows."""
    assert ledger.in_force is not None
    value = ledger.in_force.value
    until_settled = max(ledger.unsettled, lowered_from)
    if until_settled <= value:
        return replace(ledger, unsettled=0)
    if lowered_from <= value:
        # Renewed, or raised within what had not settled: the wait does not begin anew.
        return replace(ledger, unsettled=until_settled)
    is_fresh = ledger.draw is not None and now_s - ledger.drawn_s <= FRESH_S
    return replace(
        ledger,
        unsettled=until_settled,
        lowered_s=now_s,
        draw_before=(ledger.draw or 0) if is_fresh else 0,
    )


def when_void(ledger: Commitment, order_id: str) -> Commitment:
    """It was refused, or never left: it cannot take effect."""
    return replace(ledger, on_the_way=tuple(sent for sent in ledger.on_the_way if sent.order_id != order_id))


def when_vehicle_left(ledger: Commitment, *, is_empty: bool) -> Commitment:
    """The contacts are open, and what was in force ended with the session. What is on the way still counts.

    `is_empty`: False where another vehicle may have come since, which goes by a former fallback.
    """
    return Commitment(
        fallback=ledger.fallback,
        falls_to=0 if is_empty else ledger.falls_to,
        on_the_way=tuple(_ended(sent) for sent in ledger.on_the_way),
        may_rise=ledger.may_rise,
    )


def when_told_otherwise(ledger: Commitment) -> Commitment:
    """It is told in another way from now on: nothing that is said so frees what it was told before; only time does."""
    in_force = ledger.in_force
    if in_force is None:
        return ledger
    before = replace(
        in_force, order_id="", connection=NO_CONNECTION, value=max(in_force.value, ledger.unsettled), is_over=False
    )
    return replace(ledger, in_force=None, unsettled=0, on_the_way=(before, *ledger.on_the_way))


def when_parted(ledger: Commitment, *, now_s: float, until_s: float) -> Commitment:
    """One limit for the whole unit became one for each connector: until all have followed, it may draw its neighbours'
    part beside its own fallback, and they theirs."""
    both = Sent(
        order_id="",
        value=committed(ledger, now_s) + ledger.fallback,
        fallback=0,
        connection=NO_CONNECTION,
        sent_s=now_s,
        until_s=until_s,
        comes_by_s=until_s,
        is_over=True,
    )
    return replace(ledger, on_the_way=(both, *ledger.on_the_way))


def when_emptied(ledger: Commitment) -> Commitment:
    """No connector of a unit limited as a whole has a vehicle: nothing is drawn; whoever comes has to follow."""
    return replace(ledger, disobeys=False, rogue=0, over_since_s=None, good=0, draw=None, obeys=True)


def when_somebody_came(ledger: Commitment) -> Commitment:
    """A vehicle on any connector of a unit that is limited as a whole: it has yet to be seen to come down."""
    return replace(ledger, obeys=False)


def when_leases_do_not_hold(ledger: Commitment) -> Commitment:
    """Its clock is too far off, or it does not end leases: what was sent holds until another value takes its place."""
    in_force = ledger.in_force
    return replace(
        ledger,
        in_force=None if in_force is None else replace(in_force, is_leased=False),
        on_the_way=tuple(sent if sent.is_over else replace(sent, is_leased=False) for sent in ledger.on_the_way),
    )


def when_leases_hold_again(ledger: Commitment, *, wall_s: float) -> Commitment:
    """Its clock agrees with ours again: every lease ends when ours says so. `wall_s`: our wall clock less now_s.

    Where our clock was set back meanwhile, that is later than it was to be. What was restored counts for a whole lease
    from the restart all the same.
    """
    in_force = ledger.in_force
    return replace(
        ledger,
        in_force=None if in_force is None else _leased_again(in_force, wall_s),
        on_the_way=tuple(sent if sent.is_over else _leased_again(sent, wall_s) for sent in ledger.on_the_way),
    )


def _leased_again(sent: Sent, wall_s: float) -> Sent:
    if sent.over_at_s == float("-inf"):
        return sent
    until_s = sent.over_at_s - wall_s
    if sent.is_leased or sent.connection == NO_CONNECTION:
        until_s = max(until_s, sent.until_s)
    return replace(sent, until_s=until_s, is_leased=True)


def restored(
    ledger: Commitment,
    *,
    value: int,
    fallback: int,
    now_s: float,
    expiry_s: float,
    lasts_s: float,
    over_at_s: float,
    is_leased: bool,
) -> Commitment:
    """After a restart: the larger of what was stored and the fallback, for a whole lease from now.

    `fallback`: what it may fall back to; `expiry_s`: lease, skew and ramp; `lasts_s`: the same of what was stored,
    longer where our clock was set back; `over_at_s`: when that was to be over by the wall clock. Nothing rises before
    something is acknowledged anew.
    """
    sent = Sent(
        order_id="",
        value=value,
        fallback=0,
        connection=NO_CONNECTION,
        sent_s=now_s,
        until_s=now_s + lasts_s,
        comes_by_s=now_s + expiry_s,
        over_at_s=over_at_s,
        is_leased=is_leased,
    )
    return Commitment(fallback=ledger.fallback, falls_to=fallback, on_the_way=(sent,), may_rise=False)


# Samples


def when_measured(
    ledger: Commitment, draw: int, *, sampled_s: float, now_s: float, rating: int, ramp_s: float
) -> Commitment:
    """A fresh sample: it settles what was lowered, and tells who disobeys."""
    if ledger.draw is not None and sampled_s <= ledger.drawn_s:
        return ledger
    ledger = replace(ledger, draw=draw, drawn_s=sampled_s)
    if sampled_s < ledger.lowered_s:
        return ledger
    if ledger.unsettled:
        ledger = _settled_by(ledger, draw, had_time=sampled_s >= ledger.lowered_s + ramp_s)
    return _judged(ledger, draw, sampled_s=sampled_s, now_s=now_s, rating=rating, ramp_s=ramp_s)


def _settled_by(ledger: Commitment, draw: int, *, had_time: bool) -> Commitment:
    assert ledger.in_force is not None
    value = ledger.in_force.value
    if draw <= value:
        return replace(ledger, unsettled=0, obeys=ledger.obeys or ledger.draw_before > value)
    if not had_time:
        return ledger
    if is_beyond(draw, max(value, left_alone(ledger))):
        return replace(ledger, obeys=False)
    # Meters and vehicles are not exact: it has come down as far as it does, and counts for what it draws.
    obeys = ledger.obeys or (not is_beyond(draw, value) and is_beyond(ledger.draw_before, draw))
    return replace(ledger, unsettled=min(ledger.unsettled, draw), obeys=obeys)


def _judged(ledger: Commitment, draw: int, *, sampled_s: float, now_s: float, rating: int, ramp_s: float) -> Commitment:
    """Whether it keeps to what it was told; while it has time to follow, to what it was told before."""
    is_following = sampled_s < ledger.lowered_s + ramp_s
    limit = max(obeyed(ledger, now_s), ledger.unsettled if is_following else 0)
    if not is_beyond(draw, limit):
        good = min(GOOD_SAMPLES, ledger.good + 1)
        if good < GOOD_SAMPLES:
            return replace(ledger, over_since_s=None, good=good)
        if (ledger.over_since_s, ledger.good, ledger.disobeys, ledger.rogue) == (None, good, False, 0):
            return ledger
        return replace(ledger, over_since_s=None, good=good, disobeys=False, rogue=0)
    since_s = sampled_s if ledger.over_since_s is None else ledger.over_since_s
    disobeys = ledger.disobeys or sampled_s - since_s >= ramp_s
    is_rogue = disobeys and is_beyond(draw, allowed(ledger, now_s))
    return replace(
        ledger,
        over_since_s=since_s,
        good=0,
        disobeys=disobeys,
        rogue=max(draw, rating) if is_rogue else ledger.rogue,
    )


def obeyed(ledger: Commitment, now_s: float) -> int:
    """The most it draws if it keeps to what it was told, whatever it was seen to draw."""
    as_told = replace(ledger, unsettled=0, rogue=0) if ledger.unsettled or ledger.rogue else ledger
    return told(as_told, now_s)


def part_of(ledger: Commitment, now_s: float) -> int:
    """What counts as its part of a limit for a whole unit, when draws are attributed."""
    in_force = ledger.in_force
    return in_force.value if in_force is not None and _has_effect(in_force, now_s) else left_alone(ledger)


# Time


def when_time_passed(ledger: Commitment, now_s: float, *, ramp_s: float) -> Commitment:
    """A unit that obeys has settled after the ramp; what has ended is forgotten, but for what it ended in."""
    if ledger.unsettled and now_s >= _settles_s(ledger, ramp_s):
        ledger = replace(ledger, unsettled=0)
    ended = [sent for sent in ledger.on_the_way if not _has_effect(sent, now_s)]
    if ended:
        rest = tuple(sent for sent in ledger.on_the_way if _has_effect(sent, now_s))
        falls_to = max([ledger.falls_to, *(sent.fallback for sent in ended if not sent.is_over)])
        ledger = replace(ledger, on_the_way=rest, falls_to=falls_to)
    in_force = ledger.in_force
    if in_force is not None and not _has_effect(in_force, now_s):
        # It has fallen back by itself: lease, skew and ramp are over.
        falls_to = max(ledger.falls_to, in_force.fallback)
        ledger = replace(ledger, in_force=None, unsettled=0, falls_to=falls_to)
    return ledger


def next_change_s(ledger: Commitment, *, ramp_s: float) -> float:
    """When time alone will change what is committed; infinite: it will not."""
    in_force = ledger.in_force
    next_s = in_force.until_s if in_force is not None and in_force.is_leased else float("inf")
    for sent in ledger.on_the_way:
        if sent.is_leased and sent.until_s < next_s:
            next_s = sent.until_s
    return min(next_s, _settles_s(ledger, ramp_s)) if ledger.unsettled else next_s


def _settles_s(ledger: Commitment, ramp_s: float) -> float:
    """When the draw has settled without a sample that says so; a sample that says otherwise takes precedence."""
    has_followed_s = ledger.lowered_s + ramp_s
    return has_followed_s if ledger.obeys and ledger.drawn_s < has_followed_s else float("inf")
