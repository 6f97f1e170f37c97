"""Trials drawn at random: depots that the rules accept, faults of every kind, and pairs of them that meet."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from tiny_trials import fault, small_trial

from busbar.core.depot import Leaves
from busbar.core.depot_rules import check_depot
from busbar.core.fallbacks import fallbacks_that_do_not_fit
from busbar.core.projection import project
from busbar.engine.beliefs import prove_fallbacks
from busbar.engine.ports import Evidence, TrustLevel
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario, with_capacity
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.scenario_text import scenario_text
from busbar.simulator.trials.drawn import CALM_BEGIN_S, CALM_END_S, START, drawn_scenario
from busbar.simulator.trials.pairs import AIMED, ALL_PAIRS, aimed_pairs, pairs_met

SEEDS = range(60)


@cache
def drawn(seed: int) -> Scenario:
    return drawn_scenario(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_depot_is_accepted_and_its_fallbacks_fit(seed: int) -> None:
    scenario = drawn(seed)
    assert check_depot(scenario.depot) == ()
    connectors = [(unit, one) for unit in scenario.depot.charge_points for one in unit.connectors]
    assert 4 <= len(connectors) <= 24
    evidence = [
        Evidence(
            connector=f"{unit.id}/{one.id}", trust=TrustLevel.ACCEPTED, fallback=one.fallback, at=START, detail="drawn"
        )
        for unit, one in connectors
    ]
    assert prove_fallbacks(project(scenario.depot, leaves=Leaves.CONNECTOR), evidence).excesses == ()
    assert fallbacks_that_do_not_fit(project(scenario.depot, leaves=Leaves.CHARGE_POINT)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_much_goes_wrong_between_a_calm_start_and_a_calm_end(seed: int) -> None:
    scenario = drawn(seed)
    assert len(scenario.faults) >= 20
    assert min(each.span.from_s for each in scenario.faults) >= CALM_BEGIN_S
    assert max(each.span.until_s for each in scenario.faults) <= scenario.duration_s - CALM_END_S
    at_once = [sum(each.span.holds(at_s) for each in scenario.faults) for at_s in range(scenario.duration_s)]
    assert sum(count <= 3 for count in at_once) > 0.9 * scenario.duration_s


@pytest.mark.parametrize("seed", range(20))
def test_a_drawn_trial_reads_back_from_its_file(tmp_path: Path, seed: int) -> None:
    path = tmp_path / f"{drawn(seed).id}.yaml"
    path.write_text(scenario_text(drawn(seed)))
    assert load_scenario(path) == drawn(seed)


def test_a_cut_capacity_leaves_a_depot_that_is_accepted() -> None:
    cuts = [
        (seed, each) for seed in SEEDS for each in drawn(seed).faults if each.kind is FaultKind.LIMIT_CUT and each.node
    ]
    assert len(cuts) > 20
    for seed, each in cuts:
        assert each.node is not None
        assert each.amount is not None
        assert check_depot(with_capacity(drawn(seed).depot, each.node, each.amount)) == ()


def test_depots_differ_in_everything_that_matters() -> None:
    depots = [drawn(seed).depot for seed in SEEDS]
    units = [unit for depot in depots for unit in depot.charge_points]
    assert {depot.leaves for depot in depots} == set(Leaves)
    assert {unit.current for unit in units} == {"AC", "DC"}
    assert any(len(unit.connectors) > 1 for unit in units)
    assert any(one.fallback for unit in units for one in unit.connectors)
    assert any(len(one.phases) == 1 for unit in units for one in unit.connectors)
    assert {sum(circuit.parent is None for circuit in depot.circuits) for depot in depots} == {1, 2}
    assert {bool(circuit.meter) for depot in depots for circuit in depot.circuits} == {True, False}
    assert max(_depth(scenario) for scenario in map(drawn, SEEDS)) == 3


def _depth(scenario: Scenario) -> int:
    above = {circuit.id: circuit.parent for circuit in scenario.depot.circuits}

    def depth(name: str) -> int:
        parent = above[name]
        return 0 if parent is None else 1 + depth(parent)

    return max(map(depth, above))


def test_vehicles_are_there_come_and_leave() -> None:
    stays = [(each.arrives_s, each.departs_s) for seed in SEEDS for each in drawn(seed).vehicles]
    assert any(arrives == 0 for arrives, _ in stays)
    assert any(arrives > 0 for arrives, _ in stays)
    assert any(departs < 1_800 for _, departs in stays)
    assert any(departs > 1_800 for _, departs in stays)
    assert all(arrives < departs for arrives, departs in stays)


def test_every_kind_of_fault_is_drawn() -> None:
    drawn_kinds = Counter(each.kind for seed in SEEDS for each in drawn(seed).faults)
    assert set(drawn_kinds) == set(FaultKind)


def test_the_same_seed_draws_the_same_and_another_seed_something_else() -> None:
    assert drawn_scenario(3) == drawn(3)
    assert drawn_scenario(3).faults != drawn(4).faults


def test_as_many_seeds_as_there_are_pairs_aim_at_each_of_them_three_times() -> None:
    aimed = Counter(pair for seed in range(len(ALL_PAIRS)) for pair in aimed_pairs(seed))
    assert set(aimed) == set(ALL_PAIRS)
    assert set(aimed.values()) == {AIMED}


def test_what_a_seed_aims_at_nearly_always_meets_and_more_meet_besides() -> None:
    aimed = [(seed, frozenset(pair)) for seed in SEEDS for pair in aimed_pairs(seed)]
    met = {seed: pairs_met(drawn(seed)) for seed in SEEDS}
    assert sum(pair in met[seed] for seed, pair in aimed) > 0.98 * len(aimed)
    # Sixty seeds aim at a third of all pairs; by chance most of the others meet too.
    assert len(set().union(*met.values())) > 0.85 * len(ALL_PAIRS)


def test_faults_meet_where_one_begins_at_most_half_a_minute_after_the_other() -> None:
    first = fault(FaultKind.STORE_FAILS, 10, 20)
    for from_s, meets in ((5, True), (20, True), (50, True), (51, False)):
        trial = small_trial((first, fault(FaultKind.MESSAGE_LOST, from_s, from_s + 5)))
        expected = {frozenset((FaultKind.STORE_FAILS, FaultKind.MESSAGE_LOST))} if meets else set()
        assert pairs_met(trial) == expected
