"""What a DERMS sees: the nodes it is granted and what is below them, down to charge points; nothing of anybody else."""

from collections.abc import Iterable, Sequence
from typing import Any

from busbar.core.describe import NodeState
from busbar.core.projection import Projection


def sees_node(projection: Projection, granted: Iterable[str], node: str) -> bool:
    """Whether a node is granted, or below one that is; a node that is not known is not seen."""
    index = projection.node_index.get(node)
    if index is None:
        return False
    wanted = set(granted)
    return any(projection.node_ids[above] in wanted for above in projection.path(index))


def for_nodes(document: dict[str, Any], projection: Projection, granted: Sequence[str]) -> dict[str, Any]:
    """A status (`models.Status`) of the granted nodes alone: without connectors, vehicles and others' alarms.

    A granted node has no parent there, and the state is the worst of what is seen.
    """
    seen = _seen(projection, granted)
    nodes = [
        {**node, "parent": node["parent"] if node["parent"] in seen else None}
        for node in document["nodes"]
        if node["id"] in seen and node["kind"] != "CONNECTOR"
    ]
    order = [state.value for state in NodeState]
    # A charge point's missing data is its own matter, as in the microgrid's state.
    states = [node["state"] for node in nodes if node["state"] != "UNKNOWN" or node["kind"] != "CHARGE_POINT"]
    units = [node["id"] for node in nodes if node["kind"] == "CHARGE_POINT"]
    connected = {each["charge_point"] for each in document["connectors"] if each["is_connected"]}
    return {
        **document,
        "state": min(states, key=order.index, default="UNKNOWN"),
        "charge_points_connected": sum(unit in connected for unit in units),
        "charge_points": len(units),
        "nodes": nodes,
        "connectors": [],
        "alarms": [alarm for alarm in document["alarms"] if alarm["node"] in seen],
    }


def _seen(projection: Projection, granted: Sequence[str]) -> frozenset[str]:
    """Parents come first, so that one pass finds everything below."""
    wanted, seen = set(granted), [False] * len(projection.node_ids)
    for node, (node_id, above) in enumerate(zip(projection.node_ids, projection.parent.tolist(), strict=True)):
        seen[node] = node_id in wanted or (above >= 0 and seen[above])
    return frozenset(node_id for node_id, is_seen in zip(projection.node_ids, seen, strict=True) if is_seen)
