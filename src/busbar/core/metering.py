"""A node's meter as it is believed: what of its samples is taken, and whether the node is NORMAL or SAFE.

Times are monotonic seconds. A sample is four rows as everywhere: mA on L1, L2, L3, referred to the depot's nominal
voltage, and W in total; import positive. A row that the meter does not give is None.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isfinite

from busbar.core.limits import NodeLimits, Scale
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Mode
from busbar.core.units import SQRT3

Rows = tuple[float | None, float | None, float | None, float | None]
FourRows = tuple[float, float, float, float]

MOST_IMPORT = 3.0
"""Times the largest limit of a node: whatever protects it does not let more through for longer than seconds."""
MOST_EXPORT = 1.13
"""Times the same: a breaker carries that much for good (IEC 60898-1, conventional non-tripping current). Too much
import is a breach, and believing it is safe; too much generation would give charge points room that is not there, so
it is not believed beyond what the conductor carries."""
SMALLEST_LIMIT = 10_000.0
"""mA or W: a node planned with next to nothing is not called absurd for a few amperes."""
_FOLLOWS = 200
"""A flow that moved by less than one part in so many of what the charge points moved by has not followed them. A
meter in a wrong unit (a thousand times too small) follows by one part in a thousand."""
_MEANWHILE = 4
"""By so much the flow may have changed in the moment in which the unit did."""
_BACK = 100
"""A meter that showed a thousandth is in the right unit again where it shows more than one part in so many."""
_LATELY = 10
"""How many samples back spikes are counted."""


class Cause(StrEnum):
    """Why a node is SAFE, or why nothing is raised below it."""

    SILENT = "silent"
    """No sample for too long, or none yet."""
    FROZEN = "frozen"
    """Its samples do not move while the charge points below it do."""
    ABSURD = "absurd"
    """Not a number, missing, beyond what the node can carry, or in a wrong unit; and not just once."""
    BY_ORDER = "by_order"
    """A named person said so."""
    UNSETTLED = "unsettled"
    """Seen, but charge points below it have yet to say what they draw: nothing is raised until then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterRules:
    """When a meter is believed."""

    stale_s: float = 15.0
    silent_s: float = 60.0
    safe_s: float = 60.0
    """SAFE does not end sooner, once the node has been NORMAL."""
    good_samples: int = 3
    """Fresh and plausible ones in a row that end SAFE."""
    absurd_samples: int = 3
    """Absurd ones among the last ten that make a node SAFE; fewer are spikes."""
    frozen_s: float = 20.0
    """How long a meter may fail to follow: some show the mean of ten or fifteen seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One sample of a node's meter."""

    taken_s: float
    received_s: float
    rows: Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Plausible:
    """What a node's meter can possibly show."""

    lowest: FourRows
    highest: FourRows
    resolution: FourRows
    """A meter that does not show a change of this size is of no use: 1 % of the limit, at least 1 A or 1 kW."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The sample from which on a meter has not moved, and what the charge points drew then and since."""

    rows: Rows
    low: FourRows
    high: FourRows
    most_low: FourRows
    """The most that they certainly drew at any sample since."""
    least_high: FourRows
    """The least that they drew at most at any sample since."""
    stuck_since_s: float | None = None
    """Since when the charge points have certainly moved and the meter has not; None: it need not have moved."""
    stuck_samples: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterState:
    """What is remembered of one node's meter. Begin with `MeterState(safe_since_s=now_s)`."""

    safe_since_s: float | None
    """None: NORMAL."""
    cause: Cause = Cause.SILENT
    """Why it is SAFE, or was last."""
    good: Reading | None = None
    """The last plausible sample: it holds until it is stale."""
    heard_s: float = -inf
    """When the newest sample was taken, plausible or not."""
    is_thousandth: bool = False
    """It began to show a thousandth of what it showed before, and goes on."""
    good_in_a_row: int = 0
    """Fresh and plausible ones."""
    absurd_lately: int = 0
    """A bit for each of the last ten samples, the latest lowest: set where it was absurd."""
    dropped: int = 0
    """Absurd samples ever."""
    was_normal: bool = False
    is_frozen: bool = False
    """Found frozen, and has not moved since."""
    reference: Reference | None = None
    steps: FourRows = (inf, inf, inf, inf)
    """The smallest change ever seen on each row: a coarse meter's resolution."""
    fault: str = ""
    """What the meter's adapter said last, where it had no value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """How far a node's meter is believed now."""

    mode: Mode
    cause: Cause | None
    """Why it is SAFE, or why nothing is raised; None: all is well."""
    since_s: float | None
    """Since when it is SAFE; None: NORMAL."""
    age_s: float | None
    """Of the sample that holds; None: there is none."""
    may_raise: bool
    """Whether charge points below it may be given more: not while it is NORMAL and cannot be seen."""
    dropped: int
    fault: str


