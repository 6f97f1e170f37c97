"""Whatever a meter shows, and however often somebody looks: what always holds of breaches."""

from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from busbar.core.breach import BreachRules, Course, Seen, is_over, step
from busbar.core.depot import Circuit, Depot
from busbar.core.projection import Projection, project
from busbar.core.units import Current
from busbar.engine.breach_record import BreachRecord
from busbar.engine.breaches import Breaches, BreachSight
from busbar.engine.moment import Flows

RULES = BreachRules()
LIMIT_MA = 100_000.0
A = Current(l1_ma=100_000, l2_ma=100_000, l3_ma=100_000)
DEPOT = Depot(id="yard", voltage_v=400, circuits=(Circuit(id="G", default_operating_capacity=A, meter=True),))
NODE = 1

FLOWS_MA = st.sampled_from([80_000.0, 100_000.0, 100_500.0, 101_001.0, 120_000.0, 120_000.0, 180_000.0])
LENGTHS_S = st.integers(min_value=1, max_value=45)
GAPS_S = st.sampled_from([0, 0, 0, 0, 10, 15, 16, 70])


@st.composite
def series(draw: st.DrawFn) -> list[Seen]:
    """Stretches of one flow, a sample a second or every few, with gaps in between."""
    found: list[Seen] = []
    at_s, began_at = 100.0, datetime.now(UTC)
    for _ in range(draw(st.integers(min_value=1, max_value=12))):
        flow, length_s = draw(FLOWS_MA), draw(LENGTHS_S)
        every_s = draw(st.sampled_from([0.5, 1.0, 3.0, 10.0]))
        for _ in range(1 + int(length_s / every_s)):
            at = began_at + timedelta(seconds=at_s)
            found.append(Seen(taken_s=at_s, at=at, flow=flow, limit=LIMIT_MA))
            at_s += every_s
        at_s += draw(GAPS_S)
    return found


def courses(samples: list[Seen]) -> list[Course]:
    """After each sample; a new one begins after one that has ended."""
    found, course = [], Course()
    for each in samples:
        course = step(Course() if course.ended is not None else course, each, RULES, is_power=False)
        found.append(course)
    return found


def over(seen: Seen) -> bool:
    return is_over(seen.flow, seen.limit, RULES, is_power=False)


def unbroken(samples: list[Seen]) -> bool:
    return all(later.taken_s - earlier.taken_s <= RULES.gap_s for earlier, later in pairwise(samples))


@given(series())
def test_it_never_opens_unless_everything_seen_for_longer_than_20_seconds_was_over(samples: list[Seen]) -> None:
    before = Course()
    for last, course in zip(samples, courses(samples), strict=True):
        if course.is_open and not before.is_open:
            assert course.began is not None
            seen = [each for each in samples if course.began.taken_s <= each.taken_s <= last.taken_s]
            assert last.taken_s - course.began.taken_s > RULES.open_s
            assert all(over(each) for each in seen)
            assert unbroken(seen)
        before = course


@given(series())
def test_it_never_closes_without_30_seconds_that_are_seen_at_or_below(samples: list[Seen]) -> None:
    for last, course in zip(samples, courses(samples), strict=True):
        if course.ended is not None:
            ended_s = course.ended.taken_s
            seen = [each for each in samples if ended_s <= each.taken_s <= last.taken_s]
            assert last.taken_s - ended_s >= RULES.close_s
            assert all(each.flow <= each.limit for each in seen)
            assert unbroken(seen)


@given(series())
def test_whatever_is_over_for_long_enough_is_open(samples: list[Seen]) -> None:
    found = courses(samples)
    for index, (last, course) in enumerate(zip(samples, found, strict=True)):
        run = [last]
        for earlier in reversed(samples[:index]):
            if not over(earlier) or run[-1].taken_s - earlier.taken_s > RULES.gap_s:
                break
            run.append(earlier)
        if over(last) and last.taken_s - run[-1].taken_s > RULES.open_s:
            assert course.is_open


@given(series(), st.randoms(use_true_random=False))
def test_samples_that_come_again_or_late_change_nothing(samples: list[Seen], chance: Random) -> None:
    plain, twisted = Course(), Course()
    for index, each in enumerate(samples):
        plain = step(plain, each, RULES, is_power=False)
        twisted = step(twisted, each, RULES, is_power=False)
        twisted = step(twisted, chance.choice(samples[: index + 1]), RULES, is_power=False)
    assert plain == twisted


