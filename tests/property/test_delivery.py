"""What design section 6 promises, on random depots in made-up time while everything goes wrong that can.

The rules that look right and are not live on here as mutants: each is put in the place of the rule it breaks, and the
world has to notice. More stories: BUSBAR_DELIVERY_STORIES.
"""

import os
from collections import Counter
from datetime import datetime

import pytest
from broken_rules import BROKEN_RULES, Mutation
from delivery_world import World, first_violation

from busbar.core import commitment as ledgers
from busbar.core.depot import Leaves
from busbar.core.projection import Projection
from busbar.engine import dispatch, whole
from busbar.engine.dispatch import Dispatch
from busbar.engine.lines import Line, forget_session

STORIES = int(os.environ.get("BUSBAR_DELIVERY_STORIES", "48"))
GROUPS = 4
MOST_MUTANT_STORIES = 100
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
    for seed in range(20):
        world = World(seed)
        world.live()
        seen.update(world.counts)
    trouble = ("drop", "half open", "late effect", "time-out", "closed", "reboot", "killed", "edit", "refused")
    orders = ("set", "clear_and_set", "stop", "whole", "other way")
    assert {what: seen[what] for what in (*trouble, *orders) if seen[what] < 3} == {}


# The broken rules


# Where a charge point is told one limit for all of its connectors


def count_the_limit_of_a_unit_for_one_connector_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the connector that an order names is counted anew, though the order renews the limit for everybody."""
    parts, count, named = whole.parts, Dispatch._count_as_sent, list[Line]()

    def remembered(projection: Projection, line: Line, value: int, now_s: float) -> list[whole.Part]:
        named[:] = [line]
        return parts(projection, line, value, now_s)

    def count_as_sent(self: Dispatch, line: Line, value: int, order_id: str, at: datetime) -> None:
        before = line.ledger
        count(self, line, value, order_id, at)
        if line.unit.is_whole and line is not named[0]:
            line.ledger = before
            self._book.refresh(line)

    monkeypatch.setattr(whole, "parts", remembered)
    monkeypatch.setattr(Dispatch, "_count_as_sent", count_as_sent)


def trust_every_unit_to_share_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one whose sharing is not verified may apply it to every connector."""
    monkeypatch.setattr(whole, "limit_of", lambda unit, held: sum(value for _, value in held))


def let_a_part_go_with_its_vehicle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit goes on, and the neighbours use what the vehicle has left."""

    def forget(line: Line) -> None:
        forget_session(line)
        line.ledger, line.value = ledgers.when_vehicle_left(line.ledger, is_empty=True), None

    monkeypatch.setattr(dispatch, "forget_session", forget)


WHOLE = (
    count_the_limit_of_a_unit_for_one_connector_only,
    trust_every_unit_to_share_its_limit,
    let_a_part_go_with_its_vehicle,
)


@pytest.mark.parametrize(
    ("leaves", "mutation"),
    [
        *((Leaves.CHARGE_POINT, mutation) for mutation in WHOLE),
        *((leaves, mutation) for mutation in BROKEN_RULES for leaves in Leaves),
    ],
    ids=lambda value: value.__name__ if callable(value) else value.value,
)
def test_a_rule_that_looks_right_and_is_not_is_caught(
    leaves: Leaves, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = None
    with monkeypatch.context() as broken:
        mutation(broken)
        for seed in range(MOST_MUTANT_STORIES):
            found = first_violation(seed, leaves)
            # A rule is to be broken, and not only a hope disappointed.
            if found is not None and found.is_safety:
                caught = found
                break
    assert caught is not None
    # The real rule tells the same story without a violation.
    assert first_violation(seed, leaves) is None
