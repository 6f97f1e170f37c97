"""One scenario in made-up time: the real engine and OCPP sessions, faults and all, under every goal."""

from collections.abc import Callable

from busbar.simulator.acceptance.accepted import How, Missed, Ran
from busbar.simulator.acceptance.observed import Observed, Observer
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.replay import Replayed, replay

Progress = Callable[[int, int], None]


def run_made(scenario: Scenario, *, seed: int, progress: Progress | None = None) -> Ran:
    """Play it to its end. The same scenario and seed give the same digest."""
    return ran_of(*replay_observed(scenario, seed=seed, progress=progress))


def replay_observed(
    scenario: Scenario, *, seed: int | None, progress: Progress | None = None
) -> tuple[Replayed, Observed]:
    """Play it, and look on. `seed`: in place of the scenario's own."""
    observer = Observer()
    replayed = replay(scenario, seed=seed, goals=lambda: (*all_goals(), observer), progress=progress)
    return replayed, observer.observed()


def ran_of(replayed: Replayed, observed: Observed) -> Ran:
    """The same, as an acceptance run has it."""
    scenario, result = replayed.scenario, replayed.result
    counts = {
        "cycles": float(result.cycles),
        "frames": float(result.frames),
        "frames struck": float(result.struck),
        "lives of Busbar": float(result.lives),
    }
    return Ran(
        how=How.TRIAL,
        scenario=scenario,
        seed=replayed.seed,
        trail=result.trail,
        observed=observed,
        missed=tuple(Missed(goal=each.goal, at_s=each.at_s, text=each.text) for each in result.violations),
        digest=result.digest,
        figures=counts | dict(sorted(result.figures.items())),
        looked_until_s=scenario.duration_s,
    )
