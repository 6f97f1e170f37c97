"""Every node's limit in force in arrays, as its meter can be held against it."""

from collections.abc import Collection, Sequence

import numpy as np

from busbar.core.depot import ChargePoint
from busbar.core.headroom import Rooms
from busbar.core.limits import NO_LIMIT, NodeLimits, OpenTicks, Scale, flow_limit, rating_limits
from busbar.core.projection import Projection
from busbar.core.snapshot import Floats


class LimitRows:
    """The limits of one projection; only envelopes change them. Shapes [nodes, 4]: mA referred, and W."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._limits = [self._limits_of(node) for node in range(len(projection.node_ids))]
        self._stored = _floats([flow_limit(limits, NO_LIMIT) for limits in self._limits], projection.frame.scale)

    def _limits_of(self, node: int) -> NodeLimits:
        projection = self._projection
        inner = int(projection.frame.inner_of[node])
        if inner >= 0:
            return projection.frame.limits[inner]
        unit = projection.subjects[int(projection.parent[node])]
        assert isinstance(unit, ChargePoint)
        return rating_limits(
            unit,
            int(projection.max_rating[np.searchsorted(projection.leaf_node, node)]),
            projection.frame.scale,
            voltage_v=int(projection.voltage_v[node]),
            phases=projection.phases[node],
        )

    def limit(self, found: Rooms) -> Floats:
        """[nodes, 4] what may flow, base load included; NaN where not limited."""
        limit, frame = self._stored.copy(), self._projection.frame
        for inner, envelope in found.envelopes.items():
            ticks = flow_limit(frame.limits[inner], envelope)
            limit[int(frame.nodes[inner])] = _floats([ticks], frame.scale)[0]
        return limit

    def base_load(self, found: Rooms, known: Collection[str]) -> Floats:
        """[nodes, 4] base load as it is counted; NaN where some of it is only assumed; 0 at charge points and below.

        `known`: nodes that have a figure of their own. What is assumed below the others is in theirs too.
        """
        projection, frame = self._projection, self._projection.frame
        base = np.zeros_like(self._stored)
        base[frame.nodes] = found.base
        for inner in found.safe:
            for node in projection.path(int(frame.nodes[inner])):
                if projection.node_ids[node] in known:
                    break
                base[node] = np.nan
        return base

    def name(self, found: Rooms, node: int, row: int) -> str:
        """Which limit decides on a row (0 to 3) of a node, as `bound_by.limit` names them."""
        inner = int(self._projection.frame.inner_of[node])
        envelope = found.envelopes.get(inner, NO_LIMIT)[row] if inner >= 0 else None
        given = [(name, ticks[row]) for name, ticks in self._limits[node].given] + [("envelope", envelope)]
        known = [(ticks, name) for name, ticks in given if ticks is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else ""


def _floats(ticks: Sequence[OpenTicks], scale: Scale) -> Floats:
    """[n, 4] in mA and W."""
    per_unit = [scale.per_unit(row) for row in range(4)]
    rows = [
        [np.nan if value is None else value / per for value, per in zip(each, per_unit, strict=True)] for each in ticks
    ]
    return np.array(rows, dtype=np.float64)
