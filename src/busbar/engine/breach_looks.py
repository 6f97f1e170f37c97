"""What earlier looks at one depot saw: which limits fell, how base load rose, and the minutes before a breach."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf, isfinite, isnan

import numpy as np
import numpy.typing as npt

from busbar.core.snapshot import Bools, Floats, Ints
from busbar.engine.breach_record import Sample
from busbar.engine.breach_sight import BreachSight

KEPT_S = 110.0
"""A minute before a breach began, the time it takes to open, and then some."""
_SHORTEST_GAP_S = 4.0
"""Looks are remembered no closer than this, however often somebody looks."""
_ROUNDING = 1.0
"""A limit that is lower by this many mA or W, or less, has not fallen."""

Coarse = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fall:
    """A limit that became lower."""

    fell_s: float
    at: datetime
    before: float
    """Infinite: there was none. Of falls that follow each other closely, what it was before the first."""
    to: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """One look, coarse enough to keep a few dozen of a large depot."""

    now_s: float
    at: datetime
    age_s: Coarse
    """[N]"""
    flow: Coarse
    """[N, 4]"""
    limit: Coarse
    """[N, 4] infinite where there is none."""
    base_load: Coarse
    """[N, 4]"""


class Looks:
    """The last looks at n nodes. (Mutable: it follows them.)"""

    def __init__(self, n: int, *, together_s: float) -> None:
        """Falls of one limit within `together_s` count as one."""
        self._together_s = together_s
        self._kept: deque[_Look] = deque()
        self._limit: Floats | None = None
        self._fell_s = np.full((n, 4), -inf)
        self._fell_at = np.zeros((n, 4))
        self._before = np.full((n, 4), inf)

    def note(self, sight: BreachSight, taken_s: Floats) -> Bools:
        """Remember a look; [N, 4] where the limit is lower than at the look before."""
        limit = np.where(np.isnan(sight.limit), inf, sight.limit)
        earlier = limit if self._limit is None else self._limit
        fell: Bools = limit < earlier - _ROUNDING
        if fell.any():
            goes_on = fell & (sight.now_s - self._fell_s <= self._together_s)
            self._before[fell] = np.where(goes_on, np.maximum(self._before, earlier), earlier)[fell]
            self._fell_s[fell] = sight.now_s
            self._fell_at[fell] = sight.at.timestamp()
        self._limit = limit
        self._keep(sight, taken_s, limit)
        return fell

    def _keep(self, sight: BreachSight, taken_s: Floats, limit: Floats) -> None:
        kept = self._kept
        # The newest is always there; one that came too soon after the one before it is not kept behind it.
        if len(kept) > 1 and kept[-1].now_s - kept[-2].now_s < _SHORTEST_GAP_S:
            kept.pop()
        while kept and sight.now_s - kept[0].now_s > KEPT_S:
            kept.popleft()
        kept.append(
            _Look(
                now_s=sight.now_s,
                at=sight.at,
                age_s=(sight.now_s - taken_s).astype(np.float32),
                flow=sight.flows.rows.astype(np.float32),
                limit=limit.astype(np.float32),
                base_load=sight.base_load.astype(np.float32),
            )
        )

    def fall(self, node: int, row: int) -> Fall | None:
        """The last one of a node's row; None: it has not fallen since anybody looked."""
        fell_s = float(self._fell_s[node, row])
        if not isfinite(fell_s) or self._limit is None:
            return None
        return Fall(
            fell_s=fell_s,
            at=datetime.fromtimestamp(float(self._fell_at[node, row]), UTC),
            before=float(self._before[node, row]),
            to=float(self._limit[node, row]),
        )

    def base_rise(self, node: int, row: int, *, from_s: float, to_s: float) -> float:
        """The most by which base load rose from one look to a later one of that time; 0 where that is not known."""
        rise, lowest = 0.0, inf
        for look in self._kept:
            base = float(look.base_load[node, row])
            if from_s <= look.now_s <= to_s and not isnan(base):
                lowest = min(lowest, base)
                rise = max(rise, base - lowest)
        return rise

    def samples(self, node: int, row: int, *, since_s: float) -> list[Sample]:
        """What was seen of a node's row by samples taken since then, oldest first."""
        found: list[Sample] = []
        last_s = -inf
        for look in self._kept:
            age_s = float(look.age_s[node])
            taken_s = look.now_s - age_s
            if isnan(age_s) or taken_s < max(since_s, last_s + 0.01):
                continue
            last_s = taken_s
            found.append(
                sample(look.at - timedelta(seconds=age_s), float(look.flow[node, row]), float(look.limit[node, row]))
            )
        return found

    def move(self, n: int, *, to: Ints, of: Ints) -> None:
        """Go on with other nodes: what was node `of[i]` is node `to[i]` now; the others begin anew."""

        def moved(values: Floats) -> Floats:
            # Of a new node nothing is known: nothing has fallen, and whatever its limit is, it is not below this.
            fresh = np.full((n, *values.shape[1:]), np.nan, dtype=values.dtype)
            fresh[to] = values[of]
            return fresh

        self._fell_s, self._fell_at, self._before = moved(self._fell_s), moved(self._fell_at), moved(self._before)
        if self._limit is not None:
            self._limit = moved(self._limit)
        self._kept = deque(
            _Look(
                now_s=look.now_s,
                at=look.at,
                age_s=moved(look.age_s),  # type: ignore[arg-type]
                flow=moved(look.flow),  # type: ignore[arg-type]
                limit=moved(look.limit),  # type: ignore[arg-type]
                base_load=moved(look.base_load),  # type: ignore[arg-type]
            )
            for look in self._kept
        )


def sample(at: datetime, flow: float, limit: float) -> Sample:
    """In whole numbers; what is not known, or not limited, is None."""
    return Sample(
        at=at,
        flow=None if isnan(flow) else round(flow),
        limit=round(limit) if isfinite(limit) else None,
    )


def wall(sight: BreachSight, seen_s: float) -> datetime:
    """When a sample was taken, by the wall clock of this look."""
    return sight.at if isnan(seen_s) else sight.at - timedelta(seconds=max(0.0, sight.now_s - seen_s))
