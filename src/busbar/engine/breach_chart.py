"""The moments before and after a breach, thinned so that a long one stays small."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from busbar.core.projection import Projection
from busbar.core.snapshot import Floats
from busbar.engine.breach_looks import sample, wall
from busbar.engine.breach_record import BreachRecord, Sample
from busbar.engine.breach_sight import BreachSight

MARGIN_S = 60.0
"""The chart begins so long before the breach and ends so long after it."""
MOST_SAMPLES = 240
_BEGINNING = 60
"""So many of the first samples are never thinned: they show how it came about."""


def extended(series: Sequence[Sample], new: Sample) -> tuple[Sample, ...]:
    """With one more sample; where that is too many, of every two later ones the higher stays, so the peak does."""
    found = [*series, new]
    # Silence is one sample that says so, however long it lasts.
    if new.flow is None and series and series[-1].flow is None:
        return tuple(series)
    if len(found) <= MOST_SAMPLES:
        return tuple(found)
    beginning, rest, newest = found[:_BEGINNING], found[_BEGINNING:-1], found[-1]
    pairs = [rest[index : index + 2] for index in range(0, len(rest), 2)]
    return (*beginning, *(max(pair, key=_height) for pair in pairs), newest)


def _height(sample: Sample) -> float:
    return float("-inf") if sample.flow is None else sample.flow


@dataclass(slots=True, eq=False)
class _Ending:
    """A breach that is over, until the minute after it is on its chart. (Mutable.)"""

    record: BreachRecord
    row: int
    last_s: float
    until_s: float


class Endings:
    """Breaches that were closed a moment ago. (Mutable: it follows looks.)"""

    def __init__(self) -> None:
        self._endings: list[_Ending] = []

    def add(self, record: BreachRecord, row: int, *, last_s: float, ended_s: float) -> None:
        """One more; its chart goes up to the sample taken at `last_s`."""
        self._endings.append(_Ending(record=record, row=row, last_s=last_s, until_s=ended_s + MARGIN_S))

    def look(self, projection: Projection, sight: BreachSight, taken_s: Floats) -> tuple[BreachRecord, ...]:
        """Add what is seen to the charts; those that are complete, which are forgotten."""
        done = [ending for ending in self._endings if self._is_complete(ending, projection, sight, taken_s)]
        self._endings = [ending for ending in self._endings if ending not in done]
        return tuple(ending.record for ending in done)

    @staticmethod
    def _is_complete(ending: _Ending, projection: Projection, sight: BreachSight, taken_s: Floats) -> bool:
        node, row = projection.node_index.get(ending.record.node), ending.row
        if node is None:
            return True
        seen_s = float(taken_s[node])
        if ending.last_s < seen_s <= ending.until_s:
            new = sample(wall(sight, seen_s), float(sight.flows.rows[node, row]), float(sight.limit[node, row]))
            ending.record = replace(ending.record, series=extended(ending.record.series, new))
            ending.last_s = seen_s
        return sight.now_s >= ending.until_s
