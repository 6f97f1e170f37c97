"""R8 in small trials: what Busbar says is true, and one that says something else is caught."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from made_trials import amperes, fault, kilowatts, made_depot, made_trial

from busbar.core import explain
from busbar.core.depot import Leaves
from busbar.core.describe import Binding, bindings
from busbar.engine.dispatch import Dispatch
from busbar.engine.moment import Moment
from busbar.engine.orders import Order
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.goals import explanations
from busbar.simulator.trials.goals.explanations import Explanations
from busbar.simulator.trials.trial import Goal, Trial, Violation

FAIR = made_trial(duration_s=60)
TROUBLED = made_trial(
    fault(FaultKind.METER_SILENT, 60, 150, "GC1"),
    fault(FaultKind.LIMIT_CUT, 90, 200, "C1", amount=amperes(8)),
    fault(FaultKind.CONNECTION_DROPPED, 100, 170, "CP4"),
    fault(FaultKind.ENVELOPE_LAPSES, 160, 190, "GC1", amount=kilowatts(60)),
    fault(FaultKind.PROCESS_KILLED, 200, 205),
    fault(FaultKind.REFUSED, 220, 250, "CP3"),
    fault(FaultKind.ANSWER_NEVER, 250, 280, "CP1"),
    duration_s=300,
)
ALL = {
    "fair": FAIR,
    "among charge points": made_trial(depot=replace(made_depot(), leaves=Leaves.CHARGE_POINT), duration_s=60),
    "first come": made_trial(depot=replace(made_depot(), strategy="first_come"), duration_s=60),
    "troubled": TROUBLED,
}
Named = tuple[Binding, ...]


def said(scenario: Scenario = FAIR) -> str:
    """What was found untrue."""
    result = Trial(scenario, seed=1, goals=[Explanations(share=1.0)]).run()
    return "\n".join(each.text for each in result.violations)


@pytest.mark.parametrize("scenario", ALL.values(), ids=ALL)
def test_what_is_said_is_true(scenario: Scenario) -> None:
    assert said(scenario) == ""


class _SentSince(Goal):
    """Makes a cycle say that somebody is held back, and sends what it is meant to have when the cycle is over."""

    def __init__(self) -> None:
        self.asked = 0
        self._goal = Explanations(share=1.0)
        self._order: Order | None = None

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        self._order = order
        return self._goal.ordered(trial, order)

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        for leaf, name in enumerate(moment.projection.leaf_ids):
            if self._order is not None and moment.acknowledged[leaf] == moment.setpoint[leaf] > 0:
                setpoint = int(moment.setpoint[leaf])
                yield from self._goal.ordered(trial, replace(self._order, connector=name, limit=setpoint))
                said = replace(moment, held={name: "in_flight"}, acknowledged=moment.setpoint)
                found = [each.text for each in self._goal.cycled(trial, said) if name in each.text]
                self.asked += 1
                yield from (Violation(goal="R8", at_s=0.0, text=text) for text in found if "held back" in text)


def test_what_was_true_when_it_was_said_is_not_held_against_what_was_sent_since() -> None:
    sent_since = _SentSince()
    assert Trial(FAIR, seed=1, goals=[sent_since]).run().violations == ()
    assert sent_since.asked > 5


def test_the_same_seed_looks_at_the_same_cycles() -> None:
    digests = {Trial(FAIR, seed=3, goals=[Explanations()]).run().digest for _ in range(2)}
    assert len(digests) == 1


def naming(monkeypatch: pytest.MonkeyPatch, otherwise: Callable[[Named], Named]) -> str:
    """What is found where explanations name other things than what binds."""
    monkeypatch.setattr(explain, "bindings", lambda *given, **named: otherwise(bindings(*given, **named)))
    return said()


def test_another_node_named_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"C1": "GC1", "GC1": "C2"}
    found = naming(
        monkeypatch, lambda named: tuple(replace(each, node=other.get(each.node, each.node)) for each in named)
    )
    assert "C1 L1, C1 L2, C1 L3 would refuse" in found
    assert "is named and would let" in found


def test_a_row_that_is_left_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "would refuse 26000 and is not named" in naming(monkeypatch, lambda named: named[:1])


def test_a_row_that_is_named_in_vain_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Binding(node="C2", row="total", limit="default_operating_capacity", reason="full")
    assert "C2 total is named and would let" in naming(monkeypatch, lambda named: (*named, more))


def test_nothing_said_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing is said to hold it back" in naming(monkeypatch, lambda named: ())


@pytest.mark.parametrize(("limit", "text"), [("request", "its request"), ("out_of_service", "out of service")])
def test_a_reason_that_is_none_is_caught(monkeypatch: pytest.MonkeyPatch, limit: str, text: str) -> None:
    none = Binding(node="CP1/1", row=None, limit=limit, reason=None)
    real = explain.explain_allocation
    monkeypatch.setattr(
        explanations, "explain_allocation", lambda *given, **named: replace(real(*given, **named), bindings=(none,))
    )
    assert f"{text} is said to" in said() or f"said to be {text}" in said()


def test_a_counterfactual_that_was_not_computed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = explain._computed

    def guessed(*given: object) -> explain.Counterfactual:
        found = computed(*given)  # type: ignore[arg-type]
        return replace(found, setpoint=found.setpoint + 1000)

    monkeypatch.setattr(explain, "_computed", guessed)
    assert "it would be" in said()


def test_somebody_said_to_be_held_back_who_is_not_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "held", lambda self: {"CP1/1": "no_room"})
    assert "CP1/1 is said to be held back (no_room), and holds the 25000 that it is meant to have" in said()


def test_somebody_said_to_be_out_of_reach_who_is_not_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "held", lambda self: {"CP1/1": "out_of_reach"})
    assert "CP1/1 is said to be out of reach, and is not" in said()


def test_a_refusal_that_was_none_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "troubled", lambda self: {"CP3/1": "refused"})
    assert "CP3/1 is said to have refused, and nobody has" in said()


def test_an_acknowledgement_that_was_none_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatch, "acknowledged", lambda self: np.full(5, 7_777, dtype=np.int64))
    assert "CP1/1 is said to have acknowledged 7777, which it was not sent" in said()
