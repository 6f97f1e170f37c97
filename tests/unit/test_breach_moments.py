"""When a breach must open and close: a table of made-up meter series."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import pytest
from breach_bench import Bench, Series, steps, swinging

from busbar.core.breach import BreachRules


@dataclass(frozen=True, kw_only=True)
class Case:
    """Samples (second, amperes) at a node whose limit is 100 A, and what must come of them, in seconds."""

    name: str
    samples: Series
    limits: Series = ((0, 100.0),)
    """From when on which."""
    opened: float | None = None
    started: float | None = None
    ended: float | None = None
    closed: float | None = None
    clock_steps: Series = ()
    """From when on the wall clock is so many seconds ahead."""
    late_s: float = 0.0
    """How long after it was taken a sample arrives."""


HOUR = 3600
CASES = [
    Case(name="19 s over", samples=steps((0, 19, 120), (20, 120, 80))),
    Case(name="20 s over are not longer than 20 s", samples=steps((0, 20, 120), (21, 120, 80))),
    Case(
        name="21 s over",
        samples=steps((0, 21, 120), (22, 120, 80)),
        opened=21, started=0, ended=22, closed=52,
    ),
    Case(
        name="over from the middle of an evening on",
        samples=steps((0, 600, 99), (601, 700, 102), (701, 800, 100)),
        opened=622, started=601, ended=701, closed=731,
    ),
    Case(
        name="29 s at the limit close nothing",
        samples=steps((0, 25, 120), (26, 55, 100), (56, 60, 120), (61, 89, 80)),
        opened=21, started=0,
    ),
    Case(
        name="30 s at the limit close it",
        samples=steps((0, 25, 120), (26, 56, 100)),
        opened=21, started=0, ended=26, closed=56,
    ),
    Case(name="swinging around the limit for an hour", samples=swinging(0, HOUR, high=(10, 130), low=(2, 90))),
    Case(
        name="swinging while it is open keeps it open",
        samples=[*steps((0, 30, 120)), *swinging(31, HOUR, high=(3, 105), low=(25, 90))],
        opened=21, started=0,
    ),
    Case(name="1 % above for an hour", samples=steps((0, HOUR, 101))),
    Case(
        name="within the tolerance it does not close either",
        samples=steps((0, 30, 120), (31, HOUR, 100.5)),
        opened=21, started=0,
    ),
    Case(
        name="a moment within the tolerance begins the count of closing anew",
        samples=steps((0, 30, 120), (31, 50, 90), (51, 51, 100.5), (52, 90, 90)),
        opened=21, started=0, ended=52, closed=82,
    ),
    Case(
        name="a moment within the tolerance begins the count of opening anew",
        samples=steps((0, 15, 120), (16, 16, 101), (17, 38, 120), (39, 80, 90)),
        opened=38, started=17, ended=39, closed=69,
    ),
    Case(name="0.9 A above a small limit", samples=steps((0, 600, 20.9)), limits=((0, 20.0),)),
    Case(
        name="1 A above a small limit",
        samples=steps((0, 600, 21)),
        limits=((0, 20.0),),
        opened=21, started=0,
    ),
    Case(name="a gap begins the count of opening anew", samples=steps((0, 15, 120), (32, 47, 120), (48, 90, 80))),
    Case(
        name="after a gap it is over for 21 s",
        samples=steps((0, 15, 120), (32, 60, 120)),
        opened=53, started=32,
    ),
    Case(
        name="samples 15 s apart are no gap",
        samples=[(0, 120), (15, 120), (30, 120), (45, 80), (60, 80), (75, 80)],
        opened=30, started=0, ended=45, closed=75,
    ),
    Case(
        name="samples 16 s apart say nothing about what was between them",
        samples=[(k * 16.0, 120) for k in range(20)],
    ),
    Case(
        name="silence does not close it",
        samples=steps((0, 30, 120), (1000, 1029, 80)),
        opened=21, started=0,
    ),
    Case(
        name="after silence it takes 30 s that are seen",
        samples=steps((0, 30, 120), (1000, 1040, 80)),
        opened=21, started=0, ended=1000, closed=1030,
    ),
    Case(
        name="a gap begins the count of closing anew",
        samples=steps((0, 30, 120), (31, 55, 80), (75, 120, 80)),
        opened=21, started=0, ended=75, closed=105,
    ),
    Case(
        name="a limit lowered, and the load follows",
        samples=steps((0, 112, 90), (113, 200, 60)),
        limits=((0, 100.0), (100, 60.0)),
    ),
    Case(
        name="a limit lowered, and the load does not follow",
        samples=steps((0, 200, 90)),
        limits=((0, 100.0), (100, 60.0)),
        opened=121, started=100,
    ),
    Case(
        name="a limit raised again ends it",
        samples=steps((0, 200, 90)),
        limits=((0, 80.0), (50, 100.0)),
        opened=21, started=0, ended=50, closed=80,
    ),
    Case(
        name="a limit that is gone ends it",
        samples=steps((0, 200, 90)),
        limits=((0, 80.0), (50, float("nan"))),
        opened=21, started=0, ended=50, closed=80,
    ),
    Case(
        name="samples that arrive 4 s late count from when they were taken",
        samples=steps((0, 21, 120), (22, 120, 80)),
        late_s=4, opened=25, started=0, ended=22, closed=56,
    ),
    Case(
        name="the wall clock jumps an hour ahead while it is counted",
        samples=steps((0, 19, 120), (20, 120, 80)),
        clock_steps=((10, HOUR),),
    ),
    Case(
        name="the wall clock jumps an hour back while it closes",
        samples=steps((0, 25, 120), (26, 120, 80)),
        clock_steps=((40, -HOUR),),
        opened=21, closed=56,
    ),
    Case(
        name="the wall clock jumps an hour ahead while it is open",
        samples=steps((0, 99, 120), (100, 200, 80)),
        clock_steps=((50, HOUR),),
        opened=21, ended=100, closed=130,
    ),
]  # fmt: skip


def played(case: Case) -> tuple[Bench, dict[str, float | None]]:
    """Look once a second; when what happened."""
    bench = Bench()
    moments: dict[str, float | None] = {"opened": None, "closed": None}
    until = case.samples[-1][0] + case.late_s
    for second in range(round(until) + 1):
        bench.limit = {"G": next(limit for since, limit in reversed(case.limits) if since <= second)}
        bench.wall_ahead_s = next((ahead for since, ahead in reversed(case.clock_steps) if since <= second), 0.0)
        newest = bisect_right(case.samples, second - case.late_s, key=lambda sample: sample[0]) - 1
        taken_s, flow = case.samples[newest]
        is_known = newest >= 0 and second - taken_s <= 60
        news = bench.look(second, {"G": flow} if is_known else {}, taken_s=taken_s if is_known else None)
        if news.opened:
            assert moments["opened"] is None, "it opened twice"
            moments["opened"] = second
        if news.closed:
            moments["closed"] = second
    return bench, moments


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_opens_and_closes_when_it_must(case: Case) -> None:
    bench, moments = played(case)
    assert moments == {"opened": case.opened, "closed": case.closed}
    records = [*bench.closed, *bench.breaches.open]
    assert len(records) == (case.opened is not None)
    for record in records:
        assert case.started is None or bench.seconds(record.started_at) == case.started
        ended = None if record.ended_at is None else bench.seconds(record.ended_at)
        assert case.ended is None or ended == case.ended
        assert (record.ended_at is None) == (case.closed is None)


@pytest.mark.parametrize("ahead_s", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_changes_no_duration_and_no_energy(ahead_s: float) -> None:
    samples = steps((0, 99, 120), (100, 200, 80))
    plain, _ = played(Case(name="", samples=samples))
    stepped, _ = played(Case(name="", samples=samples, clock_steps=((50, ahead_s),)))
    assert stepped.closed[0].evidence["lasted_s"] == plain.closed[0].evidence["lasted_s"] == 100
    assert stepped.closed[0].energy_over_wh == plain.closed[0].energy_over_wh
    record = stepped.closed[0]
    assert record.ended_at is not None
    assert record.started_at <= record.opened_at <= record.ended_at


def test_a_sample_that_comes_twice_or_late_changes_nothing() -> None:
    plain, twisted = Bench(), Bench()
    for second in range(40):
        plain.look(second, {"G": 120}, taken_s=second)
        twisted.look(second, {"G": 120}, taken_s=second)
        twisted.look(second + 0.3, {"G": 120}, taken_s=second)
        twisted.look(second + 0.6, {"G": 20}, taken_s=second - 0.5)
    assert plain.breaches.open == twisted.breaches.open
    assert len(plain.breaches.open) == 1


def test_what_flowed_before_a_limit_fell_was_not_over_it_then() -> None:
    bench = Bench()
    for second in range(140):
        bench.limit = {"G": 100 if second < 103 else 60}
        bench.look(second, {"G": 90}, taken_s=second // 10 * 10)
    (record,) = bench.opened
    assert bench.seconds(record.started_at) == 103
    assert bench.seconds(record.opened_at) == 130


def test_a_sample_as_old_as_the_largest_gap_may_be_counts_from_when_the_limit_fell() -> None:
    bench = Bench()
    bench.look(0, {"G": 90}, taken_s=0)
    bench.limit = {"G": 60}
    bench.look(15, {"G": 90}, taken_s=0)
    bench.steady(16, 40, {"G": 90})
    (record,) = bench.opened
    assert bench.seconds(record.started_at) == 15


@pytest.mark.parametrize("taken_s", [10, 11])
def test_a_sample_from_before_it_was_fine_begins_nothing(taken_s: float) -> None:
    bench = Bench()
    bench.look(10, {"G": 120}, taken_s=10)
    bench.look(11, {"G": 90}, taken_s=11)
    bench.look(11.5, {"G": 120}, taken_s=taken_s)
    bench.steady(12, 40, {"G": 120})
    (record,) = bench.opened
    assert bench.seconds(record.started_at) == 12


def test_the_peak_and_the_energy_are_those_of_the_whole_time_over() -> None:
    bench = Bench()
    bench.steady(0, 10, {"G": 110})
    bench.steady(11, 11, {"G": 140})
    bench.steady(12, 100, {"G": 110})
    bench.steady(101, 131, {"G": 90})
    (record,) = bench.closed
    assert record.peak == 140_000
    assert bench.seconds(record.peak_at) == 11
    # 10 A for 100 s, 30 A more for a second; the last half second to 101 goes from 10 A to nothing.
    ampere_seconds = 10 * 100 + 30 + 5
    assert record.energy_over_wh == pytest.approx(ampere_seconds * 400 / 3**0.5 / 3600, abs=1)
    assert record.evidence["lasted_s"] == 101


def test_energy_of_the_total_is_in_watts() -> None:
    bench = Bench(row=3)
    bench.steady(0, 360, {"G": 110})
    (record,) = bench.breaches.open
    assert (record.row, record.peak, record.limit) == ("total", 110_000, 100_000)
    assert record.energy_over_wh == 1000


@pytest.mark.parametrize(("row", "wh"), [(3, 1_000_000), (0, ceil(1_000_000 * 400 / 3**0.5 / 1000))])
def test_energy_is_right_to_the_watt_hour(row: int, wh: int) -> None:
    """36 000 kW, or A, too much for 100 s."""
    bench = Bench(row=row)
    bench.steady(0, 100, {"G": 36_100}, every_s=10)
    assert bench.breaches.open[0].energy_over_wh == wh


@pytest.mark.parametrize(("row", "is_open"), [(0, True), (3, False)])
def test_a_power_is_held_against_the_tolerance_of_powers(row: int, is_open: bool) -> None:
    bench = Bench(row=row, rules=BreachRules(least_ma=1_000, least_w=5_000))
    bench.steady(0, 30, {"G": 103})
    assert bool(bench.breaches.open) is is_open


def test_how_long_it_lasted_is_told_to_a_tenth_of_a_second() -> None:
    bench = Bench()
    for second in (0, 10, 20, 25, 30.26):
        bench.look(second, {"G": 120})
    assert bench.breaches.open[0].evidence["lasted_s"] == 30.3


def test_nobody_saw_what_flowed_in_a_gap_so_it_is_not_counted() -> None:
    bench = Bench(row=3)
    bench.steady(0, 360, {"G": 110})
    bench.silent(361, 999)
    bench.steady(1000, 1036, {"G": 110})
    assert bench.breaches.open[0].energy_over_wh == 1100


def test_the_chart_shows_the_minute_before_and_the_minute_after() -> None:
    bench = Bench()
    bench.steady(0, 295, {"G": 90}, every_s=5)
    bench.steady(300, 400, {"G": 120}, every_s=5)
    bench.steady(405, 600, {"G": 90}, every_s=5)
    (record,) = bench.charted
    assert [each.id for each in bench.closed] == [record.id]
    at = [bench.seconds(sample.at) for sample in record.series]
    assert at == sorted(at)
    assert at[0] == pytest.approx(240, abs=5)
    assert at[-1] == pytest.approx(465, abs=5)
    assert all(later - earlier <= 10 for earlier, later in pairwise(at))
    flows = {at: sample.flow for at, sample in zip(at, record.series, strict=True)}
    assert flows[295] == 90_000
    assert flows[300] == 120_000
    assert flows[405] == 90_000
    assert {sample.limit for sample in record.series} == {100_000}


def test_the_chart_ends_with_the_sample_a_minute_after_the_end_and_shows_none_twice() -> None:
    bench = Bench()
    bench.steady(0, 30, {"G": 120}, every_s=5)
    bench.steady(35, 65, {"G": 90}, every_s=5)
    (closed,) = bench.closed
    bench.look(66, {"G": 90}, taken_s=65)
    bench.steady(70, 90, {"G": 90}, every_s=5)
    assert bench.charted == []
    bench.look(95, {"G": 90})
    (record,) = bench.charted
    assert [bench.seconds(sample.at) for sample in record.series] == list(range(0, 100, 5))
    assert record.series[: len(closed.series)] == closed.series


def test_a_long_breach_has_a_bounded_chart_that_keeps_its_beginning_and_its_peak() -> None:
    bench = Bench()
    bench.steady(0, 100, {"G": 90}, every_s=5)
    bench.steady(105, 6000, {"G": 120}, every_s=5)
    bench.steady(6005, 6005, {"G": 199}, every_s=5)
    bench.steady(6010, 12_000, {"G": 120}, every_s=5)
    (record,) = bench.breaches.open
    assert len(record.series) <= 240
    assert max(sample.flow or 0 for sample in record.series) == record.peak == 199_000
    assert bench.seconds(record.series[0].at) == pytest.approx(45, abs=5)
    assert bench.seconds(record.series[-1].at) == 12_000


def test_silence_is_one_gap_in_the_chart() -> None:
    bench = Bench()
    bench.steady(0, 30, {"G": 120})
    bench.silent(31, 200)
    assert [sample.flow for sample in bench.breaches.open[0].series][-2:] == [120_000, None]
    assert bench.seconds(bench.breaches.open[0].series[-1].at) == 31


def test_a_restart_in_the_middle_keeps_the_id_the_peak_and_the_energy() -> None:
    bench = Bench(row=3)
    bench.steady(0, 30, {"G": 150})
    bench.steady(31, 360, {"G": 110})
    (before,) = bench.breaches.open
    bench.breaches = bench.begun()
    # The monotonic clock of the new process has nothing to do with that of the old one.
    bench.monotonic_s = 3.0
    bench.breaches.restore([before])
    news = bench.look(460, {"G": 110})
    assert news.opened == ()
    assert [each.id for each in news.open] == [before.id]
    bench.steady(461, 496, {"G": 110})
    (after,) = bench.breaches.open
    assert (after.started_at, after.opened_at, after.peak, after.peak_at, after.cause) == (
        before.started_at,
        before.opened_at,
        before.peak,
        before.peak_at,
        before.cause,
    )
    assert after.energy_over_wh == before.energy_over_wh + 100
    assert after.evidence["lasted_s"] == pytest.approx(496)
    bench.steady(497, 526, {"G": 90})
    assert bench.closed == []
    bench.look(527, {"G": 90})
    (closed,) = bench.closed
    assert closed.id == before.id
    assert closed.ended_at is not None
    assert bench.seconds(closed.ended_at) == 497


def test_restored_at_or_below_the_limit_it_is_closed_after_30_seconds_that_are_seen() -> None:
    bench = Bench()
    bench.steady(0, 30, {"G": 150})
    bench.breaches, records = bench.begun(), bench.breaches.open
    bench.breaches.restore(records)
    bench.silent(31, 500)
    bench.steady(501, 530, {"G": 90})
    assert bench.closed == []
    bench.look(531, {"G": 90})
    assert [record.id for record in bench.closed] == [records[0].id]


def test_what_was_closed_is_not_restored() -> None:
    bench = Bench()
    bench.steady(0, 30, {"G": 150})
    bench.steady(31, 70, {"G": 50})
    bench.breaches, records = bench.begun(), bench.closed
    bench.breaches.restore(records)
    assert bench.look(71, {"G": 50}).open == ()
