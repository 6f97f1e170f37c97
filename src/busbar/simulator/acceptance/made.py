"""One scenario in made-up time: the real engine and OCPP sessions, faults and all, under every goal."""

from collections.abc import Callable

from busbar.simulator.acceptance.accepted import Missed, Ran
from busbar.simulator.acceptance.observed import Observer
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.replay import replay

Progress = Callable[[int, int], None]


def run_made(scenario: Scenario, *, seed: int, progress: Progress | None = None) -> Ran:
    """Play it to its end. The same scenario and seed give the same digest."""
    observer = Observer()
    replayed = replay(scenario, seed=seed, goals=lambda: (*all_goals(), observer), progress=progress)
    result = replayed.result
    counts = {
        "cycles": float(result.cycles),
        "frames": float(result.frames),
        "frames struck": float(result.struck),
        "lives of Busbar": float(result.lives),
    }
    return Ran(
        scenario=scenario,
        seed=seed,
        trail=result.trail,
        observed=observer.observed(),
        missed=tuple(Missed(goal=each.goal, at_s=each.at_s, text=each.text) for each in result.violations),
        digest=result.digest,
        figures=counts | dict(sorted(result.figures.items())),
        looked_until_s=scenario.duration_s,
    )
