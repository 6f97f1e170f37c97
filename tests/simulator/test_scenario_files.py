"""Scenario files that are refused: where, what, why, and what to write instead; all at once."""

from pathlib import Path

import pytest
from made_scenarios import DEPOT, SCENARIO, write_scenario

from busbar.core.errors import Problem, RefusedError
from busbar.core.units import Current
from busbar.simulator.scenario_file import load_scenario


def refused(folder: Path, scenario: str = SCENARIO, more: str = "", depot: str = DEPOT) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as caught:
        load_scenario(write_scenario(folder, scenario, more, depot))
    return caught.value.problems


def only(folder: Path, scenario: str = SCENARIO, more: str = "") -> Problem:
    problems = refused(folder, scenario, more)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


def fleet(count: int, arrives: str, departs: str) -> str:
    return f"fleets: [{{id: f, count: {count}, type: bus, arrives: {arrives}, departs: {departs}, soc: 5 %}}]"


def test_every_offender_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        SCENARIO.replace("duration: 4 h", "duration: 4 hours")
        .replace("type: van, at: CP2", "type: vann, at: CP9")
        .replace("soc: 40 %", "soc: 40")
    )
    problems = refused(tmp_path, text, "expectation:\n  - no_limit_broken: true\n")
    found = {(problem.path, problem.line) for problem in problems}
    assert found == {
        ("duration", 6),
        ("vehicles[1].soc", 13),
        ("vehicles[2].type", 14),
        ("vehicles[2].at", 14),
        ("expectation", 17),
    }
    assert all(problem.file and problem.file.endswith("night.yaml") and problem.fix for problem in problems)
    fixes = {problem.path: problem.fix for problem in problems}
    assert "`van`" in fixes["vehicles[2].type"]
    assert "`expectations`" in fixes["expectation"]
    assert "40 %" in fixes["vehicles[1].soc"]


@pytest.mark.parametrize(
    ("old", "new", "path", "word"),
    [
        ("start: 2026-07-14T18:00:00+08:00", "start: 2026-07-14T18:00:00", "start", "+08:00"),
        ("cycle: 60 s", "cycle: 7 s", "duration", "multiple of 7 s"),
        ("seed: 5", "seed: five", "seed", "whole number"),
        ("seed: 5", "seed: 5\nstrategy: equal_shares", "strategy", "equal_share"),
        ("seed: 5", "seed: 5\nvoltage: 90 %", "voltage", "voltage_margin"),
        ("target_soc: 70 %", "target_soc: 99 %", "vehicle_types[0].target_soc", "end_soc"),
        ("phases: 1", "phases: 4", "vehicle_types[1].phases", "1, 2 or 3"),
        ("battery: 40 kWh", "battery: 0 kWh", "vehicle_types[1].battery", "Zero"),
        ("{id: bus2,", "{id: bus1,", "vehicles[1].id", "this id"),
        ("circuit: GC1, name", "circuit: GC2, name", "base_load[0].circuit", "GC1"),
        ("circuit: GC1, name", "circuit: C1, name", "base_load[0].circuit", "no meter"),
        ('"18:00": 40 kW', '"18:00": 40 A', "base_load[0].daily", "kW"),
        ('"18:00": 40 kW', '"25:00": 40 kW', "base_load[0].daily.25:00", "time of day"),
        ("depot: depot.yaml", "depot: deppot.yaml", "document", "depot.yaml"),
    ],
)
def test_a_mistake_is_refused_with_a_fix(tmp_path: Path, old: str, new: str, path: str, word: str) -> None:
    assert old in SCENARIO
    problem = only(tmp_path, SCENARIO.replace(old, new))
    assert problem.path == path
    assert word in f"{problem.rule} {problem.fix}"


