"""Every JSON document keeps its schema, and says what the text says."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cli_depots import depot, snapshot, write
from cli_runs import DEPOT, SNAPSHOT, Run
from jsonschema import Draft202012Validator

SCHEMAS = files("busbar.entrypoints") / "schemas"


@cache
def validator(schema: str) -> Draft202012Validator:
    _, name, version = schema.split("/")
    found = json.loads((SCHEMAS / f"{name}.{version}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found, format_checker=Draft202012Validator.FORMAT_CHECKER)


def checked(text: str, schema: str) -> dict[str, Any]:
    """The document, after it has been validated against the schema it names."""
    document: dict[str, Any] = json.loads(text)
    assert document["schema"] == schema
    validator(schema).validate(document)
    return document


def test_a_schema_refuses_what_it_does_not_know() -> None:
    document = {"schema": "busbar/refusal/1", "problems": [], "more": 1}
    assert len(list(validator("busbar/refusal/1").iter_errors(document))) == 2


def test_a_valid_depot(run: Run) -> None:
    answer = run("validate", DEPOT, "--json")
    assert answer.code == 0
    document = checked(answer.out, "busbar/validation/1")
    assert document == {"schema": "busbar/validation/1", "valid": True, "problems": [], "warnings": []}


def test_a_depot_with_mistakes_names_each(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "depot.yaml", depot(parent="GC9", rating="50 A"))
    answer = run("validate", path, "--json")
    assert answer.code == 2
    assert answer.err == ""
    document = checked(answer.out, "busbar/validation/1")
    assert not document["valid"]
    paths = {problem["path"] for problem in document["problems"]}
    assert paths == {"circuits[0].parent", "circuits[0].default_operating_capacity"}
    assert all(problem["file"] == str(path) and problem["line"] for problem in document["problems"])


def test_the_tree_says_limits_as_given_and_derived(run: Run) -> None:
    document = checked(run("tree", DEPOT, "--json").out, "busbar/tree/1")
    nodes = {node["id"]: node for node in document["nodes"]}
    assert [node["kind"] for node in document["nodes"][:2]] == ["MICROGRID", "GRID_CONNECTION"]
    given = nodes["GC1"]["limits"]["default_operating_capacity"]
    assert given == {"given": "1200 kVA", "L1_ma": 1669446, "L2_ma": 1669446, "L3_ma": 1669446, "total_w": None}
    assert nodes["C4"]["limits"]["default_operating_capacity"]["given"] == {"L1": "40 A", "L2": "40 A", "L3": "32 A"}
    assert nodes["C3"]["reserved"]["L1_ma"] == 3 * 6000
    assert nodes["CP1/1"]["connector"] == {
        "current": "DC",
        "unit": "W",
        "max_rating": 150000,
        "minimum": 10000,
        "step": 1000,
        "fallback": 0,
        "line_to_line": False,
    }
    assert all(node["parent"] in nodes for node in document["nodes"][1:])


def test_where_charge_points_share_documents_say_how_each_splits_what_it_is_given(run: Run) -> None:
    document = checked(run("balance", DEPOT, SNAPSHOT, "--leaves", "charge_point", "--json").out, "busbar/allocation/1")
    assert document["leaves"] == "charge_point"
    assert all("/" not in entry["leaf"] for entry in document["allocations"])
    for entry in document["allocations"]:
        if entry["setpoint"]["unit"] == "W":
            assert sum(part["setpoint"]["value"] for part in entry["split"]) <= entry["setpoint"]["value"]
    assert {node["kind"] for node in document["nodes"]}.isdisjoint({"CONNECTOR"})
    answer = run("explain", DEPOT, SNAPSHOT, "CP1/1", "--leaves", "charge_point", "--json")
    explanation = checked(answer.out, "busbar/explanation/1")
    assert explanation["leaf"] == "CP1/1"
    shared = tuple(explanation[key] for key in ("strategy", "leaves", "fair_in"))
    assert shared == ("equal_share", "charge_point", "power")
    assert explanation["bound_by"]["node"] == "C1"
    assert [figures["id"] for figures in explanation["chain"]][:2] == ["CP1", "C1"]
    tree = checked(run("tree", DEPOT, "--leaves", "charge_point", "--json").out, "busbar/tree/1")
    assert tree["leaves"] == "charge_point"


def test_the_allocation(run: Run) -> None:
    answer = run("balance", DEPOT, SNAPSHOT, "--json")
    assert answer.code == 0
    assert answer.err == ""
    document = checked(answer.out, "busbar/allocation/1")
    assert document["outcome"] == "CONSTRAINED"
    assert (document["strategy"], document["fair_in"], document["leaves"]) == ("equal_share", "power", "connector")
    leaves = {each["leaf"]: each for each in document["allocations"]}
    assert leaves["CP1/1"]["bound_by"] == {
        "node": "C1",
        "row": "L1",
        "limit": "default_operating_capacity",
        "reason": "full",
    }
    assert leaves["CP1/4"]["bound_by"] is None


def test_the_explanation_agrees_with_the_allocation(run: Run) -> None:
    allocation = checked(run("balance", DEPOT, SNAPSHOT, "--json").out, "busbar/allocation/1")
    for each in allocation["allocations"]:
        answer = run("explain", DEPOT, SNAPSHOT, each["leaf"], "--json")
        assert answer.code == 0
        document = checked(answer.out, "busbar/explanation/1")
        assert {key: document[key] for key in each} == each
        assert [node["id"] for node in document["chain"]][-1] == "elizabeth"


def test_an_import_and_the_same_again(run: Run, tmp_path: Path) -> None:
    first = checked(run("import", DEPOT, "--json").out, "busbar/import/1")
    assert len(first["added"]) == 1 + 8 + 12 + 22
    again = checked(run("import", DEPOT, "--json").out, "busbar/import/1")
    assert (again["added"], again["changed"], again["retired"], again["unchanged"]) == ([], [], [], len(first["added"]))
    assert again["microgrid"] == first["microgrid"]
    assert (tmp_path / "kept" / "busbar.db").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["tree", "nowhere.yaml"],
        ["balance", DEPOT, "nowhere.yaml"],
        ["balance", DEPOT, SNAPSHOT, "--strategy", "fair"],
        ["balance", DEPOT, SNAPSHOT, "--leaves", "vehicle"],
        ["balance", DEPOT, SNAPSHOT, "--fair-in", "euro"],
        ["balance", DEPOT],
        ["explain", DEPOT, SNAPSHOT, "CP1"],
        ["explain", DEPOT, SNAPSHOT, "CP77/1"],
        ["import", DEPOT, "--database", "mysql://x"],
        ["simulate", "nowhere.yaml"],
        ["serve", "--database", "mysql://x"],
        ["commission", "CP1", "--by", "Ann", "--database", "mysql://x"],
        ["nonsense"],
    ],
)
def test_a_refusal_is_a_document_too(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments, "--json")
    assert answer.code == 2
    assert answer.err == ""
    checked(answer.out, "busbar/refusal/1")


def test_a_breach_is_in_the_document_and_said_on_stderr(run: Run, tmp_path: Path) -> None:
    wanted = write(tmp_path / "snapshot.yaml", snapshot("CP1/1", base_load={"GC1": "120 A"}))
    answer = run(
        "balance", write(tmp_path / "depot.yaml", depot(meter=True, safe_operating_capacity="50 A")), wanted, "--json"
    )
    assert answer.code == 1
    document = checked(answer.out, "busbar/allocation/1")
    assert document["nodes"][1]["state"] == "BREACHED"
    assert "GC1 is above its limit" in answer.err
