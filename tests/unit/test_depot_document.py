"""Every refusal of a depot document says where, what, which rule and what to write instead. No disk."""

from dataclasses import dataclass

import pytest

from busbar.adapters.files.depot_file import parse_depot
from busbar.adapters.files.document import parse_document
from busbar.core.depot import CurrentKind, Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.units import Current, Phase

GOOD = """\
schema: busbar/depot/1
depot:
  id: north
  voltage: 415 V
circuits:
  - id: GC1
    rating: 1500 kVA
    default_operating_capacity: 1200 kVA
    safe_operating_capacity: 600 kVA
    meter: true
  - id: C1
    parent: GC1
    default_operating_capacity: 640 A
    safe_operating_capacity: 320 A
  - id: C2
    parent: C1
    default_operating_capacity: 250 A
charge_points:
  - id: CP1
    circuit: C1
    current: DC
    max_rating: 400 kW
    connectors:
      - id: 1
        max_rating: 150 kW
        min: 10 kW
        step: 1 kW
  - id: CP2
    circuit: C2
    current: AC
    max_rating: 32 A
    connectors:
      - {id: 1, max_rating: 32 A, min: 6 A, step: 1 A, fallback: 6 A, phases: [L2, L3, L1]}
"""


def depot_of(text: str) -> Depot:
    return parse_depot(parse_document(text.encode(), file="depot.yaml"))


def refusals(text: str) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as refused:
        depot_of(text)
    return refused.value.problems


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    old: str
    new: str
    path: str
    at: str
    """What stands in the line that is reported."""
    value: str | None
    rule: str
    fix: str


def case(name: str, old: str, new: str, path: str, value: str | None, rule: str, fix: str, at: str = "") -> Case:
    return Case(name=name, old=old, new=new, path=path, at=at or new, value=value, rule=rule, fix=fix)


