"""What the seeds of many trials are drawn upon: each a small depot of its own, or the depot of one scenario."""

from dataclasses import dataclass

from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.drawn_upon import drawn_upon
from busbar.simulator.trials.summary import Summary, run_scenario


@dataclass(frozen=True, kw_only=True)
class Source:
    """Seed in, trial out."""

    upon: Scenario | None = None
    """None: every seed draws its own small depot, for half an hour."""
    duration_s: int | None = None
    """How long a trial upon a scenario takes; None: as long as the scenario."""

    @property
    def name(self) -> str:
        """As sums of trials are told apart; empty where every seed draws its own depot."""
        if self.upon is None:
            return ""
        return f"{self.upon.id}, {(self.duration_s or self.upon.duration_s) / 3600:g} h"


def drawn_from(source: Source, seed: int) -> Scenario:
    """The trial of one seed. The same source and seed give the same, whatever the process."""
    if source.upon is None:
        return drawn_scenario(seed)
    return drawn_upon(source.upon, seed=seed, duration_s=source.duration_s)


def run_from(source: Source, seed: int) -> Summary:
    """Draw a trial, run it under every goal, and forget all but this."""
    return run_scenario(drawn_from(source, seed), seed=seed)
