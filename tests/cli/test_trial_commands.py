"""`busbar simulate` where something goes wrong: scenario files with faults, and sums of trials from seeds."""

import json
from pathlib import Path

import pytest
from cli_runs import Run
from test_json_documents import checked

from busbar.simulator.trials.totals import Failing, Totals, Worst, as_document, write_totals

TRIAL = """\
schema: busbar/scenario/1
name: A meter falls silent
depot:
  schema: busbar/depot/1
  depot: {id: yard, voltage: 400 V}
  circuits:
    - {id: C1, default_operating_capacity: 70 kW, safe_operating_capacity: 30 kW, meter: true}
  charge_points:
    - {id: CP1, circuit: C1, current: DC, max_rating: 50 kW, efficiency: 0.95, connectors: [{id: 1, max_rating: 50 kW}]}
start: 2026-11-22T18:00:00Z
duration: 150 s
cycle: 5 s
lease: 120 s
vehicle_types: [{id: car, battery: 60 kWh, max_power: 50 kW}]
vehicles: [{id: car1, type: car, departs: "19:00", soc: 30 %}]
events:
  - {from: "18:00:30", for: 100 s, node: C1, fault: meter_silent}
expectations:
  - {at: "18:00:20", node: C1, mode: NORMAL}
"""
KEPT = Totals(
    seeds=((0, 3),),
    failed=1,
    failing=(Failing(seed=2, goals=("R1",), texts=("R1 at 60 s: C1 carries too much",)),),
    violations={"R1": 4},
    cycles=1_000,
    frames=9_000,
    lives=5,
    faults={"meter_silent": 3},
    pairs={"meter_silent+store_fails": 2},
    figures={
        "limit_obeyed_s": Worst(value=9.5, seed=1),
        "over after a change, s": Worst(value=12.0, seed=2),
        "R7 less than the optimum, %": Worst(value=1.25, seed=0),
        "R7 trials in which nothing was compared": Worst(value=1.0, seed=0),
    },
    cpu_s=12.0,
)


def trial(folder: Path, more: str = "") -> Path:
    path = folder / "silent.yaml"
    path.write_text(TRIAL + more)
    return path


def test_a_scenario_with_faults_is_played_by_the_real_engine_under_every_goal(run: Run, tmp_path: Path) -> None:
    more = '  - {by: "18:02:10", node: C1, mode: SAFE}\n'
    answer = run("simulate", trial(tmp_path, more))
    assert (answer.code, answer.err) == (0, "")
    assert "✔ No goal was missed." in answer.out
    assert answer.out.count("✔ met") == 2
    assert "1 fault, " in answer.out


def test_what_was_expected_over_time_and_did_not_come_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    path = trial(tmp_path, '  - {by: "18:00:40", node: C1, mode: SAFE}\n  - no_limit_broken: true\n')
    answer = run("simulate", path, "--json")
    assert answer.code == 1
    document = checked(answer.out, "busbar/trial/1")
    assert [each["met"] for each in document["expectations"]] == [True, False]
    assert (document["met"], document["not_judged"], document["faults"]) == (False, 1, 1)
    # The same bytes again; another seed says other things.
    assert run("simulate", path, "--json").out == answer.out
    other = json.loads(run("simulate", path, "--json", "--seed", "9").out)
    assert other["digest"] != document["digest"]


def test_a_trial_has_a_report_that_judges_the_whole_night_too(run: Run, tmp_path: Path) -> None:
    path, folder = trial(tmp_path, "  - no_limit_broken: true\n"), tmp_path / "report"
    answer = run("simulate", path, "--report", folder, "--seed", "9")
    assert answer.code == 0
    assert f"Report: {folder / 'report.html'}" in answer.err
    page = (folder / "report.html").read_text()
    assert "No limit of any node is broken for longer than the 15 s" in page
    assert f"busbar simulate {path} --seed 9" in page
    summary = checked((folder / "summary.json").read_text(), "busbar/trial/1")
    assert summary["digest"] in page
    flows = (folder / "series" / "node_flow_total_w.csv").read_text().splitlines()
    assert len(flows) == 1 + 150


def test_a_trial_whose_night_was_not_as_expected_is_exit_code_1_where_it_is_judged(run: Run, tmp_path: Path) -> None:
    path = trial(tmp_path, "  - energy_delivered: 900 kWh\n")
    assert run("simulate", path).code == 0
    assert run("simulate", path, "--report", tmp_path / "report").code == 1


def test_what_ran_already_is_shown_and_not_run_again(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sum.json"
    write_totals(KEPT, path)
    answer = run("simulate", "--faults", "--seeds", "0:3", "--into", path, "--shrunk", tmp_path / "failing")
    assert answer.code == 1
    assert "3 trials (seeds 0:3)" in answer.out
    assert "busbar simulate --faults --seed 2    R1 at 60 s: C1 carries too much" in answer.out
    figures = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert "limit_obeyed_s 9.5 s (seed 1)" in figures
    assert "over after a change 12.0 s (seed 2)" in figures
    assert "R7 less than the optimum 1.2 % (seed 0)" in figures
    assert "R7 trials in which nothing was compared 1 (seed 0)" in figures
    assert "1 of 561 pairs of faults met." in answer.out
    assert not (tmp_path / "failing").exists()
    shown = checked(run("simulate", "--faults", "--seeds", "0:3", "--into", path, "--json").out, "busbar/trials/2")
    assert shown == as_document(KEPT)


def test_faults_are_drawn_upon_a_scenario_file_and_sums_of_others_are_left_alone(run: Run, tmp_path: Path) -> None:
    path, into = trial(tmp_path), tmp_path / "sum.json"
    asked = ("simulate", path, "--faults", "--hours", "1", "--seeds", "0:1", "--into", into, "--workers", "1")
    answer = run(*asked)
    assert (answer.code, answer.err) == (0, "")
    assert "1 trial upon silent, 1 h (seeds 0:1)" in answer.out
    kept = json.loads(into.read_text())
    assert kept["upon"] == "silent, 1 h"
    assert sum(kept["faults"].values()) > 16
    assert run(*asked).out == answer.out
    other = run("simulate", "--faults", "--seeds", "0:1", "--into", into)
    assert other.code != 0
    assert "do not add up" in other.err


def test_too_short_a_scenario_is_refused_and_says_what_to_give(run: Run, tmp_path: Path) -> None:
    answer = run("simulate", trial(tmp_path), "--faults", "--seed", "1")
    assert (answer.code, answer.out) == (2, "")
    assert "--hours" in answer.err


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--faults", "--seeds", "3:3"], "--seeds"),
        (["--faults", "--seeds", "all"], "--seeds"),
        (["--faults", "--seeds", "0:3", "--seed", "1"], "--seed"),
        (["--faults", "--report", "somewhere"], "--report"),
        (["--faults", "--leaves", "connector"], "--leaves"),
        (["--faults", "--hours", "2"], "--hours"),
        ([], "SCENARIO"),
    ],
)
def test_what_does_not_go_together_is_refused(run: Run, given: list[str], named: str) -> None:
    answer = run("simulate", *given)
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.err
