"""A failing trial made smaller: what has nothing to do with it goes, and the file that is left still fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_trials import SEVERAL, Never, fault, small_trial

from busbar.core.errors import BusbarError
from busbar.core.units import ActivePower
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Load, Span
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.trials import shrink as shrinking
from busbar.simulator.trials.cut import shortened
from busbar.simulator.trials.shrink import shrink, write_shrunk
from busbar.simulator.trials.summary import run_scenario
from busbar.simulator.trials.trial import Goal


def never(*kinds: FaultKind) -> Callable[[], tuple[Goal, ...]]:
    return lambda: (Never(kinds=frozenset(kinds)),)


def test_what_is_left_is_the_one_fault_that_matters() -> None:
    found = shrink(small_trial(), goals=never(FaultKind.STORE_FAILS))
    assert [each.kind for each in found.scenario.faults] == [FaultKind.STORE_FAILS]
    assert len(found.scenario.vehicles) == 1
    assert found.scenario.duration_s == 35
    assert (found.goal, found.violation.at_s) == ("never", 20.0)


def test_two_faults_that_only_matter_together_both_stay() -> None:
    found = shrink(small_trial(), goals=never(FaultKind.METER_SILENT, FaultKind.MESSAGE_REORDERED))
    assert {each.kind for each in found.scenario.faults} == {FaultKind.METER_SILENT, FaultKind.MESSAGE_REORDERED}


def test_what_happens_late_is_moved_to_the_front() -> None:
    late = small_trial((fault(FaultKind.STORE_FAILS, 200, 220),), duration_s=500)
    load = Load(circuit="C1", name="Fans", points=tuple((at_s, ActivePower(w=at_s)) for at_s in (0, 100, 180, 210)))
    found = shrink(replace(late, loads=(load,)), goals=never(FaultKind.STORE_FAILS)).scenario
    assert found.faults[0].span == Span(from_s=60, until_s=75)
    assert found.duration_s == 75
    assert found.loads[0].points == tuple((at_s, ActivePower(w=w)) for at_s, w in ((0, 100), (40, 180), (70, 210)))


def test_of_a_long_one_only_what_came_shortly_before_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinking, "LONG_S", 300)
    monkeypatch.setattr(shrinking, "_WINDOWS_S", (60, 120))
    faults = (fault(FaultKind.MESSAGE_LOST, 50, 60), fault(FaultKind.STORE_FAILS, 400, 420))
    long = small_trial(faults, duration_s=700)
    found = shrink(long, goals=never(FaultKind.STORE_FAILS)).scenario
    assert [(each.kind, each.span.from_s) for each in found.faults] == [(FaultKind.STORE_FAILS, 55)]
    assert (found.start - long.start).total_seconds() == 345
    assert found.duration_s == 70


def test_of_a_long_one_that_needs_all_that_came_before_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinking, "LONG_S", 100)
    monkeypatch.setattr(shrinking, "_WINDOWS_S", (10,))
    long = small_trial((fault(FaultKind.STORE_FAILS, 20, 110), fault(FaultKind.METER_SILENT, 100, 110, "C1")))
    with pytest.raises(BusbarError, match="only the hour before"):
        shrink(long, goals=never(FaultKind.STORE_FAILS, FaultKind.METER_SILENT))


def test_no_more_runs_are_spent_than_allowed() -> None:
    found = shrink(small_trial(), goals=never(FaultKind.STORE_FAILS), most_runs=3)
    assert found.runs == 3
    assert FaultKind.STORE_FAILS in {each.kind for each in found.scenario.faults}


def test_what_misses_nothing_is_not_made_smaller() -> None:
    with pytest.raises(BusbarError, match="misses no goal"):
        shrink(small_trial(SEVERAL[:1], duration_s=30), goals=never(FaultKind.STORE_FAILS))


def test_the_written_file_misses_the_same_goal_at_the_same_second(tmp_path: Path) -> None:
    goals = never(FaultKind.STORE_FAILS)
    found = shrink(small_trial(), goals=goals)
    path = write_shrunk(found, tmp_path / "failing")
    read = load_scenario(path)
    assert read == found.scenario
    assert run_scenario(read, seed=read.seed, goals=goals).violations[0] == found.violation


def test_what_is_cut_off_in_time_is_still_a_scenario(tmp_path: Path) -> None:
    # A profile that has no time to expire would be refused by the reader.
    trial = small_trial((fault(FaultKind.PROFILE_EXPIRED, 10, 170, "CP1"), *SEVERAL), duration_s=300)
    short = shortened(trial, 45)
    assert short.faults[0].kind is FaultKind.CONNECTION_DROPPED
    assert short.faults[0].span.until_s == 45
    assert FaultKind.DEPOT_EDITED not in {each.kind for each in short.faults}
    path = tmp_path / "small.yaml"
    path.write_text(scenario_text(short))
    assert load_scenario(path) == short
