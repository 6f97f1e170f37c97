"""A depot without a vehicle: declared base load, and what fallbacks reserve."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from busbar.core.allocation import Allocation, Outcome
from busbar.core.describe import NodeFigures, node_figures
from busbar.core.projection import Projection
from busbar.core.snapshot import snapshot_from_arrays


@dataclass(frozen=True, kw_only=True)
class Unloaded:
    """What is reserved before any vehicle comes."""

    projection: Projection
    figures: tuple[NodeFigures, ...]


def unloaded(projection: Projection) -> Unloaded:
    """Every node's figures while nobody charges."""
    n = len(projection.leaf_ids)
    nothing = np.zeros(n, dtype=np.int64)
    reserved = np.where(projection.in_service, projection.fallback, 0)
    snapshot = snapshot_from_arrays(projection, at=datetime.fromtimestamp(0, UTC), request=nothing)
    allocation = Allocation(
        at=snapshot.at,
        strategy=projection.depot.strategy,
        leaves=projection.leaves,
        fair_in=projection.depot.fair_in,
        outcome=Outcome.APPLIED,
        setpoint=nothing,
        reserved=reserved,
        verdict=np.zeros(n, dtype=np.int8),
        stopped_by=np.zeros(n, dtype=np.int8),
        bound_node=np.full(n, -1, dtype=np.int32),
        bound_group=np.full(n, -1, dtype=np.int32),
        next_value=nothing,
    )
    return Unloaded(projection=projection, figures=node_figures(projection, snapshot, allocation))
