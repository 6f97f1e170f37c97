"""What each command answers, on which stream, and with which exit code."""

import json
from pathlib import Path

import pytest
from cli_depots import depot, large_depot, snapshot, write
from cli_runs import DEPOT, SNAPSHOT, Run

import busbar.core.audit
from busbar.core.audit import Violation


def test_a_valid_depot_is_said_on_stdout(run: Run) -> None:
    answer = run("validate", DEPOT)
    assert (answer.code, answer.err) == (0, "")
    assert "2 grid connections, 6 circuits, 12 charge points and 22 connectors" in answer.out


def test_every_mistake_is_a_block_with_file_line_path_value_rule_and_fix(run: Run, tmp_path: Path) -> None:
    document = depot(safe_operating_capacity="200 A")
    document["charge_points"][0]["circuit"] = "GC2"  # type: ignore[index]
    path = write(tmp_path / "depot.yaml", document)
    answer = run("validate", path)
    assert answer.code == 2
    assert answer.out == ""
    lines = answer.err.splitlines()
    place = lines.index(f"{path}:8")
    assert lines[place + 1] == "  circuits[0].safe_operating_capacity = 200 A"
    assert lines[place + 2].startswith("  ✖ ")
    assert lines[place + 3].startswith("  → ")
    assert "  charge_points[0].circuit = GC2" in lines
    assert lines[-1] == "2 problems."


def test_fallbacks_that_do_not_fit_are_warned_of(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "depot.yaml", depot(safe_operating_capacity="5 A", meter=True))
    answer = run("validate", path)
    assert answer.code == 0
    assert "GC1: fallbacks add up to 6 A on L1" in answer.err
    warning = json.loads(run("validate", path, "--json").out)["warnings"][0]
    assert (warning["node"], warning["reserved"], warning["available"]) == ("GC1", 6000, 5000)


def test_the_tree_shows_what_is_reserved(run: Run) -> None:
    answer = run("tree", DEPOT)
    line = next(line for line in answer.out.splitlines() if "C3" in line)
    assert "100 A" in line
    assert "18 A" in line


def test_the_tree_stops_at_the_depth_asked_for(run: Run) -> None:
    answer = run("tree", DEPOT, "--depth", "1")
    assert "C1" not in answer.out.replace("GC1", "")
    assert "below it: 4 circuits, 10 charge points, 19 connectors" in answer.out


def test_balance_says_who_is_held_back_by_what(run: Run) -> None:
    answer = run("balance", DEPOT, SNAPSHOT)
    assert answer.code == 0
    assert "C1 holds back CP1/1, CP1/2, CP2/1 and CP2/2 on all phases: default operating capacity 640 A." in answer.out
    assert "safe operating capacity 320 A, because nobody sees its base load (SAFE)" in answer.out


def test_an_option_comes_before_the_depots_own_setting(run: Run) -> None:
    answer = run("balance", DEPOT, SNAPSHOT, "--strategy", "first_come", "--fair-in", "current")
    assert "first_come among connectors, fair in current" in answer.out
    assert "equal_share among connectors, fair in power" in run("balance", DEPOT, SNAPSHOT).out


def test_a_depots_own_setting_counts_where_no_option_is_given(run: Run, tmp_path: Path) -> None:
    document = depot()
    document["depot"] = {"id": "small", "voltage": "400 V", "strategy": "lowest_soc", "fair_in": "current"}
    wanted = write(tmp_path / "snapshot.yaml", snapshot("CP1/1"))
    answer = run("balance", write(tmp_path / "depot.yaml", document), wanted)
    assert "lowest_soc among connectors, fair in current" in answer.out
    assert "APPLIED: the vehicle gets all that can be used." in answer.out


