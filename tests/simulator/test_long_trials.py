"""Trials that go on for long: what nobody looks at again is not kept, and what is found is the same."""

from dataclasses import replace

import pytest
from made_trials import fault, kilowatts, made_trial

from busbar.adapters.memory import MemoryStore
from busbar.adapters.memory_records import MemoryRecords
from busbar.simulator.fault import FaultKind
from busbar.simulator.trials import trial as trials
from busbar.simulator.trials.cut import window
from busbar.simulator.trials.goals import restarts
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.goals.restarts import Restarts
from busbar.simulator.trials.trial import Kept, Trial

TROUBLED = made_trial(
    fault(FaultKind.BASE_LOAD_STEP, 60, 140, "GC1", amount=kilowatts(160)),
    fault(FaultKind.METER_OLD, 150, 190, "GC1", delay_s=30),
    duration_s=220,
)


def test_a_trial_that_keeps_no_trail_finds_the_same() -> None:
    with_trail, without = (
        Trial(TROUBLED, seed=1, goals=all_goals(), keeps_trail=keeps).run() for keeps in (True, False)
    )
    assert (without.digest, without.violations, without.figures, without.cycles) == (
        with_trail.digest,
        with_trail.violations,
        with_trail.figures,
        with_trail.cycles,
    )
    assert len(with_trail.trail.at_s) == 220
    assert (len(without.trail.at_s), without.trail.soc, without.trail.cycles) == (0, {}, ())


def test_old_cycles_are_forgotten_and_that_is_nobodys_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "KEPT_DAYS", 900 / 86_400)
    monkeypatch.setattr(restarts, "_FORGOTTEN_S", 600.0)
    kills = (fault(FaultKind.PROCESS_KILLED, at_s, at_s + 5) for at_s in (300, 1200, 3800))
    scenario = replace(made_trial(*kills, duration_s=4000), cycle_s=20)
    kept = Kept(store=MemoryStore(), records=MemoryRecords())
    result = Trial(scenario, seed=1, goals=[Restarts()], keeps_trail=False, kept=kept).run()
    assert result.violations == ()
    assert isinstance(kept.store, MemoryStore)
    since_s = [(each.at - scenario.start).total_seconds() for each in kept.store._happened["trial"].cycles.values()]
    assert min(since_s) > 2600
    assert result.lives == 4


def test_what_is_cut_out_begins_as_late_and_with_those_who_are_there() -> None:
    scenario = replace(
        made_trial(
            fault(FaultKind.MESSAGE_LOST, 100, 300, "CP1"), fault(FaultKind.IGNORED, 350, 400, "CP2"), duration_s=900
        ),
        vehicles=tuple(
            replace(each, arrives_s=at_s, departs_s=at_s + 250)
            for each, at_s in zip(made_trial().vehicles, (0, 100, 200, 300, 800), strict=True)
        ),
    )
    found = window(scenario, 200, 600)
    assert (found.start - scenario.start).total_seconds() == 200
    assert found.duration_s == 400
    assert [(each.kind, each.span.from_s) for each in found.faults] == [(FaultKind.IGNORED, 150)]
    assert [(each.arrives_s, each.departs_s) for each in found.vehicles] == [(0, 50), (0, 150), (0, 250), (100, 350)]
