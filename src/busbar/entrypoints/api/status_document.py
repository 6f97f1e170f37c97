"""`GET depots/{id}/status`: one consistent cycle, as `models.Status` describes it."""

from datetime import datetime, timedelta
from typing import Any

from busbar.core.allocation import Outcome
from busbar.core.depot import Leaves
from busbar.core.readiness import Readiness
from busbar.engine.connector_status import ConnectorNow, connectors_now
from busbar.engine.moment import Moment
from busbar.engine.node_rows import NodeRows, named
from busbar.engine.status import CauseNow, NodeNow, nodes_now
from busbar.entrypoints.api.rows import by_row, open_value, utc, value
from busbar.entrypoints.api.sentences import cause_text, held_text, why

_LONGEST_S = 10 * 365 * 86_400.0
"""Ready later than that is never."""


def status_document(moment: Moment, *, age_s: float, stale_after_s: float, last_event: str) -> dict[str, Any]:
    """`models.Status`. Half a second for 10 000 connectors: make it once per cycle, away from the event loop.

    `age_s` is how old the moment is when this is answered; whoever keeps the document puts the new one in.
    """
    projection, allocation = moment.projection, moment.allocation
    nodes = nodes_now(moment)
    shared: dict[int, dict[str, Any]] = {}
    has_failed = allocation.outcome is Outcome.FAILED
    return {
        "depot_id": moment.depot_id,
        "epoch": moment.epoch,
        "sequence": moment.sequence,
        "at": utc(moment.at),
        "age_s": age_s,
        "stale_after_s": stale_after_s,
        "cycle": moment.record.number,
        "trigger": moment.record.trigger,
        "outcome": moment.record.outcome.value,
        "strategy": moment.record.strategy,
        "leaves": Leaves(allocation.leaves).value,
        "fair_in": allocation.fair_in.value,
        "state": nodes[0].state.value,
        "charge_points_connected": len(moment.reachable),
        "charge_points": len(projection.depot.charge_points),
        "last_event": last_event,
        "nodes": [_node(node, shared) for node in nodes],
        "connectors": [_connector(moment, each, has_failed=has_failed) for each in connectors_now(moment)],
        "alarms": [{"kind": alarm.kind, "node": alarm.node, "text": alarm.text} for alarm in moment.alarms],
    }


def node_document(node: NodeNow) -> dict[str, Any]:
    """`models.NodeStatus`."""
    return _node(node, {})


def _node(node: NodeNow, shared: dict[int, dict[str, Any]]) -> dict[str, Any]:
    figures = shared.get(id(node.rows))
    if figures is None:
        figures = shared[id(node.rows)] = _figures(node.rows)
    return {
        "id": node.id,
        "kind": node.kind.value,
        "parent": node.parent,
        "state": node.state.value,
        "mode": node.mode.value,
        "cause": None if node.cause is None else _cause(node.cause, node),
        **figures,
        "measured": None if node.measured is None else by_row(node.measured),
        "measured_at": utc(node.measured_at),
        "age_s": node.age_s,
        "in_transition": node.in_transition,
        "breaches": list(node.breaches),
    }


def _figures(rows: NodeRows) -> dict[str, Any]:
    return {
        "limit": by_row(rows.limit),
        "limit_names": named(rows.limit_names),
        "available": by_row(rows.available),
        "base_load": by_row(rows.base_load),
        "allocated": by_row(rows.allocated),
        "reserved": by_row(rows.reserved),
        "committed": by_row(rows.committed),
        "headroom": by_row(rows.headroom),
    }


def _cause(cause: CauseNow, node: NodeNow) -> dict[str, Any]:
    return {"code": cause.code, "text": cause_text(cause, node.kind), "since": utc(cause.since)}


def _connector(moment: Moment, now: ConnectorNow, *, has_failed: bool) -> dict[str, Any]:
    plugged, is_ac = now.plugged, now.is_ac
    has_vehicle = plugged is not None
    return {
        "id": now.id,
        "charge_point": now.charge_point,
        "current": "AC" if is_ac else "DC",
        "is_connected": now.is_connected,
        "state": None if now.state is None else now.state.value,
        "order": None if now.order is None else now.order.kind.value,
        **_vehicle(now),
        "request": value(now.request, is_ac=is_ac) if has_vehicle else None,
        "request_reason": None if plugged is None else plugged.reason.value,
        "setpoint": value(now.setpoint, is_ac=is_ac) if has_vehicle else None,
        "acknowledged": open_value(now.acknowledged, is_ac=is_ac),
        "committed": value(now.committed, is_ac=is_ac),
        "draw": None if plugged is None else open_value(plugged.draw, is_ac=is_ac),
        "power_w": now.power_w if has_vehicle else None,
        "measured_w": now.measured_w,
        "age_s": None if plugged is None else plugged.draw_age_s,
        "bound_by": None if now.bound_by is None else now.bound_by.document(),
        "why": why(now, has_failed=has_failed, microgrid=moment.projection.node_ids[0]),
        "held_back": None if now.held is None else held_text(now.held),
        "trouble": now.trouble,
        "readiness": None if now.readiness is None else readiness_document(now.readiness, moment.at),
    }


def _vehicle(now: ConnectorNow) -> dict[str, Any]:
    plugged = now.plugged
    if plugged is None:
        nothing = ("vehicle", "id_tag", "arrived", "departs", "energy_needed_wh", "charged_wh", "soc", "priority")
        return {"has_vehicle": False, **dict.fromkeys(nothing)}
    session = plugged.session
    return {
        "has_vehicle": True,
        "vehicle": plugged.vehicle,
        "id_tag": plugged.id_tag,
        "arrived": utc(session.arrived),
        "departs": utc(session.departs),
        "energy_needed_wh": session.energy_needed_wh,
        "charged_wh": plugged.charged_wh,
        "soc": session.soc,
        "priority": session.priority,
    }


def readiness_document(found: Readiness, at: datetime) -> dict[str, Any]:
    """`models.Readiness`."""
    is_ever = found.ready_in_s is not None and found.ready_in_s < _LONGEST_S
    return {
        "state": found.state.value,
        "ready_at": utc(at + timedelta(seconds=found.ready_in_s or 0.0)) if is_ever else None,
        "missing_wh": found.missing_wh,
        "text": found.text,
    }
