"""The soak in made-up time: a trial on a real SQLite file, measured, ruled over, and told."""

from pathlib import Path
from typing import Any

import pytest
from made_trials import amperes, fault, made_trial

from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.trial import Trial
from soak_store import sqlite_kept
from soak_trials import BEGIN, END, judge, soak_scenario, soaked, table
from soak_verdict import Verdict

TROUBLED = made_trial(
    fault(FaultKind.STORE_SLOW, 20, 40, delay_s=0.5),
    fault(FaultKind.PROCESS_KILLED, 50, 55, nth=30),
    fault(FaultKind.LIMIT_CUT, 60, 80, "C1", amount=amperes(30)),
    duration_s=110,
)


def run_of(*, kb_per_hour: float = 0.0, violations: int = 0) -> dict[str, Any]:
    """Seventy-two hours, of which the first six fill what is kept."""
    samples = [
        {
            "at_s": 3600 * hour,
            "cpu_s": 10.0 * hour,
            "resident_kb": 200_000 + 5_000 * min(hour, 6) + kb_per_hour * hour + 100 * (hour % 3),
            "objects": 200_000 + 50 * (hour % 7),
            "database_kb": 3_000 * min(hour, 6),
            "wal_kb": 4_000,
            "cycles": 700 * hour,
            "lives": 1 + hour,
            "violations": violations,
        }
        for hour in range(73)
    ]
    return {"connectors": 24, "hours": 72.0, "faults": 1440, "vehicles": 500, "violations": [], "samples": samples}


def verdicts(run: dict[str, Any]) -> dict[str, Verdict]:
    return {each.rule: each.verdict for each in judge(run)}


def test_it_is_a_depot_of_24_connectors_in_which_much_goes_wrong_for_three_days() -> None:
    scenario = soak_scenario(72)
    assert sum(len(unit.connectors) for unit in scenario.depot.charge_points) == 24
    assert len(scenario.faults) > 72 * 16
    assert max(each.arrives_s for each in scenario.vehicles) > 65 * 3600


def test_a_trial_says_the_same_on_a_real_file_as_in_memory(tmp_path: Path) -> None:
    with sqlite_kept(tmp_path / "kept.sqlite") as kept:
        on_file = Trial(TROUBLED, seed=1, goals=all_goals(), kept=kept).run()
    in_memory = Trial(TROUBLED, seed=1, goals=all_goals()).run()
    assert on_file.lives == 2
    assert (on_file.digest, on_file.violations) == (in_memory.digest, in_memory.violations)


def test_it_is_measured_at_the_start_and_at_the_end(tmp_path: Path) -> None:
    run = soaked(made_trial(duration_s=60), tmp_path / "soak.json")
    assert [each["at_s"] for each in run["samples"]] == [0, 60]
    assert run["samples"][-1]["database_kb"] + run["samples"][-1]["wal_kb"] > 100
    assert run["is_whole"]
    assert (tmp_path / "soak.json").exists()


def test_what_fills_up_at_first_is_flat_and_what_leaks_is_not() -> None:
    assert set(verdicts(run_of()).values()) == {Verdict.KEPT}
    assert verdicts(run_of(kb_per_hour=1500))["memory"] is Verdict.BROKEN
    assert verdicts(run_of(violations=1))["goals"] is Verdict.BROKEN


@pytest.mark.parametrize("said", ["| 72 | 224.6 MB |", "| memory | kept |", "24 connectors", "| goals | kept |"])
def test_the_table_says_it(said: str) -> None:
    assert said in table(run_of())
    assert BEGIN in Path("docs/soak.md").read_text()
    assert END in Path("docs/soak.md").read_text()
