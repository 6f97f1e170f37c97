"""Faults and expectations over time in scenario files: what is read, and what is refused where, why, and what then."""

from pathlib import Path

import pytest
from made_scenarios import DEPOT, SCENARIO, made, write_scenario

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, ApparentPower, Current
from busbar.engine.breach_record import BreachCause
from busbar.simulator.expectation import (
    Always,
    At,
    BreachOf,
    By,
    FlowAtMost,
    Holds,
    InMode,
    NoBreach,
    Reachable,
    SetpointAtLeast,
    SetpointAtMost,
    SocAtLeast,
)
from busbar.simulator.fault import FAULT_RULES, FaultEvent, FaultKind
from busbar.simulator.play import play
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.times import FOREVER_S, Span


def refused(folder: Path, more: str) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as caught:
        load_scenario(write_scenario(folder, SCENARIO, more))
    return caught.value.problems


def only(folder: Path, more: str) -> Problem:
    problems = refused(folder, more)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


def test_faults_are_read_among_the_events(tmp_path: Path) -> None:
    more = """\
events:
  - {from: "19:10", until: "19:20", node: CP2, fault: answer_never, share: 50 %, note: a  deaf one}
  - {from: "19:30", node: GC1, envelope: 60 kVA}
  - {from: "20:00", for: 90 s, node: GC1, fault: meter_silent}
  - {from: "20:10", fault: message_delayed, delay: 250 ms}
  - {from: "21:00", node: GC1, fault: base_load_step, amount: -60 kW, until: "21:30"}
  - {from: "21:10", fault: clock_step, step: -1 h}
  - {fault: process_killed, nth: 3, for: 10 s}
"""
    scenario = made(tmp_path, more=more)
    assert len(scenario.events) == 1
    assert scenario.faults == (
        FaultEvent(
            span=Span(from_s=4200, until_s=4800),
            kind=FaultKind.ANSWER_NEVER,
            node="CP2",
            share=0.5,
            note="a deaf one",
        ),
        FaultEvent(span=Span(from_s=7200, until_s=7290), kind=FaultKind.METER_SILENT, node="GC1"),
        FaultEvent(span=Span(from_s=7800, until_s=FOREVER_S), kind=FaultKind.MESSAGE_DELAYED, delay_s=0.25),
        FaultEvent(
            span=Span(from_s=10_800, until_s=12_600),
            kind=FaultKind.BASE_LOAD_STEP,
            node="GC1",
            amount=ActivePower(w=-60_000),
        ),
        FaultEvent(span=Span(from_s=11_400), kind=FaultKind.CLOCK_STEP, step_s=-3600),
        FaultEvent(span=Span(from_s=0, until_s=10), kind=FaultKind.PROCESS_KILLED, nth=3),
    )


def test_every_event_may_say_how_long_instead_of_until_when(tmp_path: Path) -> None:
    scenario = made(tmp_path, more='events: [{from: "19:00", for: 30 min, node: GC1, envelope: 60 kVA}]\n')
    assert scenario.events[0].span == Span(from_s=3600, until_s=5400)


def test_expectations_over_time_are_read(tmp_path: Path) -> None:
    more = """\
expectations:
  - {always: true, flow_at_most: limit}
  - {always: {from: "20:00", until: "21:00"}, node: C1, flow_at_most: 110 A, note: half an hour}
  - {by: "20:01:10", node: GC1, mode: SAFE}
  - {by: "20:01", stays: true, node: C1, breaches: none}
  - {by: "21:00", connector: CP1/1, setpoint_at_least: 20 kW}
  - {at: "21:00", connector: CP2/1, setpoint_at_most: 0 A}
  - {by: "21:00", vehicle: bus1, soc_at_least: 80 %}
  - {by: "21:00", charge_point: CP2, reachable: false}
  - {by: "21:00", breach: charge_point_disobeys}
"""
    amount = Current(l1_ma=110_000, l2_ma=110_000, l3_ma=110_000)
    assert made(tmp_path, more=more).expectations == (
        Holds(when=Always(), subject=None, condition=FlowAtMost(amount=None)),
        Holds(
            when=Always(from_s=7200, until_s=10_800),
            subject="C1",
            condition=FlowAtMost(amount=amount),
            note="half an hour",
        ),
        Holds(when=By(by_s=7270), subject="GC1", condition=InMode(mode=Mode.SAFE)),
        Holds(when=By(by_s=7260, stays=True), subject="C1", condition=NoBreach()),
        Holds(when=By(by_s=10_800), subject="CP1/1", condition=SetpointAtLeast(value=20_000)),
        Holds(when=At(at_s=10_800), subject="CP2/1", condition=SetpointAtMost(value=0)),
        Holds(when=By(by_s=10_800), subject="bus1", condition=SocAtLeast(at_least=0.8)),
        Holds(when=By(by_s=10_800), subject="CP2", condition=Reachable(reachable=False)),
        Holds(when=By(by_s=10_800), subject=None, condition=BreachOf(cause=BreachCause.CHARGE_POINT_DISOBEYS)),
    )


