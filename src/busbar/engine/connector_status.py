"""How every connector of a depot is now, from one moment: what it is given, why, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np

from busbar.core.allocation import Allocation, Stop, Verdict
from busbar.core.describe import Binding, bindings, limit_in_force
from busbar.core.flows import sums_by_class
from busbar.core.frame import row_rooms
from busbar.core.headroom import Headroom, Rooms, headroom
from busbar.core.limits import OpenTicks
from busbar.core.projection import Projection
from busbar.core.readiness import Readiness, power_at_vehicle_w, readiness
from busbar.core.rooms import rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Snapshot
from busbar.engine.envelopes import ROWS
from busbar.engine.events import ConnectorState
from busbar.engine.moment import Moment, Plugged
from busbar.engine.ports import Override, OverrideKind
from busbar.engine.status import allocation_in_force

_BY_STRENGTH = (OverrideKind.OUT_OF_SERVICE, OverrideKind.STOP, OverrideKind.HOLD)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectorNow:
    """One connector now. Values in its unit: mA per phase (AC) or W at the vehicle (DC)."""

    id: str
    charge_point: str
    is_ac: bool
    is_connected: bool
    """Whether its charge point can be told something."""
    in_service: bool
    state: ConnectorState | None
    order: Override | None
    """What a person ordered; the strongest where there are several."""
    plugged: Plugged | None
    """None: no vehicle."""
    request: int
    minimum: int
    setpoint: int
    acknowledged: int | None
    committed: int
    power_w: int
    """Of the setpoint, on the supply side."""
    measured_w: int | None
    """Of the draw, on the supply side."""
    stopped_by: int
    """A value of `allocation.Stop`."""
    bound_by: Binding | None
    held: str | None
    """Why what it is meant to have has not been sent."""
    trouble: str | None
    readiness: Readiness | None
    """None: no vehicle."""


def connectors_now(moment: Moment) -> tuple[ConnectorNow, ...]:
    """Every connector, in leaf order."""
    projection, allocation = moment.projection, allocation_in_force(moment)
    bound_by = first_binding(projection, moment.snapshot, allocation, rooms(projection, moment.snapshot))
    orders = _orders(moment)
    request, setpoint = moment.snapshot.request.tolist(), moment.setpoint.tolist()
    minimum, acknowledged = projection.minimum.tolist(), moment.acknowledged.tolist()
    committed, in_service = moment.committed.tolist(), projection.in_service.tolist()
    load, is_ac, stopped_by = projection.leaf_class.tolist(), projection.is_ac.tolist(), allocation.stopped_by.tolist()
    measured = moment.flows.rows[projection.leaf_node, TOTAL].tolist()
    units = projection.parent[projection.leaf_node].tolist()

    @cache
    def supply_w(load: int, value: int) -> int:
        return ceil(projection.weights[TOTAL][load] * value)

    found = []
    for leaf, connector in enumerate(projection.leaf_ids):
        unit, plugged = projection.node_ids[units[leaf]], moment.plugged.get(connector)
        has_draw = plugged is not None and plugged.draw is not None and measured[leaf] == measured[leaf]
        found.append(
            ConnectorNow(
                id=connector,
                charge_point=unit,
                is_ac=is_ac[leaf],
                is_connected=unit in moment.reachable,
                in_service=in_service[leaf],
                state=moment.states.get(connector),
                order=(orders.get(connector) or orders.get(unit)) if orders else None,
                plugged=plugged,
                request=request[leaf],
                minimum=minimum[leaf],
                setpoint=setpoint[leaf],
                acknowledged=None if acknowledged[leaf] < 0 else acknowledged[leaf],
                committed=committed[leaf],
                power_w=supply_w(load[leaf], setpoint[leaf]),
                measured_w=ceil(round(measured[leaf], 3)) if has_draw else None,
                stopped_by=stopped_by[leaf],
                bound_by=bound_by(leaf) if stopped_by[leaf] != Stop.NOTHING else None,
                held=moment.held.get(connector),
                trouble=moment.troubled.get(connector),
                readiness=None if plugged is None else readiness_of(moment, leaf, plugged, setpoint[leaf]),
            )
        )
    return tuple(found)


def readiness_of(moment: Moment, leaf: int, plugged: Plugged, setpoint: int) -> Readiness:
    """How a vehicle stands, if it goes on being given `setpoint`."""
    session = plugged.session
    return readiness(
        energy_needed_wh=session.energy_needed_wh,
        power_w=power_at_vehicle_w(moment.projection, leaf, setpoint),
        departs_in_s=None if session.departs is None else (session.departs - moment.at).total_seconds(),
        soc=session.soc,
    )


def _orders(moment: Moment) -> dict[str, Override]:
    """Connector or charge point -> the strongest order in force on it."""
    found: dict[str, Override] = {}
    for kind in reversed(_BY_STRENGTH):
        found |= {each.subject: each for each in moment.overrides if each.kind is kind and each.ended_at is None}
    return found


def first_binding(
    projection: Projection, snapshot: Snapshot, allocation: Allocation, found: Rooms
) -> Callable[[int], Binding | None]:
    """What stopped a leaf first, for many leaves: `describe.bindings(...)[0]`, worked out once for those alike."""
    stopped_by, verdicts = allocation.stopped_by.tolist(), allocation.verdict.tolist()
    nodes, classes = allocation.bound_node.tolist(), projection.leaf_class.tolist()
    more = np.maximum(0, allocation.next_value - allocation.reserved).tolist()

    frame, places = projection.frame, _places(projection)
    reserved = sums_by_class(projection, allocation.reserved) if (allocation.stopped_by == Stop.ROW).any() else []

    @cache
    def whole_rooms(available: OpenTicks, bounded_as_phasor: tuple[bool, bool, bool]) -> list[int | None]:
        return row_rooms(available, bounded_as_phasor, frame.units)

    @cache
    def here(node: int) -> tuple[int, Headroom]:
        inner = int(frame.inner_of[node])
        return inner, headroom(projection, found, inner)

    @cache
    def refused(node: int, load: int, wanted: int, verdict: int) -> Binding | None:
        """As `flows.refusing_rows` goes about it, at one node."""
        inner, figures = here(node)
        units = whole_rooms(figures.available, frame.bounded_as_phasor[inner])
        for row, group in places:
            weights, room = projection.groups[group].weights, units[row]
            if room is None or weights[load] * wanted == 0:
                continue
            taken = sum(weights[each] * value for each, value in reserved[node].items())
            if weights[load] * wanted > room - taken:
                return Binding(
                    node=projection.node_ids[node],
                    row=projection.rows[row].label,
                    limit=limit_in_force(projection, figures, inner, row),
                    reason={Verdict.NO_ROOM: "minimum", Verdict.RESTART_GAP: "restart_gap"}.get(verdict, "full"),
                )
        return None

    def bound(leaf: int) -> Binding | None:
        if stopped_by[leaf] == Stop.ROW and nodes[leaf] >= 0:
            known = refused(nodes[leaf], classes[leaf], more[leaf], verdicts[leaf])
            if known is not None:
                return known
        return next(iter(bindings(projection, snapshot, allocation, leaf, found=found)), None)

    return bound


def _places(projection: Projection) -> list[tuple[int, int]]:
    """Rows with the group each is in, in the order in which they are asked: L1, L2, L3, total."""
    rows = [(row, group) for group, found in enumerate(projection.groups) for row in found.rows]
    return sorted(rows, key=lambda pair: (ROWS.index(projection.rows[pair[0]].label), pair[0]))
