"""What design section 6 promises, on random depots in made-up time while everything goes wrong that can.

The rules that look right and are not live on here as mutants: each is put in the place of the rule it breaks, and the
world has to notice. More stories: BUSBAR_DELIVERY_STORIES.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from delivery_world import World, first_violation

from busbar.core import commitment as ledgers
from busbar.core.commitment import Commitment
from busbar.core.release import Gate
from busbar.engine import answers
from busbar.engine.lines import Line
from busbar.engine.orders import Order

STORIES = int(os.environ.get("BUSBAR_DELIVERY_STORIES", "48"))
GROUPS = 4
MOST_MUTANT_STORIES = 40
"""A mutant that survives so many stories is one that the world cannot tell from the real rule."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_nothing_is_broken_by_our_own_hand_whatever_gets_lost(group: int) -> None:
    found = {seed: first_violation(seed) for seed in range(group, STORIES, GROUPS)}
    assert {seed: violation for seed, violation in found.items() if violation is not None} == {}


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = World(3), World(3)
    first.live()
    second.live()
    assert first.counts == second.counts
    assert first.stored == second.stored


def test_everything_that_can_go_wrong_does() -> None:
    """A guard on the tests themselves: a world without trouble proves nothing."""
    seen: Counter[str] = Counter()
    for seed in range(12):
        world = World(seed)
        world.live()
        seen.update(world.counts)
    trouble = ("drop", "half open", "late effect", "time-out", "closed", "reboot", "killed", "edit", "refused")
    orders = ("set", "clear_and_set", "stop")
    assert {what: seen[what] for what in (*trouble, *orders) if seen[what] < 3} == {}


# The six broken rules

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


@pytest.mark.parametrize(
    "mutation",
    [
        send_everything_together,
        take_a_time_out_as_done,
        count_acknowledged_values_only,
        leave_the_fallback_out,
        let_the_newest_answer_free_earlier_connections,
        free_on_acknowledgement,
    ],
    ids=lambda mutation: mutation.__name__,
)
def test_a_rule_that_looks_right_and_is_not_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    caught = None
    with monkeypatch.context() as broken:
        mutation(broken)
        for seed in range(MOST_MUTANT_STORIES):
            caught = first_violation(seed)
            if caught is not None:
                break
    assert caught is not None
    # A rule is broken, and not only a hope disappointed; and the real rule tells the same story without a violation.
    assert caught.is_safety, caught
    assert first_violation(seed) is None