def plausible(limits: NodeLimits, scale: Scale, *, phase_count: int) -> Plausible:
    """What a node can carry, from its own limits; a row without a limit takes it from the others.

    W for amperes at the highest voltage and unity power factor; amperes for W as if all of it were on one line at the
    lowest voltage.
    """
    rows = [
        [ticks[row] / scale.per_unit(row) for _, ticks in limits.given if (ticks[row]) is not None]  # type: ignore[operator]
        for row in range(4)
    ]
    most: list[float | None] = [max(values) if values else None for values in rows]
    least: list[float | None] = [min(values) if values else None for values in rows]
    neutral_v = scale.nominal_v / float(SQRT3)
    margin = scale.margin_permille / 1000
    for found in (most, least):
        lines = [value for value in found[:TOTAL] if value is not None]
        if found[TOTAL] is None and lines:
            found[TOTAL] = sum(lines) * neutral_v * (1 + margin) / 1000
        total = found[TOTAL]
        if total is not None:
            share = total / (neutral_v * (1 - margin)) * 1000
            found[:TOTAL] = [share if value is None else value for value in found[:TOTAL]]
    largest = [inf if value is None else max(value, SMALLEST_LIMIT) for value in most]
    return Plausible(
        lowest=_four([-MOST_EXPORT * value for value in largest]),
        highest=_four([MOST_IMPORT * value for value in largest]),
        resolution=_four([1000.0 if value is None else max(1000.0, value / 100) for value in least]),
    )


def observe(state: MeterState, reading: Reading, bounds: Plausible, rules: MeterRules) -> MeterState:
    """Take one sample. One that is not newer than the last is not looked at; an absurd one is dropped and counted."""
    state = passed(state, reading.received_s, rules)
    if state.good is not None and reading.taken_s <= state.good.taken_s:
        return state
    lately = (state.absurd_lately << 1) & ((1 << _LATELY) - 1)
    # A meter that goes on speaking in a wrong unit is held against what it said before that, however long ago.
    last = None if reading.taken_s - state.heard_s > rules.silent_s else state.good
    is_thousandth = last is not None and _is_thousandth(reading, last, bounds, goes_on=state.is_thousandth)
    heard_s = max(state.heard_s, reading.taken_s)
    if is_thousandth or is_absurd(reading, bounds):
        lately |= 1
        state = replace(
            state,
            heard_s=heard_s,
            is_thousandth=is_thousandth,
            absurd_lately=lately,
            dropped=state.dropped + 1,
            good_in_a_row=0,
        )
        if lately.bit_count() >= rules.absurd_samples:
            state = _made_safe(state, Cause.ABSURD, reading.received_s)
        return state
    is_fresh = reading.received_s - reading.taken_s <= rules.stale_s
    state = replace(
        state,
        heard_s=heard_s,
        is_thousandth=is_thousandth,
        good=reading,
        good_in_a_row=state.good_in_a_row + 1 if is_fresh else 0,
        absurd_lately=lately,
        steps=_smallest_steps(state, reading),
        fault="",
    )
    return passed(state, reading.received_s, rules)


def is_absurd(reading: Reading, bounds: Plausible) -> bool:
    """Nothing given, not finite, or beyond what the node can carry."""
    given = [(row, value) for row, value in enumerate(reading.rows) if value is not None]
    return not given or not all(
        isfinite(value) and bounds.lowest[row] <= value <= bounds.highest[row] for row, value in given
    )


def _is_thousandth(reading: Reading, last: Reading, bounds: Plausible, *, goes_on: bool) -> bool:
    """A thousand times less than what was good last: a wrong unit. What follows such a jump is believed again when it
    is back at a hundredth at least: charge points below are lowered meanwhile, and what it shows falls with them.
    """
    # A thousand times more is beyond what the node can carry, or was next to nothing before.
    compared = [
        (before, value)
        for before, value, resolution in zip(last.rows, reading.rows, bounds.resolution, strict=True)
        if before is not None and value is not None and isfinite(value) and abs(before) >= resolution
    ]
    if not compared:
        return False
    if goes_on:
        return all(abs(value) < abs(before) / _BACK for before, value in compared)
    return all(value != 0 and 1000 / _MEANWHILE <= before / value <= 1000 * _MEANWHILE for before, value in compared)


