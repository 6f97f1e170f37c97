"""What is kept of one trial: small enough that thousands of them fit, and can be sent from process to process."""

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time

from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.pairs import Pair, pairs_met
from busbar.simulator.trials.trial import Goal, Trial, Violation

BROKEN_OFF = "broken off"
"""In place of a goal's name: the trial itself could not go on."""
_MOST_VIOLATIONS = 20
"""Of one trial; all of them are counted."""

Goals = Callable[[], tuple[Goal, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One trial, afterwards."""

    seed: int
    violations: tuple[Violation, ...]
    """The first ones."""
    missed: Mapping[str, int]
    """Goal -> how often it was missed."""
    digest: str
    """Of everything that was said and done; empty where it broke off."""
    cycles: int
    frames: int
    struck: int
    """Frames that fared badly."""
    lives: int
    faults: Mapping[FaultKind, int]
    pairs: frozenset[Pair]
    """Kinds of fault that met."""
    figures: Mapping[str, float]
    """The worst reaction times, in seconds."""
    cpu_s: float


def run_scenario(
    scenario: Scenario,
    *,
    seed: int,
    goals: Goals = all_goals,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Run one scenario. A trial that cannot go on has missed everything, and says why."""
    began = process_time()
    faults, pairs = Counter(fault.kind for fault in scenario.faults), frozenset(pairs_met(scenario))
    try:
        result = Trial(scenario, seed=seed, goals=goals(), keeps_trail=False, progress=progress).run()
    except Exception as error:
        violation = Violation(goal=BROKEN_OFF, at_s=0.0, text=_where(error))
        return Summary(
            seed=seed,
            violations=(violation,),
            missed={BROKEN_OFF: 1},
            digest="",
            cycles=0,
            frames=0,
            struck=0,
            lives=0,
            faults=faults,
            pairs=pairs,
            figures={},
            cpu_s=process_time() - began,
        )
    return Summary(
        seed=seed,
        violations=result.violations[:_MOST_VIOLATIONS],
        missed=Counter(violation.goal for violation in result.violations),
        digest=result.digest,
        cycles=result.cycles,
        frames=result.frames,
        struck=result.struck,
        lives=result.lives,
        faults=faults,
        pairs=pairs,
        figures=result.figures,
        cpu_s=process_time() - began,
    )


def _where(error: Exception) -> str:
    """The error, and the place in our own code it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "busbar" in frame.filename]
    place = f" ({frames[-1].filename.rpartition('busbar/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