REFUSED_FAULTS = [
    ("fault: meter_silnt, node: GC1", "fault", "meter_silent"),
    ("fault: meter_silent", "node", "Required"),
    ("fault: meter_silent, node: C1", "node", "no meter"),
    ("fault: meter_silent, node: CP1", "node", "grid connection or circuit"),
    ("fault: meter_silent, node: GC1, share: 50 %", "share", "none of its own"),
    ("fault: meter_silent, node: GC1, envelope: 5 kW", "fault", "two entries"),
    ("fault: message_lost, node: CP9", "node", "Did you mean"),
    ("fault: message_lost, node: GC1", "node", "charge point"),
    ("fault: message_lost, share: 0", "share", "nothing"),
    ("fault: message_lost, share: 150 %", "share", "0 to 1"),
    ("fault: message_lost, delay: 5 s", "delay", "`share`"),
    ("fault: message_delayed", "delay", "Add `delay: 5 s`"),
    ("fault: message_delayed, delay: 0 s", "delay", "above zero"),
    ("fault: message_delayed, delay: -1 s", "delay", "above zero"),
    ("fault: answer_late, delay: soon", "delay", "duration"),
    ("fault: draws_more, node: CP1", "factor", "1.3"),
    ("fault: draws_more, node: CP1, factor: 0", "factor", "above zero"),
    ("fault: draws_more, node: CP1, factor: 0.5", "factor", "Not more than 1"),
    ("fault: ramps_slowly, node: CP1, factor: 1", "factor", "Not more than 1"),
    ("fault: meter_wrong_unit, node: GC1, factor: 10", "factor", "`1000` or `0.001`"),
    ("fault: meter_wrong_unit, node: GC1", "factor", "Add `factor: 1000`"),
    ("fault: operator_override, amount: 50 kW", "node", "Required"),
    ("fault: operator_override, node: CP1, amount: 50 A", "amount", "kW"),
    ("fault: operator_override, node: CP2, amount: 5 kW", "amount", "16 A"),
    ("fault: base_load_step, node: GC1", "amount", "Add `amount: 60 kW`"),
    ("fault: base_load_step, node: C1, amount: 60 kW", "node", "no meter"),
    ("fault: limit_cut, node: GC1, amount: 9 kVA", "amount", "safe"),
    ("fault: limit_cut, node: GC1, amount: -9 kVA", "amount", "Negative"),
    ("fault: envelope_lapses, node: C1, amount: 50 A", "until", "runs out"),
    ("fault: clock_step, step: 0 s", "step", "forward or back"),
    ("fault: clock_step, step: 1 h, node: GC1", "node", "charge point"),
    ("fault: store_fails, node: GC1", "node", "no node"),
    ("fault: process_killed, nth: 0", "nth", "`1`"),
    ("fault: process_killed, nth: often", "nth", "whole number"),
    ('fault: profile_expired, node: CP1, from: "19:00", for: 90 s', "for", "180 s"),
    ('fault: message_lost, from: "23:00"', "from", "18:00 to 22:00"),
    ('fault: message_lost, until: "22:01"', "until", "Outside"),
    ("fault: message_lost, for: 5 h", "for", "Outside"),
    ('fault: message_lost, from: "20:00", until: "19:00"', "until", "ends before"),
    ('fault: message_lost, until: "19:00", for: 5 min', "for", "one of the two"),
    ("fault: message_lost, for: ever", "for", "duration"),
    ("fault: message_lost, charge_point: CP1", "charge_point", "no such key"),
]


@pytest.mark.parametrize(("fault", "key", "word"), REFUSED_FAULTS)
def test_a_mistake_in_a_fault_is_refused_with_its_place_and_a_fix(
    tmp_path: Path, fault: str, key: str, word: str
) -> None:
    problem = only(tmp_path, f"events:\n  - {{{fault}}}\n")
    assert (problem.path, problem.line) == (f"events[0].{key}", 18)
    assert word in f"{problem.rule} {problem.fix}"


