"""The documents of `/api/v1`, as `models.py` describes them, made from what the engine and the store know.

Plain mappings: the routes put them out as they are, and tests hold them against the models.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from busbar.core.depot import Depot
from busbar.core.rows import TOTAL
from busbar.engine.access import WriteRecord
from busbar.engine.breach_record import BreachRecord
from busbar.engine.envelopes import ROWS, Shortfall, state_at
from busbar.engine.moment import Moment
from busbar.engine.ports import CycleRecord, Envelope, Override, Plan
from busbar.engine.status import worst_state
from busbar.entrypoints.api.explanation_document import explanation_document as explanation_document
from busbar.entrypoints.api.granted import for_nodes as for_nodes
from busbar.entrypoints.api.granted import sees_node as sees_node
from busbar.entrypoints.api.history_document import connector_history_document as connector_history_document
from busbar.entrypoints.api.history_document import node_history_document as node_history_document
from busbar.entrypoints.api.microgrid_document import microgrid_document as microgrid_document
from busbar.entrypoints.api.rows import amount_text
from busbar.entrypoints.api.sentences import held_text
from busbar.entrypoints.api.status_document import status_document as status_document
from busbar.entrypoints.api.what_if_document import what_if_document as what_if_document


def depot_summary(depot: Depot, moment: Moment | None) -> dict[str, Any]:
    """`models.DepotSummary`; `moment` None: there was no cycle yet."""
    return {
        "id": depot.id,
        "name": depot.name or depot.id,
        "timezone": depot.timezone,
        "state": "UNKNOWN" if moment is None else worst_state(moment).value,
        "strategy": depot.strategy,
        "leaves": depot.leaves.value,
        "fair_in": depot.fair_in.value,
        "grid_connections": [circuit.id for circuit in depot.circuits if circuit.parent is None],
        "charge_points": len(depot.charge_points),
        "connectors": sum(len(unit.connectors) for unit in depot.charge_points),
        "cycle": 0 if moment is None else moment.record.number,
        "at": None if moment is None else moment.at,
    }


# Cycles


def cycle_summary(record: CycleRecord) -> dict[str, Any]:
    """`models.CycleSummary`."""
    return {
        "number": record.number,
        "at": record.at,
        "trigger": record.trigger,
        "strategy": record.strategy,
        "leaves": record.inputs.get("leaves"),
        "outcome": record.outcome.value,
        "duration_us": record.duration_us,
        "vehicles": record.inputs.get("vehicles"),
        "limited": record.inputs.get("limited"),
        "node_states": dict(record.node_states),
    }


def cycle_document(record: CycleRecord) -> dict[str, Any]:
    """`models.Cycle`."""
    return {
        **cycle_summary(record),
        "inputs": dict(record.inputs),
        "allocations": [
            {
                "leaf": each.leaf,
                "request": {"value": each.request, "unit": each.unit},
                "setpoint": {"value": each.setpoint, "unit": each.unit},
                "power_w": each.power_w,
                "bound_by": each.bound_by,
            }
            for each in record.allocations
        ],
        "setpoints": [_cycle_setpoint(each) for each in record.setpoints],
        "violations": list(record.violations),
    }


def _cycle_setpoint(row: dict[str, Any]) -> dict[str, Any]:
    """One that is held back is shown with what it is meant to be; what was refused or not answered says so itself."""
    held, state = row.get("held_back"), row["state"]
    is_held = held is not None and state not in ("refused", "no_answer")
    return {
        "connector": row["connector"],
        "value": row.get("target", row.get("value")) if is_held else row.get("value"),
        "state": "held_back" if is_held else state,
        "reason": row.get("reason") if held is None else held_text(held),
    }


# Breaches


def breach_document(record: BreachRecord, now: datetime) -> dict[str, Any]:
    """`models.Breach`."""
    return {
        "id": record.id,
        "node": record.node,
        "row": record.row,
        "unit": "W" if record.row == ROWS[TOTAL] else "mA",
        "started_at": record.started_at,
        "opened_at": record.opened_at,
        "ended_at": record.ended_at,
        "duration_s": _duration_s(record, now),
        "limit": record.limit,
        "limit_name": record.limit_name,
        "peak": record.peak,
        "peak_at": record.peak_at,
        "energy_over_wh": record.energy_over_wh,
        "cause": record.cause.value,
        "severity": "critical" if record.is_critical else "major",
        "sentence": record.sentence,
        "charge_points": list(record.evidence.get("charge_points", ())),
        "parent": record.parent,
        "acknowledged_by": record.acknowledged_by,
        "acknowledged_at": record.acknowledged_at,
        "note": record.note,
    }


def breach_in_full_document(record: BreachRecord, now: datetime, children: Sequence[str] = ()) -> dict[str, Any]:
    """`models.BreachInFull`; `children` are the ids of breaches below that name it as their parent."""
    return {
        **breach_document(record, now),
        "children": list(children),
        "series": [{"at": sample.at, "flow": sample.flow, "limit": sample.limit} for sample in record.series],
    }


# What people and systems write


def envelope_document(envelope: Envelope, now: datetime, shortfalls: Sequence[Shortfall] = ()) -> dict[str, Any]:
    """`models.Envelope`."""
    return {
        "id": envelope.id,
        "node": envelope.node,
        "value": amount_text(envelope.amount),
        "starts_at": envelope.starts_at,
        "ends_at": envelope.ends_at,
        "after": None if envelope.after is None else amount_text(envelope.after),
        "by": envelope.by,
        "reason": envelope.reason,
        "at": envelope.at,
        "state": state_at(envelope, now),
        "shortfalls": [{"row": each.row, "by": each.by, "text": each.text} for each in shortfalls],
    }


def order_document(override: Override) -> dict[str, Any]:
    """`models.Order`."""
    return {
        "id": override.id,
        "kind": override.kind.value,
        "subject": override.subject,
        "by": override.by,
        "reason": override.reason,
        "at": override.at,
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """`models.Plan`."""
    return {
        "key": plan.key,
        "departs": plan.departs,
        "energy_needed_wh": plan.energy_needed_wh,
        "priority": plan.priority,
        "by": plan.by,
        "at": plan.at,
    }


def write_document(write: WriteRecord) -> dict[str, Any]:
    """`models.Write`."""
    return {
        "id": write.id,
        "at": write.at,
        "by": write.by,
        "action": write.action,
        "subject": write.subject,
        "before": write.before,
        "after": write.after,
    }


def _duration_s(record: BreachRecord, now: datetime) -> float:
    """By the monotonic clock where it is over: stamps lie after a step of the wall clock."""
    lasted_s = float(record.evidence.get("lasted_s", 0.0))
    if record.ended_at is not None and lasted_s:
        return lasted_s
    return max(lasted_s, ((record.ended_at or now) - record.started_at).total_seconds())
