"""Node states for the record, without the figures that `describe.node_figures` works out for people to read."""

import numpy as np

from busbar.core.allocation import Allocation, Stop
from busbar.core.describe import NodeState
from busbar.core.flows import ByClass, load_on_row, loads, sums_by_class
from busbar.core.limits import NO_LIMIT, OpenTicks, flow_limit
from busbar.core.projection import Projection, WholeWeights
from busbar.core.rooms import Rooms, headroom
from busbar.core.units import PHASES


def node_states(projection: Projection, allocation: Allocation, found: Rooms) -> dict[str, str]:
    """Node id -> state, for nodes that are not OK; the microgrid's is the worst below it."""
    holding = set(allocation.bound_node[allocation.stopped_by == Stop.ROW].tolist())
    reserved = sums_by_class(projection, allocation.reserved)
    states: dict[str, NodeState] = {}
    scale = projection.frame.scale
    per_row = [(projection.whole_weights[row], scale.per_unit(row)) for row in range(len(PHASES) + 1)]
    as_phasor, base = [any(lines) for lines in projection.frame.bounded_as_phasor], found.base.tolist()
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        if as_phasor[inner] or inner in found.safe or inner in found.lifted:
            is_breached = _is_breached(projection, found, inner, node, reserved[node])
        else:
            limit = flow_limit(projection.frame.limits[inner], found.envelopes.get(inner, NO_LIMIT))
            is_breached = _is_over(limit, base[inner], reserved[node], per_row)
        if is_breached:
            state = NodeState.BREACHED
        elif inner in found.safe:
            state = NodeState.SAFE
        elif node in holding:
            state = NodeState.CONSTRAINED
        else:
            continue
        states[projection.node_ids[node]] = state
    if states:
        order = list(NodeState)
        states[projection.node_ids[0]] = min(states.values(), key=order.index)
    return {node_id: state.value for node_id, state in sorted(states.items())}


def _is_over(limit: OpenTicks, base: list[int], reserved: ByClass, per_row: list[tuple[WholeWeights, int]]) -> bool:
    """Whether more flows than may: base load (whole mA and W) and reservations together. Exact.

    `per_row`: weights, and ticks per mA or W.
    """
    for most, load, (weights, per_unit) in zip(limit, base, per_row, strict=True):
        if most is None:
            continue
        flow = sum(weights.of_class[each] * value for each, value in reserved.items())
        if flow * per_unit > (most - load * per_unit) * weights.scale:
            return True
    return False


def _is_breached(projection: Projection, found: Rooms, inner: int, node: int, reserved: ByClass) -> bool:
    """The same where a line carries phasors, or where a base load is assumed."""
    here, scale = headroom(projection, found, inner), projection.frame.scale
    as_phasor = np.any(projection.frame.bounded_as_phasor[inner])
    exact = loads(projection, reserved, node) if as_phasor else None
    for row, limit in enumerate(here.limit):
        if limit is None:
            continue
        load = load_on_row(projection, reserved, row) if exact is None else exact[row]
        if load * scale.per_unit(row) > limit - here.base[row]:
            return True
    return False
