"""R6 in small trials: Busbar as it is may be killed at any event, and one that forgets something is caught."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from made_trials import fault, kilowatts, made_trial, made_vehicles

from busbar.adapters.memory import MemoryStore
from busbar.core import commitment
from busbar.engine.control import Control
from busbar.engine.dispatch import Release
from busbar.engine.keeping import Keeping
from busbar.engine.loop import DepotLoop
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.restarts import Restarts
from busbar.simulator.trials.trial import Result, Trial

KILLED = made_trial(
    fault(FaultKind.BASE_LOAD_STEP, 60, 220, "GC1", amount=kilowatts(170)),
    fault(FaultKind.PROCESS_KILLED, 130, 132, nth=3),
    duration_s=200,
)
"""A breach of GC1 is open when it dies."""
ROOM_MEANWHILE = made_trial(
    fault(FaultKind.PROCESS_KILLED, 90, 130),
    duration_s=180,
    vehicles=tuple(replace(each, departs_s=110) if each.id == "bus3" else each for each in made_vehicles()),
)
"""A bus leaves while nobody is there: the others could have more, once what was stored for it is over."""
LIMIT_MEANWHILE = made_trial(
    fault(FaultKind.LIMIT_CUT, 30, 110, "C1", amount=kilowatts(12)),
    fault(FaultKind.PROCESS_KILLED, 90, 130),
    duration_s=180,
)
"""A limit rises while nobody is there: at once there is more for whoever is on that circuit."""


def played(change: Callable[[Trial], None] = lambda trial: None, *, scenario: Scenario = KILLED) -> Result:
    return Trial(scenario, seed=1, goals=[Restarts()], change=change).run()


def reborn(spoil: Callable[[Trial, DepotLoop], None]) -> Callable[[Trial], None]:
    """Every process but the first is spoiled."""

    def change(trial: Trial) -> None:
        assert trial.process is not None
        if trial.lives > 1:
            spoil(trial, trial.process.loop)

    return change


def said(result: Result) -> str:
    return "\n".join(each.text for each in result.violations)


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
def test_it_may_be_killed_at_any_event(nth: int) -> None:
    scenario = made_trial(
        fault(FaultKind.BASE_LOAD_STEP, 60, 220, "GC1", amount=kilowatts(170)),
        fault(FaultKind.PROCESS_KILLED, 40, 42, nth=nth),
        fault(FaultKind.PROCESS_KILLED, 130, 160, nth=nth),
        fault(FaultKind.STORE_FAILS, 200, 215, share=0.5),
        duration_s=240,
    )
    result = played(scenario=scenario)
    assert result.lives >= 3
    assert result.violations == ()
    assert result.figures["R6 restart until a cycle"] < 30


@pytest.mark.parametrize("scenario", [ROOM_MEANWHILE, LIMIT_MEANWHILE], ids=["room", "limit"])
def test_what_became_free_meanwhile_is_given_only_to_those_who_have_acknowledged_anew(scenario: Scenario) -> None:
    result = played(scenario=scenario)
    assert result.lives == 2
    assert result.violations == ()


def test_forgotten_setpoints_are_caught() -> None:
    def forget(trial: Trial, loop: DepotLoop) -> None:
        loop.control.dispatch.restore = lambda stored, now_s: None  # type: ignore[method-assign]

    assert "was stored" in said(played(reborn(forget), scenario=ROOM_MEANWHILE))


def test_raising_somebody_who_has_not_acknowledged_anew_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    restored = commitment.restored
    monkeypatch.setattr(
        commitment, "restored", lambda *given, **named: replace(restored(*given, **named), may_rise=True)
    )
    assert "before it has acknowledged anything" in said(played(scenario=LIMIT_MEANWHILE))


def test_forgotten_breaches_are_caught() -> None:
    def forget(trial: Trial, loop: DepotLoop) -> None:
        loop.control.watching.restore = lambda breaches: None  # type: ignore[method-assign]

    assert "was open and is forgotten" in said(played(reborn(forget)))


def test_forgotten_vehicles_are_caught() -> None:
    def forget(trial: Trial, loop: DepotLoop) -> None:
        loop.control.vehicles.restore = lambda sessions, at: None  # type: ignore[method-assign]

    assert "the vehicle at CP2/1 was there" in said(played(reborn(forget), scenario=ROOM_MEANWHILE))


def test_numbers_that_are_used_twice_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Control.restore

    def from_one(control: Control, memory: object, **given: object) -> None:
        restore(control, memory, **given)  # type: ignore[arg-type]
        control.number = 0

    monkeypatch.setattr(Control, "restore", from_one)
    assert "cycle 1 comes after cycle" in said(played())


def test_a_process_that_takes_too_long_to_begin_is_caught() -> None:
    def wait(trial: Trial, loop: DepotLoop) -> None:
        async def begin() -> str:
            await asyncio.sleep(45)
            return "start"

        loop._until_meters_spoke = begin  # type: ignore[method-assign]

    assert "no cycle within 30 s" in said(played(reborn(wait)))


def test_a_process_that_tells_nobody_anything_is_caught() -> None:
    def be_silent(trial: Trial, loop: DepotLoop) -> None:
        nothing = Release(orders=(), to_store=(), to_disconnect=())
        loop.control.release = lambda at, now_s: nothing  # type: ignore[method-assign]

    assert "was told nothing within 30 s" in said(played(reborn(be_silent)))


def test_a_store_that_loses_what_it_kept_is_caught() -> None:
    def lose(trial: Trial, loop: DepotLoop) -> None:
        assert isinstance(trial.people, MemoryStore)
        happened = trial.people._happened[trial.depot_id]
        happened.cycles.pop(min(happened.cycles))
        happened.breaches.clear()

    result = said(played(reborn(lose)))
    assert "cycle 1 is not kept as it was" in result
    assert "is not kept as it was" in result


def test_a_cycle_that_is_left_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Keeping._keep_cycle

    async def keep_others(keeping: Keeping, cycle: object) -> None:
        if cycle.record.number != 2:  # type: ignore[attr-defined]
            await keep(keeping, cycle)  # type: ignore[arg-type]

    monkeypatch.setattr(Keeping, "_keep_cycle", keep_others)
    assert "was not kept" in said(played())
