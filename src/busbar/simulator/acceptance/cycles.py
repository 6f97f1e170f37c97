"""One scenario cycle by cycle, as `busbar simulate` plays it: for whole nights in which nothing goes wrong."""

import json
from hashlib import sha256

from busbar.simulator.acceptance.accepted import How, Missed, Ran
from busbar.simulator.acceptance.made import Progress
from busbar.simulator.acceptance.observed import Observed
from busbar.simulator.play import play
from busbar.simulator.played import Played
from busbar.simulator.results import summary
from busbar.simulator.scenario import Scenario
from busbar.simulator.trail import Trail


def run_cycles(scenario: Scenario, *, seed: int, progress: Progress | None = None) -> tuple[Ran, Played]:
    """Play it to its end. The same scenario and seed give the same digest, which is of its summary."""
    played = play(scenario, seed=seed, progress=progress)
    changed = len(played.at_s) - played.outcomes.get("UNCHANGED", 0)
    ran = Ran(
        how=How.CYCLES,
        scenario=scenario,
        seed=seed,
        trail=_trail(played),
        observed=Observed(joined={}, held=()),
        missed=tuple(Missed(goal="audit", at_s=0.0, text=each) for each in played.violations),
        digest=sha256(json.dumps(summary(played)).encode()).hexdigest(),
        figures={"cycles": float(len(played.at_s)), "cycles that changed something": float(changed)},
        looked_until_s=scenario.duration_s,
    )
    return ran, played


def _trail(played: Played) -> Trail:
    """A look a cycle. Nobody was shown any, and nobody looked for breaches."""
    scenario = played.scenario
    return Trail(
        scenario=scenario,
        seed=played.seed,
        start=scenario.start,
        duration_s=scenario.duration_s,
        projection=played.projection,
        at_s=played.at_s,
        flow=played.flow,
        base=played.base,
        limit=played.limit,
        draw=played.drawn,
        soc={outing.vehicle.id: played.soc[:, index] for index, outing in enumerate(played.outings)},
        cycles=(),
        breaches=(),
    )