AC = "{id: 1, max_rating: 32 A, min: 6 A, step: 1 A, fallback: 6 A, phases: [L2, L3, L1]}"
CASES = [
    case("unknown parent", "parent: GC1", "parent: GC11", "circuits[1].parent", "GC11", "no circuit", "`GC1`"),
    case("self-parent", "parent: GC1", "parent: C1", "circuits[1].parent", "C1", "feed itself", "leave `parent`"),
    case("depot as parent", "parent: GC1", "parent: north", "circuits[1].parent", "north", "depot", "leave"),
    case("charge point as parent", "parent: GC1", "parent: CP1", "circuits[1].parent", "CP1", "charge point", "Name"),
    case("duplicate circuit", "- id: C2", "- id: C1", "circuits[2].id", "C1", "circuits[1] has", "`C1-2`",
         at="- id: C1\n    parent: C1"),
    case("charge point named as circuit", "id: CP2", "id: GC1", "charge_points[1].id", "GC1", "circuits[0]", "`GC1-2`",
         at="- id: GC1\n    circuit"),
    case("circuit named as depot", "id: north", "id: GC1", "circuits[0].id", "GC1", "depot has", "`GC1-2`",
         at="- id: GC1"),
    case("id with slash", "id: CP2", "id: CP/2", "charge_points[1].id", "CP/2", "no `/`", "`CP-2`"),
    case("empty id", "id: CP2", 'id: ""', "charge_points[1].id", "", "not empty", "`C1`"),
    case("id with space", "id: CP2", 'id: "CP2 "', "charge_points[1].id", "CP2 ", "space", "`CP2`"),
    case("id with control", "id: CP2", 'id: "CP\\a2"', "charge_points[1].id", "CP\\u00072", "control", "`CP-2`"),
    case("missing id", "id: CP2\n    circuit", "circuit", "charge_points[1].id", None, "missing", "`id: CP1`",
         at="circuit: C2"),
    case("not a number", "640 A", "NaN A", "circuits[1].default_operating_capacity", "NaN A", "finite", "32 A"),
    case("infinite", "640 A", ".inf", "circuits[1].default_operating_capacity", ".inf", "finite", "32 A"),
    case("minus infinite", "640 A", "-Infinity A", "circuits[1].default_operating_capacity", "-Infinity A", "finite",
         "32 A"),
    case("negative capacity", "640 A", "-640 A", "circuits[1].default_operating_capacity", "-640 A", "Negative",
         "zero"),
    case("negative rating", "max_rating: 400 kW", "max_rating: -400 kW", "charge_points[0].max_rating", "-400 kW",
         "Negative", "positive"),
    case("missing unit", "640 A", "640", "circuits[1].default_operating_capacity", "640", "unit is missing", "`640 A`"),
    case("unknown unit", "640 A", "640 Amp", "circuits[1].default_operating_capacity", "640 Amp", "Unknown unit", "kA"),
    case("unit in other letters", "640 A", "640 kva", "circuits[1].default_operating_capacity", "640 kva",
         "Unknown unit", "`640 kVA`"),
    case("thousands separator", "1200 kVA", "1,200 kVA", "circuits[0].default_operating_capacity", "1,200 kVA",
         "separated", "nothing between"),
    case("absurd", "640 A", "640e9 A", "circuits[1].default_operating_capacity", "640e9 A", "Too large", "unit"),
    case("voltage as capacity", "640 A", "640 V", "circuits[1].default_operating_capacity", "640 V", "voltage", "32 A"),
    case("A where the voltage is missing", "  voltage: 415 V\n", "", "depot.voltage", None,
         "amperes and kVA mean nothing", "`voltage: 415 V`", at="id: north"),
    case("kW per phase", "250 A", "{L1: 20 kW, L2: 9 A, L3: 9 A}", "circuits[2].default_operating_capacity.L1",
         "20 kW", "Per phase only amperes", "83.4 A"),
    case("kW for an AC charge point", "max_rating: 32 A\n", "max_rating: 22 kW\n", "charge_points[1].max_rating",
         "22 kW", "amperes per phase", "`30.6 A`"),
    case("kW for one AC phase", AC, "{id: 1, max_rating: 7.4 kW, phases: [L2]}",
         "charge_points[1].connectors[0].max_rating", "7.4 kW", "amperes per phase", "`30.8 A`"),
    case("A for a DC charge point", "max_rating: 400 kW", "max_rating: 400 A", "charge_points[0].max_rating", "400 A",
         "not amperes", "150 kW"),
    case("safe above default", "320 A", "700 A", "circuits[1].safe_operating_capacity", "700 A",
         "above default_operating_capacity (640 A)", "`640 A`"),
    case("safe above default in kVA", "320 A", "461 kVA", "circuits[1].safe_operating_capacity", "461 kVA", "on L1",
         "460.032 kVA"),
    case("safe above default on one phase", "320 A", "{L1: 9 A, L2: 641 A, L3: 9 A}",
         "circuits[1].safe_operating_capacity", None, "on L2", "`640 A`"),
    case("default above rating", "default_operating_capacity: 1200 kVA", "default_operating_capacity: 1501 kVA",
         "circuits[0].default_operating_capacity", "1501 kVA", "above rating (1500 kVA)", "`1500 kVA`"),
    case("safe leaves a row open", "320 A", "100 kW", "circuits[1].safe_operating_capacity", "100 kW", "each phase",
         "A or kVA"),
    case("safe leaves the total open", "640 A", "400 kW", "circuits[1].safe_operating_capacity", "320 A",
         "the total open", "kW", at="320 A"),
    case("missing default", "    default_operating_capacity: 640 A\n", "",
         "circuits[1].default_operating_capacity", None, "missing", "`default_operating_capacity: 640 A`",
         at="- id: C1"),
    case("metered without safe", "    safe_operating_capacity: 600 kVA\n", "", "circuits[0].safe_operating_capacity",
         None, "meter needs a safe", "`1200 kVA`", at="- id: GC1"),
    case("per-phase misses a phase", "250 A", "{L1: 9 A, L2: 9 A}", "circuits[2].default_operating_capacity", None,
         "leaves L3 open", "Add L3"),
    case("per-phase names a phase too many", "250 A", "{L1: 9 A, L2: 9 A, L3: 8 A}\n    phases: [L1, L2]",
         "circuits[2].default_operating_capacity", None, "names L3", "Remove L3", at="L3: 8 A"),
    case("equal per-phase names a phase too many", "250 A", "{L1: 9 A, L2: 9 A, L3: 9 A}\n    phases: [L1, L2]",
         "circuits[2].default_operating_capacity.L3", "9 A", "L3 is not there", "Remove", at="L3: 9 A"),
    case("unknown phase in a capacity", "250 A", "{L1: 9 A, L2: 9 A, L3: 9 A, L4: 9 A}",
         "circuits[2].default_operating_capacity.L4", "9 A", "no such key", "`L1`"),
    case("minimum above maximum", "min: 10 kW", "min: 151 kW", "charge_points[0].connectors[0].min", "151 kW",
         "above the connector's max_rating (150 kW)", "`min: 150 kW`"),
    case("default minimum above maximum", AC, "{id: 1, max_rating: 5 A}", "charge_points[1].connectors[0].min",
         "6 A", "(5 A)", "not written"),
    case("fallback above maximum", "fallback: 6 A", "fallback: 33 A", "charge_points[1].connectors[0].fallback", "33 A",
         "fallback is above", "32 A"),
    case("unknown circuit", "circuit: C2", "circuit: C3", "charge_points[1].circuit", "C3", "no circuit", "`C"),
    case("no circuit", "    circuit: C2\n", "", "charge_points[1].circuit", None, "hangs on a circuit", "circuit: C1",
         at="- id: CP2"),
    case("null circuit", "circuit: C2", "circuit: null", "charge_points[1].circuit", None, "missing", "circuit: C1"),
    case("child with phases its parent lacks", "640 A", "640 A\n    phases: [L1, L2]", "charge_points[0].circuit", "C1",
         "needs all three", "three phases", at="circuit: C1"),
    case("circuit phases not in parent", "parent: C1\n", "parent: C1\n    phases: [L1, L4]\n", "circuits[2].phases",
         "a list of 2", "L4 is no phase", "L1, L2 and L3", at="[L1, L4]"),
    case("duplicate phases", "phases: [L2, L3, L1]", "phases: [L2, L2]", "charge_points[1].connectors[0].phases",
         None, "twice", "`[L2]`"),
    case("line to line on three", "phases: [L2, L3, L1]", "line_to_line: true",
         "charge_points[1].connectors[0].phases", None, "exactly two", "[L1, L2]"),
    case("line to line on DC", "step: 1 kW", "line_to_line: true", "charge_points[0].connectors[0].line_to_line",
         "true", "Only AC", "Leave `line_to_line` out"),
    case("phases on DC", "step: 1 kW", "phases: [L1]", "charge_points[0].connectors[0].phases", "a list of 1",
         "Only AC", "Leave `phases` out"),
    case("no step at the minimum", "step: 1 kW", "steps: [5 kW, 9 kW]", "charge_points[0].connectors[0].steps", None,
         "at or above the minimum (10 kW)", "`9 kW`"),
    case("step above maximum", "step: 1 kW", "steps: [50 kW, 160 kW]", "charge_points[0].connectors[0].steps", None,
         "above the connector's max_rating", "`[50 kW]`"),
    case("no steps", "step: 1 kW", "steps: []", "charge_points[0].connectors[0].steps", "a list of 0", "list", "6 A"),
    case("no step", "step: 1 kW", "step: 0 kW", "charge_points[0].connectors[0].step", "0 kW", "at least", "`1 kW`"),
    case("no connectors", f"\n      - {AC}", " []", "charge_points[1].connectors", None, "at least one", "connectors:",
         at="connectors: []"),
    case("declared generation", "250 A", "250 A\n    base_load: -3 kW", "circuits[2].base_load", "-3 kW",
         "only generation that is measured", "meter", at="base_load"),
    case("unknown strategy", "voltage: 415 V", "voltage: 415 V\n  strategy: equal_shares", "depot.strategy",
         "equal_shares", "no strategy", "`equal_share`", at="strategy"),
    case("unknown time zone", "voltage: 415 V", "voltage: 415 V\n  timezone: Australia/Pert", "depot.timezone",
         "Australia/Pert", "no time zone", "`Australia/Perth`", at="timezone"),
    case("time zone that is a folder", "voltage: 415 V", "voltage: 415 V\n  timezone: Australia", "depot.timezone",
         "Australia", "no time zone", "", at="timezone"),
    case("unknown leaves", "voltage: 415 V", "voltage: 415 V\n  leaves: connectors", "depot.leaves", "connectors",
         "none of", "`connector`", at="leaves"),
    case("no voltage", "415 V", "0 V", "depot.voltage", "0 V", "above 0 V", "415 V"),
    case("broken voltage", "415 V", "415.5 V", "depot.voltage", "415.5 V", "whole volts", "`416 V`"),
    case("wide margin", "voltage: 415 V", "voltage: 415 V\n  voltage_margin: 50 %", "depot.voltage_margin", "50 %",
         "below 50 %", "`5 %`", at="voltage_margin"),
    case("margin without %", "voltage: 415 V", "voltage: 415 V\n  voltage_margin: 5", "depot.voltage_margin", "5",
         "at most 1", "`5 %`", at="voltage_margin"),
    case("no power factor", "current: DC", "current: DC\n    power_factor: 0", "charge_points[0].power_factor", "0",
         "above 0", "0.94", at="power_factor"),
    case("too fine a ratio", "current: DC", "current: DC\n    efficiency: 0.9405", "charge_points[0].efficiency",
         "0.9405", "thousandth", "`0.94` or `0.941`", at="efficiency"),
    case("ratio above one", "current: DC", "current: DC\n    efficiency: 94", "charge_points[0].efficiency", "94",
         "at most 1", "`94 %`", at="efficiency"),
    case("ratio not finite", "current: DC", "current: DC\n    efficiency: nan", "charge_points[0].efficiency", "nan",
         "finite", "94 %", at="efficiency"),
    case("efficiency of AC", "current: AC", "current: AC\n    efficiency: 0.94", "charge_points[1].efficiency", "0.94",
         "in the vehicle", "Leave", at="efficiency"),
    case("unknown key", "meter: true", "metre: true", "circuits[0].metre", "true", "no such key", "`meter`"),
    case("unknown key at the top", "circuits:", "circuit:", "circuit", "a list of 3", "no such key", "`circuits`"),
    case("neither true nor false", "meter: true", "meter: yes", "circuits[0].meter", "yes", "meter", "Write true"),
    case("quoted boolean", "current: AC", 'current: AC\n    in_service: "true"', "charge_points[1].in_service", "true",
         "Neither", "without quotes", at="in_service"),
    case("YAML 1.1 boolean", "current: AC", "current: AC\n    in_service: NO", "charge_points[1].in_service", "NO",
         "Neither", "Write false", at="in_service"),
    case("current in small letters", "current: AC", "current: ac", "charge_points[1].current", "ac", "none of", "`AC`"),
    case("list as text", "id: CP2", "id: [CP2]", "charge_points[1].id", "a list of 1", "single value", "one value"),
    case("text as list", "phases: [L2, L3, L1]", "phases: L1", "charge_points[1].connectors[0].phases", "L1",
         "list of phases", "[L1, L2, L3]"),
    case("text as record", f"- {AC}", "- 1", "charge_points[1].connectors[0]", "1", "mapping", "{id:"),
    case("missing schema", "schema: busbar/depot/1\n", "", "schema", None, "missing", "busbar/depot/1", at="depot:"),
    case("other version", "busbar/depot/1", "busbar/depot/2", "schema", "busbar/depot/2", "only schema",
         "`busbar/depot/1`"),
    case("another kind of file", "busbar/depot/1", "busbar/snapshot/1", "schema", "busbar/snapshot/1", "only schema",
         "`busbar/depot/1`"),
    case("duplicate key", "    meter: true", "    meter: true\n    rating: 1600 kVA", "circuits[0].rating", "1600 kVA",
         "twice: in lines 7 and 11", "Keep one", at="rating: 1600"),
    case("name with control", "id: north", 'id: north\n  name: "a\\e[2J"', "depot.name", "a\\u001b[2J", "one line",
         "`a [2J`", at="name"),
    case("tag", "id: north", "id: !!str north", "depot.id", "tag:yaml.org,2002:str", "Tags", "Remove"),
]  # fmt: skip


