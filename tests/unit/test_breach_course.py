"""One node and row held against its limit, sample by sample (design section 7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan

import pytest

from busbar.core.breach import BreachRules, Course, Seen, is_over, restored, step

RULES = BreachRules()
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
LIMIT = 100_000.0


def seen(taken_s: float, flow: float) -> Seen:
    return Seen(taken_s=taken_s, at=MIDNIGHT + timedelta(seconds=taken_s), flow=flow, limit=LIMIT)


def course_of(*samples: tuple[float, float], begin: Course | None = None) -> Course:
    """After samples (second, mA)."""
    course = begin or Course()
    for taken_s, flow in samples:
        course = step(course, seen(taken_s, flow), RULES, is_power=False)
    return course


OPEN = ((0.0, 120_000.0), (10.0, 120_000.0), (21.0, 120_000.0))


@pytest.mark.parametrize("is_power", [True, False])
def test_a_current_and_a_power_each_have_a_least_of_their_own(is_power: bool) -> None:
    rules = BreachRules(least_ma=1_000, least_w=5_000)
    least = 5_000 if is_power else 1_000
    assert is_over(1_000 + least, 1_000, rules, is_power=is_power)
    assert not is_over(1_000 + least - 1, 1_000, rules, is_power=is_power)
    course = Course()
    for taken_s in (0, 10, 21):
        course = step(course, replace(seen(taken_s, 103_000), limit=LIMIT), rules, is_power=is_power)
    assert course.is_open is not is_power


def test_it_lasts_from_its_first_sample_over_to_the_last_one_seen_and_then_to_its_end() -> None:
    assert Course().lasted_s == 0
    assert course_of((5, 90_000), (10, 120_000), (20, 120_000)).lasted_s == 0
    assert course_of(*OPEN).lasted_s == 21
    assert course_of(*OPEN, (31, 110_000)).lasted_s == 31
    assert course_of(*OPEN, (31, 90_000), (41, 90_000), (51, 90_000), (61, 90_000)).lasted_s == 31


def test_one_that_opened_at_once_lasts_less_than_a_second() -> None:
    course = Course()
    for taken_s in (0.0, 0.5):
        course = step(course, seen(taken_s, 120_000), BreachRules(open_s=0.1), is_power=False)
    assert course.is_open
    assert course.lasted_s == 0.5


def test_one_restored_from_a_later_clock_has_not_lasted_less_than_nothing() -> None:
    began = seen(500, 120_000)
    course = restored(began=began, opened=began, peak=began, over_unit_s=0.0)
    assert course.lasted_s == 0
    assert course_of((10, 120_000), begin=course).lasted_s == 0


def test_a_sample_from_before_a_fine_one_begins_nothing() -> None:
    fine = course_of((10, 90_000))
    assert course_of((5, 120_000), begin=fine) == fine
    assert course_of((10, 120_000), begin=fine) == fine


def test_a_sample_that_does_not_say_what_flows_changes_nothing() -> None:
    course = course_of(*OPEN)
    assert course_of((25, nan), begin=course) == course


def test_the_peak_is_the_first_of_the_highest_since_it_was_over() -> None:
    falling = course_of((0, 150_000), (10, 120_000), (21, 120_000), (30, 140_000))
    assert falling.peak == seen(0, 150_000)
    level = course_of(*OPEN, (30, 120_000))
    assert level.peak == seen(0, 120_000)


@pytest.mark.parametrize(("flow", "peak_s"), [(130_000.0, 90), (120_000.0, 0), (110_000.0, 0)])
def test_what_is_seen_after_a_gap_can_be_the_peak(flow: float, peak_s: float) -> None:
    peak = course_of(*OPEN, (90, flow)).peak
    assert peak is not None
    assert peak.taken_s == peak_s


def test_what_flows_below_the_limit_adds_no_energy_and_takes_none_away() -> None:
    course = course_of((0, 120_000), (10, 120_000), (21, 120_000), (31, 90_000), (41, 80_000))
    # 20 A for 21 s, and half of that for the 10 s in which it came down.
    assert course.over_unit_s == 20_000 * 21 + 10_000 * 10


def test_restored_it_goes_on_with_its_peak_its_energy_and_the_sample_that_opened_it() -> None:
    began, opened, peak = seen(0, 120_000), seen(21, 130_000), seen(12, 150_000)
    course = restored(began=began, opened=opened, peak=peak, over_unit_s=7.0)
    later = course_of((100, 120_000), begin=course)
    assert later.is_open
    assert (later.began, later.opened, later.peak, later.over_unit_s) == (began, opened, peak, 7.0)
