"""What Busbar can have seen of the flows, second by second, at the least and at the most: kept in two bytes for every
second and node, so that a day of it fits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from busbar.core.depot import ChargePoint, Circuit
from busbar.core.projection import Projection
from busbar.core.snapshot import Bools
from busbar.simulator.physics import NO_LIMIT
from busbar.simulator.trail import Floats, Ints
from busbar.simulator.trials.trial import Trial
from busbar.simulator.trials.yard import Sight

TOLERANCE = 0.01
LEAST = 1000
"""1 A or 1 kW."""
CLEARLY = 1.03
"""Times the tolerance: clearly more than that."""
LOWEST, HIGHEST = 0.95, 1.05
_OVER, _WITHIN, _ABOVE, _MAY_BE_OVER = range(4)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bounds:
    """[M, 4] each: what is held against flows as long as limits are what they are."""

    limit: Ints
    over: Floats
    within: Floats
    above: Floats
    may_be_over: Floats


def _bounds(limits: Ints) -> _Bounds:
    limit = np.where(limits == NO_LIMIT, np.inf, limits.astype(float))
    tolerance = np.where(np.isinf(limit), 0.0, np.maximum(TOLERANCE * limit, LEAST))
    return _Bounds(
        limit=limits,
        over=limit + CLEARLY * tolerance + 10,
        within=limit - 10,
        above=limit + 10,
        may_be_over=limit + tolerance / CLEARLY - 10,
    )


class CanBeSeen:
    """Of one trial. (Mutable: it takes in one second after another.)

    Of a metered node its flow; of any other the sum of the meters and charge points that are the first below it, each
    at the least and at the most it was within one sample interval. Connectors are sampled one by one: where one takes
    over what another leaves, the charge point may seem to draw both, or neither.
    """

    def __init__(self, trial: Trial) -> None:
        projection = trial.yard.projection
        count = len(projection.frame.nodes)
        self.slow = np.zeros(count, dtype=np.bool_)
        """[M] It has no meter."""
        self.metered: list[bool] = []
        """[M] It is a circuit with a meter."""
        self._adds = np.zeros((count, count))
        """[M, M] Whose flows are added up for each."""
        for inner, first in enumerate(first_below(projection)):
            is_itself = list(first) == [inner]
            self.metered.append(is_itself and not _is_charge_point(projection, inner))
            self.slow[inner] = not self.metered[-1]
            self._adds[inner, list(first)] = 1.0
        volts = trial.scenario.voltage_permille / 1000
        self._off = np.array([max(1.0, volts / LOWEST)] * 3 + [max(1.0, HIGHEST / volts)])
        seconds = 1 + trial.timing.sample_s + int(trial.timing.cycle_s)
        self._lately = np.zeros((seconds, count, 4))
        """[S, M, 4] the flows of so many seconds; the newest takes the place of the oldest."""
        self._draws: Ints = np.zeros((seconds, len(projection.leaf_ids)), dtype=np.int64)
        """[S, n] the draws of the same seconds."""
        self._bounds: _Bounds | None = None
        self._rows_of = trial.yard.rows_of
        self._has_several = np.array([_has_several_connectors(projection, inner) for inner in range(count)])
        self._bits = np.zeros((trial.scenario.duration_s, count), dtype=np.uint16)
        self._seconds = 0

    def add(self, sight: Sight) -> None:
        """One second more."""
        flow = sight.flow_rows.astype(float)
        place = self._seconds % len(self._lately)
        self._lately[place], self._draws[place] = flow, sight.draw
        lately = self._lately[: self._seconds + 1]
        slow, least_each, most_each = self.slow[:, None], lately.min(axis=0), lately.max(axis=0)
        if (several := self._has_several).any():
            draws = self._draws[: self._seconds + 1]
            least_each[several] = np.minimum(least_each, self._rows_of(draws.min(axis=0)))[several]
            most_each[several] = np.maximum(most_each, self._rows_of(draws.max(axis=0)))[several]
        low = np.where(slow, self.added_up(least_each), flow)
        high = np.where(slow, self._off * self.added_up(most_each), flow)
        least, most = np.minimum(low, flow), np.maximum(high, flow)
        bounds = self._bounds
        if bounds is None or bounds.limit is not sight.limit:
            bounds = self._bounds = _bounds(sight.limit)
        found = np.concatenate(
            [least > bounds.over, most <= bounds.within, least > bounds.above, most > bounds.may_be_over], axis=1
        )
        self._bits[self._seconds] = np.packbits(found, axis=1).view(">u2")[:, 0]
        self._seconds += 1

    def added_up(self, rows: Ints | Floats) -> Floats:
        """[M, 4] rows of what is the first seen below each node, added up."""
        found: Floats = self._adds @ rows
        return found

    @property
    def over(self) -> Bools:
        """[T, M, 4] Clearly above the limit and its tolerance, whatever was seen."""
        return self._unpacked(_OVER)

    @property
    def within(self) -> Bools:
        """[T, M, 4] Below the limit, whatever was seen."""
        return self._unpacked(_WITHIN)

    @property
    def above(self) -> Bools:
        """[T, M, 4] Above the limit, whatever was seen."""
        return self._unpacked(_ABOVE)

    @property
    def may_be_over(self) -> Bools:
        """[T, M, 4] It may have been seen above the limit and its tolerance."""
        return self._unpacked(_MAY_BE_OVER)

    def _unpacked(self, which: int) -> npt.NDArray[np.bool_]:
        bits = self._bits[: self._seconds]
        return np.stack([(bits >> (15 - 4 * which - row)) & 1 for row in range(4)], axis=2).astype(np.bool_)


def first_below(projection: Projection) -> tuple[tuple[int, ...], ...]:
    """[M] inner nodes whose flows add up to each one's: itself, or the first below it that is seen by itself."""
    frame = projection.frame
    found: dict[int, tuple[int, ...]] = {}
    for inner in reversed(range(len(frame.nodes))):
        subject = projection.subjects[int(frame.nodes[inner])]
        if isinstance(subject, ChargePoint) or (isinstance(subject, Circuit) and subject.meter):
            found[inner] = (inner,)
            continue
        children = [each for each in range(len(frame.nodes)) if int(frame.parent[each]) == inner]
        found[inner] = tuple(one for child in children for one in found[child])
    return tuple(found[inner] for inner in range(len(frame.nodes)))


def _is_charge_point(projection: Projection, inner: int) -> bool:
    return isinstance(projection.subjects[int(projection.frame.nodes[inner])], ChargePoint)


def _has_several_connectors(projection: Projection, inner: int) -> bool:
    subject = projection.subjects[int(projection.frame.nodes[inner])]
    return isinstance(subject, ChargePoint) and len(subject.connectors) > 1
