"""A scenario written as a file is the same scenario when it is read back, made by a program or read before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_scenarios import DEPOT, SCENARIO, made, write_scenario
from test_scenario_schema import complaints

from busbar.adapters.files.depot_file import dump_depot
from busbar.adapters.files.document import parse_document
from busbar.core.describe import NodeState
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Amount, ApparentPower, Current
from busbar.engine.breach_record import BreachCause
from busbar.simulator.expectation import (
    Always,
    At,
    BreachOf,
    By,
    Condition,
    DrawAtLeast,
    DrawAtMost,
    FlowAtMost,
    Holds,
    InMode,
    InState,
    NoBreach,
    Reachable,
    SetpointAtLeast,
    SetpointAtMost,
    SocAtLeast,
    When,
)
from busbar.simulator.fault import FAULT_RULES, FaultEvent, FaultKind, Place
from busbar.simulator.scenario import Expectation, Load, Scenario, Schedule, Vehicle, VehicleType
from busbar.simulator.scenario_file import load_scenario, parse_scenario
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.times import FOREVER_S, Span

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LASTS_S = 4 * 3600
BUS = VehicleType(id="bus", battery_wh=200_001, max_power_w=80_000, taper_soc=0.8, end_soc=0.95, target_soc=0.7)

EVERYTHING = """\
fleets:
  - {id: f, count: 3, type: bus, arrives: {mean: "19:00", spread: 5 min}, departs: "21:30",
     soc: {mean: 30 %, spread: 5 %}}
schedules:
  - {id: plan, file: plan.csv, type: bus, at: CP1, count: 1}
events:
  - {from: "19:00", until: "20:00", node: GC1, envelope: 90 kVA, note: "evening: less"}
  - {from: "19:00", node: GC1, mode: SAFE}
  - {from: "19:00", until: "19:30", node: C1, default_operating_capacity: {L1: 90 A, L2: 80 A, L3: 70 A}}
  - {from: "20:00", node: CP1, out_of_reach: true}
expectations:
  - no_limit_broken: true
  - vehicles_ready: 95.5 %
  - {peak: 120 kVA, node: GC1}
  - ready_by: "21:00"
  - {ready_by: "21:00:30", vehicle: bus1}
  - energy_delivered: 0.5 kWh
  - fairness: 0.7
  - {binds: GC1, for: 10 min}