def test_charge_points_share_where_the_option_or_the_depot_says_so(run: Run, tmp_path: Path) -> None:
    answer = run("balance", DEPOT, SNAPSHOT, "--leaves", "charge_point")
    assert (answer.code, answer.err) == (0, "")
    assert "among charge points" in answer.out
    assert "split by the charge point" in answer.out
    document = depot()
    document["depot"] = {"id": "small", "voltage": "400 V", "leaves": "charge_point"}
    wanted = write(tmp_path / "snapshot.yaml", snapshot("CP1/1"))
    own = run("balance", write(tmp_path / "depot.yaml", document), wanted)
    assert "equal_share among charge points" in own.out


def test_below_a_charge_point_that_shares_the_explanation_says_so_and_names_the_circuit_above(run: Run) -> None:
    answer = run("explain", DEPOT, SNAPSHOT, "CP1/1", "--leaves", "charge_point")
    assert answer.code == 0
    assert "split by the charge point" in answer.out
    assert "Circuit C1 is full" in " ".join(answer.out.split())
    whole = run("explain", DEPOT, SNAPSHOT, "CP1", "--leaves", "charge_point")
    assert whole.code == 0
    assert whole.out.startswith("CP1 gets")


def test_an_unknown_strategy_is_met_with_the_nearest(run: Run) -> None:
    answer = run("balance", DEPOT, SNAPSHOT, "--strategy", "equal_shares")
    assert answer.code == 2
    assert "--strategy = equal_shares" in answer.err
    assert "Did you mean `equal_share`?" in answer.err


def test_base_load_above_the_limit_is_exit_code_1_and_said_in_words(run: Run, tmp_path: Path) -> None:
    wiring = write(tmp_path / "depot.yaml", depot(meter=True, safe_operating_capacity="50 A"))
    wanted = write(tmp_path / "snapshot.yaml", snapshot("CP1/1", base_load={"GC1": "120 A"}))
    answer = run("balance", wiring, wanted)
    assert answer.code == 1
    assert "GC1 is above its limit" in answer.err
    assert "126 A may flow (base load 120 A, charge points 6 A), and 100 A is allowed." in answer.err
    assert "✖ BREACHED" in answer.out