@pytest.mark.parametrize("given", CASES, ids=lambda given: given.name)
def test_a_refusal_says_where_what_why_and_what_instead(given: Case) -> None:
    assert GOOD.count(given.old) >= 1
    text = GOOD.replace(given.old, given.new, 1)
    problems = [problem for problem in refusals(text) if problem.path == given.path]
    assert len(problems) == 1, refusals(text)
    problem = problems[0]
    first_line = text[: text.index(given.at)].count("\n") + 1
    assert (problem.file, problem.line) == ("depot.yaml", first_line)
    if given.value is not None:
        assert problem.value == given.value
    assert given.rule in problem.rule
    assert given.fix in problem.fix


ALONE = [given for given in CASES if given.name not in (
    # These are two mistakes, or make a second one.
    "duplicate circuit", "circuit named as depot", "charge point named as circuit", "safe leaves the total open",
    "child with phases its parent lacks", "unknown key at the top", "per-phase names a phase too many",
    "equal per-phase names a phase too many", "line to line on DC",
)]  # fmt: skip


@pytest.mark.parametrize("given", ALONE, ids=lambda given: given.name)
def test_one_mistake_is_reported_once_and_nothing_cascades(given: Case) -> None:
    problems = refusals(GOOD.replace(given.old, given.new, 1))
    assert [problem.path for problem in problems] == [given.path]


