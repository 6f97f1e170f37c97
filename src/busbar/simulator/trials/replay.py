"""One trial of a scenario file: under every goal, and under what the file itself expects over time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from busbar.simulator.expectation import Holds
from busbar.simulator.judge import Verdict, judge_all
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.summary import Goals
from busbar.simulator.trials.trial import Result, Trial

SCHEMA = "busbar/trial/1"
MOST_VIOLATIONS = 50
"""In a document; all of them are counted."""


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of it."""

    scenario: Scenario
    seed: int
    result: Result
    verdicts: tuple[Verdict, ...]
    not_judged: int
    """Expectations of a whole night: an acceptance run judges them too."""

    @property
    def is_met(self) -> bool:
        """No goal was missed, and every expectation over time came true."""
        return not self.result.violations and all(verdict.is_met for verdict in self.verdicts)


def needs_trial(scenario: Scenario) -> bool:
    """Whether only a trial can play it: something goes wrong in it, or is expected to hold over time."""
    return bool(scenario.faults) or any(isinstance(each, Holds) for each in scenario.expectations)


def replay(
    scenario: Scenario,
    *,
    seed: int | None = None,
    goals: Goals = all_goals,
    keeps_trail: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Play a scenario with its faults. The same scenario and seed give the same digest.

    `keeps_trail`: also where nothing is expected over time, which is judged by the trail.
    """
    seed = scenario.seed if seed is None else seed
    # The engine shares as the stored depot says; a scenario may say otherwise.
    shared = replace(scenario.depot, strategy=scenario.strategy, fair_in=scenario.fair_in)
    over_time = [each for each in scenario.expectations if isinstance(each, Holds)]
    result = Trial(
        replace(scenario, depot=shared),
        seed=seed,
        goals=goals(),
        with_states=True,
        keeps_trail=keeps_trail or bool(over_time),
        progress=progress,
    ).run()
    return Replayed(
        scenario=scenario,
        seed=seed,
        result=result,
        verdicts=judge_all(result.trail, over_time),
        not_judged=len(scenario.expectations) - len(over_time),
    )


def as_document(replayed: Replayed) -> dict[str, Any]:
    """For programs; the same bytes for the same scenario and seed."""
    scenario, result = replayed.scenario, replayed.result
    return {
        "schema": SCHEMA,
        "scenario": scenario.id,
        "name": scenario.name,
        "seed": replayed.seed,
        "met": replayed.is_met,
        "violations_count": len(result.violations),
        "violations": [
            {"goal": each.goal, "at_s": each.at_s, "text": each.text} for each in result.violations[:MOST_VIOLATIONS]
        ],
        "expectations": [
            {"expectation": each.expectation, "met": each.is_met, "at_s": each.at_s, "seen": each.seen}
            for each in replayed.verdicts
        ],
        "not_judged": replayed.not_judged,
        "faults": len(scenario.faults),
        "cycles": result.cycles,
        "frames": result.frames,
        "struck": result.struck,
        "lives": result.lives,
        "figures": dict(sorted(result.figures.items())),
        "digest": result.digest,
    }