@given(series())
def test_the_peak_is_the_most_that_was_seen_since_it_began(samples: list[Seen]) -> None:
    for last, course in zip(samples, courses(samples), strict=True):
        if course.began is not None:
            assert course.peak is not None
            assert course.peak.flow == max(
                each.flow for each in samples if course.began.taken_s <= each.taken_s <= last.taken_s
            )
            lasted_s = last.taken_s - course.began.taken_s
            assert 0 < course.over_unit_s <= (course.peak.flow - LIMIT_MA) * lasted_s + 1e-6


def looked(
    samples: list[Seen], *, cycle_s: float, clock_step_s: float = 0.0, at_s: float = 0.0
) -> tuple[list[tuple[float, BreachRecord]], list[tuple[float, BreachRecord]]]:
    """What a depot's looks make of it: when what opened and closed. The wall clock steps at `at_s`."""
    projection, ids = project(DEPOT), count(1)
    breaches = Breaches(projection, new_id=lambda: f"B{next(ids)}")
    opened: list[tuple[float, BreachRecord]] = []
    closed: list[tuple[float, BreachRecord]] = []
    wall, index = samples[0].at, 0
    for now_s in np.arange(samples[0].taken_s, samples[-1].taken_s + cycle_s, cycle_s).tolist():
        while index + 1 < len(samples) and samples[index + 1].taken_s <= now_s:
            index += 1
        newest = samples[index]
        at = wall + timedelta(seconds=now_s - samples[0].taken_s + (clock_step_s if now_s >= at_s else 0.0))
        news = breaches.look(sight(projection, at, now_s, newest))
        opened += [(now_s, record) for record in news.opened]
        closed += [(now_s, record) for record in news.closed]
    return opened, closed


def sight(projection: Projection, at: datetime, now_s: float, newest: Seen) -> BreachSight:
    n = len(projection.node_ids)
    rows, limit, age_s = np.full((n, 4), np.nan), np.full((n, 4), np.nan), np.full(n, np.nan)
    rows[NODE, 0], limit[NODE, 0], age_s[NODE] = newest.flow, newest.limit, now_s - newest.taken_s
    nothing = np.zeros(0, dtype=np.int64)
    return BreachSight(
        at=at,
        now_s=now_s,
        flows=Flows(rows=rows, age_s=age_s),
        limit=limit,
        limit_name=lambda node, row: "default_operating_capacity",
        base_load=np.zeros((n, 4)),
        drawn=nothing.astype(np.float64),
        committed=nothing,
        told=nothing,
        disobeys=nothing.astype(np.bool_),
    )


@given(st.lists(st.tuples(FLOWS_MA, st.integers(min_value=30, max_value=120)), min_size=1, max_size=6))
def test_looking_more_often_finds_the_same_within_a_cycle(parts: list[tuple[float, int]]) -> None:
    """Stretches longer than a cycle and a half: no look can miss one."""
    samples: list[Seen] = []
    began_at = datetime.now(UTC)
    for flow, length_s in parts:
        for _ in range(length_s):
            at_s = float(len(samples))
            samples.append(Seen(taken_s=at_s, at=began_at + timedelta(seconds=at_s), flow=flow, limit=LIMIT_MA))
    fine, coarse = looked(samples, cycle_s=1.0), looked(samples, cycle_s=5.0)
    for fine_moments, coarse_moments in zip(fine, coarse, strict=True):
        # What has only just happened when the series ends, the coarser looks have not come to.
        settled = [(at_s, record) for at_s, record in fine_moments if at_s <= samples[-1].taken_s - 10]
        assert len(settled) <= len(coarse_moments) <= len(fine_moments)
        for (at_s, record), (later_s, same) in zip(fine_moments, coarse_moments, strict=False):
            assert at_s <= later_s <= at_s + 10
            assert abs((record.started_at - same.started_at).total_seconds()) < 5


@given(series(), st.sampled_from([-3600.0, -1.0, 45.0, 3600.0]), st.floats(min_value=0, max_value=1))
def test_a_step_of_the_wall_clock_changes_nothing_but_stamps(samples: list[Seen], by_s: float, where: float) -> None:
    at_s = samples[0].taken_s + where * (samples[-1].taken_s - samples[0].taken_s)
    plain = looked(samples, cycle_s=1.0)
    stepped = looked(samples, cycle_s=1.0, clock_step_s=by_s, at_s=at_s)
    for usual, other in zip(plain, stepped, strict=True):
        assert [moment for moment, _ in usual] == [moment for moment, _ in other]
        for (_, record), (_, same) in zip(usual, other, strict=True):
            assert record.evidence.get("lasted_s") == same.evidence.get("lasted_s")
            assert (record.peak, record.energy_over_wh) == (same.peak, same.energy_over_wh)
            assert same.started_at <= same.opened_at <= (same.ended_at or same.opened_at)