def compare(
    state: MeterState, reading: Reading, bounds: Plausible, rules: MeterRules, *, low: FourRows, high: FourRows
) -> MeterState:
    """Hold one good sample against what the charge points below the node drew when it was taken.

    That was certainly between `low` and `high`. Where it certainly moved, and the meter did not, the meter is frozen
    (or shows a thousandth of what flows). What it shows may be up to `frozen_s` late.
    """
    reference = state.reference
    fresh = Reference(rows=reading.rows, low=low, high=high, most_low=low, least_high=high)
    if reference is None or not _is_comparable(reference.rows, reading.rows):
        return replace(state, reference=fresh, is_frozen=False)
    needed = [max(bounds.resolution[row], 2 * step if isfinite(step) else 0) for row, step in enumerate(state.steps)]
    reference = replace(
        reference,
        most_low=_four([max(pair) for pair in zip(reference.most_low, low, strict=True)]),
        least_high=_four([min(pair) for pair in zip(reference.least_high, high, strict=True)]),
    )
    has_moved = False
    for row, (value, before) in enumerate(zip(reading.rows, reference.rows, strict=True)):
        if value is None or before is None:
            continue
        certainly = reference.most_low[row] - reference.least_high[row]
        # While they ramp nobody knows how far they have come: what may be a thousandth of it shows nothing yet.
        possibly = max(high[row] - reference.low[row], reference.high[row] - low[row])
        if abs(value - before) > max(possibly, bounds.resolution[row]) / _FOLLOWS:
            return replace(state, reference=fresh, is_frozen=False)
        has_moved |= certainly > needed[row]
    if not has_moved:
        return replace(state, reference=replace(reference, stuck_since_s=None, stuck_samples=0))
    since_s = reading.taken_s if reference.stuck_since_s is None else reference.stuck_since_s
    samples = reference.stuck_samples + 1
    state = replace(state, reference=replace(reference, stuck_since_s=since_s, stuck_samples=samples))
    if samples >= 3 and reading.taken_s - since_s >= rules.frozen_s:
        state = _made_safe(replace(state, is_frozen=True, good_in_a_row=0), Cause.FROZEN, reading.received_s)
    return state


def passed(state: MeterState, now_s: float, rules: MeterRules) -> MeterState:
    """The same a while later: silence makes a node SAFE, good samples and time make it NORMAL."""
    age_s = inf if state.good is None else now_s - state.good.taken_s
    if age_s > rules.stale_s and state.good_in_a_row:
        state = replace(state, good_in_a_row=0)
    if age_s > rules.silent_s:
        return _made_safe(state, Cause.SILENT, now_s)
    if state.safe_since_s is None or state.is_frozen or state.good_in_a_row < rules.good_samples:
        return state
    # A process that begins has nothing to flap between: it waits for the samples, and for nothing else.
    if state.was_normal and now_s - state.safe_since_s < rules.safe_s:
        return state
    return replace(state, safe_since_s=None, was_normal=True, absurd_lately=0)


def condition(state: MeterState, now_s: float, rules: MeterRules) -> Condition:
    """How far the meter is believed; `passed` was called for this instant."""
    age_s = None if state.good is None else max(0.0, now_s - state.good.taken_s)
    is_safe = state.safe_since_s is not None
    cause: Cause | None = state.cause if is_safe else None
    if not is_safe and (age_s is None or age_s > rules.stale_s):
        cause = Cause.ABSURD if state.absurd_lately & 1 else Cause.SILENT
    elif not is_safe and state.reference is not None and state.reference.stuck_since_s is not None:
        cause = Cause.FROZEN
    return Condition(
        mode=Mode.SAFE if is_safe else Mode.NORMAL,
        cause=cause,
        since_s=state.safe_since_s,
        age_s=age_s,
        may_raise=is_safe or cause is None,
        dropped=state.dropped,
        fault=state.fault,
    )


def _made_safe(state: MeterState, cause: Cause, now_s: float) -> MeterState:
    """SAFE from now on; one that is SAFE already stays so for the cause it has."""
    if state.safe_since_s is not None:
        return state
    return replace(state, safe_since_s=now_s, cause=cause, good_in_a_row=0)


def _smallest_steps(state: MeterState, reading: Reading) -> FourRows:
    if state.good is None:
        return state.steps
    steps = list(state.steps)
    for row, (value, before) in enumerate(zip(reading.rows, state.good.rows, strict=True)):
        if value is not None and before is not None and value != before:
            steps[row] = min(steps[row], abs(value - before))
    return _four(steps)


def _is_comparable(before: Rows, now: Rows) -> bool:
    return [value is None for value in before] == [value is None for value in now]


def _four(values: list[float]) -> FourRows:
    return (values[0], values[1], values[2], values[3])
