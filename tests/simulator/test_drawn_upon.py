"""Trials upon a scenario: it begins again when it is short, and what goes wrong is drawn all over its depot."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_trials import fault, kilowatts, made_trial

from busbar.core.depot_rules import check_depot
from busbar.core.projection import project
from busbar.core.units import ActivePower
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import CapacityEvent, EnvelopeEvent, Load, Scenario, Span, with_capacity
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.times import FOREVER_S
from busbar.simulator.trials.drawn import CALM_BEGIN_S, CALM_END_S
from busbar.simulator.trials.drawn_upon import LONGEST_CYCLE_S, STRETCH_S, drawn_upon, parts_of, what_may_happen
from busbar.simulator.trials.pairs import aimed_pairs
from busbar.simulator.trials.stretched import begins_again_s, stretched

LARGE = ("two_feeders_110", "solar_132", "utility_35", "spiceev_30", "wa_pta_night")
SCENARIOS = Path(__file__).parents[2] / "scenarios"
HOURS = 3


@cache
def shipped(name: str) -> Scenario:
    return load_scenario(SCENARIOS / f"{name}.yaml")


@cache
def drawn(name: str) -> Scenario:
    return drawn_upon(shipped(name), seed=1, duration_s=3600 * HOURS)


def visiting(arrives_s: int, departs_s: int) -> Scenario:
    """Half an hour in which one vehicle comes."""
    scenario = made_trial(duration_s=1800)
    return replace(scenario, vehicles=(replace(scenario.vehicles[0], arrives_s=arrives_s, departs_s=departs_s),))


# Longer


def test_a_scenario_begins_again_when_its_vehicles_have_left() -> None:
    found = stretched(visiting(100, 3000), seed=1, duration_s=9000)
    assert begins_again_s(visiting(100, 3000)) == 3600
    stays = [(each.id, each.arrives_s, each.departs_s) for each in found.vehicles]
    assert stays == [("van1", 100, 3000), ("van1.2", 3700, 6600), ("van1.3", 7300, 10_200)]
    assert found.duration_s == 9000


def test_who_stays_for_days_leaves_a_minute_before_coming_again() -> None:
    found = stretched(visiting(50, 10**6), seed=1, duration_s=3 * 86_400)
    assert [(each.arrives_s, each.departs_s) for each in found.vehicles[:2]] == [(50, 86_390), (86_450, 172_790)]


def test_base_load_and_events_come_again_and_what_lasts_for_ever_does_not() -> None:
    steps = Load(
        circuit="GC1", name="Steps", points=((-60, kilowatts(10)), (600, kilowatts(20)), (9999, kilowatts(30)))
    )
    daily = replace(steps, name="Daily", is_daily=True, points=((0, kilowatts(5)),))
    envelope = EnvelopeEvent(span=Span(from_s=200, until_s=400), node="GC1", limit=kilowatts(50))
    for_ever = replace(envelope, span=Span(from_s=300))
    lost = fault(FaultKind.MESSAGE_LOST, 500, 520, "CP1")
    scenario = replace(visiting(0, 1500), loads=(steps, daily), events=(envelope, for_ever), faults=(lost,))
    found = stretched(scenario, seed=1, duration_s=3600)
    assert found.loads[0].points == tuple(
        (at_s, kilowatts(kw)) for at_s, kw in ((0, 10), (600, 20), (1800, 10), (2400, 20))
    )
    assert found.loads[1] == daily
    assert [each.span for each in found.events] == [
        Span(from_s=200, until_s=400),
        Span(from_s=300, until_s=FOREVER_S),
        Span(from_s=2000, until_s=2200),
    ]
    assert [each.span.from_s for each in found.faults] == [500, 2300]


def test_a_shorter_time_is_cut_out() -> None:
    found = stretched(shipped("utility_35"), seed=1, duration_s=3600)
    assert (found.duration_s, found.expectations, found.fleets) == (3600, (), ())
    assert all(each.arrives_s < 3600 for each in found.vehicles)


# What goes wrong


@pytest.mark.parametrize("name", LARGE)
def test_at_least_twenty_things_go_wrong_an_hour_and_every_half_hour_ends_calmly(name: str) -> None:
    scenario = drawn(name)
    faults = [each for each in scenario.faults if each not in shipped(name).faults]
    assert len(faults) >= 0.8 * 20 * HOURS
    for each in faults:
        begin_s = each.span.from_s // STRETCH_S * STRETCH_S
        assert each.span.from_s >= begin_s + CALM_BEGIN_S
        assert each.span.until_s <= begin_s + STRETCH_S - CALM_END_S
    assert scenario.cycle_s <= LONGEST_CYCLE_S


@pytest.mark.parametrize("name", LARGE)
def test_it_goes_wrong_all_over_the_depot_and_seldom_more_than_three_times_at_once_in_one_part(name: str) -> None:
    scenario = drawn(name)
    parts = parts_of(project(scenario.depot).connectors)
    circuits = {unit.circuit for unit in scenario.depot.charge_points}
    struck = {each.node for each in scenario.faults} & parts.keys()
    assert all(any(not parts[circuit].isdisjoint(parts[node]) for node in struck if node) for circuit in circuits)
    too_many = [
        sum(_strikes(each, circuit, parts) and each.span.holds(at_s) for each in scenario.faults) > 3
        for circuit in circuits
        for at_s in range(0, scenario.duration_s, 60)
    ]
    assert np.mean(too_many) < 0.1


def _strikes(each: FaultEvent, circuit: str, parts: Mapping[str, frozenset[str]]) -> bool:
    return each.node is None or each.node not in parts or not parts[each.node].isdisjoint(parts[circuit])


@pytest.mark.parametrize("name", LARGE)
def test_nobody_is_asked_for_what_the_depot_does_not_promise(name: str) -> None:
    """A cut limit leaves room for base load that nobody sees, and base load rises within the same."""
    scenario = drawn(name)
    may = what_may_happen(scenario, project(scenario.depot).connectors)
    steps = [each for each in scenario.faults if each.kind is FaultKind.BASE_LOAD_STEP]
    cuts = [each for each in scenario.faults if each.kind is FaultKind.LIMIT_CUT]
    assert steps or name == "wa_pta_night"
    assert cuts
    for each in steps:
        assert isinstance(each.amount, ActivePower)
        assert each.node is not None
        assert each.amount.w <= may.base_w[each.node]
    for each in cuts:
        assert each.node is not None
        assert each.amount is not None
        assert check_depot(with_capacity(scenario.depot, each.node, each.amount)) == ()


def test_base_load_beyond_what_is_promised_leaves_its_meter_alone() -> None:
    """75 kVA are for base load that nobody sees."""
    depot = made_trial().depot
    for base_w, names in ((20_000, ("GC1",)), (90_000, ())):
        scenario = made_trial(base_load_w=base_w)
        assert what_may_happen(scenario, project(depot).connectors).meters == names


def test_a_capacity_that_the_scenario_edits_is_not_cut_as_well() -> None:
    edit = CapacityEvent(span=Span(from_s=300, until_s=600), node="C2", limit=kilowatts(90))
    scenario = made_trial(events=(edit,))
    assert what_may_happen(scenario, project(scenario.depot).connectors).lowest_share["C2"] == 1.0
    assert what_may_happen(made_trial(), project(scenario.depot).connectors).lowest_share["C2"] < 0.1


def test_generation_takes_nothing_from_what_base_load_may_rise_by() -> None:
    scenario = made_trial(base_load_w=-60_000)
    none = made_trial(base_load_w=0)
    left_w, most_w = (what_may_happen(each, project(each.depot).connectors).base_w["GC1"] for each in (scenario, none))
    assert left_w == most_w > 50_000


def test_what_the_scenario_says_stays() -> None:
    own = fault(FaultKind.CONNECTION_DROPPED, 100, 140, "CP1")
    scenario = drawn_upon(made_trial(own, duration_s=1800), seed=2)
    assert own in scenario.faults
    assert len(scenario.faults) > 8


def test_the_same_seed_draws_the_same_and_another_something_else() -> None:
    again = drawn_upon(shipped("utility_35"), seed=1, duration_s=3600 * HOURS)
    assert again == drawn("utility_35")
    other = drawn_upon(shipped("utility_35"), seed=2, duration_s=3600 * HOURS)
    assert other.faults != again.faults
    assert other.vehicles != again.vehicles


def test_twenty_days_aim_at_every_pair() -> None:
    aimed = {pair for seed in range(20) for half_hour in range(48) for pair in aimed_pairs(48 * seed + half_hour)}
    assert len(aimed) == 561


@pytest.mark.parametrize("name", ["utility_35", "spiceev_30"])
def test_a_trial_reads_back_from_its_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{drawn(name).id}.yaml"
    path.write_text(scenario_text(drawn(name)))
    assert load_scenario(path) == drawn(name)
