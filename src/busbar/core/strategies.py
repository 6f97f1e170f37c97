"""Strategies: opinions on who comes first and who counts for how much; never on limits.

Each is a function of projection and snapshot that returns a `Ranking`. A new one is ten lines and a name in
`STRATEGIES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from busbar.core.projection import Projection
from busbar.core.snapshot import TURN_S, Snapshot

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

STEP_S = 300.0
"""`least_laxity` evens out the laxity left after a step of this length."""
_SOONEST_FULL_W = 1.0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All that a strategy may say. Arrays of one value per leaf, in leaf order."""

    tier: npt.NDArray[np.int64]
    """The lower is raised first; equal ones rise together."""
    weight: Floats
    """A leaf takes weight x (level - offset); positive."""
    offset: Floats
    """In levels."""
    order: Indices
    """Leaf indices, first served first: who is admitted and gets what rounding leaves, tier by tier."""


Strategy = Callable[[Projection, Snapshot], Ranking]


def equal_share(projection: Projection, snapshot: Snapshot) -> Ranking:
    """Everybody rises together."""
    return _ranking(projection, snapshot)


def weighted_share(projection: Projection, snapshot: Snapshot) -> Ranking:
    """Everybody rises together, in proportion to the sessions' weights."""
    return _ranking(projection, snapshot, weight=snapshot.weight)


def first_come(projection: Projection, snapshot: Snapshot) -> Ranking:
    """Who arrived first is raised first; unknown arrivals last."""
    return _ranking(projection, snapshot, tier=_ranks(-snapshot.arrived_ago_s))


def priority(projection: Projection, snapshot: Snapshot) -> Ranking:
    """The higher priority is raised first; equal priorities share."""
    return _ranking(projection, snapshot, tier=_ranks(-snapshot.priority.astype(np.float64)))


def earliest_departure(projection: Projection, snapshot: Snapshot) -> Ranking:
    """Who leaves first is raised first; who leaves together shares; unknown departures last."""
    return _ranking(projection, snapshot, tier=_ranks(snapshot.departs_in_s))


def least_laxity(projection: Projection, snapshot: Snapshot) -> Ranking:
    """Evens out the laxity left after the next step (smoothed least laxity first, arXiv 2102.08610).

    Laxity is the time until departure less the time the energy needed takes at the most the vehicle can use; vehicles
    without both are served when the others have what they can use.
    """
    most = np.minimum(snapshot.request, projection.rating)
    most_w = np.maximum(most * projection.frame.total_w[projection.leaf_class], _SOONEST_FULL_W)
    laxity_s = snapshot.departs_in_s - snapshot.energy_needed_wh * 3600.0 / most_w
    known = np.isfinite(laxity_s)
    return _ranking(
        projection,
        snapshot,
        tier=(~known).astype(np.int64),
        weight=np.where(known, most_w, 1.0),
        offset=np.where(known, laxity_s / STEP_S, 0.0),
    )


def lowest_soc(projection: Projection, snapshot: Snapshot) -> Ranking:
    """The emptiest battery is raised first, by whole percent; unknown ones last."""
    return _ranking(projection, snapshot, tier=_ranks(np.floor(snapshot.soc * 100.0)))


STRATEGIES: Mapping[str, Strategy] = {
    strategy.__name__: strategy
    for strategy in (
        equal_share,
        weighted_share,
        first_come,
        priority,
        earliest_departure,
        least_laxity,
        lowest_soc,
    )
}


def _ranking(
    projection: Projection,
    snapshot: Snapshot,
    *,
    tier: npt.NDArray[np.int64] | None = None,
    weight: Floats | None = None,
    offset: Floats | None = None,
) -> Ranking:
    n = len(projection.leaf_ids)
    return Ranking(
        tier=np.zeros(n, dtype=np.int64) if tier is None else tier,
        weight=np.ones(n) if weight is None else weight,
        offset=np.zeros(n) if offset is None else offset,
        order=turn_order(snapshot),
    )


def _ranks(key: Floats) -> npt.NDArray[np.int64]:
    """0 for the smallest, 1 for the next, equal for equal; unknown (NaN) last of all."""
    _, rank = np.unique(key, return_inverse=True)
    return rank.astype(np.int64)


def turn_due(snapshot: Snapshot) -> npt.NDArray[np.bool_]:
    """Who has waited for a whole turn (design section 5)."""
    return ~snapshot.charging & (snapshot.waiting_for_s >= TURN_S)


def turn_order(snapshot: Snapshot) -> Indices:
    """Rotation: who is in a turn goes on, then who is due (longest wait first), then who has had a turn (the latest
    started first), then who has waited less than a turn; ties by arrival, then by place in the depot.

    Where it is not known since when a vehicle charges, its turn is taken to be as young as the latest stop anywhere:
    somebody may have been stopped for its sake.
    """
    latest_last = -snapshot.arrived_ago_s
    known = np.isfinite(snapshot.waiting_for_s)
    if not (snapshot.charging.any() or known.any()):
        return np.argsort(latest_last, kind="stable").astype(np.int32)
    waiting = np.where(known, snapshot.waiting_for_s, 0.0)
    latest_stop = np.nanmin(snapshot.stopped_ago_s) if np.isfinite(snapshot.stopped_ago_s).any() else np.inf
    charging_for = np.where(np.isnan(snapshot.charging_for_s), latest_stop, snapshot.charging_for_s)
    is_due = turn_due(snapshot)
    group = np.where(snapshot.charging, np.where(charging_for < TURN_S, 0, 2), np.where(is_due, 1, 3))
    # Among those in a turn or just past one the youngest turn goes on; among those waiting the longest wait is served.
    within = np.where(snapshot.charging, np.minimum(charging_for, 1e12), -waiting)
    return np.lexsort((latest_last, within, group)).astype(np.int32)
