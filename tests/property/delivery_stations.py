"""Charge points of the delivery world, as simple automata: what they truly allow, and what vehicles truly draw."""

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from busbar.engine.orders import Answer, Order, OrderKind


@dataclass(kw_only=True)
class Lease:
    """What a connector was told last."""

    limit: int
    ends_s: float
    """By the charge point's own clock."""
    fallback: int


@dataclass(kw_only=True)
class Plug:
    """A connector and the vehicle on it. A session without a number: nobody is there."""

    id: str
    rating: int
    fallback: int
    """What it was told to do when left alone; a charge point that cannot goes to its rating."""
    can_fall_back: bool
    session: int | None = None
    demand: int = 0
    follows_within_s: int = 0
    lease: Lease | None = None
    recent: deque[int] = field(default_factory=deque)
    obedient: int = 0
    """What an honest one in its place would draw."""
    draw: int = 0

    def limit(self, clock_s: float) -> int:
        """What it allows now."""
        if self.lease is not None and clock_s < self.lease.ends_s:
            return self.lease.limit
        if not self.can_fall_back:
            return self.rating
        return self.fallback if self.lease is None else self.lease.fallback

    def leave(self) -> None:
        """The vehicle goes, and what was set for it goes with it."""
        self.session, self.lease, self.demand, self.obedient, self.draw = None, None, 0, 0, 0
        self.recent.clear()

    def flow(self, clock_s: float, *, is_deaf: bool, extra_s: int) -> None:
        """One second: up at once, down within the time the vehicle takes."""
        limit = self.limit(clock_s)
        if self.session is None:
            return
        self.obedient = self._following(self.obedient, limit, self.follows_within_s)
        slow = self._following(self.draw, limit, self.follows_within_s + extra_s)
        self.draw = min(self.demand, self.rating) if is_deaf else slow
        self.recent.append(limit)
        while len(self.recent) > self.follows_within_s + extra_s:
            self.recent.popleft()

    def _following(self, draw: int, limit: int, within_s: int) -> int:
        # The latest come first.
        ceiling = max([limit, *islice(reversed(self.recent), within_s)])
        if draw > limit:
            return min(draw, ceiling, self.demand)
        return min(self.demand, limit)


@dataclass(kw_only=True)
class Station:
    """A charge point."""

    id: str
    plugs: dict[str, Plug]
    ahead_s: float
    """Its clock is so far ahead."""
    is_deaf: bool = False
    """It acknowledges and ignores."""
    extra_s: int = 0
    """Its vehicles take so much longer than they may."""
    refuses: float = 0.0

    def clock_s(self, now_s: float) -> float:
        """Its own idea of the time."""
        return now_s + self.ahead_s

    def take(self, order: Order, session: int | None, ends_s: float, rng: random.Random) -> tuple[Answer, bool]:
        """Do what it is told; the answer, and whether the session ended."""
        plug = self.plugs[order.connector]
        if session is None or session != plug.session or rng.random() < self.refuses:
            return Answer.REFUSED, False
        if order.kind is OrderKind.STOP:
            plug.leave()
            return Answer.ACCEPTED, True
        plug.lease = Lease(limit=order.limit, ends_s=ends_s, fallback=order.fallback)
        return Answer.ACCEPTED, False

    def reboot(self) -> None:
        """It forgets what it was told, but for its fallbacks."""
        for plug in self.plugs.values():
            plug.lease = None
