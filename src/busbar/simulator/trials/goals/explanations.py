"""R8: every explanation is true. Looked at in some cycles, for some connectors that get less than they ask for.

- *What binds*: every row named refuses the connector's next value, every row that refuses it is named, so that with
  each raised by what is lacking the next value fits the otherwise unchanged allocation. Where its own rating, its
  request or its charge point is said to hold it back, that is so. Limits come from the stored records
  (`core/twin_limits.py`), flows are added up in `exact_rows`: nothing is shared with what explains.
- *What would be otherwise*: with the raises that it speaks of, the plain twin of the fill gives what it says.
- *What became of it*: who is said to be held back has not been sent what it is meant to have; nothing counts as
  acknowledged, refused or unanswered that was never sent.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from random import Random

import numpy as np

from busbar.core.allocation import Allocation, Outcome, Stop
from busbar.core.describe import Binding
from busbar.core.explain import ROW_NAMES, Counterfactual, explain_allocation
from busbar.core.rooms import rooms
from busbar.core.strategies import STRATEGIES
from busbar.core.twin import twin_balance
from busbar.engine.moment import Moment
from busbar.engine.orders import Answer, Order, OrderKind
from busbar.simulator.trials.goals.exact_rows import ExactRows, exact_rows, next_value, record_of
from busbar.simulator.trials.trial import Goal, Trial, Violation

SHARE = 0.25
"""Of the cycles that are looked at."""
MOST_CONNECTORS = 2
"""In each of them."""
MOST_LEAVES = 60
"""The twin is slow: in a larger depot counterfactuals are not worked out anew."""


class Explanations(Goal):
    """R8: every explanation is true."""

    def __init__(self, *, share: float = SHARE) -> None:
        self._share = share
        self._random: Random | None = None
        self._life = 0
        self._sent: dict[str, set[int]] = {}
        """Connector -> everything it was told in this life."""
        self._last: dict[str, tuple[datetime, int]] = {}
        """Connector -> what it was told last, and when by Busbar's clock."""

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        """Remember what was sent."""
        self._begin_life(trial)
        sent = self._sent.setdefault(order.connector, set())
        if order.kind is not OrderKind.STOP:
            sent.add(order.limit)
            self._last[order.connector] = trial.clock.now(), order.limit
        return ()

    def _begin_life(self, trial: Trial) -> None:
        if trial.lives != self._life:
            self._life, self._sent, self._last = trial.lives, {}, {}

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """Look at what is said of connectors, in some cycles."""
        self._begin_life(trial)
        self._random = self._random or Random(f"{trial.seed}/explanations")
        if self._random.random() >= self._share:
            return
        at = f"in cycle {moment.record.number}"
        for text in self._untrue_of_orders(trial, moment):
            yield Violation(goal="R8", at_s=trial.clock.passed_s, text=f"{text} {at}")
        if moment.allocation.outcome is Outcome.FAILED:
            return
        less = np.flatnonzero(moment.snapshot.present & (moment.setpoint < moment.snapshot.request)).tolist()
        some = self._random.sample(less, min(len(less), MOST_CONNECTORS))
        for text in untrue(moment, [moment.projection.leaf_ids[leaf] for leaf in some]):
            yield Violation(goal="R8", at_s=trial.clock.passed_s, text=f"{text} {at}")

    def _untrue_of_orders(self, trial: Trial, moment: Moment) -> Iterable[str]:
        projection, process = moment.projection, trial.process
        has_refused = process is not None and process.loop.counts.answers[Answer.REFUSED.value] > 0
        for leaf, name in enumerate(projection.leaf_ids):
            sent, setpoint, acknowledged = self._sent.get(name), moment.setpoint[leaf], moment.acknowledged[leaf]
            held, trouble = moment.held.get(name), moment.troubled.get(name)
            unit = name.rpartition("/")[0]
            if acknowledged >= 0 and acknowledged not in (sent or ()):
                yield f"{name} is said to have acknowledged {acknowledged}, which it was not sent,"
            if trouble == "refused" and not has_refused:
                yield f"{name} is said to have refused, and nobody has,"
            if trouble == "no_answer" and sent is None:
                yield f"{name} is said not to have answered, and was told nothing,"
            if held is None:
                continue
            if held == "out_of_reach" and unit in moment.reachable:
                yield f"{name} is said to be out of reach, and is not,"
            if held != "out_of_reach" and unit not in moment.reachable:
                yield f"{name} is said to be held back ({held}), and is out of reach,"
            if held == "not_anew" and acknowledged >= 0:
                yield f"{name} is said to be held back ({held}), and has acknowledged {acknowledged},"
            told_at, last = self._last.get(name, (moment.at, None))
            # What has left since the cycle was looked at is none of its business.
            if told_at <= moment.at and last == setpoint == acknowledged and trouble is None:
                yield f"{name} is said to be held back ({held}), and holds the {setpoint} that it is meant to have,"