def test_an_allocation_that_the_audit_refuses_is_failed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Violation(node="C1", row="L1", rule="more than is available", value=650000, bound=640000)
    monkeypatch.setattr(busbar.core.audit, "audit", lambda *_: [found])
    answer = run("balance", DEPOT, SNAPSHOT, "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["outcome"] == "FAILED"
    assert "C1 L1: more than is available (650000 mA, allowed 640000 mA)" in answer.err
    assert (
        "FAILED: the audit refused this allocation; nothing of it may be sent." in run("balance", DEPOT, SNAPSHOT).out
    )


@pytest.mark.parametrize("wants_json", [False, True])
def test_a_bug_of_ours_is_exit_code_3_and_said_to_be_ours(
    run: Run, monkeypatch: pytest.MonkeyPatch, wants_json: bool
) -> None:
    def with_a_bug(*_: object) -> list[Violation]:
        return [][1]

    monkeypatch.setattr(busbar.core.audit, "audit", with_a_bug)
    arguments = ["balance", DEPOT, SNAPSHOT, *(["--json"] if wants_json else [])]
    answer = run(*arguments)
    assert (answer.code, answer.out) == (3, "")
    assert "its own fault, not your input's: IndexError: list index out of range" in answer.err
    assert "Traceback" not in answer.err
    monkeypatch.setenv("BUSBAR_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in run(*arguments).err


def test_explain_names_the_limit_and_what_would_help(run: Run) -> None:
    answer = run("explain", DEPOT, SNAPSHOT, "CP4/1")
    assert answer.code == 0
    assert answer.out.startswith("CP4/1 gets 26 A of 32 A. Circuit C3 is full on L1")
    assert "What would help" in answer.out


def test_explain_of_a_node_that_is_no_connector_names_one(run: Run) -> None:
    answer = run("explain", DEPOT, SNAPSHOT, "C1")
    assert answer.code == 2
    assert "'C1' is a circuit, not a connector." in answer.err
    assert "Name a connector, for example `CP1/1`." in answer.err


def test_import_keeps_the_depot_and_says_where(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a folder' / 'depots.db'}"
    answer = run("import", DEPOT, "--database", url)
    assert answer.code == 0
    assert "elizabeth: 43 added" in answer.out
    assert "2 grid connections: GC1 (node 1), GC2 (node 2)" in answer.out
    assert "depots.db" in answer.err
    assert "elizabeth: nothing changed; 43 unchanged." in run("import", DEPOT, "--database", url).out


@pytest.mark.parametrize("path", ["file/busbar.db", "."])
def test_a_database_that_cannot_be_is_the_callers_to_mend(run: Run, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    answer = run("import", DEPOT, "--database", f"sqlite:///{tmp_path / path}")
    assert (answer.code, answer.out) == (2, "")
    assert "1 problem." in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is no depot in the store"),
        (["--depot", "moon"], "There is no depot in the store"),
        (["--proof", "honour"], "There is no such proof"),
        (["--proof", "nothing", "--ocpp-host", "0.0.0.0"], "loopback"),
        (["--proof", "certificate"], "need TLS"),
        (["--certificate", "nowhere.pem"], "TLS needs both"),
        (["--quirks", "nowhere.yaml"], "nowhere.yaml"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_service_that_cannot_be_says_why(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = run("serve", *arguments, "--database", f"sqlite:///{tmp_path / 'busbar.db'}", "--ocpp-port", "0")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_proof_of_a_charge_point_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'busbar.db'}"
    assert run("import", DEPOT, "--database", database).code == 0
    answer = run("commission", "CP99", "--by", "Ann", "--database", database)
    assert answer.code == 2
    assert "CP99" in answer.err
    assert run("commission", "CP1", "--by", " ", "--database", database).code == 2


def test_the_version(run: Run) -> None:
    answer = run("--version")
    assert answer.code == 0
    assert answer.out.startswith("busbar 0.")


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["balance", DEPOT], ["nonsense"], ["tree", DEPOT, "--depth", "-1"]]
)
def test_wrong_arguments_are_exit_code_2(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Error" in answer.err


def test_a_thousand_connectors_stay_readable(run: Run, tmp_path: Path) -> None:
    wiring = write(tmp_path / "depot.json", large_depot(500))
    everybody = [f"CP{unit}/{connector}" for unit in range(500) for connector in (1, 2)]
    wanted = write(tmp_path / "snapshot.json", snapshot(*everybody))
    wiring.write_text(json.dumps(large_depot(500)), encoding="utf-8")
    wanted.write_text(json.dumps(snapshot(*everybody)), encoding="utf-8")
    tree = run("tree", wiring).out
    assert len(tree.splitlines()) < 30
    assert "CP0 to CP99" in tree
    balance = run("balance", wiring, wanted).out
    assert len(balance.splitlines()) < 60
    assert max(len(line) for line in balance.splitlines()) <= 120


def test_a_charge_point_out_of_service_and_an_envelope_on_another(run: Run, tmp_path: Path) -> None:
    document = large_depot(2)
    document["charge_points"][0]["in_service"] = False  # type: ignore[index]
    wiring = write(tmp_path / "depot.yaml", document)
    wanted = write(tmp_path / "snapshot.yaml", snapshot("CP0/1", "CP1/1", envelopes={"CP1": "50 kW"}))
    out = run("balance", wiring, wanted).out
    assert "CP0 is out of service or out of reach: nothing for CP0/1." in out
    assert "CP1 holds back CP1/1 in total: envelope 50 kW." in out
    line = next(line for line in out.splitlines() if "CP1  DC" in line)
    # The envelope is at the supply; a DC charge point's line is at the vehicle.
    assert " ".join(line.split()).endswith("CP1 DC 47 kW 47 kW 0 kW " + "█" * 20)
