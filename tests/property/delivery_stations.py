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

    def flow(self, limit: int, *, is_deaf: bool, extra_s: int) -> None:
        """One second: up at once, down within the time the vehicle takes."""
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
    max_rating: int = 0
    is_whole: bool = False
    """It is told one limit for all of its connectors, on this connection."""
    is_verified: bool = True
    """The depot says how it shares."""
    takes_each: bool = False
    """It applies that limit to every connector; only where it is not verified."""
    lease: Lease | None = None
    """Of that limit."""
    recent: deque[int] = field(default_factory=deque)
    seconds: int = 0
    changed_s: int = -1000
    """When its way was changed last, by its own count."""

    def fallback(self) -> int:
        """What it was told to do with all of its connectors when it is left alone."""
        return sum(plug.fallback for plug in self.plugs.values()) // (1 if self.is_verified else len(self.plugs))

    def limit(self, clock_s: float) -> int:
        """What it allows now, where it is told one limit."""
        if self.lease is not None and clock_s < self.lease.ends_s:
            return self.lease.limit
        can_fall_back = all(plug.can_fall_back for plug in self.plugs.values())
        return self.fallback() if can_fall_back else sum(plug.rating for plug in self.plugs.values())

    @property
    def is_summed(self) -> bool:
        """What each connector draws follows from one limit, or has yet to follow its own."""
        return self.is_whole or self.seconds - self.changed_s < 60

    def possible(self, clock_s: float) -> int:
        """The most that all of its connectors together may draw by what it allows now."""
        if not self.is_whole:
            return sum(plug.limit(clock_s) for plug in self.plugs.values())
        limits = [min(self.limit(clock_s), plug.rating) for plug in self.plugs.values()]
        return sum(limits) if self.takes_each else min(self.limit(clock_s), sum(limits))

    def flow(self, clock_s: float) -> None:
        """One second of all connectors."""
        self.seconds += 1
        if not self.is_whole or self.takes_each:
            for plug in self.plugs.values():
                limit = min(self.limit(clock_s), plug.rating) if self.is_whole else plug.limit(clock_s)
                plug.flow(limit, is_deaf=self.is_deaf, extra_s=self.extra_s)
            self._note(sum(plug.obedient for plug in self.plugs.values()))
            return
        limit = self.limit(clock_s)
        there = [plug for plug in self.plugs.values() if plug.session is not None]
        within_s = max((plug.follows_within_s for plug in there), default=0)
        obedient = self._shared(there, [plug.obedient for plug in there], limit, within_s)
        slow = self._shared(there, [plug.draw for plug in there], limit, within_s + self.extra_s)
        for plug, honest, drawn in zip(there, obedient, slow, strict=True):
            plug.obedient = honest
            plug.draw = min(plug.demand, plug.rating) if self.is_deaf else drawn
            plug.recent.append(honest)
        self._note(limit)

    def _note(self, limit: int) -> None:
        self.recent.append(limit)
        while len(self.recent) > 60:
            self.recent.popleft()

    def _shared(self, there: list[Plug], draws: list[int], limit: int, within_s: int) -> list[int]:
        """Whoever's turn it is first takes what it can. Nobody rises while all together are above the limit."""
        left, found = limit, [0] * len(there)
        order = sorted(range(len(there)), key=lambda place: (place + self.seconds // 23) % len(there))
        for place in order:
            target = min(there[place].demand, there[place].rating, left)
            left -= target
            found[place] = target
        targets, found = found, [min(draw, plug.demand) for draw, plug in zip(draws, there, strict=True)]
        found = [max(min(draw, target), draw * 3 // 4) for draw, target in zip(found, targets, strict=True)]
        ceiling = max([limit, *islice(reversed(self.recent), within_s)])
        for place in order:
            found[place] -= min(found[place], max(0, sum(found) - ceiling))
        for place in order:
            found[place] += max(0, min(targets[place] - found[place], limit - sum(found)))
        return found

    def change_way(self) -> None:
        """Greeted anew it is told in the other way; what it was told before is cleared, fallbacks hold."""
        self.is_whole, self.lease, self.changed_s = not self.is_whole, None, self.seconds
        for plug in self.plugs.values():
            plug.lease = None
            if plug.recent:
                # It was told before this second was over.
                plug.recent[-1] = 0

    def clock_s(self, now_s: float) -> float:
        """Its own idea of the time."""
        return now_s + self.ahead_s

    def take(self, order: Order, session: int | None, ends_s: float, rng: random.Random) -> tuple[Answer, bool]:
        """Do what it is told; the answer, and whether the session ended."""
        plug = self.plugs[order.connector]
        if order.kind is not OrderKind.STOP and (order.whole is not None or self.is_whole):
            # An order of an earlier connection, when it was told in the other way, could only lower.
            if order.whole is None or not self.is_whole or rng.random() < self.refuses:
                return Answer.REFUSED, False
            self.lease = Lease(limit=order.whole, ends_s=ends_s, fallback=self.fallback())
            return Answer.ACCEPTED, False
        if session is None or session != plug.session or rng.random() < self.refuses:
            return Answer.REFUSED, False
        if order.kind is OrderKind.STOP:
            plug.leave()
            return Answer.ACCEPTED, True
        plug.lease = Lease(limit=order.limit, ends_s=ends_s, fallback=order.fallback)
        return Answer.ACCEPTED, False

    def reboot(self) -> None:
        """It forgets what it was told, but for its fallbacks."""
        self.lease = None
        for plug in self.plugs.values():
            plug.lease = None
