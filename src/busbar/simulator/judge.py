"""Judging what has to hold over time against what was recorded of a run: pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from busbar.engine.breach_record import BreachRecord
from busbar.simulator.course import Course, TrailLike, course_of
from busbar.simulator.expectation import Always, At, BreachOf, By, Holds, NoBreach, When
from busbar.simulator.expectation_words import clock_words, expectation_words
from busbar.simulator.times import FOREVER_S, Calendar


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether one expectation over time was met."""

    expectation: str
    """As a sentence."""
    is_met: bool
    at_s: float | None
    """When it was first broken, or the time by which it had not come true; None: it was met."""
    seen: str
    """What was there then; where it was met, when it came true or was last looked at."""
    sentence: str
    """All of it in words."""


def judge_all(trail: TrailLike, expectations: Iterable[object]) -> tuple[Verdict, ...]:
    """A verdict for each expectation over time, in order; others are judged by `results`."""
    return tuple(judge(trail, each) for each in expectations if isinstance(each, Holds))


def judge(trail: TrailLike, holds: Holds) -> Verdict:
    """Whether one expectation was met. What nothing was recorded of is not met."""
    broken_at, seen = _judged(trail, holds)
    text = expectation_words(_calendar(trail), trail.projection, holds)
    if broken_at is None:
        return Verdict(expectation=text, is_met=True, at_s=None, seen=seen, sentence=f"{text} So it was: {seen}.")
    clock = clock_words(_calendar(trail), broken_at)
    sentence = f"{text} Not so at {clock}: {seen}."
    return Verdict(expectation=text, is_met=False, at_s=broken_at, seen=seen, sentence=sentence)


_Judged = tuple[float | None, str]
"""When it was first broken (None: it was met), and what was seen."""
_UNSEEN = "nothing was recorded of it"


def _judged(trail: TrailLike, holds: Holds) -> _Judged:
    match holds.condition, holds.when:
        case NoBreach() | BreachOf(), _ if not len(trail.at_s):
            return 0.0, "nothing was recorded at all"
        case NoBreach(), when:
            return _no_breach(trail, holds.subject, when)
        case BreachOf(cause=cause), when:
            return _breach(trail, [b for b in _breaches(trail, holds.subject) if b.cause is cause], when)
        case _, Always(from_s=from_s, until_s=until_s):
            return _always(course_of(trail, holds), from_s, until_s)
        case _, At(at_s=at_s):
            return _at(course_of(trail, holds), at_s)
        case _, By(by_s=by_s, stays=True):
            return _always(course_of(trail, holds), by_s, FOREVER_S)
        case _, By(by_s=by_s):
            return _by(trail, course_of(trail, holds), by_s)


def _always(course: Course, from_s: float, until_s: float) -> _Judged:
    moments = course.within(from_s, until_s)
    if not moments:
        return from_s, _UNSEEN
    for index in moments:
        if not course.holds[index]:
            return max(float(course.at_s[index]), from_s), course.seen(index)
    return None, f"at the end {course.seen(moments[-1])}"


def _at(course: Course, at_s: float) -> _Judged:
    index = course.last(at_s)
    if index is None:
        return at_s, _UNSEEN
    return None if course.known[index] and course.holds[index] else at_s, course.seen(index)


def _by(trail: TrailLike, course: Course, by_s: float) -> _Judged:
    moments = np.flatnonzero((course.at_s <= by_s) & course.known)
    if not len(moments):
        return by_s, _UNSEEN
    true = moments[course.holds[moments]]
    if not len(true):
        return by_s, f"{course.seen(int(moments[-1]))}, and never otherwise before"
    first = int(true[0])
    return None, f"from {clock_words(_calendar(trail), float(course.at_s[first]))} on {course.seen(first)}"


def _breaches(trail: TrailLike, node: str | None) -> list[BreachRecord]:
    return [breach for breach in trail.breaches if node is None or breach.node == node]


def _open_span(trail: TrailLike, breach: BreachRecord) -> tuple[float, float]:
    """From when up to when it was open, in seconds since the start."""
    opened_s = (breach.opened_at - trail.start).total_seconds()
    ended_s = float(FOREVER_S) if breach.ended_at is None else (breach.ended_at - trail.start).total_seconds()
    # A breach ends with the first moment of the quiet that closed it; it was still open for a moment.
    return opened_s, max(opened_s + 1, ended_s)


def _no_breach(trail: TrailLike, node: str | None, when: When) -> _Judged:
    match when:
        case Always(from_s=from_s, until_s=until_s):
            pass
        case At(at_s=at_s):
            from_s, until_s = at_s, at_s + 1
        case By(by_s=by_s):
            from_s, until_s = by_s, FOREVER_S
    for breach in sorted(_breaches(trail, node), key=lambda breach: breach.opened_at):
        opened_s, ended_s = _open_span(trail, breach)
        if opened_s < until_s and ended_s > from_s:
            return max(opened_s, from_s), f"a breach at {breach.node} on {breach.row}: {breach.cause}"
    return None, "there was none"


def _breach(trail: TrailLike, breaches: Sequence[BreachRecord], when: When) -> _Judged:
    def described(breach: BreachRecord) -> str:
        clock = clock_words(_calendar(trail), _open_span(trail, breach)[0])
        return f"at {breach.node} on {breach.row}, recorded at {clock}"

    match when:
        case By(by_s=by_s):
            end_s = float(by_s)
            found = [breach for breach in breaches if _open_span(trail, breach)[0] <= by_s]
        case At(at_s=at_s):
            end_s = float(at_s)
            spans = [(breach, *_open_span(trail, breach)) for breach in breaches]
            found = [breach for breach, opened_s, ended_s in spans if opened_s <= at_s < ended_s]
        case Always(from_s=from_s, until_s=until_s):
            end_s = float(from_s)
            found = [breach for breach in breaches if from_s <= _open_span(trail, breach)[0] < until_s]
    if found:
        return None, described(found[0])
    causes = sorted({breach.cause.value for breach in trail.breaches})
    return end_s, f"breaches there were: {', '.join(causes)}" if causes else "there was no breach at all"


def _calendar(trail: TrailLike) -> Calendar:
    return Calendar(start=trail.start, timezone=trail.projection.depot.timezone)
