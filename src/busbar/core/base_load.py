"""Base load of a metered node: what its meter shows, less what the charge points below it draw.

No two meters see the same instant, so what was drawn when the node's sample was taken is an interval, and so is the
base load. The estimate follows one rule per row:

- *A rise is believed at once.* The estimate is never below flow less the most that may have been drawn. With what
  charge points count for, and what they were lowered by in the last seconds, it is therefore never below what the
  meter shows; and a raise that the node's meter sees before the charge point's own moves nothing.
- *A fall is believed when it is confirmed.* The estimate comes down to flow less the least that was drawn, judged at
  an instant that the charge points' own samples enclose, and when that holds for `hold_s`. A vehicle that stops by
  itself is seen by the node's meter first: taken for a falling base load, its room would be given away twice.
- In between the estimate stays where it is.
- *In the beginning* nothing is known. Until the charge points below have reported, the estimate is the least it can be,
  so that nobody is lowered for what is not known, and it is not settled: nothing may be raised. Then it is flow less
  what the charge points that have reported drew, each counted as it is counted when it is given something.

- *What was hidden is found afterwards.* The estimate is also never below what the latest confirmed reading leaves,
  where the samples around it are sure to tell all that was drawn. By the newest reading alone, one lowering after the
  other would hide a part of what the one before it had left.

A raise explains a flow until the charge point has sent a sample that was taken `explain_s` after the raise was
acknowledged and does not rise any more. Until then a step of base load may hide behind it; as much is reserved for the
raise, so that nothing is over a limit for it. A draw that still comes down, sample by sample, explains it for what the
last one says, until the next one is due: a vehicle may take longer than the ramp after which it counts as lowered.

Flows are added as magnitudes (design section 3). Where currents are not in phase, flow less draw is less than the base
load's own magnitude, but never less than what more draw may be added to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np

from busbar.core.draws import Bools, DrawHistory, Floats, Sitting, bounds_at, counted_at
from busbar.core.limits import Caps, caps_ticks, watts_per_ma
from busbar.core.metering import FourRows, Reading, Rows
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.units import PHASES, ActivePower, Amount, Current

_STEADY = 0.9
"""A draw whose least is this share of its most has not changed."""
_NEARLY = 1e-3
"""mA or W that summing in floats may be off by; rounding up does not turn it into a whole one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLoadRules:
    """How long flows are explained by draws."""

    explain_s: float = 10.0
    """A sample taken so long after a raise was acknowledged shows what came of it."""
    rising_s: float = 60.0
    """A draw that still rises is not all that came of it, for so long at most."""
    own_s: float = 60.0
    """A connector's own sample says nothing any more when it is this old."""
    slack_s: float = 5.0
    """How far the clocks of two meters may be apart, or one may show the past without saying so."""
    hold_s: float = 10.0
    """How long a fall must hold; a connector's own next sample is due as long after the last."""
    settle_s: float = 60.0
    """How long charge points that have not reported, or whose draws change, are waited for in the beginning, before
    anything is raised."""


@dataclass(frozen=True, kw_only=True)
class Entitled:
    """What leaves may draw, by their setpoints. Arrays in leaf order."""

    committed: Floats
    """[n] the most each may draw now, in its unit; 0 where certainly nothing is plugged in."""
    raised_s: Floats
    """[n] when the last raise of it was acknowledged, now where it has not been yet; minus infinity: never."""
    lowered_s: Floats
    """[n] when it last became less; minus infinity: never."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fall:
    """A fall that is not believed yet."""

    since_s: float
    to: float
    """The highest it came to since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A node's base load, row by row; None on rows the meter has not given yet."""

    value: Rows = (None, None, None, None)
    falls: tuple[Fall | None, Fall | None, Fall | None, Fall | None] = (None, None, None, None)
    shows_direction: bool = False
    """The meter has told import from export: it gave power, or a negative current. Until then nothing is generation."""
    begun_s: float = inf
    """When the first reading was taken that it rests on; infinite: there is none."""
    is_settled: bool = False
    """Whether more may be drawn on the strength of it."""


def most_drawn(
    sits: Sitting, history: DrawHistory, entitled: Entitled, leaves: slice, at_s: float, rules: BaseLoadRules
) -> FourRows:
    """The most that these leaves together may have put on the rows at an instant, raises in transit included."""
    _, high, _ = bounds_at(history, leaves, at_s, slack_s=rules.slack_s)
    newest_s, committed = history.newest_s[leaves], entitled.committed[leaves]
    raised_s, lowered_s = entitled.raised_s[leaves], entitled.lowered_s[leaves]
    entitled_rows = committed[:, None] * sits.most[leaves]
    still_rising = (
        (history.draw[leaves] > history.draw_before[leaves])
        & (history.draw[leaves] < committed)
        & (at_s < raised_s + rules.rising_s)
    )
    in_transit = (newest_s < raised_s + rules.explain_s) | still_rising
    high = np.where(in_transit[:, None], np.maximum(high, entitled_rows), high)
    still_falling = (
        (history.draw[leaves] < history.draw_before[leaves])
        & (history.draw[leaves] > committed)
        & (committed > 0)
        & (at_s < newest_s + rules.hold_s + rules.slack_s)
    )
    # Lowered since its own last sample, and the node's sample is from later: it draws what it may, or is rogue and
    # committed says so, or is seen to come down.
    is_less = (newest_s <= lowered_s) & (at_s > lowered_s) & ~still_falling
    high = np.where(is_less[:, None], np.minimum(high, entitled_rows), high)
    # Lowered, and its own sample from after that has arrived: what it drew before explains nothing any more.
    has_obeyed = (newest_s > lowered_s) & (at_s > lowered_s + rules.slack_s)
    high = np.where(has_obeyed[:, None], np.minimum(high, np.maximum(entitled_rows, history.newest_high[leaves])), high)
    unheard = newest_s < at_s - rules.own_s
    high = np.where(unheard[:, None], entitled_rows, high)
    return _summed(high)


