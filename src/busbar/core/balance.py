"""Balance: snapshot and strategy in, allocation out."""

from dataclasses import replace

import numpy as np

from busbar.core.allocation import Allocation, Outcome, Stop
from busbar.core.depot import FairIn
from busbar.core.fill import Demand, bind_leaves, fill_tree
from busbar.core.projection import Projection
from busbar.core.rooms import Rooms, rooms
from busbar.core.snapshot import Snapshot, least
from busbar.core.strategies import STRATEGIES, Strategy, turn_due


def balance(
    projection: Projection,
    snapshot: Snapshot,
    *,
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn | str = FairIn.POWER,
) -> Allocation:
    """Share what every node can carry among the leaves that want it. Pure.

    Raises KeyError for an unknown strategy and ValueError for an unknown `fair_in`. The result promises what design
    section 5 says; `audit` proves it.
    """
    return balance_in(projection, snapshot, rooms(projection, snapshot), strategy=strategy, fair_in=FairIn(fair_in))


def balance_in(
    projection: Projection,
    snapshot: Snapshot,
    found: Rooms,
    *,
    strategy: str | Strategy,
    fair_in: FairIn,
) -> Allocation:
    """The same in rooms that are given: those of the snapshot, or what would be if a limit were another."""
    chosen = STRATEGIES[strategy] if isinstance(strategy, str) else strategy
    demand = demand_of(projection, snapshot)
    ranking = chosen(projection, snapshot)
    filled = fill_tree(projection.frame, found.room, demand, ranking, fair_in)
    bound = bind_leaves(projection.frame, demand, filled)
    stopped_by = bound.kind
    idle = snapshot.present & (snapshot.request > 0) & ~demand.reachable
    if idle.any():
        stopped_by = np.where(idle, np.int8(Stop.OUT_OF_SERVICE), stopped_by)
    held_back = (stopped_by == Stop.ROW) | (stopped_by == Stop.OUT_OF_SERVICE)
    return Allocation(
        at=snapshot.at,
        strategy=chosen.__name__,
        leaves=projection.leaves,
        fair_in=fair_in,
        outcome=Outcome.CONSTRAINED if held_back.any() else Outcome.APPLIED,
        setpoint=filled.setpoint,
        reserved=filled.reserved,
        verdict=filled.verdict,
        stopped_by=stopped_by,
        bound_node=np.where(bound.node >= 0, projection.frame.nodes[bound.node], -1).astype(np.int32),
        bound_group=bound.group,
        next_value=bound.target,
    )


def demand_of(projection: Projection, snapshot: Snapshot) -> Demand:
    """What each leaf asks of the fill, and what is reserved for it in any case."""
    reachable = projection.in_service & ~snapshot.out_of_reach
    wants = snapshot.present & (snapshot.request > 0) & reachable
    # A request below the minimum counts as the minimum, so that a tapering vehicle is not cut off.
    minimum = least(projection, snapshot)
    wanted = np.where(wants, np.maximum(snapshot.request, minimum), 0)
    idle = np.where(projection.in_service, np.maximum(projection.fallback, snapshot.committed), 0)
    stopped = np.isfinite(snapshot.stopped_ago_s) & ~snapshot.charging & ~turn_due(snapshot)
    return Demand(
        wanted=wanted,
        # A minimum above the rating is refused when a depot is read; here it can be given nothing.
        request=np.where(minimum <= projection.max_rating, np.minimum(wanted, projection.max_rating), 0),
        idle=idle,
        needs_margin=stopped,
        reachable=reachable,
        max_rating=projection.max_rating,
        minimum=minimum,
        step=projection.step,
        steps_first=projection.steps_first,
        steps_last=projection.steps_last,
        allowed_steps=projection.allowed_steps,
        leaf_class=projection.leaf_class,
    )


def as_failed(allocation: Allocation) -> Allocation:
    """The same allocation, marked as one that the audit refused."""
    return replace(allocation, outcome=Outcome.FAILED)
