"""Busbar starts, and starts again, among vehicles that charge: nobody is stopped for what is not known yet."""

from functools import cache

import pytest
from made_trials import fault, made_trial

from busbar.simulator.fault import FaultKind
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.trial import Result, Trial

KILLED_S = 100


@cache
def played(seed: int) -> Result:
    """Killed in the middle, and up again three seconds later."""
    killed = fault(FaultKind.PROCESS_KILLED, KILLED_S, KILLED_S + 3)
    return Trial(made_trial(killed, duration_s=180), seed=seed, goals=all_goals()).run()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("began_s", [15, KILLED_S])
def test_what_vehicles_draw_is_not_taken_for_base_load_before_all_have_said_it_twice(seed: int, began_s: int) -> None:
    result = played(seed)
    assert result.violations == ()
    together = result.trail.draw[began_s : began_s + 60].sum(axis=1)
    assert together.min() >= 0.7 * together.max()
