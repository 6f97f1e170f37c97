"""What a depot's loop writes down beside its cycles: records, vehicles, breaches; nothing waits for it but the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from busbar.core.errors import BusbarError
from busbar.core.snapshot import Session
from busbar.engine.access import Notice
from busbar.engine.breach_record import BreachChange, BreachRecord
from busbar.engine.cycle import Cycle
from busbar.engine.ports import Store
from busbar.engine.watching import Seen

SESSIONS_SAVED_S = 60.0
"""Vehicles are written down at least so often; whoever comes or goes, at once."""
BREACHES_SAVED_S = 10.0
"""Open breaches are written down at least so often, with their peak and energy so far; what changes, at once."""
KEPT_WITHIN_S = 3.0
"""A store that takes longer has not kept the cycle before when the next one is done."""
PRUNED_S = 3600.0
MOST_NOTICES = 10_000
"""Notices that wait for a store that refuses them; of more, the oldest are lost, and that is said."""


class Says(Protocol):
    """Where failures are said."""

    def error(self, event: str, **facts: object) -> None:
        """Something failed."""
        ...


class Keeping:
    """For one depot. (Mutable: it remembers what is written and what has yet to be.)"""

    def __init__(
        self,
        depot_id: str,
        store: Store,
        *,
        says: Says,
        keep_days: float,
        on_breach: Callable[[BreachChange, BreachRecord], None],
        on_notices: Callable[[], None],
    ) -> None:
        self._depot_id, self._store, self._says, self._keep_days = depot_id, store, says, keep_days
        self._on_breach, self._on_notices = on_breach, on_notices
        self._sessions_s = self._breaches_s = self._pruned_s = -1e9
        self._sessions: tuple[tuple[object, ...], ...] = ()
        self._breaches: dict[str, BreachRecord] = {}
        """Those that have yet to be written."""
        self._notices: list[Notice] = []
        self._changes: list[tuple[BreachChange, BreachRecord]] = []
        """Those that have yet to be told: whoever hears of a breach finds it in the store."""
        self._keeping: asyncio.Task[None] | None = None
        self._pruning: asyncio.Task[None] | None = None

    async def keep_beside(self, cycle: Cycle, seen: Seen | None, sessions: Sequence[Session], *, now_s: float) -> None:
        """Write it down without holding up answers; a store that falls behind by a whole cycle is waited for.

        `seen` is None where nothing was looked at.
        """
        if seen is not None:
            self._take_in(seen, now_s)
        before = self._keeping
        if before is not None and not before.done():
            await asyncio.wait([before], timeout=KEPT_WITHIN_S)
            if not before.done():
                reason = "the store has not kept the one before yet"
                self._says.error("cycle not recorded", cycle=cycle.record.number, reason=reason)
                return
        self._keeping = asyncio.create_task(self._keep(cycle, sessions, now_s=now_s))

    def running(self) -> tuple["asyncio.Task[None]", ...]:
        """What is being written, and forgotten."""
        return tuple(task for task in (self._keeping, self._pruning) if task is not None and not task.done())

    async def end(self) -> None:
        """Finish what is being written."""
        if self._keeping is not None:
            await self._keeping
        if self._pruning is not None:
            self._pruning.cancel()

    def _take_in(self, seen: Seen, now_s: float) -> None:
        self._breaches.update((record.id, record) for record in seen.to_keep)
        if seen.moment.breaches and now_s - self._breaches_s >= BREACHES_SAVED_S:
            self._breaches.update((record.id, record) for record in seen.moment.breaches)
        self._notices += seen.notices
        self._changes += seen.changes
        lost = len(self._notices) - MOST_NOTICES
        if lost > 0:
            del self._notices[:lost]
            self._says.error("notices lost", count=lost, reason="the store does not take them")

    async def _keep(self, cycle: Cycle, sessions: Sequence[Session], *, now_s: float) -> None:
        number, at = cycle.record.number, cycle.record.at
        await self._or_say("breaches not recorded", self._keep_breaches, now_s, cycle=number)
        if cycle.is_worth_keeping:
            await self._or_say("cycle not recorded", self._keep_cycle, cycle, cycle=number)
        await self._or_say("vehicles not recorded", self._keep_sessions, sessions, at, now_s, cycle=number)
        if now_s - self._pruned_s >= PRUNED_S and (self._pruning is None or self._pruning.done()):
            self._pruned_s = now_s
            forgetting = self._or_say("old records not forgotten", self._prune, at, cycle=number)
            self._pruning = asyncio.create_task(forgetting)

    async def _keep_breaches(self, now_s: float) -> None:
        """With their notices in one transaction; what the store refuses is tried again with the next cycle."""
        breaches, notices, changes = tuple(self._breaches.values()), tuple(self._notices), tuple(self._changes)
        if not breaches and not notices:
            return
        await self._store.save_breaches(self._depot_id, breaches, notices=notices)
        self._breaches_s = now_s
        self._breaches = {each.id: each for each in self._breaches.values() if each not in breaches}
        del self._notices[: len(notices)]
        del self._changes[: len(changes)]
        for change, record in changes:
            self._on_breach(change, record)
        if notices:
            self._on_notices()

    async def _keep_cycle(self, cycle: Cycle) -> None:
        await self._store.record_cycle(self._depot_id, cycle.record)

    async def _keep_sessions(self, sessions: Sequence[Session], at: datetime, now_s: float) -> None:
        what_matters = tuple((s.connector, s.arrived, s.charging, s.waiting_since, s.stopped_at) for s in sessions)
        if what_matters != self._sessions or now_s - self._sessions_s >= SESSIONS_SAVED_S:
            await self._store.save_sessions(self._depot_id, sessions, at=at)
            self._sessions, self._sessions_s = what_matters, now_s

    async def _prune(self, at: datetime) -> None:
        """As long as it takes: nothing waits for it."""
        await self._store.prune(self._depot_id, before=at - timedelta(days=self._keep_days))

    async def _or_say(self, what: str, work: Callable[..., Awaitable[None]], *given: object, cycle: int) -> None:
        try:
            await work(*given)
        except (BusbarError, TimeoutError) as error:
            self._says.error(what, cycle=cycle, reason=repr(error))