def test_a_cycle_of_three_is_reported_once_and_named() -> None:
    text = GOOD.replace("- id: GC1", "- id: GC1\n    parent: C2")
    (problem,) = refusals(text)
    assert (problem.path, problem.line, problem.value) == ("circuits[0].parent", 7, "C2")
    assert "GC1 <- C2 <- C1 <- GC1" in problem.rule
    assert "public grid" in problem.fix


def test_all_offenders_of_a_file_are_reported_in_its_order() -> None:
    text = GOOD.replace("640 A", "640").replace("parent: GC1", "parent: GC9").replace("min: 10 kW", "min: 1 MW")
    text = text.replace("voltage: 415 V", "voltage: 415 V\n  voltage: 400 V").replace("step: 1 A", "stepp: 1 A")
    found = refusals(text)
    assert [problem.path for problem in found] == [
        "depot.voltage",
        "circuits[1].parent",
        "circuits[1].default_operating_capacity",
        "charge_points[0].connectors[0].min",
        "charge_points[1].connectors[0].stepp",
    ]
    assert [problem.line for problem in found] == sorted(problem.line or 0 for problem in found)
    message = str(RefusedError(found))
    assert message.splitlines()[1].startswith("depot.yaml:13: circuits[1].parent = GC9: ")


def test_a_circuit_without_readable_id_does_not_make_its_children_orphans() -> None:
    (problem,) = refusals(GOOD.replace("- id: GC1", "- name: GC1"))
    assert problem.path == "circuits[0].id"


