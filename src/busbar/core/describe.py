"""An allocation in words people and programs read: what bound whom, and every node's figures (design section 8)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from busbar.core.allocation import Allocation, Stop, Verdict
from busbar.core.flows import loads, refusing_rows, sums_by_class
from busbar.core.limits import NO_LOAD, OpenTicks, Scale, Ticks, rating_limits
from busbar.core.projection import NodeKind, Projection
from busbar.core.rooms import Headroom, Rooms, headroom, rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Mode, Snapshot
from busbar.core.split import split_one
from busbar.core.units import PHASES

ROW_KEYS = ("L1_ma", "L2_ma", "L3_ma", "total_w")


class NodeState(StrEnum):
    """How a node is; worst first (design section 7). Offline nothing is measured, so UNKNOWN does not occur."""

    BREACHED = "BREACHED"
    """More flows, base load and reservations together, than the limit in force."""
    UNKNOWN = "UNKNOWN"
    SAFE = "SAFE"
    CONSTRAINED = "CONSTRAINED"
    """Holds somebody back; nothing is wrong."""
    OK = "OK"


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """One thing that stopped a leaf."""

    node: str
    row: str | None
    """L1, L2, L3 or total; None where no row is concerned."""
    limit: str
    """Which limit it is: request, max_rating, rating, default_operating_capacity, safe_operating_capacity, envelope
    or out_of_service."""
    reason: str | None
    """full; minimum (it did not fit); restart_gap; None."""

    def document(self) -> dict[str, str | None]:
        """As in the allocation contract."""
        return {"node": self.node, "row": self.row, "limit": self.limit, "reason": self.reason}


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one connector is given of its charge point's setpoint."""

    connector: str
    request: int
    setpoint: int

    def document(self, unit: str) -> dict[str, Any]:
        """As in the allocation and explanation documents."""
        return {
            "connector": self.connector,
            "request": {"value": self.request, "unit": unit},
            "setpoint": {"value": self.setpoint, "unit": unit},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFigures:
    """One node on L1, L2, L3 (mA, referred) and total (W). Limits are rounded down, loads up; None: not limited."""

    id: str
    kind: NodeKind
    parent: str | None
    mode: Mode
    state: NodeState
    limit: tuple[int | None, ...]
    available: tuple[int | None, ...]
    base_load: tuple[int, ...]
    allocated: tuple[int, ...]
    reserved: tuple[int, ...]
    flow: tuple[int, ...]
    headroom: tuple[int | None, ...]

    def document(self) -> dict[str, Any]:
        """As in the allocation contract."""
        names = ("limit", "available", "base_load", "allocated", "reserved", "flow", "headroom")
        rows = {name: dict(zip(ROW_KEYS, getattr(self, name), strict=True)) for name in names}
        return {
            "id": self.id,
            "kind": self.kind.value,
            "parent": self.parent,
            "mode": self.mode.value,
            "state": self.state.value,
            **rows,
        }


def bindings(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    *,
    found: Rooms | None = None,
) -> tuple[Binding, ...]:
    """What stopped a leaf: `bound_by`, then every further row that refuses (`also_bound_by`); empty: wants nothing."""
    leaf_id = projection.leaf_ids[leaf]
    unit = projection.node_ids[projection.unit_node(leaf)]
    match int(allocation.stopped_by[leaf]):
        case Stop.NOTHING:
            return ()
        case Stop.OUT_OF_SERVICE:
            return (Binding(node=unit, row=None, limit="out_of_service", reason=None),)
        case Stop.REQUEST:
            return (Binding(node=leaf_id, row=None, limit="request", reason=None),)
        case Stop.RATING:
            first = tuple(
                Binding(node=leaf_id, row=row, limit="max_rating", reason="full") for row in _own_rows(projection, leaf)
            )
        case _:
            first = ()
    reason = {Verdict.NO_ROOM: "minimum", Verdict.RESTART_GAP: "restart_gap"}.get(int(allocation.verdict[leaf]), "full")
    found = found or rooms(projection, snapshot)
    more = int(max(0, allocation.next_value[leaf] - allocation.reserved[leaf]))
    named = dict.fromkeys(
        Binding(
            node=projection.node_ids[projection.frame.nodes[left.inner]],
            row=projection.rows[left.row].label,
            limit=limit_in_force(projection, figures, left.inner, left.row),
            reason=reason,
        )
        for left, figures in refusing_rows(projection, found, allocation.reserved, leaf=leaf, more=more)
    )
    if not named and not first and (holding := int(allocation.bound_node[leaf])) >= 0:
        # Split by its charge point: no row refuses this connector by itself, but what holds the charge point does.
        is_unit = projection.kinds[holding] is NodeKind.CHARGE_POINT
        limit = "max_rating" if is_unit else "default_operating_capacity"
        return (Binding(node=projection.node_ids[holding], row=None, limit=limit, reason=reason),)
    return tuple(dict.fromkeys((*first, *named)))


def _own_rows(projection: Projection, leaf: int) -> Sequence[str]:
    if not projection.is_ac[leaf]:
        return ("total",)
    return [phase.value for phase in projection.classes[projection.leaf_class[leaf]].phases]


def limit_in_force(projection: Projection, figures: Headroom, inner: int, row: int) -> str:
    """The name of the limit that decides what is available on a row of an inner node."""
    label = projection.rows[row].label
    line = TOTAL if label == "total" else int(label[1]) - 1
    limits = projection.frame.limits[inner]
    limit, safe, cap = figures.limit[line], limits.safe[line], limits.cap[line]
    room = None if limit is None else limit - figures.base[line]
    if figures.is_safe and safe is not None and (room is None or safe <= room):
        return "safe_operating_capacity"
    names = [(name, ticks[line]) for name, ticks in limits.given] + [("envelope", figures.envelope[line])]
    # Generation lifts what charge points may draw, but only up to the cap.
    decides = cap if cap is not None and room is not None and cap < room else limit
    return next(name for name, ticks in names if ticks == decides)


def node_figures(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    *,
    found: Rooms | None = None,
    only: Collection[int] | None = None,
) -> tuple[NodeFigures, ...]:
    """Every node of the projection, parents first; or `only` some, the microgrid among them."""
    found = found or rooms(projection, snapshot)
    allocated = sums_by_class(projection, allocation.setpoint)
    reserved = sums_by_class(projection, allocation.reserved)
    holding = set(allocation.bound_node[allocation.stopped_by == Stop.ROW].tolist())
    scale = projection.frame.scale
    figures: list[NodeFigures] = []
    states: list[NodeState] = []
    for node in range(len(projection.node_ids)):
        here, taken = _figures_of(projection, found, node), loads(projection, reserved[node], node)
        states.append(_state(here, taken, scale, is_holding=node in holding))
        if only is None or node in only:
            given = loads(projection, allocated[node], node)
            figures.append(_node(projection, node, here, given, taken, scale, states[-1]))
    # The microgrid's state is the worst below it.
    worst = min(states, key=list(NodeState).index)
    return (replace(figures[0], state=worst), *figures[1:])


def _figures_of(projection: Projection, found: Rooms, node: int) -> Headroom:
    inner = int(projection.frame.inner_of[node])
    if inner >= 0:
        return headroom(projection, found, inner)
    above = int(projection.parent[node])
    unit = projection.subjects[above]
    rating = int(projection.max_rating[np.searchsorted(projection.leaf_node, node)])
    limits = rating_limits(
        unit,  # type: ignore[arg-type]
        rating,
        projection.frame.scale,
        voltage_v=int(projection.voltage_v[node]),
        phases=projection.phases[node],
    )
    ticks = limits.default
    return Headroom(limit=ticks, base=NO_LOAD, available=ticks, envelope=(None, None, None, None), is_safe=False)


def _state(here: Headroom, reserved: tuple[Fraction, ...], scale: Scale, *, is_holding: bool) -> NodeState:
    if any(
        limit is not None and load.numerator * scale.per_unit(row) > (limit - base) * load.denominator
        for row, (load, base, limit) in enumerate(zip(reserved, here.base, here.limit, strict=True))
    ):
        return NodeState.BREACHED
    if here.is_safe:
        return NodeState.SAFE
    return NodeState.CONSTRAINED if is_holding else NodeState.OK


def _node(
    projection: Projection,
    node: int,
    here: Headroom,
    allocated: tuple[Fraction, ...],
    reserved: tuple[Fraction, ...],
    scale: Scale,
    state: NodeState,
) -> NodeFigures:
    flow = [
        load + Fraction(ticks, scale.per_unit(row))
        for row, (load, ticks) in enumerate(zip(reserved, here.base, strict=True))
    ]
    above = int(projection.parent[node])
    return NodeFigures(
        id=projection.node_ids[node],
        kind=projection.kinds[node],
        parent=projection.node_ids[above] if above >= 0 else None,
        mode=Mode.SAFE if here.is_safe else Mode.NORMAL,
        state=state,
        limit=_whole_limits(here.limit, scale),
        available=_whole_limits(here.available, scale),
        base_load=_whole_loads(here.base, scale),
        allocated=tuple(ceil(value) for value in allocated),
        reserved=tuple(ceil(value) for value in reserved),
        flow=tuple(ceil(value) for value in flow),
        headroom=tuple(
            None if ticks is None else floor(Fraction(ticks, scale.per_unit(row)) - reserved[row])
            for row, ticks in enumerate(here.available)
        ),
    )


def _whole_limits(ticks: OpenTicks, scale: Scale) -> tuple[int | None, ...]:
    return tuple(None if value is None else value // scale.per_unit(row) for row, value in enumerate(ticks))


def _whole_loads(ticks: Ticks, scale: Scale) -> tuple[int, ...]:
    return tuple(-(-value // scale.per_unit(row)) for row, value in enumerate(ticks))


def allocation_document(projection: Projection, snapshot: Snapshot, allocation: Allocation) -> dict[str, Any]:
    """The allocation as `busbar balance --json` prints it (`busbar/allocation/1`)."""
    found = rooms(projection, snapshot)
    return {
        "schema": "busbar/allocation/1",
        "at": snapshot.at.isoformat(),
        "strategy": allocation.strategy,
        "leaves": allocation.leaves.value,
        "fair_in": allocation.fair_in.value,
        "outcome": allocation.outcome.value,
        "allocations": [
            leaf_document(projection, snapshot, allocation, leaf, found=found)
            for leaf in range(len(projection.leaf_ids))
        ],
        "nodes": [figure.document() for figure in node_figures(projection, snapshot, allocation, found=found)],
    }


def leaf_document(
    projection: Projection,
    snapshot: Snapshot,
    allocation: Allocation,
    leaf: int,
    *,
    found: Rooms | None = None,
) -> dict[str, Any]:
    """One entry of `allocations`."""
    unit = "mA" if projection.is_ac[leaf] else "W"
    setpoint = int(allocation.setpoint[leaf])
    stopped = bindings(projection, snapshot, allocation, leaf, found=found)
    shares = shares_of(projection, snapshot, allocation, leaf)
    return {
        "leaf": projection.leaf_ids[leaf],
        "request": {"value": int(snapshot.request[leaf]), "unit": unit},
        "setpoint": {"value": setpoint, "unit": unit},
        "power_w": supply_w(projection, leaf, setpoint),
        "current_ma": list(supply_ma(projection, leaf, setpoint)),
        "bound_by": stopped[0].document() if stopped else None,
        "also_bound_by": [binding.document() for binding in stopped[1:]],
        **({"split": [share.document(unit) for share in shares]} if shares else {}),
    }


def shares_of(projection: Projection, snapshot: Snapshot, allocation: Allocation, leaf: int) -> tuple[Share, ...]:
    """What each connector of a charge point is given of its setpoint; empty where nothing is known of connectors."""
    if projection.by_connector is None or snapshot.by_connector is None:
        return ()
    given = split_one(projection, snapshot, leaf, int(allocation.setpoint[leaf]))
    return tuple(
        Share(
            connector=projection.connectors.leaf_ids[place],
            request=int(snapshot.by_connector.request[place]),
            setpoint=given.get(place, 0),
        )
        for place in projection.connectors_of(leaf)
    )


def supply_w(projection: Projection, leaf: int, value: int) -> int:
    """W on the supply side for a value in the leaf's unit, rounded up."""
    return int(ceil(projection.weights[TOTAL][projection.leaf_class[leaf]] * value))  # noqa: RUF046


def supply_ma(projection: Projection, leaf: int, value: int) -> tuple[int, int, int]:
    """mA on L1, L2 and L3 for a value in the leaf's unit, referred, rounded up."""
    load = projection.leaf_class[leaf]
    found = [ceil(projection.weights[line][load] * value) for line in range(len(PHASES))]
    return (found[0], found[1], found[2])
