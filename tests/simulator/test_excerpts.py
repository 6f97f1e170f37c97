"""A part of a scenario, as a scenario of its own: who is there, what happens in it, and what can be judged."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tiny_trials import fault, small_trial

from busbar.core.snapshot import Mode
from busbar.simulator.acceptance.excerpt import SETTLES_S, excerpt
from busbar.simulator.expectation import Always, At, By, Holds, InMode, When
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import NoLimitBroken, Scenario, VehiclesReady
from busbar.simulator.times import FOREVER_S, Span

SILENT = fault(FaultKind.METER_SILENT, 300, 500, "C1")


def in_mode(when: When) -> Holds:
    return Holds(when=when, subject="C1", condition=InMode(mode=Mode.SAFE))


def scenario(*expectations: Holds | NoLimitBroken | VehiclesReady) -> Scenario:
    whole = small_trial((SILENT, fault(FaultKind.STORE_FAILS, 700, 750)), duration_s=900)
    early, late, gone = whole.vehicles
    vehicles = (early, replace(late, arrives_s=350), replace(gone, departs_s=100))
    return replace(whole, vehicles=vehicles, expectations=expectations)


def when_of(when: When, *, from_s: int = 200, late_s: int = 0) -> When | None:
    """When the part expects it; None: it cannot be judged there."""
    part = excerpt(scenario(in_mode(when)), seed=1, from_s=from_s, until_s=600, late_s=late_s)
    assert len(part.scenario.expectations) + len(part.not_judged) == 1
    for expectation in part.scenario.expectations:
        assert isinstance(expectation, Holds)
        return expectation.when
    return None


def test_a_part_has_its_own_start_vehicles_and_faults() -> None:
    part = excerpt(scenario(), seed=1, from_s=200, until_s=600).scenario
    assert (part.duration_s, part.start) == (400, scenario().start + timedelta(seconds=200))
    assert [(each.id, each.arrives_s) for each in part.vehicles] == [("car0", 0), ("car1", 150)]
    assert [each.span for each in part.faults] == [Span(from_s=100, until_s=300)]


def test_what_went_wrong_before_and_still_does_begins_at_once() -> None:
    part = excerpt(scenario(), seed=1, from_s=400, until_s=1_000).scenario
    assert part.duration_s == 500
    assert [each.span for each in part.faults] == [Span(from_s=0, until_s=100), Span(from_s=300, until_s=350)]


@pytest.mark.parametrize(
    ("when", "moved"),
    [
        (At(at_s=450), At(at_s=250)),
        (At(at_s=210), None),
        (At(at_s=700), None),
        (By(by_s=450, stays=True), By(by_s=250, stays=True)),
        (By(by_s=150), None),
        (Always(from_s=400, until_s=500), Always(from_s=200, until_s=300)),
        (Always(), Always(from_s=SETTLES_S, until_s=FOREVER_S)),
        (Always(from_s=0, until_s=210), None),
        (Always(from_s=600, until_s=700), None),
    ],
)
def test_expectations_move_with_it_or_cannot_be_judged(when: When, moved: When | None) -> None:
    assert when_of(when) == moved


def test_in_compressed_time_windows_begin_later() -> None:
    assert when_of(Always(from_s=300, until_s=500), late_s=75) == Always(from_s=175, until_s=300)
    assert when_of(Always(from_s=300, until_s=370), late_s=75) is None
    assert when_of(By(by_s=310), late_s=75) == By(by_s=185)
    assert when_of(At(at_s=450), late_s=75) == At(at_s=250)


def test_what_is_about_the_whole_night_is_judged_of_the_whole_only() -> None:
    both = scenario(NoLimitBroken(), VehiclesReady(at_least=1.0))
    part = excerpt(both, seed=1, from_s=0, until_s=600)
    assert part.scenario.expectations == (NoLimitBroken(),)
    assert len(part.not_judged) == 1
    assert excerpt(both, seed=1, from_s=0, until_s=5_000).scenario.expectations == both.expectations
