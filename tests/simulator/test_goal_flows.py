"""R1 to R4 in trials: nothing is broken by our own hand, and every rule that looks right and is not is caught."""

from dataclasses import replace

import pytest
from broken_rules import BROKEN_RULES, Mutation
from made_trials import amperes, fault, kilowatts, made_depot, made_trial, made_vehicles

from busbar.engine.control import Control
from busbar.engine.metering import Metering
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario, VehicleType
from busbar.simulator.stations import profiles
from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.goals import flows
from busbar.simulator.trials.goals.committed import CommittedFits
from busbar.simulator.trials.goals.flows import FlowsFit
from busbar.simulator.trials.trial import Result, Trial

MOST_SEEDS = 12
"""A broken rule that survives so many trials is one that they cannot tell from the real one."""
LOST = made_trial(
    fault(FaultKind.MESSAGE_DELAYED, 60, 130, "CP3", delay_s=12.0),
    fault(FaultKind.LIMIT_CUT, 70, 200, "C2", amount=kilowatts(60)),
    fault(FaultKind.CONNECTION_FLAPPING, 210, 300, "CP4"),
    fault(FaultKind.ANSWER_NEVER, 220, 300, "CP3"),
    fault(FaultKind.BASE_LOAD_STEP, 230, 330, "GC1", amount=kilowatts(30)),
    fault(FaultKind.CONNECTION_DROPPED, 340, 520, "CP3"),
    fault(FaultKind.ENVELOPE_LAPSES, 350, 430, "GC1", amount=amperes(110)),
    fault(FaultKind.ANSWER_LATE, 440, 520, "CP4", delay_s=14.0),
    fault(FaultKind.LIMIT_CUT, 450, 500, "C1", amount=amperes(20)),
    duration_s=600,
)


def played(scenario: Scenario, seed: int = 1) -> Result:
    return Trial(scenario, seed=seed, goals=[CommittedFits(), FlowsFit()]).run()


def test_whatever_is_lost_while_limits_fall_nothing_is_broken_by_our_own_hand() -> None:
    result = played(LOST)
    assert [str(violation) for violation in result.violations] == []
    assert result.struck > 20


@pytest.mark.parametrize("mutation", BROKEN_RULES, ids=lambda mutation: mutation.__name__)
def test_a_broken_rule_of_delivery_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    with monkeypatch.context() as broken:
        mutation(broken)
        for scenario, seed in ((LOST, 1), *((drawn_scenario(seed), seed) for seed in range(MOST_SEEDS))):
            found = [violation.goal for violation in played(scenario, seed).violations]
            if found:
                break
    assert set(found) & {"R1", "R2"}
    assert played(scenario, seed).violations == ()


def test_a_limit_that_falls_and_is_not_heeded_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = made_trial(fault(FaultKind.LIMIT_CUT, 100, 200, "C2", amount=kilowatts(50)), duration_s=220)
    fair = played(cut)
    assert fair.violations == ()
    # It was tight: the limit fell below what flowed, and was kept to again in time.
    assert 0 <= fair.figures["over after a change, s"] <= 15
    monkeypatch.setattr(Control, "use", lambda self, depot, now_s: None)
    assert {violation.goal for violation in played(cut).violations} == {"R3"}


def test_what_rises_unseen_behind_a_frozen_meter_is_no_fault_of_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """It froze 30 s before base load rose: nothing below it moves, so nobody can know before it thaws."""
    unseen = made_trial(
        fault(FaultKind.METER_FROZEN, 100, 260, "GC1"),
        fault(FaultKind.BASE_LOAD_STEP, 130, 330, "GC1", amount=kilowatts(30)),
        duration_s=400,
    )
    assert played(unseen).violations == ()
    monkeypatch.setattr(flows, "_MISLEADING", ())
    assert {violation.goal for violation in played(unseen).violations} & {"R2", "R3"}


def test_who_obeys_again_has_to_be_seen_before_it_makes_room_for_its_neighbour() -> None:
    """Of two that ignored Busbar one is back in line a second before the other: nobody could have lowered it."""
    depot, vehicles = made_depot(), made_vehicles()
    top, below, tight = depot.circuits
    car = VehicleType(id="car", battery_wh=100_000, max_power_w=50_000)
    disobeying = made_trial(
        fault(FaultKind.IGNORED, 100, 145, "CP3"),
        duration_s=150,
        depot=replace(
            depot,
            circuits=(
                # Wide, so that it is their own samples that tell.
                replace(top, default_operating_capacity=kilowatts(500), safe_operating_capacity=kilowatts(300)),
                below,
                replace(tight, default_operating_capacity=kilowatts(80)),
            ),
        ),
        vehicles=tuple(replace(each, type=car) if each.id == "bus1" else each for each in vehicles),
    )
    trial = Trial(disobeying, seed=1, goals=[CommittedFits(), FlowsFit()])
    assert trial.run().violations == ()
    beyond = [(sight.draw - sight.told)[2:4].tolist() for sight in map(trial.sight_at, range(145, 148))]
    assert [[each > 0 for each in pair] for pair in beyond] == [[True, True], [False, True], [False, False]]


def test_base_load_that_rises_and_is_not_seen_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    step = made_trial(fault(FaultKind.BASE_LOAD_STEP, 100, 200, "GC1", amount=kilowatts(50)), duration_s=220)
    assert played(step).violations == ()
    original = Metering.cycle

    def blind(self: Metering, **given: object) -> object:
        found = original(self, **given)  # type: ignore[arg-type]
        return replace(found, base_load={name: kilowatts(20) for name in found.base_load})

    monkeypatch.setattr(Metering, "cycle", blind)
    assert {violation.goal for violation in played(step).violations} == {"R3"}


def test_a_charge_point_out_of_reach_that_keeps_a_setpoint_for_good_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """R4: its lease has to end by itself."""
    gone = made_trial(
        fault(FaultKind.CONNECTION_DROPPED, 95, 400, "CP3"),
        fault(FaultKind.LIMIT_CUT, 100, 400, "C2", amount=kilowatts(50)),
        duration_s=400,
    )
    assert played(gone).violations == ()
    endless = profiles.limit_of

    def keeps(profile: profiles.Profile, at_s: float, began_s: float | None) -> profiles.Governed:
        return endless(replace(profile, duration_s=None, valid_to_s=None, periods=profile.periods[:1]), at_s, began_s)

    monkeypatch.setattr(profiles, "limit_of", keeps)
    assert "R4" in {violation.goal for violation in played(gone).violations}
