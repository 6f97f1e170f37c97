"""The six rules of delivery that look right and are not (design section 6), each as a way to spoil Busbar."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from busbar.core import commitment as ledgers
from busbar.core.commitment import Commitment
from busbar.core.release import Gate
from busbar.engine import answers
from busbar.engine.lines import Line
from busbar.engine.orders import Order

Mutation = Callable[[pytest.MonkeyPatch], None]


def send_everything_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gate: raises leave with the decreases that are to make room for them."""
    monkeypatch.setattr(Gate, "is_over", lambda self, leaf: False)
    monkeypatch.setattr(Gate, "most_more", lambda self, leaf, more: more)


def take_a_time_out_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decreases first, and whoever does not answer in time will have heard."""

    def unanswered(line: Line, order: Order, now_s: float) -> None:
        sent = next((each for each in line.ledger.on_the_way if each.order_id == order.id), None)
        if sent is not None:
            answers.acknowledged(line, order.id, sent.connection, now_s)
            line.ledger = replace(line.ledger, unsettled=0)

    monkeypatch.setattr(answers, "unanswered", unanswered)


def count_acknowledged_values_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent and not answered counts nothing."""

    def allowed(ledger: Commitment, now_s: float) -> int:
        in_force = ledger.in_force
        return max(ledgers.left_alone(ledger), 0 if in_force is None else in_force.value)

    monkeypatch.setattr(ledgers, "allowed", allowed)


def leave_the_fallback_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was sent counts."""
    monkeypatch.setattr(ledgers, "left_alone", lambda ledger: 0)
    original = ledgers.allowed

    def allowed(ledger: Commitment, now_s: float) -> int:
        sent = tuple(replace(each, fallback=0) for each in ledger.on_the_way)
        in_force = None if ledger.in_force is None else replace(ledger.in_force, fallback=0)
        return original(replace(ledger, on_the_way=sent, in_force=in_force), now_s)

    monkeypatch.setattr(ledgers, "allowed", allowed)


def let_the_newest_answer_free_earlier_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement frees everything that was sent before it, wherever it was sent."""
    original = ledgers.when_acknowledged

    def when_acknowledged(ledger: Commitment, order_id: str, *, connection: int, now_s: float) -> Commitment:
        after = original(ledger, order_id, connection=connection, now_s=now_s)
        if after is ledger or after.in_force is None:
            return after
        newest_s = after.in_force.sent_s
        return replace(after, on_the_way=tuple(sent for sent in after.on_the_way if sent.sent_s > newest_s))

    monkeypatch.setattr(ledgers, "when_acknowledged", when_acknowledged)


def free_on_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has heard draws no more than that, from that moment on."""
    original = ledgers.when_acknowledged

    def when_acknowledged(ledger: Commitment, order_id: str, *, connection: int, now_s: float) -> Commitment:
        return replace(original(ledger, order_id, connection=connection, now_s=now_s), unsettled=0)

    monkeypatch.setattr(ledgers, "when_acknowledged", when_acknowledged)


BROKEN_RULES = (
    send_everything_together,
    take_a_time_out_as_done,
    count_acknowledged_values_only,
    leave_the_fallback_out,
    let_the_newest_answer_free_earlier_connections,
    free_on_acknowledgement,
)
