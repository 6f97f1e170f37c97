"""R7 in small trials: Busbar as it is keeps it, and a Busbar that is safe by idling is caught."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from made_trials import amperes, fault, kilowatts, made_depot, made_trial, made_vehicles

from busbar.core import strategies
from busbar.core.depot import Leaves
from busbar.core.metering import MeterRules
from busbar.core.snapshot import Ints, Session
from busbar.engine.vehicles import Vehicles
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.idling import NotIdle
from busbar.simulator.trials.trial import Result, Trial


def played(scenario: Scenario, change: Callable[[Trial], None] = lambda trial: None) -> Result:
    return Trial(scenario, seed=1, goals=[NotIdle()], change=change).run()


def aiming(at: Callable[[Ints, Sequence[str]], Ints]) -> Callable[[Trial], None]:
    """A Busbar that aims at something else than what was balanced."""

    def change(trial: Trial) -> None:
        assert trial.process is not None
        control = trial.process.loop.control
        aim = control.dispatch.aim

        def other(targets: Ints, **given: Any) -> None:
            aim(at(targets, control.projection.leaf_ids), **given)

        control.dispatch.aim = other  # type: ignore[method-assign]

    return change


def without(connector: str) -> Callable[[Ints, Sequence[str]], Ints]:
    def at(targets: Ints, names: Sequence[str]) -> Ints:
        found = targets.copy()
        found[list(names).index(connector)] = 0
        return found

    return at


def narrow() -> Scenario:
    """C1 has room for one of its two vehicles."""
    depot = made_depot()
    circuits = tuple(
        replace(each, default_operating_capacity=amperes(10)) if each.id == "C1" else each for each in depot.circuits
    )
    units = tuple(
        replace(unit, connectors=tuple(replace(each, fallback=0) for each in unit.connectors))
        for unit in depot.charge_points
    )
    vans = tuple(each for each in made_vehicles() if each.id.startswith("van"))
    return made_trial(depot=replace(depot, circuits=circuits, charge_points=units), vehicles=vans, duration_s=860)


STEADY = made_trial(duration_s=240)
AFTER_FAULTS = made_trial(
    fault(FaultKind.LIMIT_CUT, 60, 100, "C2", amount=kilowatts(40)),
    fault(FaultKind.CONNECTION_DROPPED, 70, 110, "CP3"),
    fault(FaultKind.PROCESS_KILLED, 90, 95),
    duration_s=340,
)
LEAVING = made_trial(
    vehicles=tuple(replace(each, departs_s=170) if each.id == "bus1" else each for each in made_vehicles()),
    duration_s=280,
)
NARROW = narrow()
ALL = {"steady": STEADY, "after faults": AFTER_FAULTS, "leaving": LEAVING, "narrow": NARROW}


@pytest.mark.parametrize("scenario", ALL.values(), ids=ALL)
def test_in_calm_windows_nothing_is_left_unused(scenario: Scenario) -> None:
    result = played(scenario)
    assert result.violations == ()
    assert result.figures["R7 seconds compared"] > 30
    assert result.figures["R7 less than the optimum, %"] < 0.1


def test_a_trial_that_is_never_calm_says_that_nothing_was_compared() -> None:
    scenario = made_trial(fault(FaultKind.REFUSED, 50, 200, "CP1"), duration_s=240)
    assert played(scenario).figures["R7 trials in which nothing was compared"] == 1


def test_a_balance_of_which_half_is_sent_is_caught() -> None:
    violations = played(STEADY, aiming(lambda targets, names: targets // 2)).violations
    assert any("would fit" in each.text for each in violations)


def test_a_few_percent_less_for_everybody_is_caught() -> None:
    violations = played(STEADY, aiming(lambda targets, names: targets * 96 // 100)).violations
    assert [each.text.partition(" ")[0] for each in violations] == ["depot"]


def test_a_connector_that_is_never_admitted_is_caught() -> None:
    violations = played(STEADY, aiming(without("CP2/1"))).violations
    assert any(each.text.startswith("CP2/1 is told 0") for each in violations)


def test_room_that_is_never_given_to_others_is_caught() -> None:
    first: list[Ints] = []

    def at(targets: Ints, names: Sequence[str]) -> Ints:
        if targets.all() and not first:
            first.append(targets.copy())
        return targets.clip(max=first[0]) if first else targets

    violations = played(LEAVING, aiming(at)).violations
    assert any("would be its part" in each.text for each in violations)


def test_a_vehicle_that_nobody_asks_for_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Vehicles.sessions

    def most(self: Vehicles, *given: Any) -> list[Session]:
        return [each for each in sessions(self, *given) if each.connector != "CP2/1"]

    monkeypatch.setattr(Vehicles, "sessions", most)
    violations = played(STEADY).violations
    assert any(each.text.startswith("CP2/1 has a vehicle that would charge") for each in violations)


def test_a_node_that_stays_safe_is_caught() -> None:
    def change(trial: Trial) -> None:
        assert trial.process is not None
        trial.process.loop.control.metering._rules = replace(MeterRules(), good_samples=10**6)

    violations = played(STEADY, change).violations
    assert any("GC1 is SAFE" in each.text for each in violations)


def test_turns_that_never_end_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "TURN_S", 1e9)
    violations = played(NARROW).violations
    assert any("has waited for" in each.text for each in violations)


def test_within_a_charge_point_that_is_a_leaf_nobody_has_to_take_turns() -> None:
    """It serves who came first."""
    depot = made_depot()
    alone = (replace(depot.charge_points[2], outputs=1),)
    vehicles = tuple(each for each in made_vehicles() if each.at == ("CP3",))
    by_unit = replace(depot, leaves=Leaves.CHARGE_POINT, charge_points=alone)
    result = played(made_trial(depot=by_unit, vehicles=vehicles, duration_s=800))
    place = list(result.trail.projection.leaf_ids).index("CP3/2")
    assert not result.trail.draw[60:, place].any()
    assert [violation.text for violation in result.violations if "has waited" in violation.text] == []
