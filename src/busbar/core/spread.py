"""An allocation of charge points as one of the connectors below them: what each gets, and what stopped it.

Each charge point's part is split by its own rule; the parts then go through the same fill as any requests. So what is
sent connector by connector keeps every limit connector by connector too, with every connector's fallback counted, and
passes the same audit: a connector that stands idle may fall back to something while its neighbour charges.
"""

from dataclasses import replace

import numpy as np

from busbar.core.allocation import Allocation, Outcome, Stop, Verdict
from busbar.core.balance import balance
from busbar.core.depot import FairIn
from busbar.core.projection import Projection
from busbar.core.snapshot import Ints, Snapshot
from busbar.core.split import split
from busbar.core.strategies import Strategy


def spread(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    *,
    strategy: str | Strategy = "equal_share",
    fair_in: FairIn = FairIn.POWER,
) -> Allocation:
    """The allocation on `projection.connectors` and `snapshot.connectors`; where the leaves are connectors, as it is.

    A connector that has its part, and wants more, is stopped by what stopped its charge point; where that has all it
    could use, by the charge point itself, which serves no more at once or is rated for no more.
    """
    if projection.by_connector is None:
        return allocation
    connectors, wanted = projection.connectors, snapshot.connectors
    part = split(projection, snapshot, allocation.setpoint).setpoint
    capped = replace(wanted, request=np.minimum(wanted.request, part))
    found = balance(connectors, capped, strategy=strategy, fair_in=fair_in)
    unit = np.repeat(np.arange(len(projection.leaf_ids)), np.diff(projection.first_connector))
    above = allocation.stopped_by[unit]
    most = np.minimum(wanted.request, connectors.max_rating)
    has_its_part = (found.stopped_by == Stop.NOTHING) | (found.stopped_by == Stop.REQUEST)
    held = wanted.present & has_its_part & (found.setpoint < most) & (above != Stop.OUT_OF_SERVICE)
    # Counted with its minimum, a tapering vehicle has all it asked for.
    held &= ~((found.setpoint > 0) & (found.setpoint >= wanted.request))
    is_rated = wanted.present & (wanted.request > found.setpoint) & (found.setpoint >= connectors.max_rating)
    stopped_by = np.where(held, Stop.ROW, np.where(is_rated, Stop.RATING, found.stopped_by))
    is_out = wanted.present & (wanted.request > 0) & (above == Stop.OUT_OF_SERVICE)
    stopped_by = np.where(is_out, Stop.OUT_OF_SERVICE, stopped_by)
    refused = np.where(allocation.verdict[unit] == Verdict.RESTART_GAP, Verdict.RESTART_GAP, Verdict.NO_ROOM)
    verdict = np.where(held & (found.setpoint == 0), refused, found.verdict)
    is_constrained = bool(np.any((stopped_by == Stop.ROW) | is_out))
    outcome = allocation.outcome
    if outcome is not Outcome.FAILED:
        outcome = Outcome.CONSTRAINED if is_constrained else Outcome.APPLIED
    return replace(
        found,
        leaves=allocation.leaves,
        outcome=outcome,
        verdict=verdict.astype(found.verdict.dtype),
        stopped_by=stopped_by.astype(found.stopped_by.dtype),
        bound_node=np.where(held, _holding(projection, allocation, unit), found.bound_node).astype(
            found.bound_node.dtype
        ),
        next_value=np.where(held, _next_values(connectors, found.setpoint), found.next_value),
    )


def _holding(projection: Projection, allocation: Allocation, unit: Ints) -> Ints:
    """[m] the node of `projection.connectors` that holds each connector's charge point, or the charge point."""
    node_of = projection.connectors.node_index
    holding = np.where(allocation.stopped_by == Stop.ROW, allocation.bound_node, projection.leaf_node)
    by_unit = np.array([node_of[projection.node_ids[node]] for node in holding.tolist()], dtype=np.int64)
    return by_unit[unit] if len(unit) else np.zeros(0, dtype=np.int64)


def _next_values(connectors: Projection, setpoint: Ints) -> Ints:
    """[m] the value after this one: the minimum, the next listed step, or one step more."""
    step = np.maximum(connectors.step, 1)
    found = np.where(setpoint == 0, connectors.minimum, (setpoint // step + 1) * step)
    for leaf in np.flatnonzero(connectors.steps_last > connectors.steps_first).tolist():
        allowed = connectors.allowed_steps[connectors.steps_first[leaf] : connectors.steps_last[leaf]]
        found[leaf] = next((int(value) for value in allowed if value > setpoint[leaf]), int(setpoint[leaf]))
    return np.minimum(found, connectors.max_rating)
