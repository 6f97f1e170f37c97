"""What waits for the loop: control whole and in order, samples a few at a time, the newest of each."""

from datetime import UTC, datetime

from busbar.engine.events import Answered, Measured, NodeMeasured
from busbar.engine.inbox import Inbox
from busbar.engine.orders import Answer

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def sample(connector: str, draw: int) -> Measured:
    return Measured(connector=connector, sampled_at=AT, received_s=float(draw), age_s=0.0, draw=draw)


def answered(order_id: str) -> Answered:
    return Answered(order_id=order_id, charge_point="CP1", connection=1, answer=Answer.ACCEPTED, received_s=0.0)


def test_answers_come_first_and_all_of_them_however_many_samples_wait() -> None:
    inbox = Inbox()
    for each in range(5):
        assert not inbox.put(sample(f"CP{each}/1", each))
        assert inbox.put(answered(str(each)))
    found = inbox.take(most_samples=2)
    assert [each.order_id for each in found if isinstance(each, Answered)] == list("01234")
    assert found[5:] == [sample("CP0/1", 0), sample("CP1/1", 1)]
    assert len(inbox) == 3


def test_the_samples_that_wait_longest_are_next_with_what_was_said_last() -> None:
    inbox = Inbox()
    for each in range(3):
        inbox.put(sample(f"CP{each}/1", each))
    inbox.take(most_samples=1)
    inbox.put(sample("CP2/1", 20))
    inbox.put(sample("CP0/1", 10))
    inbox.put(sample("CP1/1", 11))
    assert inbox.take(most_samples=10) == [sample("CP1/1", 11), sample("CP2/1", 20), sample("CP0/1", 10)]
    assert inbox.coalesced == 2
    assert len(inbox) == 0


def test_every_value_of_a_meter_is_taken_at_once() -> None:
    inbox = Inbox()
    values = [NodeMeasured(node="C1", received_s=float(each), power_w=each) for each in range(5)]
    for each in values:
        inbox.put(each)
    assert inbox.take(most_samples=0) == values
