"""What an acceptance run writes down beside the trail: where vehicles charged, and what held them back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from busbar.core.projection import Projection
from busbar.engine.moment import Moment
from busbar.simulator.played import Constraint
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight

Held = Mapping[str, Constraint]
"""Connector -> what keeps it below its request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Where vehicles charged, and what held them back."""

    joined: Mapping[str, tuple[str, int]]
    """Vehicle -> its connector, and the second at which it plugged in."""
    held: Sequence[tuple[int, Held]]
    """From which second on what was held; ascending."""


class Observer(Goal):
    """Looks on. (It misses nothing, and asks for nothing.)"""

    def __init__(self) -> None:
        self._joined: dict[str, tuple[str, int]] = {}
        self._held: list[tuple[int, Held]] = []

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        """Who is where."""
        for leaf, outlet in enumerate(trial.yard.outlets):
            if outlet is not None and outlet.vehicle is not None and outlet.vehicle.id not in self._joined:
                self._joined[outlet.vehicle.id] = (trial.yard.projection.leaf_ids[leaf], sight.at_s)
        return ()

    def cycled(self, trial: Trial, moment: Moment) -> Iterable[Violation]:
        """Who is held back."""
        # A cycle that changed nothing leaves it as it was, and lists no allocations.
        if moment.record.allocations:
            bound = ((each.leaf, each.bound_by) for each in moment.record.allocations)
            self._held.append((int(trial.clock.passed_s), held_by(trial.yard.projection, bound)))
        return ()

    def observed(self) -> Observed:
        """All of it."""
        return Observed(joined=self._joined, held=self._held)


def held_by(projection: Projection, bound: Iterable[tuple[str, Mapping[str, Any] | None]]) -> Held:
    """Of each leaf what bound it: connectors that a limit above them keeps below their request."""
    held = {}
    for leaf, by in bound:
        if by is None or by["limit"] == "request" or by["node"] == leaf:
            continue
        constraint = Constraint(node=by["node"], limit=by["limit"])
        if leaf in projection.leaf_index:
            held[leaf] = constraint
            continue
        node = projection.node_index[leaf]
        places = range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
        held |= {projection.leaf_ids[place]: constraint for place in places}
    return held
