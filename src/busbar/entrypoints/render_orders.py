"""What the commands for people's orders show: sentences, two tables, and documents."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from busbar.core.depot import Depot
from busbar.core.units import format_w
from busbar.engine.ports import Override, OverrideKind, Plan

_STATES = {
    OverrideKind.HOLD: "on hold",
    OverrideKind.STOP: "stopped",
    OverrideKind.OUT_OF_SERVICE: "out of service",
    OverrideKind.SAFE: "SAFE by order",
}
_LIFTED = {
    OverrideKind.HOLD: "is not on hold any more",
    OverrideKind.STOP: "is not stopped any more",
    OverrideKind.OUT_OF_SERVICE: "is back in service",
    OverrideKind.SAFE: "is not SAFE by order any more",
}


def ordered_text(override: Override, zone: str, *, is_new: bool) -> str:
    """What is in force now, and by whom."""
    already = "" if is_new else " already"
    since = "" if is_new else f" since {local_time(override.at, zone)}"
    return f"{override.subject} is {_STATES[override.kind]}{already}, by {override.by}{since}{_why(override)}."


def lifted_text(override: Override, zone: str) -> str:
    """What was lifted, and who had ordered it."""
    since = local_time(override.at, zone)
    return (
        f"{override.subject} {_LIFTED[override.kind]}, by {override.ended_by}; "
        f"{override.by} had ordered it at {since}{_why(override)}."
    )


def not_in_force_text(subject: str, kind: OverrideKind) -> str:
    """There was nothing to lift."""
    return f"{subject} is not {_STATES[kind]}; nothing changed."


def _why(override: Override) -> str:
    return f" ({override.reason})" if override.reason else ""


def orders_text(depot: Depot, overrides: Sequence[Override], plans: Sequence[Plan]) -> RenderableType:
    """Orders and plans, in the depot's own time."""
    head = Text().append(f"{depot.id}: ", style="bold")
    in_force = sum(one.ended_at is None for one in overrides)
    head.append(f"{in_force or 'no'} order{'' if in_force == 1 else 's'} in force")
    head.append(f"; times of {depot.timezone}." if overrides or plans else ".")
    parts: list[RenderableType] = [head]
    if overrides:
        parts += [Text(), _overrides(overrides, depot.timezone)]
    if plans:
        parts += [Text(), Text("Plans", style="bold"), _plans(plans, depot.timezone)]
    return Group(*parts)


def _overrides(overrides: Sequence[Override], zone: str) -> Table:
    table = Table.grid(padding=(0, 2))
    with_ends = any(one.ended_at for one in overrides)
    table.add_row("what", "order", "since", "by", *(("lifted", "by") if with_ends else ()), "reason", style="dim")
    for one in overrides:
        lifted = (local_time(one.ended_at, zone), one.ended_by or "") if one.ended_at else ("in force", "")
        ends = lifted if with_ends else ()
        table.add_row(one.subject, _STATES[one.kind], local_time(one.at, zone), one.by, *ends, one.reason)
    return table


def _plans(plans: Sequence[Plan], zone: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("vehicle", "departs", "needs", "priority", "by", style="dim")
    for one in plans:
        departs = local_time(one.departs, zone) if one.departs else "-"
        priority = "-" if one.priority is None else str(one.priority)
        table.add_row(one.key, departs, _energy(one) or "-", priority, one.by)
    return table


def plan_text(plan: Plan, zone: str) -> str:
    """What is known of a vehicle now."""
    known = [
        f"departs {local_time(plan.departs, zone)} ({zone})" if plan.departs else "",
        f"needs {_energy(plan)}" if plan.energy_needed_wh is not None else "",
        f"priority {plan.priority}" if plan.priority is not None else "",
    ]
    return f"{plan.key}: {', '.join(part for part in known if part) or 'nothing is known beforehand'}; by {plan.by}."


def is_over(plan: Plan, at: datetime) -> bool:
    """Whether the vehicle should have left already."""
    return plan.departs is not None and plan.departs < at


def is_empty(plan: Plan) -> bool:
    """Whether it was cleared."""
    return (plan.departs, plan.energy_needed_wh, plan.priority) == (None, None, None)


def _energy(plan: Plan) -> str:
    # Thousandths of a kWh are written as those of a kW.
    return "" if plan.energy_needed_wh is None else f"{format_w(plan.energy_needed_wh)}h"


def local_time(at: datetime, zone: str) -> str:
    """`2026-11-22 20:00`, in the depot's own time."""
    return at.astimezone(_zone(zone)).strftime("%Y-%m-%d %H:%M")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def order_document(depot_id: str, overrides: Sequence[Override], *, changed: bool) -> dict[str, Any]:
    """What an order changed (`busbar/order/1`)."""
    return {
        "schema": "busbar/order/1",
        "depot": depot_id,
        "changed": changed,
        "overrides": [_override_document(one) for one in overrides],
    }


def orders_document(depot_id: str, overrides: Sequence[Override], plans: Sequence[Plan]) -> dict[str, Any]:
    """What is in force, and what is known beforehand (`busbar/orders/1`)."""
    return {
        "schema": "busbar/orders/1",
        "depot": depot_id,
        "overrides": [_override_document(one) for one in overrides],
        "plans": [_plan(one) for one in plans],
    }


def plan_document(depot_id: str, plan: Plan) -> dict[str, Any]:
    """What is known of a vehicle beforehand (`busbar/plan/1`)."""
    return {"schema": "busbar/plan/1", "depot": depot_id, "plan": _plan(plan)}


def _override_document(override: Override) -> dict[str, Any]:
    return {field.name: _plain(getattr(override, field.name)) for field in fields(override)}


def _plan(plan: Plan) -> dict[str, Any]:
    return {field.name: _plain(getattr(plan, field.name)) for field in fields(plan)}


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
