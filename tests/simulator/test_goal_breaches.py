"""R9 in small trials: the breaches that Busbar keeps are those that were, and a Busbar that misses or invents any is
caught."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_trials import fault, kilowatts, made_trial

from busbar.core.breach import BreachRules, Course, Seen, step
from busbar.core.snapshot import Floats
from busbar.engine import breaches
from busbar.engine.limit_rows import LimitRows
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.breaches_true import BreachesTrue
from busbar.simulator.trials.trial import Result, Trial


def played(scenario: Scenario, change: Callable[[Trial], None] = lambda trial: None) -> Result:
    return Trial(scenario, seed=1, goals=[BreachesTrue()], change=change).run()


def ruled(**rules: float) -> Callable[[Trial], None]:
    """A Busbar whose breaches go by other rules."""

    def change(trial: Trial) -> None:
        assert trial.process is not None
        trial.process.loop.control.watching._breaches._rules = replace(BreachRules(), **rules)  # type: ignore[arg-type]

    return change


def base_load(from_s: int, until_s: int) -> Any:
    """More at GC1 than it may carry."""
    return fault(FaultKind.BASE_LOAD_STEP, from_s, until_s, "GC1", amount=kilowatts(160))


CALM = made_trial(duration_s=150)
AT_A_METER = made_trial(base_load(60, 140), duration_s=220)
TWICE = made_trial(base_load(60, 120), base_load(135, 190), duration_s=260)
WITHOUT_A_METER = made_trial(
    fault(FaultKind.IGNORED, 60, 160, "CP4"),
    fault(FaultKind.LIMIT_CUT, 70, 160, "C2", amount=kilowatts(20)),
    duration_s=240,
)
KILLED = made_trial(base_load(60, 200), fault(FaultKind.PROCESS_KILLED, 100, 110), duration_s=280)
LIED_TO = made_trial(base_load(60, 140), fault(FaultKind.METER_FROZEN, 55, 145, "GC1"), duration_s=260)
CLOCK_SET = made_trial(base_load(60, 140), fault(FaultKind.CLOCK_STEP, 100, 180, step_s=3600), duration_s=240)
SLOW = replace(made_trial(base_load(60, 140), duration_s=330), cycle_s=15)
ALL = {
    "calm": CALM,
    "at a meter": AT_A_METER,
    "twice": TWICE,
    "without a meter": WITHOUT_A_METER,
    "killed": KILLED,
    "lied to": LIED_TO,
    "clock set": CLOCK_SET,
    "cycles of fifteen seconds": SLOW,
}


@pytest.mark.parametrize("scenario", ALL.values(), ids=ALL)
def test_what_is_kept_is_what_was(scenario: Scenario) -> None:
    assert played(scenario).violations == ()


@pytest.mark.parametrize("scenario", [AT_A_METER, WITHOUT_A_METER], ids=["at a meter", "without a meter"])
def test_what_was_compared_is_counted(scenario: Scenario) -> None:
    figures = played(scenario).figures
    assert figures["R9 times over for 20 s, compared"] > 0
    assert figures["R9 breaches kept, compared"] > 0


def test_what_was_excused_is_counted_under_its_name() -> None:
    assert played(LIED_TO).figures["R9 times over for 20 s, excused: meter"] > 0


@pytest.mark.parametrize("scenario", [AT_A_METER, WITHOUT_A_METER], ids=["at a meter", "without a meter"])
@pytest.mark.parametrize("open_s", [1e9, 60.0], ids=["never", "after a minute"])
def test_a_breach_that_is_not_opened_in_time_is_caught(scenario: Scenario, open_s: float) -> None:
    assert played(scenario, ruled(open_s=open_s)).violations


def test_one_that_opens_at_once_is_caught() -> None:
    violations = played(AT_A_METER, ruled(open_s=3.0)).violations
    assert any("a breach opened after" in each.text for each in violations)


def test_one_that_is_closed_at_once_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(course: Course, seen: Seen, rules: BreachRules, *, is_power: bool) -> Course:
        course = step(course, seen, rules, is_power=is_power)
        return replace(course, ended=course.opened) if course.is_open else course

    monkeypatch.setattr(breaches, "step", hasty)
    violations = played(AT_A_METER).violations
    assert any("was over from" in each.text for each in violations)


def test_one_that_does_not_wait_before_it_closes_is_caught() -> None:
    violations = played(TWICE, ruled(close_s=0.0)).violations
    assert any("above its limit again" in each.text for each in violations)


def test_one_that_never_closes_is_caught() -> None:
    violations = played(AT_A_METER, ruled(close_s=1e9)).violations
    assert any("was within its limit" in each.text for each in violations)


def test_one_that_is_invented_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = LimitRows.limit

    def lower(self: LimitRows, *given: Any) -> Floats:
        found: Floats = 0.8 * limit(self, *given)
        return found

    monkeypatch.setattr(LimitRows, "limit", lower)
    violations = played(CALM).violations
    assert any("was within its limit" in each.text for each in violations)


def test_one_that_is_forgotten_by_a_restart_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaches.Breaches, "restore", lambda self, records: None)
    assert played(KILLED).violations