@pytest.mark.parametrize(
    ("more", "path", "word"),
    [
        ("events: [{node: GC1}]", "events[0]", "envelope"),
        ("events: [{node: GC1, envelope: 5 kW, mode: SAFE}]", "events[0].mode", "two entries"),
        ("events: [{node: CP1, mode: SAFE}]", "events[0].node", "circuit"),
        ("events: [{node: C1, default_operating_capacity: 12 W2}]", "events[0].default_operating_capacity", "unit"),
        ("events: [{node: GC1, default_operating_capacity: 9 kVA}]", "events[0].default_operating_capacity", "safe"),
        (
            'events: [{node: GC1, envelope: 5 kW, until: "20:00"}, {node: GC1, envelope: 6 kW, from: "19:00"}]',
            "events[1].node",
            "Another",
        ),
        ('events: [{node: GC1, envelope: 5 kW, from: "20:00", until: "19:00"}]', "events[0].until", "ends before"),
        ("expectations: [{peak: 5 kW}]", "expectations[0].node", "Required"),
        ("expectations: [{ready_by: '20:00', vehicle: bus9}]", "expectations", "bus"),
        ("expectations: [{no_limit_broken: false}]", "expectations[0].no_limit_broken", "true"),
        (fleet(-1, "'19:00'", "'20:00'"), "fleets[0].count", "From 0"),
        (fleet(1, "'20:00'", "'19:00'"), "fleets[0].departs", "earliest"),
        (fleet(1, "{mean: '19:00', latest: '18:50'}", "'20:00'"), "fleets[0].arrives.mean", "between"),
    ],
)
def test_a_mistake_in_what_else_happens_is_refused(tmp_path: Path, more: str, path: str, word: str) -> None:
    problem = only(tmp_path, more=more + "\n")
    assert problem.path == path
    assert word in f"{problem.rule} {problem.fix}"


def test_mistakes_of_the_depot_are_told_together_with_the_scenarios_own(tmp_path: Path) -> None:
    depot = DEPOT.replace("parent: GC1", "parent: GC7")
    problems = refused(tmp_path, SCENARIO.replace("seed: 5", "seed: x"), depot=depot)
    assert {(Path(problem.file or "").name, problem.path) for problem in problems} == {
        ("depot.yaml", "circuits[1].parent"),
        ("night.yaml", "seed"),
    }


def test_mistakes_in_a_schedule_are_told_with_the_line_of_the_csv(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("id,arrives,departs,soc\n1,18:20,21:00,40 %\n2,late,21:00,40\n")
    more = "schedules:\n  - {id: plan, file: plan.csv, type: bus}\n"
    problems = refused(tmp_path, more=more)
    assert [(Path(problem.file or "").name, problem.line, problem.path) for problem in problems] == [
        ("plan.csv", 3, "arrives"),
        ("plan.csv", 3, "soc"),
    ]


def test_a_schedule_in_our_own_columns_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("id,arrives,departs,soc\n1,18:20,21:00,40 %\n2,18:30:30,21:05,0.5\n")
    scenario = load_scenario(
        write_scenario(tmp_path, more="schedules:\n  - {id: plan, file: plan.csv, type: bus, at: CP1}\n")
    )
    first, second = scenario.schedules[0].vehicles
    assert (first.id, first.arrives_s, first.departs_s, first.soc) == ("plan1", 1200, 10_800, 0.4)
    assert (second.id, second.arrives_s, second.at) == ("plan2", 1830, ("CP1",))


def test_a_missing_start_is_enough_to_say(tmp_path: Path) -> None:
    problem = only(tmp_path, SCENARIO.replace("start: 2026-07-14T18:00:00+08:00\n", ""))
    assert (problem.path, "2026" in problem.fix) == ("start", True)


def test_a_base_load_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("time,l1_a,l2_a,l3_a\n18:00,10,5,2.5\n19:30,20,0,0\n")
    text = SCENARIO.replace('daily: {"18:00": 40 kW, "20:00": 20 kW}', "file: load.csv")
    load = load_scenario(write_scenario(tmp_path, text)).loads[0]
    assert load.points == (
        (0, Current(l1_ma=10_000, l2_ma=5_000, l3_ma=2_500)),
        (5400, Current(l1_ma=20_000, l2_ma=0, l3_ma=0)),
    )
    (tmp_path / "load.csv").write_text("time,kw\n18:00,ten\n26:00,3\n")
    problems = refused(tmp_path, text)
    assert [(problem.line, problem.path) for problem in problems] == [(2, "kw"), (3, "time")]
