"""What an answer to an order says about a connector (design section 6). A time-out proves nothing."""

from busbar.core import commitment as ledgers
from busbar.engine.events import Answered
from busbar.engine.lines import (
    NOT_SENT_S,
    REFUSED_LOWER_S,
    REFUSED_RAISE_S,
    REFUSED_RENEWAL_S,
    Held,
    Line,
    Unit,
)
from busbar.engine.orders import Answer, Order, OrderKind


def answered(line: Line, order: Order, event: Answered, now_s: float) -> None:
    """Follow the answer to the order in flight."""
    match event.answer:
        case Answer.ACCEPTED if order.kind is OrderKind.STOP:
            line.state = "acknowledged"
        case Answer.ACCEPTED:
            acknowledged(line, order.id, event.connection, now_s)
        case Answer.REFUSED:
            refused(line, order, now_s)
        case Answer.NO_ANSWER:
            unanswered(line, order, now_s)
        case Answer.NOT_SENT:
            line.ledger = ledgers.when_void(line.ledger, order.id)
            _back_to_what_holds(line, was_cleared=True)
            line.lower_not_before_s = line.raise_not_before_s = now_s + NOT_SENT_S
            line.stop_again_s = now_s + NOT_SENT_S
            line.state = "not_sent"


def acknowledged(line: Line, order_id: str, connection: int, now_s: float) -> None:
    """It took the value; the draw has yet to follow."""
    before = line.ledger.in_force
    line.ledger = ledgers.when_acknowledged(line.ledger, order_id, connection=connection, now_s=now_s)
    now_in_force = line.ledger.in_force
    if now_in_force is not None and now_in_force.value > (0 if before is None else before.value):
        line.raise_answered_s = now_s
    line.refusals, line.is_lowering_refused = 0, False
    line.state = "acknowledged" if line.ledger.unsettled else "settled"


def unanswered(line: Line, order: Order, now_s: float) -> None:
    """It may hold or not. The same once more raises nothing, and settles which."""
    line.is_to_be_renewed = line.value is not None
    line.state = "no_answer"


def refused(line: Line, order: Order, now_s: float) -> None:
    """Nothing of it took effect. A decrease has to get through: again, cleared and set, in the end by a stop."""
    line.state, line.held = "refused", Held.REFUSED
    if order.kind is OrderKind.STOP:
        return
    line.ledger = ledgers.when_void(line.ledger, order.id)
    if line.value is None:
        # It was meant for a vehicle that has left.
        return
    in_force = line.ledger.in_force
    before = ledgers.told(line.ledger, now_s)
    if order.limit < before:
        line.refusals, line.is_lowering_refused = line.refusals + 1, True
        line.lower_not_before_s = now_s + REFUSED_LOWER_S
    elif line.ledger.may_rise and (in_force is None or order.limit > in_force.value):
        line.raise_not_before_s = now_s + REFUSED_RAISE_S
    else:
        # A renewal; or the first word after a restart, which leaves like one.
        line.refusals += 1
        line.lower_not_before_s = now_s + REFUSED_RENEWAL_S
        line.is_to_be_renewed = True
    _back_to_what_holds(line, was_cleared=order.kind is OrderKind.CLEAR_AND_SET)


def answered_late(unit: Unit, event: Answered, now_s: float) -> bool:
    """An answer to an order that was given up, on a connection that still stands; whether it says anything."""
    if unit.connection != event.connection or event.answer not in (Answer.ACCEPTED, Answer.REFUSED):
        return False
    # Slow, but it listens.
    unit.unanswered = 0
    for line in unit.lines:
        if event.answer is Answer.REFUSED:
            line.ledger = ledgers.when_void(line.ledger, event.order_id)
        else:
            line.ledger = ledgers.when_acknowledged(
                line.ledger, event.order_id, connection=event.connection, now_s=now_s
            )
    return True


def _back_to_what_holds(line: Line, *, was_cleared: bool) -> None:
    """The value in force is the one it goes on with; it is sent anew where that may have been cleared."""
    if not line.has_vehicle and not line.unit.is_whole:
        return
    in_force = line.ledger.in_force
    line.value = None if in_force is None else in_force.value
    line.is_to_be_renewed = line.value is not None and (was_cleared or line.is_to_be_renewed)
