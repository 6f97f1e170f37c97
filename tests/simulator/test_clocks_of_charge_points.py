"""The clock of one charge point is set: profiles end by it, its stamps show it, and Busbar counts accordingly."""

from functools import cache

import numpy as np
import pytest
from made_trials import fault, made_trial

from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.trials.goals.every import all_goals
from busbar.simulator.trials.trial import Result, Trial

HOUR_S = 3600
OUT_S, BACK_S = 300, 640
"""CP4 has no connection from then until then: for longer than lease, skew and ramp."""
OUT = fault(FaultKind.CONNECTION_DROPPED, OUT_S, BACK_S, "CP4")
FALLBACK_W = 5_000


def clock_step(step_s: int, from_s: int = 60, until_s: int = 620) -> FaultEvent:
    return fault(FaultKind.CLOCK_STEP, from_s, until_s, "CP4", step_s=step_s)


@cache
def played(*faults: FaultEvent) -> Result:
    return Trial(made_trial(*faults, duration_s=720), seed=1, goals=all_goals()).run()


def drawn_w(result: Result, charge_point: str, second: int) -> int:
    """What its connectors draw together."""
    names = result.trail.projection.leaf_ids
    places = [place for place, name in enumerate(names) if name.startswith(f"{charge_point}/")]
    return int(result.trail.draw[second, places].sum())


def test_a_charge_point_whose_clock_is_right_falls_to_its_fallback_when_its_lease_ends() -> None:
    result = played(OUT)
    assert drawn_w(result, "CP4", OUT_S) > FALLBACK_W
    assert drawn_w(result, "CP4", OUT_S + 130) == FALLBACK_W
    assert drawn_w(result, "CP3", BACK_S - 20) > drawn_w(result, "CP3", OUT_S)


def ends_s(result: Result) -> int:
    """When CP4, out of reach, comes down to its fallback."""
    return next(second for second in range(OUT_S, BACK_S) if drawn_w(result, "CP4", second) == FALLBACK_W)


def test_one_whose_clock_was_put_back_a_little_keeps_its_lease_longer_and_nobody_else_is_given_its_room() -> None:
    stepped, honest = played(clock_step(-50), OUT), played(OUT)
    assert stepped.violations == ()
    assert 45 <= ends_s(stepped) - ends_s(honest) <= 55
    assert drawn_w(stepped, "CP3", BACK_S - 20) == drawn_w(stepped, "CP3", OUT_S)


def test_the_lease_is_over_at_once_where_the_clock_is_put_forward() -> None:
    result = played(clock_step(130, OUT_S + 20), OUT)
    assert result.violations == ()
    assert drawn_w(result, "CP4", OUT_S + 19) > FALLBACK_W
    assert ends_s(result) <= OUT_S + 24


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_for_one_that_is_an_hour_off_no_lease_holds_and_it_charges_again_when_it_is_right(step_s: int) -> None:
    result, honest = played(clock_step(step_s, until_s=500)), played()
    assert result.violations == ()
    assert drawn_w(result, "CP4", 59) > FALLBACK_W
    assert {drawn_w(result, "CP4", second) for second in range(70, 500)} == {FALLBACK_W}
    # By then its messages have shown that its clock is right, and the last lease that was doubted is over.
    assert drawn_w(result, "CP4", 700) == drawn_w(honest, "CP4", 700) > FALLBACK_W


def test_no_other_charge_point_notices() -> None:
    stepped, honest = played(clock_step(-HOUR_S)), played()
    others = [place for place, name in enumerate(honest.trail.projection.leaf_ids) if not name.startswith("CP4/")]
    assert np.array_equal(stepped.trail.draw[:60, others], honest.trail.draw[:60, others])
    assert stepped.digest != honest.digest
