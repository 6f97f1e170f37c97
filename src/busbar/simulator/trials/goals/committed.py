"""R1: no action of Busbar makes committed exceed what is available; and committed covers what may really be drawn.

Held against the depot as it is stored (`core/twin_limits`, in fractions) and against the profiles that charge points
really have, not against the gate or the ledgers' own sums.
"""

from collections.abc import Iterable

from busbar.core.depot import ChargePoint
from busbar.core.projection import Projection
from busbar.core.twin_limits import Exact, twin_available
from busbar.engine.cycle import Cycle
from busbar.engine.orders import Order, OrderKind
from busbar.simulator.trials.goals.exact_rows import exact_flow
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight, Unit

ROUNDED = 2
"""What drawing and ramping round up, in mA or W."""
Available = list[list[Exact | None]]


class CommittedFits(Goal):
    """R1: no order commits more than is available."""

    def __init__(self) -> None:
        self._available: tuple[Cycle, Available] | None = None
        self._ratings: dict[int, int] = {}
        """By the first leaf of a charge point: those of the yard, which no edit changes."""

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Charge points that obey draw, and may draw, no more than is counted for them."""
        process = trial.process
        if process is None:
            return
        control = process.loop.control
        if control.before is None:
            return
        committed = control.dispatch.committed().tolist()
        all_told, draw = sight.told.tolist(), sight.draw.tolist()
        for name, unit in trial.yard.units.items():
            if unit.is_odd or unit.has_forgotten:
                continue
            part = slice(unit.leaves.start, unit.leaves.stop)
            # One connector may draw what another leaves of the unit's rating, which is all that counts above it.
            told = min(sum(all_told[part]), self._rating(trial, unit))
            most, counted = max(told, sum(draw[part])), sum(committed[part])
            if most > counted + ROUNDED:
                text = f"{name} draws {draw[part]}, was told up to {told}, and counts for {counted}"
                yield Violation(goal="R1", at_s=sight.at_s, text=text)

    def _rating(self, trial: Trial, unit: Unit) -> int:
        first = unit.leaves.start
        if first not in self._ratings:
            self._ratings[first] = _rating(trial, unit)
        return self._ratings[first]

    def ordered(self, trial: Trial, order: Order) -> Iterable[Violation]:
        """What raises committed fits along its whole path."""
        process = trial.process
        if process is None or order.kind is OrderKind.STOP:
            return
        control = process.loop.control
        projection = control.projection
        leaf = projection.leaf_index[order.connector]
        committed, without = control.dispatch.committed(), control.dispatch.committed_without(order.id)
        below = _of_unit(projection, leaf)
        # Above a charge point only what its connectors may draw together matters.
        if int(committed[below].sum()) <= int(without[below].sum()):
            return
        cycle = control.before
        at_s = trial.clock.passed_s
        if cycle is None:
            yield Violation(goal="R1", at_s=at_s, text=f"{order.connector} was raised before any cycle")
            return
        available, counted = self._available_in(projection, cycle), committed.tolist()
        for node in projection.path(int(projection.leaf_node[leaf])):
            for row, limit in enumerate(available[node]):
                if not projection.weights[row][int(projection.leaf_class[leaf])]:
                    continue
                if limit is not None and (flow := exact_flow(projection, node, row, counted)) > limit:
                    text = (
                        f"{order.connector} was raised to {order.limit}: {projection.node_ids[node]} "
                        f"{projection.rows[row].label} has {float(flow):.0f} committed, {float(limit):.0f} available"
                    )
                    yield Violation(goal="R1", at_s=at_s, text=text)

    def _available_in(self, projection: Projection, cycle: Cycle) -> Available:
        if self._available is None or self._available[0] is not cycle:
            self._available = (cycle, twin_available(projection, cycle.snapshot))
        return self._available[1]


def _of_unit(projection: Projection, leaf: int) -> slice:
    """The leaves of the charge point that a leaf belongs to."""
    unit = int(projection.parent[int(projection.leaf_node[leaf])])
    return slice(int(projection.first_leaf[unit]), int(projection.last_leaf[unit]))


def _rating(trial: Trial, unit: Unit) -> int:
    """The most a charge point draws; its connectors may sit on different wires, where it holds for each."""
    projection = trial.yard.projection
    rated = projection.subjects[int(projection.parent[int(projection.leaf_node[unit.leaves.start])])]
    assert isinstance(rated, ChargePoint)
    classes = projection.leaf_class[unit.leaves.start : unit.leaves.stop]
    return rated.max_rating if (classes == classes[0]).all() else rated.max_rating * len(classes)
