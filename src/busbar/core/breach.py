"""One node and row held against its limit: when a breach opens, when it ends, and what it came to (design section 7).

A pure state machine that is given one sample after the other. Durations are monotonic seconds of when samples were
taken, so a step of the wall clock changes none of them; wall times only travel along, for stamps.

- It *opens* when every sample for longer than `open_s` was above the limit by more than the tolerance (1 %, and at
  least 1 A or 1 kW). It started with the first of them.
- It *closes* when every sample for `close_s` was at or below the limit. It ended with the first of them.
- A sample in between, above the limit within the tolerance, ends either count.
- Nobody knows what flowed between samples that lie further apart than `gap_s`: both counts begin anew, and nothing
  that was open closes for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from math import isnan


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachRules:
    """How far and for how long a flow may be above a limit (design section 7)."""

    open_s: float = 20.0
    """It opens when it was over for longer than this."""
    close_s: float = 30.0
    """It closes when it was at or below the limit for so long."""
    gap_s: float = 15.0
    """Samples further apart leave open what flowed between them."""
    tolerance_permille: int = 10
    least_ma: int = 1000
    """What is over by less than this is within the tolerance, too."""
    least_w: int = 1000
    reaction_s: float = 15.0
    """How long load may take to follow when a limit falls or base load rises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One sample of one node and row."""

    taken_s: float
    at: datetime
    """The same on the wall clock (aware UTC)."""
    flow: float
    """mA referred, or W; not a number: not known."""
    limit: float
    """In force then; infinite where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What is remembered of one node and row. Begin with `Course()`; a course that has ended changes no more."""

    last: Seen | None = None
    over_since: Seen | None = None
    """The first sample of those in a row that are over; None: the last was not."""
    within_since: Seen | None = None
    """While it is open: the first of those in a row at or below the limit; None: the last was above."""
    began: Seen | None = None
    """The first sample that was over; None: nothing has opened."""
    opened: Seen | None = None
    """The sample that opened it."""
    ended: Seen | None = None
    """The first sample of those that closed it; None: it goes on."""
    peak: Seen | None = None
    """Where the most flowed since it was over."""
    over_unit_s: float = 0.0
    """What flowed above the limit: mA, or W, times seconds. Where nobody saw what flowed, nothing is counted."""

    @property
    def is_open(self) -> bool:
        """Whether a breach is open."""
        return self.began is not None and self.ended is None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is open (any more) and nothing is being counted."""
        return self.ended is not None or (self.began is None and self.over_since is None)

    @property
    def lasted_s(self) -> float:
        """Monotonic seconds from its start to its end, or to the last sample."""
        until = self.ended or self.last
        return 0.0 if self.began is None or until is None else max(0.0, until.taken_s - self.began.taken_s)


def is_over(flow: float, limit: float, rules: BreachRules, *, is_power: bool) -> bool:
    """Above the limit by more than the tolerance: more than 1 %, and at least 1 A or 1 kW."""
    least = rules.least_w if is_power else rules.least_ma
    return flow - limit >= least and (flow - limit) * 1000 > limit * rules.tolerance_permille


def step(course: Course, seen: Seen, rules: BreachRules, *, is_power: bool) -> Course:
    """Take one sample. One that is not newer than the last, or does not say what flows, changes nothing."""
    last = course.last
    if course.ended is not None or isnan(seen.flow) or (last is not None and seen.taken_s <= last.taken_s):
        return course
    is_gap = last is not None and seen.taken_s - last.taken_s > rules.gap_s
    if course.is_open:
        return _while_open(course, seen, rules, is_gap=is_gap)
    if not is_over(seen.flow, seen.limit, rules, is_power=is_power):
        return Course(last=seen)
    if is_gap or course.over_since is None:
        return Course(last=seen, over_since=seen, peak=seen)
    course = _added_up(course, seen)
    assert course.over_since is not None
    if seen.taken_s - course.over_since.taken_s <= rules.open_s:
        return course
    return replace(course, began=course.over_since, opened=seen)


def _while_open(course: Course, seen: Seen, rules: BreachRules, *, is_gap: bool) -> Course:
    if is_gap:
        course = replace(course, last=seen, within_since=None, peak=_higher(course.peak, seen))
    else:
        course = _added_up(course, seen)
    if seen.flow > seen.limit:
        return replace(course, within_since=None)
    since = course.within_since or seen
    if seen.taken_s - since.taken_s >= rules.close_s:
        return replace(course, ended=since)
    return replace(course, within_since=since)


def _added_up(course: Course, seen: Seen) -> Course:
    """With what flowed above the limit since the last sample, taken to have changed evenly, and with the peak."""
    over_unit_s, last = course.over_unit_s, course.last
    if last is not None:
        over_unit_s += (_excess(last) + _excess(seen)) / 2 * (seen.taken_s - last.taken_s)
    return replace(course, last=seen, over_unit_s=over_unit_s, peak=_higher(course.peak, seen))


def _higher(peak: Seen | None, seen: Seen) -> Seen:
    """Of two that are as high, the earlier."""
    return seen if peak is None or seen.flow > peak.flow else peak


def _excess(seen: Seen) -> float:
    return max(0.0, seen.flow - seen.limit)


def restored(*, began: Seen, opened: Seen, peak: Seen, over_unit_s: float) -> Course:
    """A breach that was open when an earlier process ended. Closing it takes `close_s` of seen flow once more."""
    return Course(began=began, opened=opened, peak=peak, over_unit_s=over_unit_s)
