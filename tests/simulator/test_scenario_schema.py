"""The published JSON Schema of scenario files: it takes what the reader takes, and refuses what a schema can tell."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from made_scenarios import DEPOT, EXPECTED, SCENARIO
from test_fault_files import REFUSED_EXPECTATIONS, REFUSED_FAULTS

from busbar.adapters.files.document import parse_document
from busbar.adapters.files.tree import Mapping, Node, Scalar, is_null
from busbar.simulator.expectation import CONDITION_RULES
from busbar.simulator.fault import FAULT_RULES, Place
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.scenario_schema import scenario_schema
from busbar.simulator.scenario_text import scenario_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scenarios.md"
EXAMPLE = ROOT / "docs" / "examples" / "meter_lost.yaml"
SHIPPED = sorted(
    path
    for path in [*(ROOT / "scenarios").glob("*.yaml"), *(ROOT / "docs" / "examples").glob("*.yaml")]
    if "busbar/scenario/1" in path.read_text()
)
SCHEMA = jsonschema_rs.validator_for(scenario_schema())
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def plain(node: Node) -> Any:
    """As YAML 1.2 gives values, which is how editors see a file."""
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if not isinstance(node, Scalar):
        return [plain(item) for item in node.items]
    if not node.plain:
        return node.text
    if is_null(node):
        return None
    if node.text in ("true", "false"):
        return node.text == "true"
    if _NUMBER.fullmatch(node.text):
        return float(node.text) if set(node.text) & set(".eE") else int(node.text)
    return node.text


def document(text: str) -> Any:
    return plain(parse_document(text.encode(), file="night.yaml").root)


def complaints(text: str) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(document(text))]


def test_the_published_schema_is_the_one_that_is_made() -> None:
    published = (ROOT / "docs" / "scenario.schema.json").read_text()
    assert json.loads(published) == scenario_schema(), "renew: busbar scenario-schema > docs/scenario.schema.json"


def test_the_schema_is_one_itself() -> None:
    jsonschema_rs.meta.validate(scenario_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_keeps_the_schema_as_it_is_and_written_anew(path: Path) -> None:
    assert complaints(path.read_text()) == []
    assert complaints(scenario_text(load_scenario(path))) == []


def test_every_shipped_scenario_was_looked_at() -> None:
    assert {"wa_pta_night", "small_ac", "nrel_depot", EXAMPLE.stem} <= {path.stem for path in SHIPPED}


TOLD_BY_SCHEMA = [
    "fault: meter_silnt, node: GC1",
    "fault: meter_silent",
    "fault: meter_silent, node: GC1, share: 50 %",
    "fault: meter_silent, node: GC1, envelope: 5 kW",
    "fault: message_lost, share: 150",
    "fault: message_lost, delay: 5 s",
    "fault: message_delayed",
    "fault: answer_late, delay: soon",
    "fault: draws_more, node: CP1",
    "fault: operator_override, amount: 50 kW",
    "fault: base_load_step, node: GC1",
    "fault: envelope_lapses, node: C1, amount: 50 A",
    "fault: store_fails, node: GC1",
    "fault: process_killed, nth: 0",
    "fault: process_killed, nth: often",
    "fault: message_lost, for: ever",
    "fault: message_lost, until: '19:00', for: 5 min",
    "fault: message_lost, charge_point: CP1",
    "node: GC1",
    "node: GC1, mode: safe",
    "node: GC1, envelope: 5",
]


@pytest.mark.parametrize("fault", TOLD_BY_SCHEMA)
def test_the_schema_refuses_a_wrong_event(fault: str) -> None:
    assert complaints(f"{SCENARIO}events:\n  - {{{fault}}}\n")


@pytest.mark.parametrize(
    "expectation",
    [
        "always: true",
        "always: false, flow_at_most: limit",
        "always: {form: '20:00'}, flow_at_most: limit",
        "always: true, at: '20:00', flow_at_most: limit",
        "always: true, stays: true, flow_at_most: limit",
        "always: true, flow_at_most: 50 A",
        "always: true, node: C1, flow_at_most: much",
        "always: true, node: C1, flow_at_most: 5 A, mode: SAFE",
        "by: noon, node: GC1, state: OK",
        "at: '20:00', node: GC1, state: FINE",
        "at: '20:00', state: OK",
        "at: '20:00', node: CP1/1, setpoint_at_most: 5 kW",
        "at: '20:00', vehicle: bus1, soc_at_least: 80",
        "at: '20:00', charge_point: CP1, reachable: no",
        "always: true, breaches: 0",
        "by: '20:00', breaches: none",
        "always: true, breach: commanded",
        "by: '20:00', stays: true, breach: commanded",
        "by: '20:00', breach: comanded",
        "no_limit_broken: false",
        "peak: 5 kW",
    ],
)
def test_the_schema_refuses_a_wrong_expectation(expectation: str) -> None:
    assert complaints(f"{SCENARIO}expectations:\n  - {{{expectation}}}\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("duration: 4 h", "duration: 4 hours"),
        ("start: 2026-07-14T18:00:00+08:00", "start: 2026-07-14T18:00:00"),
        ("start: 2026-07-14T18:00:00+08:00\n", ""),
        ("seed: 5", "sede: 5"),
        ("phases: 1", "phases: 4"),
        ("soc: 30 %", "soc: 30"),
        ('"18:00": 40 kW', '"25:00": 40 kW'),
        ("schema: busbar/scenario/1", "schema: busbar/scenario/2"),
        ("depot: depot.yaml", "depot: {id: north}"),
    ],
)
def test_the_schema_refuses_a_wrong_scenario(old: str, new: str) -> None:
    assert old in SCENARIO
    assert complaints(SCENARIO + EXPECTED) == []
    assert complaints(SCENARIO.replace(old, new) + EXPECTED)


def test_a_depot_in_the_scenario_keeps_the_schema() -> None:
    inline = "depot:\n" + "".join(f"  {line}\n" for line in DEPOT.splitlines())
    assert complaints(SCENARIO.replace("depot: depot.yaml\n", inline)) == []


def test_the_schema_tells_more_than_half_of_what_the_reader_refuses() -> None:
    """What needs the depot, the calendar or arithmetic is beyond a schema."""
    entries = [("events", entry) for entry, _, _ in REFUSED_FAULTS]
    entries += [("expectations", entry) for entry, _, _ in REFUSED_EXPECTATIONS]
    told = [entry for key, entry in entries if complaints(f"{SCENARIO}{key}:\n  - {{{entry}}}\n")]
    assert len(told) > len(entries) / 2


def rows(heading: str) -> dict[str, list[str]]:
    """A table of the page by its first column; several names in one cell are several rows."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in (line for line in section.splitlines() if line.startswith("|")):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        for name in re.findall(r"`(\w+)`", cells[0]):
            found[name] = cells[1:]
    return found


def test_the_page_tells_of_every_fault_where_it_is_and_what_it_takes() -> None:
    told = rows("Faults")
    assert set(told) == {kind.value for kind in FAULT_RULES}
    for kind, rule in FAULT_RULES.items():
        happens, keys = told[kind]
        assert happens == rule.happens
        named = set(re.findall(r"`(\w+)`", keys))
        needed = set() if rule.place is Place.NOWHERE else {"node"}
        assert named == {*needed, *rule.needs, *rule.may, *({"until"} if rule.needs_end else ())}


def test_the_page_tells_of_every_condition() -> None:
    told = rows("What has to be true")
    assert set(told) == set(CONDITION_RULES)
    for key, rule in CONDITION_RULES.items():
        subject, example, says = told[key]
        assert (subject.split("`")[1], example, says) == (rule.subject, f"`{rule.value}`", rule.says)


def test_the_page_shows_the_example_as_it_is_and_it_can_be_read() -> None:
    assert f"```yaml\n{EXAMPLE.read_text()}```" in PAGE.read_text()
    scenario = load_scenario(EXAMPLE)
    assert len(scenario.faults) == 2
    assert len(scenario.expectations) == 5
