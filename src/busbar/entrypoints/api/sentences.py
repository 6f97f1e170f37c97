"""What a depot's state is in words: short sentences for the page, the API and whoever reads alarms."""

from busbar.core.allocation import Stop
from busbar.core.demand import Reason
from busbar.core.describe import Binding
from busbar.core.metering import Cause
from busbar.core.projection import NodeKind
from busbar.engine.connector_status import ConnectorNow
from busbar.engine.ports import Override, OverrideKind
from busbar.engine.status import NO_DATA, CauseNow
from busbar.entrypoints import words

FAILED = "The last balance failed its check and was not used: what was running goes on, cut where it no longer fits."
OUT_OF_REACH = "Its charge point is out of reach: it is given nothing new, and what it may still draw stays reserved."

_HELD = {
    "no_room": "What others may still draw takes the room: it is raised as soon as they have given way.",
    "out_of_reach": "Its charge point is out of reach.",
    "in_flight": "Its charge point has an order to answer first.",
    "unanswered": "Its charge point left an order unanswered: nothing is raised there until it answers.",
    "too_soon": "It was raised a moment ago.",
    "meter": "A meter above it is not heard: nothing is raised below it.",
    "not_anew": "It has acknowledged nothing since Busbar started: nothing is raised before it does.",
    "refused": "Its charge point refused it.",
}
_TROUBLE = {
    "refused": "Its charge point refused the last setpoint.",
    "no_answer": "Its charge point did not answer the last setpoint.",
    "disobeys": "It draws more than it was told.",
}
_ORDERED = {
    OverrideKind.HOLD: "Held",
    OverrideKind.STOP: "Stopped",
    OverrideKind.OUT_OF_SERVICE: "Taken out of service",
    OverrideKind.SAFE: "Put into SAFE",
}
_WANTS_NOTHING = {
    Reason.MAKES_ROOM: "The vehicle is full, and makes room for others.",
    Reason.FULL: "The vehicle is full.",
    Reason.CANNOT_CHARGE: "Its connector says that it cannot charge now.",
    Reason.HELD: "Held by order.",
}
_WANTS_LESS = {
    Reason.DRAWS_LESS: "The vehicle draws less than it is offered.",
    Reason.TAPERING: "The vehicle tapers off: it takes less and less.",
    Reason.PAUSED: "The vehicle has paused: it keeps the smallest offer.",
    Reason.FULL: "The vehicle is full: it keeps the smallest offer.",
}
_WISHES = {
    **_WANTS_LESS,
    Reason.MAKES_ROOM: _WANTS_NOTHING[Reason.MAKES_ROOM],
    Reason.CANNOT_CHARGE: _WANTS_NOTHING[Reason.CANNOT_CHARGE],
    Reason.UNMEASURED: "It wanted less before its meter fell silent: it is counted at its rating again.",
    Reason.GROWING: "It took all that it asked for, and is offered its rating again.",
    Reason.FOLLOWS: "It draws a part of whatever it is given, and takes all it can.",
}
_METERS = {
    Cause.SILENT.value: "Its meter is not heard",
    Cause.FROZEN.value: "Its meter does not move though the charge points below it do",
    Cause.ABSURD.value: "Its meter shows what cannot be",
    Cause.UNSETTLED.value: "Its meter is heard; charge points below it have yet to say what they draw",
}


def held_text(code: str) -> str:
    """Why a setpoint that is wanted has not been sent."""
    return _HELD.get(code, code)


def trouble_text(code: str) -> str:
    """What is wrong with a connector."""
    return _TROUBLE.get(code, code)


def wish_text(reason: Reason) -> str:
    """Why a vehicle's request is what it is; empty where it simply wants all it can get, or a person said so."""
    return _WISHES.get(reason, "")


def order_text(order: Override) -> str:
    """What a person ordered: `Held by Ann: washing.`"""
    because = f": {order.reason.rstrip('.')}" if order.reason else ""
    return f"{_ORDERED[order.kind]} by {order.by}{because}."


def cause_text(cause: CauseNow, kind: NodeKind) -> str:
    """Why a node is SAFE, or UNKNOWN, or not raised below."""
    if cause.order is not None:
        return order_text(cause.order)
    if cause.code == NO_DATA:
        if kind is NodeKind.CONNECTOR:
            return "What it draws is not known."
        if not cause.unheard:
            return "What flows at a metered node below it is not known."
        return (
            f"What {words.plural(cause.unheard, 'connector')} below it draw{'s' * (cause.unheard == 1)} is not known."
        )
    if cause.code == Cause.BY_ORDER:
        return "Put into SAFE by order."
    text = _METERS.get(cause.code, cause.code)
    return f"{text} ({cause.fault})." if cause.fault else f"{text}."


def why(connector: ConnectorNow, *, has_failed: bool, microgrid: str) -> str:
    """Why a vehicle gets what it gets, in one short sentence; empty without a vehicle."""
    if connector.plugged is None:
        return ""
    if connector.order is not None:
        return order_text(connector.order)
    if not connector.in_service:
        return "Its charge point is out of service."
    if connector.trouble is not None:
        return trouble_text(connector.trouble)
    if has_failed:
        return FAILED
    if connector.stopped_by == Stop.OUT_OF_SERVICE:
        return OUT_OF_REACH
    if connector.request == 0:
        return _WANTS_NOTHING.get(connector.plugged.reason, "The vehicle wants nothing.")
    if connector.held is not None and (connector.acknowledged or 0) < connector.setpoint:
        return held_text(connector.held)
    if connector.stopped_by == Stop.ROW and connector.bound_by is not None:
        return _bound(connector, connector.bound_by, microgrid)
    if connector.stopped_by == Stop.RATING:
        return "Takes all that its connector can give."
    return _WANTS_LESS.get(connector.plugged.reason, "Takes what it asks for.")


def _bound(connector: ConnectorNow, bound_by: Binding, microgrid: str) -> str:
    where = "the microgrid" if bound_by.node == microgrid else bound_by.node
    limit = words.LIMIT_WORDS.get(bound_by.limit, bound_by.limit)
    if bound_by.reason == "minimum":
        least = words.setpoint(connector.minimum, is_ac=connector.is_ac)
        return f"Waits: its minimum of {least} does not fit on {where} ({limit})."
    if bound_by.reason == "restart_gap":
        return f"Waits: it was stopped for want of room on {where}, and starts again when there is more."
    return f"Held back by {where} {words.on_rows([bound_by.row])} ({limit})."
