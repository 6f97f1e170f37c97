"""The gate: whether a setpoint that raises what is committed still fits along its whole path (design section 6).

Counts exactly as the fill does, in the whole units of each row group; only the nodes above a leaf that is asked about
are ever added up.
"""

from dataclasses import dataclass

import numpy as np

from busbar.core.depot import ChargePoint
from busbar.core.frame import UNLIMITED, from_limbs
from busbar.core.headroom import Rooms
from busbar.core.projection import Projection
from busbar.core.snapshot import Ints

NO_RATING = int(np.iinfo(np.int64).max)
"""In arrays of ratings: connectors on different wires are not added up."""


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Maximum ratings of charge points, laid out for adding up; U charge points in leaf order."""

    unit: Ints
    """[n] which charge point a leaf belongs to."""
    first: Ints
    """[U] its first leaf."""
    most: Ints
    """[U] its maximum rating; NO_RATING where its connectors sit on different wires."""


def ratings_of(projection: Projection) -> Ratings:
    """The ratings of a projection's charge points."""
    nodes = np.array([projection.unit_node(leaf) for leaf in range(len(projection.leaf_ids))], dtype=np.int64)
    is_first = np.diff(nodes, prepend=-1) != 0
    first = np.flatnonzero(is_first)
    ends = [*first.tolist(), len(nodes)][1:]
    most = []
    for begin, end in zip(first.tolist(), ends, strict=True):
        rated, classes = projection.subjects[int(nodes[begin])], projection.leaf_class[begin:end]
        assert isinstance(rated, ChargePoint)
        # Where they do not share their wires the rating holds for each line by itself, and the fill sees to that.
        most.append(rated.max_rating if (classes == classes[0]).all() else NO_RATING)
    return Ratings(
        unit=np.cumsum(is_first).astype(np.int64) - 1,
        first=first.astype(np.int64),
        most=np.array(most, dtype=np.int64),
    )


def held_down(ratings: Ratings, committed: Ints, drawn: Ints | None = None) -> Ints:
    """[n] what is committed, so that no charge point counts for more than its maximum rating.

    Where its connectors together would, each counts for its share. `drawn` [n]: what connectors draw that do not obey,
    0 for all others; a charge point counts for at least that, whatever its rating says.
    """
    if not len(committed):
        return committed.copy()
    most, total = _most(ratings, drawn), np.add.reduceat(committed, ratings.first)
    over = (total > most)[ratings.unit]
    if not over.any():
        return committed.copy()
    # Shares of running sums: they add up to the rating exactly.
    running = np.cumsum(committed)
    before = (running - committed)[ratings.first][ratings.unit]
    upto = (running - before)[over]
    shared_upto = upto * most[ratings.unit[over]] // total[ratings.unit[over]]
    held = committed.copy()
    starts = np.flatnonzero(over) == ratings.first[ratings.unit[over]]
    held[over] = np.where(starts, shared_upto, np.diff(shared_upto, prepend=0))
    return held


def _most(ratings: Ratings, drawn: Ints | None) -> Ints:
    return ratings.most if drawn is None else np.maximum(ratings.most, np.add.reduceat(drawn, ratings.first))


def within_ratings(projection: Projection, committed: Ints) -> Ints:
    """The same for a projection that is asked about once."""
    return held_down(ratings_of(projection), committed)


class Gate:
    """What is left at every node under what is committed; `take` counts what is released. (Mutable: one pass.)"""

    def __init__(
        self, projection: Projection, ratings: Ratings, found: Rooms, committed: Ints, drawn: Ints | None = None
    ) -> None:
        """`committed` and `drawn` as for `held_down`."""
        self._projection, self._ratings, self._room = projection, ratings, found.room
        counted = held_down(ratings, committed, drawn)
        # Leaves of a node are one range: sums below any node are differences of running sums, one per load class.
        self._sums = np.zeros((len(projection.classes), len(counted) + 1), dtype=np.int64)
        for load in range(len(projection.classes)):
            np.cumsum(np.where(projection.leaf_class == load, counted, 0), out=self._sums[load, 1:])
        self._of_unit = np.add.reduceat(committed, ratings.first) if len(committed) else committed
        self._most = _most(ratings, drawn) if len(committed) else committed
        self._left: dict[int, list[int | None]] = {}

    def is_over(self, leaf: int) -> bool:
        """Whether more is committed than is available anywhere above it."""
        return any(left is not None and left < 0 for inner in self._above(leaf) for left in self._rows(inner))

    def most_more(self, leaf: int, more: int) -> int:
        """How much of `more` (setpoint units beyond what is committed for the leaf) fits; 0 where nothing does."""
        counted = self._counted(leaf, more)
        load, fits = int(self._projection.leaf_class[leaf]), counted
        for inner in self._above(leaf) if counted > 0 else ():
            for group, left in zip(self._projection.groups, self._rows(inner), strict=True):
                weight = group.weights[load]
                if left is not None and weight:
                    fits = min(fits, max(0, left) // weight)
        return more if fits >= counted else fits

    def take(self, leaf: int, more: int) -> None:
        """Count `more` for a leaf from now on, whether it fits or not (an earmark need not)."""
        if more <= 0:
            return
        counted = self._counted(leaf, more)
        self._of_unit[self._ratings.unit[leaf]] += more
        load = int(self._projection.leaf_class[leaf])
        for inner in self._above(leaf):
            left = self._rows(inner)
            for index, group in enumerate(self._projection.groups):
                value = left[index]
                if value is not None:
                    left[index] = value - group.weights[load] * counted

    def _counted(self, leaf: int, more: int) -> int:
        """How much of it counts above the charge point: beyond its rating nothing does."""
        unit = self._ratings.unit[leaf]
        before, most = int(self._of_unit[unit]), int(self._most[unit])
        return min(before + more, most) - min(before, most)

    def _above(self, leaf: int) -> list[int]:
        frame = self._projection.frame
        inner, path = int(frame.leaf_parent[leaf]), []
        while inner >= 0:
            path.append(inner)
            inner = int(frame.parent[inner])
        return path

    def _rows(self, inner: int) -> list[int | None]:
        """Per row group what is left at an inner node, in whole units; None where it is not limited."""
        if inner not in self._left:
            projection = self._projection
            node = int(projection.frame.nodes[inner])
            below = self._sums[:, projection.last_leaf[node]] - self._sums[:, projection.first_leaf[node]]
            found: list[int | None] = []
            for index, group in enumerate(projection.groups):
                limbs = self._room[inner, index].tolist()
                if limbs[-1] >= UNLIMITED:
                    found.append(None)
                    continue
                taken = sum(weight * value for weight, value in zip(group.weights, below.tolist(), strict=True))
                found.append(from_limbs(limbs, projection.frame.bits) - taken)
            self._left[inner] = found
        return self._left[inner]


def stepped_down(projection: Projection, leaf: int, most: int) -> int:
    """The largest value up to `most` that a leaf takes; 0 where that is below its minimum."""
    allowed = projection.allowed_steps[projection.steps_first[leaf] : projection.steps_last[leaf]]
    if len(allowed):
        return max((int(value) for value in allowed if value <= most), default=0)
    minimum, step = int(projection.minimum[leaf]), int(projection.step[leaf])
    if most < minimum:
        return 0
    return max(minimum, most // step * step)
