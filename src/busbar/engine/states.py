"""Node states for the record, without the figures that `describe.node_figures` works out for people to read."""

import numpy as np

from busbar.core.allocation import Allocation, Stop
from busbar.core.describe import NodeState
from busbar.core.flows import ByClass, load_on_row, loads, sums_by_class
from busbar.core.projection import Projection
from busbar.core.rooms import Rooms, headroom


def node_states(projection: Projection, allocation: Allocation, found: Rooms) -> dict[str, str]:
    """Node id -> state, for nodes that are not OK; the microgrid's is the worst below it."""
    holding = set(allocation.bound_node[allocation.stopped_by == Stop.ROW].tolist())
    reserved = sums_by_class(projection, allocation.reserved)
    states: dict[str, NodeState] = {}
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        if _is_breached(projection, found, inner, node, reserved[node]):
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


def _is_breached(projection: Projection, found: Rooms, inner: int, node: int, reserved: ByClass) -> bool:
    """Whether more flows, base load and reservations together, than the limit in force."""
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