def test_an_unreadable_list_is_reported_once() -> None:
    head, rest = GOOD.split("circuits:\n")
    (problem,) = refusals(head + "circuits: none\ncharge_points:" + rest.split("charge_points:")[1])
    assert (problem.path, problem.value) == ("circuits", "none")
    assert "list" in problem.rule


def test_a_missing_depot_is_reported_once() -> None:
    (problem,) = refusals(GOOD.replace("depot:\n  id: north\n  voltage: 415 V\n", ""))
    assert (problem.path, problem.line) == ("depot", 1)


def test_what_is_accepted() -> None:
    lone = depot_of("schema: busbar/depot/1\ndepot: {id: NO, voltage: 11 kV}\n")
    assert (lone.id, lone.voltage_v, lone.circuits) == ("NO", 11000, ())
    text = GOOD.replace("id: CP1", "id: 010").replace("circuit: C1", "circuit: GC1").replace("id: C2", "id: 12:30")
    text = text.replace("circuit: C2", "circuit: 12:30").replace("id: CP2", "id: 2026-11-22")
    text += "  - &unit {id: X, circuit: GC1, current: AC, max_rating: 5 A, connectors: [{id: a, max_rating: 8 A}]}\n"
    text += "  - {<<: *unit, id: Y, name: null, in_service: false}\n"
    depot = depot_of(text)
    assert [unit.id for unit in depot.charge_points] == ["010", "2026-11-22", "X", "Y"]
    assert depot.charge_points[3].connectors == depot.charge_points[2].connectors
    assert not depot.charge_points[3].in_service