REFUSED_EXPECTATIONS = [
    ("always: true", "", "flow_at_most"),
    ("always: false, flow_at_most: limit", ".always", "true"),
    ("always: {from: '20:00', until: '19:00'}, flow_at_most: limit", ".always.until", "ends before"),
    ("always: {form: '20:00'}, flow_at_most: limit", ".always.form", "`from`"),
    ("always: true, at: '20:00', flow_at_most: limit", ".at", "two entries"),
    ("always: true, stays: true, flow_at_most: limit", ".stays", "no such key"),
    ("always: true, flow_at_most: 50 A", ".node", "Required"),
    ("always: true, node: C9, flow_at_most: 50 A", ".node", "C1"),
    ("always: true, node: C1, flow_at_most: much", ".flow_at_most", "32 A"),
    ("always: true, node: C1, flow_at_most: 5 A, mode: SAFE", ".mode", "two entries"),
    ("at: '22:30', node: GC1, state: OK", ".at", "Outside"),
    ("by: '17:59', node: GC1, state: OK", ".by", "Outside"),
    ("by: noon, node: GC1, state: OK", ".by", "21:30"),
    ("at: '20:00', node: GC1, state: FINE", ".state", "OK"),
    ("at: '20:00', state: OK", ".node", "Required"),
    ("at: '20:00', node: CP1, mode: SAFE", ".node", "circuit"),
    ("at: '20:00', node: CP1/1, setpoint_at_most: 5 kW", ".connector", "Required"),
    ("at: '20:00', connector: CP1/3, setpoint_at_most: 5 kW", ".connector", "Did you mean"),
    ("at: '20:00', connector: CP1, setpoint_at_most: 5 kW", ".connector", "CP1/1"),
    ("at: '20:00', connector: CP1/1, setpoint_at_most: 5 A", ".setpoint_at_most", "150 kW"),
    ("at: '20:00', connector: CP2/1, draw_at_most: 5 kW", ".draw_at_most", "amperes"),
    ("at: '20:00', vehicle: bus1, soc_at_least: 80", ".soc_at_least", "80 %"),
    ("at: '20:00', charge_point: CP1, reachable: no", ".reachable", "false"),
    ("always: true, breaches: 0", ".breaches", "none"),
    ("by: '20:00', breaches: none", ".breaches", "stays: true"),
    ("always: true, breach: commanded", ".breach", "by:"),
    ("by: '20:00', stays: true, breach: commanded", ".stays", "Remove"),
    ("by: '20:00', breach: comanded", ".breach", "commanded"),
]


@pytest.mark.parametrize(("expectation", "key", "word"), REFUSED_EXPECTATIONS)
def test_a_mistake_in_an_expectation_over_time_is_refused_with_a_fix(
    tmp_path: Path, expectation: str, key: str, word: str
) -> None:
    problems = refused(tmp_path, f"expectations:\n  - {{{expectation}}}\n")
    found = {problem.path: f"{problem.rule} {problem.fix}" for problem in problems}
    assert word in found[f"expectations[0]{key}"]
    assert {problem.line for problem in problems} == {18}


def test_a_vehicle_that_is_expected_to_be_full_has_to_exist(tmp_path: Path) -> None:
    problem = only(tmp_path, "expectations: [{at: '20:00', vehicle: bus7, soc_at_least: 80 %}]\n")
    assert (problem.path, "Did you mean `bus" in problem.fix) == ("expectations", True)


def test_all_offenders_are_named_at_once(tmp_path: Path) -> None:
    more = """\
events:
  - {from: "19:10", node: CP9, fault: answer_never, share: 0}
  - {from: "20:00", fault: meter_silent}
expectations:
  - {by: "23:10", node: GC9, mode: SAFE}
"""
    assert [(problem.path, problem.line) for problem in refused(tmp_path, more)] == [
        ("events[0].node", 18),
        ("events[0].share", 18),
        ("events[1].node", 19),
        ("expectations[0].by", 21),
        ("expectations[0].node", 21),
    ]


def test_every_kind_of_fault_has_a_rule() -> None:
    assert set(FAULT_RULES) == set(FaultKind)


def test_the_depot_may_stand_in_the_scenario_itself(tmp_path: Path) -> None:
    inline = "depot:\n" + "".join(f"  {line}\n" for line in DEPOT.splitlines())
    scenario = made(tmp_path, SCENARIO.replace("depot: depot.yaml\n", inline))
    assert scenario.depot == made(tmp_path).depot
    with pytest.raises(RefusedError) as caught:
        made(tmp_path, SCENARIO.replace("depot: depot.yaml\n", inline.replace("parent: GC1", "parent: GC7")))
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("depot.circuits[1].parent", 8)
    assert Path(problem.file or "").name == "night.yaml"


def test_the_simulator_that_plays_no_faults_says_so(tmp_path: Path) -> None:
    scenario = made(tmp_path, more='events: [{from: "19:00", fault: store_fails, for: 5 s}]\n')
    with pytest.raises(BusbarError, match="this scenario has faults; run it with busbar accept"):
        play(scenario)
    over_time = made(tmp_path, more="expectations: [{always: true, breaches: none}]\n")
    with pytest.raises(BusbarError, match="busbar accept"):
        play(over_time)


def test_a_cut_limit_is_one_the_depot_could_have(tmp_path: Path) -> None:
    scenario = made(tmp_path, more="events: [{fault: limit_cut, node: GC1, amount: 90 kVA}]\n")
    assert scenario.faults[0].amount == ApparentPower(va=90_000)
