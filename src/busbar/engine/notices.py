"""What others are told, as they are told it (`busbar/notice/1`): breaches, modes, envelopes that cannot be met."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from busbar.core.metering import Condition
from busbar.core.snapshot import Mode
from busbar.engine.access import Notice, NoticeKind
from busbar.engine.breach_record import BreachChange, BreachRecord

_KINDS = {
    BreachChange.OPENED: NoticeKind.BREACH_OPENED,
    BreachChange.UPDATED: NoticeKind.BREACH_UPDATED,
    BreachChange.CLOSED: NoticeKind.BREACH_CLOSED,
}


def breach_notice(change: BreachChange, record: BreachRecord, at: datetime) -> Notice:
    """A breach opened, changed or closed."""
    document: dict[str, Any] = {
        "breach": record.id,
        "row": record.row,
        "unit": "W" if record.row == "total" else "mA",
        "started_at": record.started_at.isoformat(),
        "opened_at": record.opened_at.isoformat(),
        "ended_at": None if record.ended_at is None else record.ended_at.isoformat(),
        "limit": record.limit,
        "limit_name": record.limit_name,
        "peak": record.peak,
        "energy_over_wh": record.energy_over_wh,
        "cause": record.cause.value,
        "severity": "critical" if record.is_critical else "major",
        "sentence": record.sentence,
        "charge_points": list(record.evidence.get("charge_points", ())),
        "parent": record.parent,
    }
    return Notice(kind=_KINDS[change], node=record.node, at=at, document=document)


def mode_notice(node: str, condition: Condition | None, at: datetime) -> Notice:
    """A node went into SAFE, or came back; None: a person's order was lifted at a node without a meter."""
    mode = Mode.NORMAL if condition is None else condition.mode
    cause = None if condition is None or condition.cause is None else condition.cause.value
    document = {"mode": mode.value, "cause": cause, "fault": "" if condition is None else condition.fault}
    return Notice(kind=NoticeKind.MODE_CHANGED, node=node, at=at, document=document)


def shortfall_notice(node: str, sentences: Sequence[str], at: datetime) -> Notice:
    """An envelope cannot be met."""
    return Notice(kind=NoticeKind.ENVELOPE_SHORTFALL, node=node, at=at, document={"sentences": list(sentences)})
