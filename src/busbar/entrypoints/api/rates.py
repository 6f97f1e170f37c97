"""How much may be asked: a bucket of permits for each token and address, filled at a steady rate."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic

TOKEN_BURST = 200
"""Questions that one token may ask at once: a page that opens with every screen asks a few dozen."""
TOKEN_RATE_PER_S = 20.0
FAILURE_BURST = 10
"""Secrets that one address may get wrong at once. Secrets are too long to guess; this spares the database."""
FAILURE_RATE_PER_S = 1 / 6
MOST_REMEMBERED = 10_000
"""Tokens or addresses; the one that asked least lately is forgotten first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What is allowed."""

    token_burst: int = TOKEN_BURST
    token_rate_per_s: float = TOKEN_RATE_PER_S
    failure_burst: int = FAILURE_BURST
    failure_rate_per_s: float = FAILURE_RATE_PER_S


class Buckets:
    """One bucket for each of many; bounded."""

    def __init__(self, burst: int, rate_per_s: float, *, now_s: Callable[[], float] = monotonic) -> None:
        self._burst, self._rate_per_s, self._now_s = burst, rate_per_s, now_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, whose: str) -> int:
        """Take one permit: 0 where there was one, or else in how many seconds there is (at least 1)."""
        left, at_s = self._now(whose)
        if left < 1:
            return self._wait_s(left)
        self._keep(whose, left - 1, at_s)
        return 0

    def wait_s(self, whose: str) -> int:
        """As `take`, without taking."""
        left, _ = self._now(whose)
        return 0 if left >= 1 else self._wait_s(left)

    def _now(self, whose: str) -> tuple[float, float]:
        now_s = self._now_s()
        left, at_s = self._left.get(whose, (float(self._burst), now_s))
        return min(self._burst, left + (now_s - at_s) * self._rate_per_s), now_s

    def _wait_s(self, left: float) -> int:
        return max(1, ceil((1 - left) / self._rate_per_s))

    def _keep(self, whose: str, left: float, at_s: float) -> None:
        self._left[whose] = (left, at_s)
        self._left.move_to_end(whose)
        if len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)
