"""Status: how every power node of a depot is now, from one moment (design section 7)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from busbar.core.allocation import Allocation, Outcome, Stop
from busbar.core.balance import demand_of
from busbar.core.depot import Circuit
from busbar.core.describe import NodeState
from busbar.core.headroom import Rooms
from busbar.core.metering import Cause, Condition, MeterRules
from busbar.core.projection import NodeKind
from busbar.core.rooms import rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Bools, Mode
from busbar.engine.moment import Moment
from busbar.engine.node_rows import NodeRows, node_rows, whole_flows
from busbar.engine.ports import Override, OverrideKind

NO_DATA = "no_data"
"""Cause of a node without a meter that is UNKNOWN: connectors below it have not said what they draw."""
_SILENT_S = MeterRules().silent_s
_WORST_FIRST = tuple(NodeState)


@dataclass(frozen=True, kw_only=True, slots=True)
class CauseNow:
    """Why a node is SAFE, or UNKNOWN, or not raised below."""

    code: str
    """As `core.metering.Cause` has them, or `no_data`."""
    since: datetime | None
    fault: str = ""
    """What its meter's adapter said last."""
    order: Override | None = None
    """Who put it into SAFE."""
    unheard: int = 0
    """Connectors below it of which nobody knows what they draw."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeNow:
    """One node now."""

    id: str
    kind: NodeKind
    parent: str | None
    state: NodeState
    mode: Mode
    cause: CauseNow | None
    rows: NodeRows
    measured: tuple[int | None, ...] | None
    """L1, L2, L3 and total; None: nothing is known."""
    measured_at: datetime | None
    age_s: float | None
    in_transition: bool
    breaches: tuple[str, ...]
    """Ids of its open breaches."""


def nodes_now(moment: Moment) -> tuple[NodeNow, ...]:
    """Every node, parents first."""
    projection = moment.projection
    found = rooms(projection, moment.snapshot)
    allocation = allocation_in_force(moment)
    rows = node_rows(
        projection,
        found,
        allocated=allocation.setpoint,
        reserved=allocation.reserved,
        committed=moment.committed,
    )
    unheard = _unheard(moment)
    states = _states(moment, found, allocation)
    measured, ages = whole_flows(moment.flows.rows), moment.flows.age_s.tolist()
    breaches = _open_breaches(moment)
    parents = projection.parent.tolist()
    orders = {each.subject: each for each in moment.overrides if each.kind is OverrideKind.SAFE}
    nodes = []
    for node, node_id in enumerate(projection.node_ids):
        flow, age_s = measured[node], ages[node]
        is_aged = flow is not None and age_s == age_s
        nodes.append(
            NodeNow(
                id=node_id,
                kind=projection.kinds[node],
                parent=projection.node_ids[parents[node]] if parents[node] >= 0 else None,
                state=states[node],
                mode=Mode.SAFE if rows[node].is_safe else Mode.NORMAL,
                cause=_cause(moment, node_id, states[node], orders.get(node_id), unheard[node])
                if node_id in moment.conditions or states[node] is NodeState.UNKNOWN
                else None,
                rows=rows[node],
                measured=flow,
                measured_at=moment.at - timedelta(seconds=age_s) if is_aged else None,
                age_s=age_s if is_aged else None,
                in_transition=node_id in moment.in_transition,
                breaches=breaches.get(node_id, ()),
            )
        )
    return tuple(nodes)


def node_states_now(moment: Moment) -> dict[str, NodeState]:
    """Every node's state, without its figures; parents first."""
    found = rooms(moment.projection, moment.snapshot)
    states = _states(moment, found, allocation_in_force(moment))
    return dict(zip(moment.projection.node_ids, states, strict=True))


def worst_state(moment: Moment) -> NodeState:
    """The microgrid's state."""
    return node_states_now(moment)[moment.projection.node_ids[0]]


def allocation_in_force(moment: Moment) -> Allocation:
    """What holds: the cycle's allocation, or, where its audit failed, what was running and still fits.

    Nobody is said to be bound then: nobody knows.
    """
    allocation = moment.allocation
    if allocation.outcome is not Outcome.FAILED:
        return allocation
    idle = demand_of(moment.projection, moment.snapshot).idle
    return replace(
        allocation,
        setpoint=moment.setpoint,
        reserved=np.maximum(moment.setpoint, idle),
        stopped_by=np.zeros_like(allocation.stopped_by),
    )


