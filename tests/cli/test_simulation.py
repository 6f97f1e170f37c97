"""`busbar simulate`, `compare` and `demo`: a played scenario on the streams, in a folder and in a database."""

import asyncio
import json
from pathlib import Path

import pytest
from cli_depots import scenario
from cli_runs import Run
from test_json_documents import checked

from busbar.adapters.store.store import open_store


def test_a_scenario_that_goes_as_expected_is_exit_code_0(run: Run, tmp_path: Path) -> None:
    answer = run("simulate", scenario(tmp_path))
    assert (answer.code, answer.err) == (0, "")
    assert "✔ met     " not in answer.out  # Nothing is missed, so nothing is wider.
    assert "✔ met No limit of any node is broken." in answer.out
    assert "1 of 1 vehicle ready on departure" in answer.out


def test_an_expectation_that_is_not_met_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    answer = run("simulate", scenario(tmp_path, expectations=[{"energy_delivered": "1 MWh"}]))
    assert answer.code == 1
    assert "✖ NOT MET The vehicles take at least 1,000 kWh." in answer.out


def test_the_summary_is_the_same_for_the_same_seed(run: Run, tmp_path: Path) -> None:
    path = scenario(tmp_path)
    first = run("simulate", path, "--seed", "7", "--json")
    assert first.code == 0
    assert checked(first.out, "busbar/simulation/1")["seed"] == 7
    assert run("simulate", path, "--seed", "7", "--json").out == first.out


def test_cycles_are_recorded_where_a_database_is_named(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cycles.db'}"
    assert run("simulate", scenario(tmp_path), "--database", url).code == 0

    async def kept() -> int:
        store = await open_store(url)
        try:
            return len(await store.cycles("small"))
        finally:
            await store.close()

    assert asyncio.run(kept()) > 0


def test_a_scenario_with_a_mistake_names_it(run: Run, tmp_path: Path) -> None:
    answer = run("simulate", scenario(tmp_path, cycle="sixty"))
    assert (answer.code, answer.out) == (2, "")
    assert "cycle = sixty" in answer.err


def test_a_report_goes_into_the_folder_named(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("busbar.simulator.report")
    answer = run("simulate", scenario(tmp_path), "--report", tmp_path / "report")
    assert answer.code == 0
    assert str(tmp_path / "report") in answer.err
    assert list((tmp_path / "report").iterdir())


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_played(run: Run, tmp_path: Path) -> None:
    path = scenario(tmp_path)
    answer = run("simulate", path, "--report", path)
    assert (answer.code, answer.out) == (2, "")
    assert f"--report = {path}" in answer.err


def test_strategies_are_compared_side_by_side(run: Run, tmp_path: Path) -> None:
    path = scenario(tmp_path)
    chosen = ["--strategy", "equal_share", "--strategy", "first_come"]
    answer = run("compare", path, *chosen)
    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()[-2:]] == ["equal_share", "first_come"]
    document = checked(run("compare", path, *chosen, "--json").out, "busbar/comparison/1")
    assert [line["strategy"] for line in document["lines"]] == ["equal_share", "first_come"]
    assert "| `first_come` |" in run("compare", path, *chosen, "--markdown").out


def test_a_played_scenario_says_what_shared_among_what(run: Run, tmp_path: Path) -> None:
    path = scenario(tmp_path)
    assert "equal_share among connectors, fair in power, seed 1, " in run("simulate", path).out
    assert "equal_share among charge points, fair in power" in run("simulate", path, "--leaves", "charge_point").out
    document = checked(run("simulate", path, "--leaves", "charge_point", "--json").out, "busbar/simulation/1")
    assert (document["strategy"], document["leaves"], document["fair_in"]) == ("equal_share", "charge_point", "power")


def test_both_leaves_are_compared_side_by_side(run: Run, tmp_path: Path) -> None:
    path = scenario(tmp_path)
    asked = ["compare", path, "--strategy", "first_come", "--strategy", "priority", "--leaves"]
    shown = [line.split()[:2] for line in run(*asked, "both").out.splitlines()[-4:]]
    assert shown == [[name, among] for name in ("first_come", "priority") for among in ("connectors", "charge")]
    document = checked(run(*asked, "both", "--json").out, "busbar/comparison/1")
    assert [(line["leaves"], line["fair_in"]) for line in document["lines"]] == [
        ("connector", "power"),
        ("charge_point", "power"),
    ] * 2
    alone = checked(run(*asked, "charge_point", "--json").out, "busbar/comparison/1")
    assert alone["lines"] == document["lines"][1::2]
    table = run(*asked, "both", "--markdown").out
    assert "; fair in power)" in table
    assert "| `priority` | connectors |" in table
    assert "| `priority` | charge points |" in table


def test_comparing_with_an_unknown_strategy_is_refused(run: Run, tmp_path: Path) -> None:
    answer = run("compare", scenario(tmp_path), "--strategy", "fairest", "--json")
    assert answer.code == 2
    assert json.loads(answer.out)["problems"][0]["value"] == "fairest"