def drawn_between(
    history: DrawHistory, entitled: Entitled, leaves: slice, at_s: float, rules: BaseLoadRules, sits: Sitting
) -> tuple[FourRows, FourRows]:
    """The least and the most that these leaves drew at an instant that their own samples enclose (`confirmed_s`)."""
    low, high, is_enclosed = bounds_at(history, leaves, at_s, slack_s=rules.slack_s)
    told = is_enclosed & (entitled.committed[leaves] > 0)
    entitled_rows = entitled.committed[leaves][:, None] * sits.most[leaves]
    high = np.where(is_enclosed[:, None], high, np.maximum(high, entitled_rows))
    return _summed(np.where(told[:, None], low, 0.0)), _summed(high)


def tells_all(history: DrawHistory, entitled: Entitled, leaves: slice, at_s: float, rules: BaseLoadRules) -> bool:
    """Whether these leaves drew no more at an instant than `drawn_between` says.

    Between two samples a raise may have come and gone; and of what is not enclosed by samples only what it may draw now
    is known, and not what it could draw then.
    """
    _, _, is_enclosed = bounds_at(history, leaves, at_s, slack_s=rules.slack_s)
    was_left_alone = entitled.raised_s[leaves] + rules.rising_s <= at_s
    is_known = is_enclosed | (entitled.lowered_s[leaves] + rules.slack_s <= at_s)
    return bool((was_left_alone & is_known).all())


def confirmed_s(history: DrawHistory, entitled: Entitled, leaves: slice, now_s: float, rules: BaseLoadRules) -> float:
    """The latest instant at which the own samples of all these leaves say what was drawn.

    Leaves that have not reported for long, or may draw nothing, are not waited for.
    """
    waited_for = _is_heard(history, leaves, now_s, rules) & (entitled.committed[leaves] > 0)
    newest_s = history.newest_s[leaves][waited_for]
    return (float(newest_s.min()) if len(newest_s) else now_s) - rules.slack_s


def _is_heard(history: DrawHistory, leaves: slice, at_s: float, rules: BaseLoadRules) -> Bools:
    return history.newest_s[leaves] >= at_s - rules.own_s


def _summed(rows: Floats) -> FourRows:
    total = rows.sum(axis=0).tolist()
    return (total[0], total[1], total[2], total[3])


def first_drawn(
    history: DrawHistory, entitled: Entitled, leaves: slice, at_s: float, rules: BaseLoadRules
) -> tuple[FourRows, bool]:
    """What the first estimate is less by: the least that these leaves drew, at the weights they are counted with.

    Lower weights would leave as base load what these very charge points draw, for as long as they draw it. The second
    value says whether all that may draw had reported by then, and drew much the same before and after: the least of a
    draw that changed says little about what it was in between.
    """
    counted, is_enclosed = counted_at(history, leaves, at_s, slack_s=rules.slack_s)
    _, high, _ = bounds_at(history, leaves, at_s, slack_s=rules.slack_s)
    may_draw, is_steady = entitled.committed[leaves] > 0, (counted >= _STEADY * high).all(axis=1)
    return _summed(np.where(may_draw[:, None], counted, 0.0)), not (may_draw & ~(is_enclosed & is_steady)).any()


def settled(
    estimate: Estimate, reading: Reading, drawn: FourRows, *, all_reported: bool, now_s: float, rules: BaseLoadRules
) -> Estimate:
    """An estimate to rest on: flow less what was drawn (`first_drawn`), by a confirmed reading.

    No generation yet: it has to be confirmed like any other fall. Charge points that have not reported, or whose draws
    change, hold it up for `settle_s`; then what nobody has seen them draw is taken for base load.
    """
    if not all_reported and now_s - estimate.begun_s < rules.settle_s:
        return estimate
    value = [None if flow is None else max(0.0, flow - drawn[row]) for row, flow in enumerate(reading.rows)]
    return replace(estimate, value=_four(value), is_settled=True)