def _open_breaches(moment: Moment) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for breach in moment.breaches:
        if breach.is_open:
            found[breach.node] = (*found.get(breach.node, ()), breach.id)
    return found


def _states(moment: Moment, found: Rooms, allocation: Allocation) -> list[NodeState]:
    """Worst first: the first that applies; the microgrid's is the worst of its own and those below.

    A charge point's or connector's missing data is its own matter, and that of the nodes without a meter above it,
    whose flows are not known for it.
    """
    projection = moment.projection
    holding = set(allocation.bound_node[allocation.stopped_by == Stop.ROW].tolist())
    safe = {int(projection.frame.nodes[inner]) for inner in found.safe}
    unknown = _is_unknown(moment)
    breached = _open_breaches(moment)
    states = [
        NodeState.BREACHED
        if node_id in breached
        else NodeState.UNKNOWN
        if unknown[node]
        else NodeState.SAFE
        if node in safe
        else NodeState.CONSTRAINED
        if node in holding
        else NodeState.OK
        for node, node_id in enumerate(projection.node_ids)
    ]
    units = (NodeKind.CHARGE_POINT, NodeKind.CONNECTOR)
    counted = {
        state
        for state, kind in zip(states, projection.kinds, strict=True)
        if state is not NodeState.UNKNOWN or kind not in units
    }
    states[0] = min(counted, key=_WORST_FIRST.index)
    return states


def _is_unknown(moment: Moment) -> list[bool]:
    """[N] nodes whose data is missing: whose meter is not heard, or, without one, anything right below them.

    A meter that is heard is enough, whichever rows it gives: the others are reckoned from those (design section 4).
    """
    projection, missing = moment.projection, np.isnan(moment.flows.rows)
    unknown = np.all(missing, axis=1)
    unknown[projection.leaf_node] = _unknown_leaves(moment, missing)
    found: list[bool] = unknown.tolist()
    metered = [isinstance(subject, Circuit) and bool(subject.meter) for subject in projection.subjects]
    parents = projection.parent.tolist()
    for node in range(len(found) - 1, -1, -1):
        if metered[node]:
            found[node] = found[node] or not _is_heard(moment.conditions.get(projection.node_ids[node]))
        if found[node] and node and not metered[parents[node]]:
            found[parents[node]] = True
    return found


def _unknown_leaves(moment: Moment, missing: Bools) -> Bools:
    """[n] connectors of which nobody knows what they draw: AC on one of their lines, DC in total."""
    projection = moment.projection
    lines = np.array([[weight > 0 for weight in projection.weights[row]] for row in range(TOTAL)], dtype=np.bool_)
    here = missing[projection.leaf_node]
    on_lines = (here[:, :TOTAL] & lines.reshape(TOTAL, -1)[:, projection.leaf_class].T).any(axis=1)
    unknown: Bools = np.where(projection.is_ac, on_lines, here[:, TOTAL])
    return unknown


def _is_heard(condition: Condition | None) -> bool:
    if condition is None or condition.age_s is None or condition.cause is Cause.SILENT:
        return False
    # A person's order takes the place of the meter's own cause.
    return condition.cause is not Cause.BY_ORDER or condition.age_s <= _SILENT_S


def _unheard(moment: Moment) -> list[int]:
    """[N] connectors below each node of which nobody knows what they draw."""
    projection = moment.projection
    leaves = _unknown_leaves(moment, np.isnan(moment.flows.rows))
    running = np.concatenate(([0], np.cumsum(leaves)))
    unheard: list[int] = (running[projection.last_leaf] - running[projection.first_leaf]).tolist()
    return unheard


def _cause(moment: Moment, node: str, state: NodeState, order: Override | None, unheard: int) -> CauseNow | None:
    condition = moment.conditions.get(node)
    if condition is not None and condition.cause is not None:
        is_ordered = condition.cause is Cause.BY_ORDER
        return CauseNow(
            code=condition.cause.value,
            since=order.at if is_ordered and order is not None else moment.safe_since.get(node),
            fault=condition.fault,
            order=order if is_ordered else None,
        )
    if state is NodeState.UNKNOWN:
        return CauseNow(code=NO_DATA, since=None, unheard=unheard)
    return None