def test_defaults_are_those_of_the_design() -> None:
    depot = depot_of(
        "schema: busbar/depot/1\ndepot: {id: d, voltage: 415 V}\n"
        "circuits: [{id: C, default_operating_capacity: 9 A}]\n"
        "charge_points:\n"
        "  - {id: A, circuit: C, current: AC, max_rating: 32 A, connectors: [{id: 1, max_rating: 32 A}]}\n"
        "  - {id: D, circuit: C, current: DC, max_rating: 50 kW, connectors: [{id: 1, max_rating: 50 kW}]}\n"
    )
    ac, dc = depot.charge_points
    assert (ac.current, dc.current) == (CurrentKind.AC, CurrentKind.DC)
    assert (ac.efficiency_permille, dc.efficiency_permille) == (1000, 940)
    assert (ac.power_factor_permille, ac.idle_load_w, ac.in_service) == (980, 0, True)
    assert [(unit.connectors[0].minimum, unit.connectors[0].step) for unit in (ac, dc)] == [(6000, 100), (0, 100)]
    assert ac.connectors[0].phases == (Phase.L1, Phase.L2, Phase.L3)
    assert (depot.voltage_margin_permille, depot.base_power_factor_permille) == (50, 900)
    assert depot.circuits[0].safe_operating_capacity is None


def test_limits_round_down_and_loads_up() -> None:
    text = GOOD.replace("640 A", "640.0009 A").replace("250 A", "250 A\n    base_load: 0.0011 kW")
    text = text.replace("fallback: 6 A", "fallback: 6.0001 A").replace(
        "max_rating: 32 A, min", "max_rating: 32.0009 A, min"
    )
    depot = depot_of(text)
    assert depot.circuits[1].default_operating_capacity == Current(l1_ma=640000, l2_ma=640000, l3_ma=640000)
    assert str(depot.circuits[2].base_load) == "ActivePower(w=2)"
    assert depot.charge_points[1].connectors[0].fallback == 6001
    assert depot.charge_points[1].connectors[0].max_rating == 32000


def test_too_many_problems_end_in_saying_so() -> None:
    text = GOOD + "x: 1\n" + "".join(f"x{number}: 1\n" for number in range(10_100))
    problems = refusals(text)
    assert len(problems) == 10_001
    assert "may be more" in problems[-1].rule
