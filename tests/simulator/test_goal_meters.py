"""R5 in small trials: Busbar as it is keeps it, and a Busbar that believes a meter it must not is caught."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from made_trials import fault, kilowatts, made_trial, made_vehicles

from busbar.core import metering as core_metering
from busbar.core.metering import MeterRules, MeterState
from busbar.engine.metering import Metering
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.meters_lost import MetersLost
from busbar.simulator.trials.trial import Result, Trial


def played(scenario: Scenario, change: Callable[[Trial], None] = lambda trial: None) -> Result:
    return Trial(scenario, seed=1, goals=[MetersLost()], change=change).run()


def ruled(**rules: Any) -> Callable[[Trial], None]:
    """A Busbar whose meters are believed by other rules."""

    def change(trial: Trial) -> None:
        _metering(trial)._rules = replace(MeterRules(), **rules)

    return change


def _metering(trial: Trial) -> Metering:
    assert trial.process is not None
    return trial.process.loop.control.metering


def with_room_at(at_s: int) -> Scenario:
    """GC1's meter is silent from 100 s on; two buses leave, and the others could be raised."""
    leaving = tuple(replace(each, departs_s=at_s) if each.id in ("bus2", "bus3") else each for each in made_vehicles())
    return made_trial(fault(FaultKind.METER_SILENT, 100, 200, "GC1"), duration_s=280, vehicles=leaving)


SILENT = with_room_at(113)
NOT_A_NUMBER = made_trial(fault(FaultKind.METER_NAN, 100, 180, "GC1"), duration_s=200)
OLD = made_trial(fault(FaultKind.METER_OLD, 100, 200, "GC1", delay_s=90), duration_s=200)
TOO_LARGE = made_trial(fault(FaultKind.METER_WRONG_UNIT, 100, 150, "GC1", factor=1000), duration_s=180)
TOO_SMALL = made_trial(fault(FaultKind.METER_WRONG_UNIT, 100, 280, "GC1", factor=0.001), duration_s=300)
SPIKES = made_trial(fault(FaultKind.METER_NEGATIVE_SPIKE, 60, 300, "GC1"), duration_s=320, base_load_w=60_000)
FROZEN = made_trial(
    fault(FaultKind.METER_FROZEN, 100, 250, "GC1"),
    fault(FaultKind.LIMIT_CUT, 125, 250, "C2", amount=kilowatts(40)),
    duration_s=260,
)
RESTARTED = made_trial(
    fault(FaultKind.METER_SILENT, 100, 200, "GC1"), fault(FaultKind.PROCESS_KILLED, 110, 115), duration_s=240
)
OLD_AND_TOO_SMALL = made_trial(
    fault(FaultKind.METER_OLD, 100, 160, "GC1", delay_s=58),
    fault(FaultKind.METER_WRONG_UNIT, 112, 157, "GC1", factor=0.001),
    duration_s=200,
    base_load_w=60_000,
)
NO_NUMBER_AND_THEN_TOO_SMALL = made_trial(
    fault(FaultKind.METER_NAN, 100, 190, "GC1"),
    fault(FaultKind.METER_WRONG_UNIT, 150, 270, "GC1", factor=0.001),
    duration_s=290,
    base_load_w=60_000,
)
ALL = {
    "silent": SILENT,
    "not a number": NOT_A_NUMBER,
    "old": OLD,
    "too large": TOO_LARGE,
    "too small": TOO_SMALL,
    "spikes": SPIKES,
    "frozen": FROZEN,
    "restarted": RESTARTED,
    "old and too small": OLD_AND_TOO_SMALL,
    "no number and then too small": NO_NUMBER_AND_THEN_TOO_SMALL,
}


@pytest.mark.parametrize("scenario", ALL.values(), ids=ALL)
def test_a_lost_meter_is_dealt_with_in_time(scenario: Scenario) -> None:
    assert played(scenario).violations == ()


def test_how_long_it_took_is_measured() -> None:
    assert 60 < played(NOT_A_NUMBER).figures["R5 meter lost until SAFE"] <= 65


@pytest.mark.parametrize("scenario", [SILENT, NOT_A_NUMBER, OLD], ids=["silent", "not a number", "old"])
def test_a_meter_that_is_never_called_silent_is_caught(scenario: Scenario) -> None:
    violations = played(scenario, ruled(silent_s=inf)).violations
    assert violations
    assert all("is not SAFE: the last good sample" in each.text for each in violations)


def test_a_raise_below_a_silent_meter_is_caught() -> None:
    violations = played(with_room_at(122), ruled(stale_s=inf)).violations
    assert any("is raised" in each.text for each in violations)


def test_a_raise_between_two_cycles_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metering, "stale", lambda self, now_s: frozenset())
    violations = played(SILENT).violations
    assert violations
    assert all("is raised" in each.text for each in violations)


def test_absurd_values_that_change_nothing_are_caught() -> None:
    violations = played(TOO_LARGE, ruled(absurd_samples=99)).violations
    assert any("are absurd" in each.text for each in violations)


def test_a_wrong_unit_that_is_believed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_metering, "_is_thousandth", lambda *given, **named: False)
    assert any("is not SAFE" in each.text for each in played(TOO_SMALL).violations)


def test_a_frozen_meter_that_is_believed_is_caught() -> None:
    violations = played(FROZEN, ruled(frozen_s=inf)).violations
    assert violations
    assert all("has not moved with its charge points" in each.text for each in violations)


def test_a_process_that_begins_without_having_heard_its_meters_is_caught() -> None:
    def change(trial: Trial) -> None:
        if trial.lives == 2:
            _metering(trial)._meters["GC1"].state = MeterState(safe_since_s=None, was_normal=True)

        _metering(trial)._rules = replace(MeterRules(), silent_s=inf)

    violations = played(RESTARTED, change).violations
    assert any("has heard no good sample" in each.text for each in violations)