"""


def read_back(scenario: Scenario, folder: Path, depot_file: str | None = None) -> Scenario:
    text = scenario_text(scenario, depot_file)
    return parse_scenario(parse_document(text.encode(), file=str(folder / f"{scenario.id}.yaml")))


@pytest.mark.parametrize("name", ["wa_pta_night", "small_ac", "nrel_depot"])
@pytest.mark.parametrize("is_inline", [True, False])
def test_a_shipped_scenario_is_the_same_when_it_is_written_and_read(name: str, is_inline: bool) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    file = {"wa_pta_night": "wa_pta_depot", "small_ac": "small_ac_depot", "nrel_depot": "nrel_depot_site"}[name]
    assert read_back(scenario, SCENARIOS, None if is_inline else f"{file}.yaml") == scenario


def test_everything_a_file_can_say_is_written(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("id,arrives,departs,soc\n1,18:20,21:00,40 %\n2,18:30,21:00,0.123456789\n")
    scenario = load_scenario(write_scenario(tmp_path, SCENARIO, EVERYTHING))
    assert read_back(scenario, tmp_path, "depot.yaml") == scenario


def test_a_depot_is_written_beside_its_scenario(tmp_path: Path) -> None:
    scenario = made(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "site.yaml").write_text(yaml.safe_dump(dump_depot(scenario.depot)))
    (other / f"{scenario.id}.yaml").write_text(scenario_text(scenario, "site.yaml"))
    assert load_scenario(other / f"{scenario.id}.yaml") == scenario


def test_times_on_other_days_and_before_the_start_are_written_as_instants(tmp_path: Path) -> None:
    scenario = made(tmp_path, SCENARIO.replace("duration: 4 h", "duration: 50 h"), "")
    early = Vehicle(id="early", type=BUS, arrives_s=-7200, departs_s=30 * 3600, soc=0.1)
    lasting = FaultEvent(span=Span(from_s=25 * 3600, until_s=50 * 3600), kind=FaultKind.STORE_FAILS)
    scenario = replace(scenario, vehicles=(early,), faults=(lasting,))
    assert read_back(scenario, tmp_path) == scenario


def test_the_hour_that_is_missing_in_spring_moves_nothing(tmp_path: Path) -> None:
    text = SCENARIO.replace("2026-07-14T18:00:00+08:00", "2026-03-28T23:00:00+01:00").split("vehicles:")[0]
    text += 'vehicles:\n  - {id: bus1, type: bus, departs: "2026-03-29T04:00:00+02:00", soc: 30 %}\n'
    depot = DEPOT.replace("Australia/Perth", "Europe/Berlin")
    scenario = made(tmp_path, text.replace("duration: 4 h", "duration: 8 h"), "", depot)
    assert scenario.vehicles[0].departs_s == 4 * 3600
    assert read_back(scenario, tmp_path) == scenario


@pytest.mark.parametrize(
    ("load", "word"),
    [
        (Load(circuit="GC1", name="x", points=((0, ActivePower(w=1)),), is_daily=True), "curve or daily"),
        (Load(circuit="GC1", name="x", points=((0, ApparentPower(va=1)),), is_daily=True, is_curve=True), "kW"),
    ],
)
def test_what_no_file_can_say_is_not_written(tmp_path: Path, load: Load, word: str) -> None:
    scenario = replace(made(tmp_path), loads=(load,))
    with pytest.raises(BusbarError, match=word):
        scenario_text(scenario)


def test_two_types_of_one_name_are_not_written(tmp_path: Path) -> None:
    scenario = made(tmp_path)
    other = replace(scenario.vehicles[0], id="other", type=replace(scenario.vehicles[0].type, battery_wh=1))
    with pytest.raises(BusbarError, match="two vehicle types"):
        scenario_text(replace(scenario, vehicles=(*scenario.vehicles, other)))


seconds = st.integers(0, LASTS_S - 200)
shares = st.floats(0, 1, exclude_min=True).filter(lambda share: share > 1e-90)
words = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=12)


@st.composite
def spans(draw: st.DrawFn, *, must_end: bool = False) -> Span:
    from_s = draw(seconds)
    ends = st.integers(from_s + 91, LASTS_S)
    return Span(from_s=from_s, until_s=draw(ends if must_end else ends | st.just(FOREVER_S)))


def amounts(kind: FaultKind) -> st.SearchStrategy[Amount]:
    if kind is FaultKind.LIMIT_CUT:
        return st.builds(ApparentPower, va=st.integers(60_000, 150_000))
    if kind is FaultKind.OPERATOR_OVERRIDE:
        return st.builds(ActivePower, w=st.integers(0, 100_000))
    low = -(10**6) if kind is FaultKind.BASE_LOAD_STEP else 0
    ma = st.integers(low, 10**6)
    return st.builds(ActivePower, w=ma) | st.builds(Current, l1_ma=ma, l2_ma=ma, l3_ma=st.none() | ma)


@st.composite
def faults(draw: st.DrawFn) -> FaultEvent:
    kind = draw(st.sampled_from(FaultKind))
    rule = FAULT_RULES[kind]
    nodes: dict[Place, list[str | None]] = {
        Place.CHARGE_POINT: ["CP1"],
        Place.CHARGE_POINTS: [None, "CP1", "CP2"],
        Place.METER: ["GC1"],
        Place.CIRCUIT: ["GC1"],
        Place.LIMITED: ["small", "GC1", "C1", "CP1"],
        Place.CLOCK: [None, "CP2"],
        Place.NOWHERE: [None],
    }
    factors = st.sampled_from([1000.0, 0.001]) if kind is FaultKind.METER_WRONG_UNIT else st.floats(1.001, 1e5)
    says = {
        "share": ("share", shares),
        "delay": ("delay_s", st.floats(1e-3, 1e6)),
        "factor": ("factor", factors),
        "step": ("step_s", st.integers(-(10**6), 10**6).filter(bool)),
        "nth": ("nth", st.integers(1, 10**6)),
        "amount": ("amount", amounts(kind)),
    }
    given_values: dict[str, Any] = {
        name: draw(values) for key, (name, values) in says.items() if key in (*rule.needs, *rule.may)
    }
    return FaultEvent(
        span=draw(spans(must_end=rule.needs_end)),
        kind=kind,
        node=draw(st.sampled_from(nodes[rule.place])),
        note=draw(words),
        **given_values,
    )


@st.composite
def holds(draw: st.DrawFn) -> Expectation:
    at, values = seconds, st.integers(0, 10**6)
    always: st.SearchStrategy[When] = st.just(Always()) | st.builds(
        lambda span: Always(from_s=span.from_s, until_s=span.until_s), spans()
    )
    whenever = always | st.builds(At, at_s=at) | st.builds(By, by_s=at, stays=st.booleans())
    no_breach = always | st.builds(At, at_s=at) | st.builds(By, by_s=at, stays=st.just(True))
    some_breach = st.builds(At, at_s=at) | st.builds(By, by_s=at)
    nodes = st.sampled_from(["small", "GC1", "C1", "CP1"])
    connectors = st.sampled_from(["CP1/1", "CP2/1"])
    told: st.SearchStrategy[Condition] = (
        st.builds(SetpointAtLeast, value=values)
        | st.builds(SetpointAtMost, value=values)
        | st.builds(DrawAtLeast, value=values)
        | st.builds(DrawAtMost, value=values)
    )
    kinds: list[tuple[st.SearchStrategy[When], st.SearchStrategy[str | None], st.SearchStrategy[Condition]]] = [
        (whenever, st.none() | nodes, st.just(FlowAtMost(amount=None))),
        (whenever, nodes, st.builds(FlowAtMost, amount=st.builds(ApparentPower, va=values))),
        (whenever, st.sampled_from(["GC1", "C1"]), st.builds(InMode, mode=st.sampled_from(Mode))),
        (whenever, nodes, st.builds(InState, state=st.sampled_from(NodeState))),
        (whenever, connectors, told),
        (whenever, st.just("made"), st.builds(SocAtLeast, at_least=st.floats(0, 1).filter(lambda soc: soc > 1e-90))),
        (whenever, st.just("CP1"), st.builds(Reachable, reachable=st.booleans())),
        (no_breach, st.none() | nodes, st.just(NoBreach())),
        (some_breach, st.none() | nodes, st.builds(BreachOf, cause=st.sampled_from(BreachCause))),
    ]
    when, subject, condition = draw(st.sampled_from(kinds))
    return Holds(when=draw(when), subject=draw(subject), condition=draw(condition), note=draw(words))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return made(tmp_path_factory.mktemp("small"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrives_s=st.integers(-100_000, 300_000),
    soc=st.floats(0, 1).filter(lambda soc: soc == 0 or soc > 1e-90),
    name=words,
    failing=st.lists(faults(), max_size=6),
    expected=st.lists(holds(), max_size=4),
)
def test_a_made_up_scenario_is_the_same_when_it_is_written_and_read(
    small: Scenario, arrives_s: int, soc: float, name: str, failing: list[FaultEvent], expected: list[Expectation]
) -> None:
    stay = Vehicle(id="made", type=BUS, arrives_s=arrives_s, departs_s=arrives_s + 5000, soc=soc, at=("CP1",))
    scenario = replace(
        small,
        name=name,
        vehicles=(stay,),
        schedules=(Schedule(id="listed", vehicles=(replace(stay, id="other", weight=1.5),), count=1),),
        loads=(Load(circuit="GC1", name=name, points=((arrives_s, ActivePower(w=-1)),), noise=soc),),
        faults=tuple(failing),
        expectations=tuple(expected),
    )
    assert read_back(scenario, Path("somewhere")) == scenario
    assert complaints(scenario_text(scenario)) == []