def untrue(moment: Moment, connectors: Sequence[str]) -> Iterable[str]:
    """What is not true of what a moment says of connectors: the explanations as the HTTP interface gives them."""
    if not connectors:
        return
    shared = moment.shared
    projection = moment.projection if shared is None else shared.projection
    snapshot = moment.snapshot if shared is None else shared.snapshot
    allocation = moment.allocation if shared is None else shared.allocation
    strategy = moment.record.strategy if moment.record.strategy in STRATEGIES else None
    found, rows = rooms(projection, snapshot), exact_rows(projection, snapshot, allocation)
    for connector in connectors:
        leaf = projection.leaf_of(connector)
        # Of a connector that shares within its charge point it says what binds the charge point, which is the leaf.
        name = projection.leaf_ids[leaf]
        told = explain_allocation(projection, snapshot, allocation, name, found=found, strategy=strategy)
        if allocation.setpoint[leaf] >= snapshot.request[leaf]:
            continue
        yield from (f"{connector}: {text}" for text in _untrue_bindings(rows, allocation, leaf, told.bindings))
        if strategy is None or len(projection.leaf_ids) > MOST_LEAVES:
            continue
        for each in told.counterfactuals:
            text = _untrue_counterfactual(rows, allocation, leaf, each)
            if text:
                yield f"{connector}: {text}"


def _untrue_bindings(exact: ExactRows, allocation: Allocation, leaf: int, named: tuple[Binding, ...]) -> Iterable[str]:
    projection, snapshot = exact.projection, exact.snapshot
    leaf_id, value = projection.leaf_ids[leaf], next_value(projection, snapshot, allocation, leaf)
    if not named:
        yield "nothing is said to hold it back"
        return
    match named[0].limit:
        case "out_of_service":
            if projection.in_service[leaf] and not snapshot.out_of_reach[leaf]:
                yield "it is said to be out of service or reach, and is not"
            return
        case "request":
            if value is not None and value <= snapshot.request[leaf]:
                yield f"its request is said to hold it back, and would let {value} in"
            return
    rows = {(each.node, each.row) for each in named}
    own = {place for place in rows if place[0] == leaf_id}
    if (
        allocation.stopped_by[leaf] == Stop.RATING
        and value is not None
        and value <= record_of(projection, leaf).max_rating
    ):
        yield f"its rating is said to hold it back, and would let {value} in"
    if value is None:
        return
    refusing = {(projection.node_ids[node], projection.rows[row].label) for node, row in exact.refusing(leaf, value)}
    if unnamed := sorted(refusing - rows):
        yield f"{_listed(unnamed)} would refuse {value} and is not named"
    if in_vain := sorted(place for place in rows - own - refusing if place[1] is not None):
        yield f"{_listed(in_vain)} is named and would let {value} in"


def _listed(places: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f"{node} {row}" for node, row in places)


def _untrue_counterfactual(exact: ExactRows, allocation: Allocation, leaf: int, told: Counterfactual) -> str:
    """The same balance by the twin, with so much more on these rows; empty where it gives what is told."""
    projection, snapshot = exact.projection, exact.snapshot
    inner_of, phasors = projection.frame.inner_of, projection.frame.bounded_as_phasor
    available = [list(rows) for rows in exact.available]
    for each in told.raises:
        node, row = projection.node_index[each.node], ROW_NAMES.index(each.row)
        if row < len(ROW_NAMES) - 1 and phasors[int(inner_of[node])][row]:
            return ""
        before = available[node][row]
        available[node][row] = None if before is None else before + Fraction(each.more)
    if not told.raises:
        return ""
    then = twin_balance(
        projection, snapshot, strategy=allocation.strategy, fair_in=allocation.fair_in, available=available
    )
    if then.setpoint[leaf] == told.setpoint:
        return ""
    return f"told {told.setpoint} with {told.sentence!r}; it would be {then.setpoint[leaf]}"
