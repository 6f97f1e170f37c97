"""`busbar accept`: what it shows, what it writes, and how it ends."""

import json
import shlex
from pathlib import Path

import pytest
from accepted_scenarios import RED, write_scenario
from cli_runs import Run
from test_json_documents import checked

DEPOT = "schema: busbar/depot/1\ndepot: {id: other, voltage: 400 V}\ncircuits: []\ncharge_points: []\n"


def test_scenarios_that_go_as_expected_are_accepted(run: Run, tmp_path: Path) -> None:
    answer = run("accept", write_scenario(tmp_path), "--workers", "1")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert " ".join(lines[0].split()) == "Scenario Played Expectations met Goals missed Faults Left out Took"
    assert lines[1].split()[:8] == ["✔", "silent", "trial", "6", "of", "6", "0", "1"]
    assert lines[-1] == "✔ All as expected."


def test_a_red_scenario_is_exit_code_1_and_its_command_runs_it_again(run: Run, tmp_path: Path) -> None:
    path = write_scenario(tmp_path, more=RED)
    answer = run("accept", path, "--seed", "9", "--json", "--workers", "1")
    assert answer.code == 1
    first = checked(answer.out, "busbar/acceptance/1")
    [red] = first["scenarios"]
    assert [each["met"] for each in red["expectations"]] == [True] * 6 + [False]
    assert red["replay"] in answer.err
    words = shlex.split(red["replay"])
    assert words[0] == "busbar"
    again = run(*words[1:], "--json")
    assert again.code == 1
    [replayed] = checked(again.out, "busbar/acceptance/1")["scenarios"]
    assert replayed | {"wall_s": 0} == red | {"wall_s": 0}


def test_what_was_red_is_said_with_what_was_found(run: Run, tmp_path: Path) -> None:
    answer = run("accept", write_scenario(tmp_path, more=RED), "--workers", "1")
    assert answer.code == 1
    assert "✖ At 18:02 CP1/1 is given at least 45 kW. (Too much to ask for) Found: it was given" in answer.out
    assert answer.out.splitlines()[-1] == "✖ 1 scenario not as expected."


def test_a_folder_is_played_whole_in_several_processes_and_told_on_one_page(run: Run, tmp_path: Path) -> None:
    folder, report = tmp_path / "own", tmp_path / "told"
    folder.mkdir()
    write_scenario(folder, "one")
    write_scenario(folder, "two", RED)
    (folder / "depot.yaml").write_text(DEPOT)
    answer = run("accept", folder, "--workers", "2", "--report", report)
    assert answer.code == 1
    assert f"Report: {report / 'acceptance.html'}" in answer.err
    document = checked((report / "acceptance.json").read_text(), "busbar/acceptance/1")
    assert [each["scenario"] for each in document["scenarios"]] == ["one", "two"]
    assert [each["ok"] for each in document["scenarios"]] == [True, False]
    page = (report / "acceptance.html").read_text()
    assert page.count("<article") == 2
    assert document["scenarios"][1]["replay"] in page


def test_every_offender_of_every_file_is_named_before_anything_runs(run: Run, tmp_path: Path) -> None:
    write_scenario(tmp_path, "good")
    write_scenario(tmp_path, "bad", '  - {by: "18:01", node: C9, mode: SAFE}\n')
    (tmp_path / "worse.yaml").write_text("schema: busbar/scenario/1\nname: 3\nstart: yesterday\n")
    answer = run("accept", tmp_path, "--json")
    assert answer.code == 2
    problems = checked(answer.out, "busbar/refusal/1")["problems"]
    assert {Path(problem["file"]).name for problem in problems} == {"bad.yaml", "worse.yaml"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["scenarios/data"], "There is no scenario in this folder."),
        (["scenarios/rotation_depot.yaml"], "busbar/scenario/1"),
        (["scenarios", "--speed", "2"], "Add `--live`."),
        (["scenarios", "--for", "20"], "Add `--live`."),
    ],
)
def test_what_cannot_be_accepted_is_refused(run: Run, given: list[str], named: str) -> None:
    answer = run("accept", *given)
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.err


def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    answer = run("accept", write_scenario(tmp_path), "--report", tmp_path / "taken", "--json")
    assert answer.code == 2
    assert json.loads(answer.out)["problems"][0]["path"] == "--report"
