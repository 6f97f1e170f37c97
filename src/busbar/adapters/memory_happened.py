"""What happens in one depot, as the store in memory keeps it: cycles, orders, envelopes, breaches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from busbar.adapters.refusals import DONE_STATES, KEPT_LONGER, in_utc
from busbar.core.snapshot import Session
from busbar.engine.breach_record import BreachRecord
from busbar.engine.ports import (
    CommissioningRequest,
    CycleOutcome,
    CycleRecord,
    Envelope,
    Evidence,
    Override,
    OverrideKind,
    Plan,
    StoredSetpoint,
)

Value = TypeVar("Value", Session, CycleRecord, StoredSetpoint, Evidence, Plan, Envelope, BreachRecord)


@dataclass(frozen=True, kw_only=True, slots=True)
class Happened:
    """What happened in one depot, and what is to happen there."""

    sessions: dict[str, Session] = field(default_factory=dict)
    ended_sessions: list[datetime] = field(default_factory=list)
    """When each ended; nobody asks for more of them."""
    cycles: dict[int, CycleRecord] = field(default_factory=dict)
    setpoints: dict[str, StoredSetpoint] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    overrides: dict[int, Override] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    requests: dict[int, CommissioningRequest] = field(default_factory=dict)
    envelopes: dict[int, Envelope] = field(default_factory=dict)
    breaches: dict[str, BreachRecord] = field(default_factory=dict)


def page(
    here: Happened, *, before: int | None, outcomes: Sequence[CycleOutcome], node: str | None, limit: int
) -> tuple[CycleRecord, ...]:
    """Cycles below `before`, the newest first, without allocations and setpoints."""
    found = [
        cycle
        for number, cycle in sorted(here.cycles.items(), reverse=True)
        if (before is None or number < before)
        and (not outcomes or cycle.outcome in outcomes)
        and (node is None or _is_about(cycle, node))
    ]
    return tuple(replace(cycle, allocations=(), setpoints=()) for cycle in found[: max(limit, 0)])


def _is_about(cycle: CycleRecord, node: str) -> bool:
    return node in cycle.node_states or any(one.leaf == node for one in cycle.allocations)


def holds_later(envelope: Envelope, now: datetime) -> bool:
    """Whether it holds now or later."""
    ended_for_good = envelope.ends_at is not None and envelope.ends_at <= now and envelope.after is None
    return envelope.withdrawn_at is None and not ended_for_good


def keep_breaches(here: Happened, breaches: Sequence[BreachRecord]) -> None:
    """By id, in place of what was kept, but for the acknowledgement, which stays."""
    for breach in map(times_in_utc, breaches):
        before = here.breaches.get(breach.id)
        here.breaches[breach.id] = replace(
            breach,
            series=tuple(replace(one, at=in_utc(one.at)) for one in breach.series),
            acknowledged_by=before.acknowledged_by if before else None,
            acknowledged_at=before.acknowledged_at if before else None,
            note=before.note if before else "",
        )


def listed_breaches(
    here: Happened, *, is_open: bool | None, node: str | None, before: datetime | None, limit: int
) -> tuple[BreachRecord, ...]:
    """Open ones first, then the newest first, without series."""
    found = [
        replace(one, series=())
        for one in here.breaches.values()
        if (is_open is None or one.is_open == is_open)
        and (node is None or one.node == node)
        and (before is None or one.started_at < before)
    ]
    found.sort(key=lambda one: (one.is_open, one.started_at, one.id), reverse=True)
    return tuple(found[: max(limit, 0)])


def forget(here: Happened, *, before: datetime) -> int:
    """What is old and done, as the port says; how many. The last cycle stays."""
    last = max(here.cycles, default=0)
    recent = [ended_at for ended_at in here.ended_sessions if ended_at >= before]
    gone = len(here.ended_sessions) - len(recent)
    here.ended_sessions[:] = recent
    old: tuple[tuple[dict[Any, Any], list[Any]], ...] = (
        (here.cycles, [number for number, one in here.cycles.items() if one.at < before and number != last]),
        (here.overrides, [one.id for one in here.overrides.values() if one.ended_at and one.ended_at < before]),
        (here.envelopes, [one.id for one in here.envelopes.values() if _is_over(one, before)]),
        (
            here.requests,
            [one.id for one in here.requests.values() if one.state in DONE_STATES and one.at < before],
        ),
        (
            here.breaches,
            [one.id for one in here.breaches.values() if one.ended_at and one.ended_at < before - KEPT_LONGER],
        ),
    )
    for kept, keys in old:
        gone += len(keys)
        for key in keys:
            del kept[key]
    return gone


def _is_over(envelope: Envelope, before: datetime) -> bool:
    if envelope.withdrawn_at is not None:
        return envelope.withdrawn_at < before
    return envelope.ends_at is not None and envelope.ends_at < before and envelope.after is None


def in_force(here: Happened, kind: OverrideKind, subject: str) -> Override | None:
    """The override of that kind and subject that is in force."""
    same = (one for one in here.overrides.values() if (one.kind, one.subject, one.ended_at) == (kind, subject, None))
    return next(same, None)


def times_in_utc(value: Value) -> Value:
    """The same with its times in UTC. Raises BusbarError for a time without a zone."""
    times: dict[str, Any] = {
        field.name: in_utc(when) for field in fields(value) if isinstance(when := getattr(value, field.name), datetime)
    }
    return replace(value, **times)
