"""GetCompositeSchedule: what a charge point thinks that it will allow."""

from typing import Any

from busbar.simulator.stations.profiles import RateUnit
from busbar.simulator.stations.speech import State

MOST_PERIODS = 100


def composite_schedule(
    state: State, place: int | None, *, at_s: float, duration_s: int, unit: RateUnit
) -> list[dict[str, Any]]:
    """`chargingSchedulePeriod` from now on, one entry per change; of one outlet, or of all together.

    Limits are cut to a tenth; at most a hundred periods are given.
    """
    periods: list[dict[str, Any]] = []
    now_s, end_s = at_s, at_s + duration_s
    while now_s < end_s and len(periods) < MOST_PERIODS:
        limit, until_s = state.own_limit(place, now_s)
        value = _in_unit(state, place, limit, unit)
        if not periods or periods[-1]["limit"] != value:
            periods.append({"startPeriod": max(0, int(now_s - at_s)), "limit": value})
        now_s = max(until_s, now_s + 0.001)
    return periods


def _in_unit(state: State, place: int | None, limit: int, unit: RateUnit) -> float:
    if not state.is_ac:
        return float(limit)
    if unit is RateUnit.A:
        return limit // 100 / 10
    w_per_a = state.w_per_a if place is None else state.outlets[place].electrics.w_per_a
    return float(int(limit * w_per_a / 1000))