def lowered(estimate: Estimate, reading: Reading, least: FourRows, rules: BaseLoadRules) -> Estimate:
    """Let a confirmed reading bring the estimate down, row by row, once that holds."""
    value, falls = list(estimate.value), list(estimate.falls)
    for row, flow in enumerate(reading.rows):
        known = value[row]
        if flow is None or known is None:
            continue
        most = flow - least[row]
        fall = falls[row]
        if known <= most:
            falls[row] = None
        elif fall is None:
            falls[row] = Fall(since_s=reading.taken_s, to=most)
        elif reading.taken_s - fall.since_s < rules.hold_s:
            falls[row] = replace(fall, to=max(fall.to, most))
        else:
            value[row] = max(fall.to, most)
            falls[row] = Fall(since_s=reading.taken_s, to=most)
    return replace(estimate, value=_four(value), falls=(falls[0], falls[1], falls[2], falls[3]))


def lifted(estimate: Estimate, reading: Reading, most: FourRows) -> Estimate:
    """Let the newest reading lift the estimate: at once, to flow less the most that may have been drawn.

    Negative (generation) only where the meter shows direction. Where it gives other rows than before, begins anew.
    """
    if [value is None for value in estimate.value] != [flow is None for flow in reading.rows]:
        estimate = Estimate(shows_direction=estimate.shows_direction, begun_s=reading.taken_s)
    shows_direction = (
        estimate.shows_direction
        or reading.rows[TOTAL] is not None
        or any(flow is not None and flow < 0 for flow in reading.rows)
    )
    value: list[float | None] = []
    for row, (flow, known) in enumerate(zip(reading.rows, estimate.value, strict=True)):
        if flow is None:
            value.append(None)
            continue
        lifted_to = max(0.0 if known is None else known, flow - most[row])
        value.append(lifted_to if shows_direction else max(0.0, lifted_to))
    return replace(estimate, value=_four(value), shows_direction=shows_direction)


def found_hidden(estimate: Estimate, reading: Reading, most: FourRows) -> Estimate:
    """Let a confirmed reading lift the estimate, to flow less the most that was drawn (`tells_all`)."""
    value = [
        known if flow is None or known is None else max(known, flow - most[row])
        for row, (flow, known) in enumerate(zip(reading.rows, estimate.value, strict=True))
    ]
    return replace(estimate, value=_four(value))


def as_amount(
    projection: Projection, node: int, estimate: Estimate, envelopes: Mapping[str, Caps] | None = None
) -> Amount | None:
    """For `Snapshot.base_load`, rounded up: amperes at the node's own voltage where the meter gives them, else W.

    W as well where the meter gives both and nothing from the node up is limited in A or kVA, by what is stored or by an
    envelope in force: the total is then exact. Where both are limited, amperes that stand for the total at least.
    None where nothing is known. Generation counts only on the rows it is measured on: `limits.load_rows` gives
    neither negative W to the lines nor negative amperes to the total.
    """
    lines, total = estimate.value[:TOTAL], estimate.value[TOTAL]
    phases = projection.phases[node]
    has_lines = all(value is not None for phase, value in zip(PHASES, lines, strict=True) if phase in phases)
    limited = _limited_rows(projection, node, envelopes or {})
    if total is not None and (not has_lines or not any(limited[:TOTAL])):
        return ActivePower(w=_up(total))
    if not has_lines:
        return None
    if total is not None and limited[TOTAL]:
        lines = _carrying(lines, total, projection, node)
    nominal_v, voltage_v = projection.depot.voltage_v, int(projection.voltage_v[node])
    own = [
        None if value is None or phase not in phases else _up(value * nominal_v / voltage_v)
        for phase, value in zip(PHASES, lines, strict=True)
    ]
    return Current(l1_ma=own[0], l2_ma=own[1], l3_ma=own[2])


def _carrying(
    lines: tuple[float | None, ...], total: float, projection: Projection, node: int
) -> tuple[float | None, ...]:
    """The lines (mA, referred), or as much more on each as stands for the total (W).

    Draws counted at more current than they take leave too little on the lines, and the total is derived from those.
    """
    watts, per_ma = watts_per_ma(projection.frame.scale)
    phases = projection.phases[node]
    lacking_ma = total * per_ma / watts - sum(max(0.0, value or 0.0) for value in lines)
    if lacking_ma <= 0:
        return lines
    each_ma = lacking_ma / len(phases)
    return tuple(
        None if value is None or phase not in phases else max(0.0, value) + each_ma
        for phase, value in zip(PHASES, lines, strict=True)
    )


def _limited_rows(projection: Projection, node: int, envelopes: Mapping[str, Caps]) -> Sequence[bool]:
    """Row by row, whether it is limited at the node or anywhere above it."""
    frame, found = projection.frame, [False] * (TOTAL + 1)
    for above in projection.path(node):
        limits = [ticks for _, ticks in frame.limits[int(frame.inner_of[above])].given]
        caps = envelopes.get(projection.node_ids[above])
        if caps is not None:
            voltage_v, phases = int(projection.voltage_v[above]), projection.phases[above]
            limits.append(caps_ticks(caps, frame.scale, voltage_v=voltage_v, phases=phases))
        for row in range(TOTAL + 1):
            found[row] = found[row] or any(ticks[row] is not None for ticks in limits)
    return found


def _four(value: list[float | None]) -> Rows:
    return (value[0], value[1], value[2], value[3])


def _up(value: float) -> int:
    return ceil(value - _NEARLY)
