"""The loop of one depot: a cycle at its own pace for as long as the process lives, and releases in between.

Events only mark the world as changed and wake it; it re-reads everything and decides. Whatever safety needs after a
restart is on disk before an order leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.commissioning import Commissioning
from busbar.engine.control import Control, Memory
from busbar.engine.cycle import Cycle, run_cycle
from busbar.engine.dispatch import Release
from busbar.engine.events import Answered, Event, FallbackAnswered
from busbar.engine.inbox import Inbox
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import ChargePoints, CycleOutcome, Evidence, Override, Store, TrustLevel
from busbar.engine.timing import Timing

SOONEST_CYCLE_S = 0.5
"""Woken early, a cycle still begins no sooner after the one before."""
CYCLES_SHARE = 3
"""Nor sooner than so many times what that one took: thousands that connect at once do not keep it thinking."""
SENT_FOR_S = 0.1
"""Orders leave for so long before answers have their turn again. A turn is long where there is too much to hear."""
SAMPLES_AT_ONCE = 1_000
"""Samples that are followed before answers have their turn again; of those that wait only the newest counts."""
SOONEST_RELEASE_S = 0.05
"""Answers are gathered for so long before what they freed is given to others."""
METERS_ASKED_S = 0.25
"""So often it is looked, at the start, whether the meters have spoken: it adds up every draw."""
LOOKED_S = 1.0
"""So often it is looked, between cycles, whether somebody has ordered something or edited the depot."""
SESSIONS_SAVED_S = 60.0
"""Vehicles are written down at least so often; whoever comes or goes, at once."""
STORED_WITHIN_S = 3.0
"""A store that takes longer does not hold up what it need not know first."""
PRUNED_S = 3600.0
MOST_FAILURES = 6
"""So many cycles in a row that fail end the process: nobody goes on under limits that nobody looks at."""


class Clock(Protocol):
    """The time, twice."""

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        ...

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        ...

    def us(self) -> int:
        """Microseconds of a clock that never jumps, to measure durations with."""
        ...


class Log(Protocol):
    """Structured log lines."""

    def info(self, event: str, **facts: Any) -> None:
        """Something went as it should."""
        ...

    def warning(self, event: str, **facts: Any) -> None:
        """Something did not, and is being dealt with."""
        ...

    def error(self, event: str, **facts: Any) -> None:
        """Something failed."""
        ...


@dataclass(slots=True)
class Counts:
    """What a loop counts. (Mutable.)"""

    cycles: int = 0
    kept: int = 0
    overruns: int = 0
    """Cycles that took longer than their interval."""
    failures: int = 0
    """Cycles that could not be finished, and were given up."""
    orders: int = 0
    unsaved: int = 0
    """Orders that were not sent because they could not be stored first."""
    last_duration_us: int = 0


class DepotLoop:
    """One depot, for as long as it runs. Never two cycles at once."""

    def __init__(
        self,
        depot: Depot,
        *,
        store: Store,
        charge_points: ChargePoints,
        clock: Clock,
        timing: Timing,
        order_ids: Callable[[], str],
        log: Log,
        keep_days: int = 90,
        use_meters: Callable[[Depot], None] = lambda depot: None,
    ) -> None:
        self.depot_id = depot.id
        self.control = Control(depot, timing, order_ids=order_ids, now_s=clock.now_s())
        self.counts = Counts()
        self.last_cycle: Cycle | None = None
        self._store, self._charge_points, self._clock, self._timing, self._log = (
            store,
            charge_points,
            clock,
            timing,
            log,
        )
        self._keep_days, self._use_meters = keep_days, use_meters
        self._inbox = Inbox()
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._revision = 0
        self._saved_s = self._pruned_s = -1e9
        self._saved: tuple[tuple[object, ...], ...] = ()
        self._commissioning = Commissioning(timing)
        self._failed_in_a_row = 0
        self._stored: dict[str, tuple[int, int]] = {}
        self._unstored: dict[str, Evidence] = {}
        self._ordered: tuple[Override, ...] = ()
        self._looked_s = -1e9
        self._keeping: asyncio.Task[None] | None = None
        self._pruning: asyncio.Task[None] | None = None
        self._said: CycleOutcome | None = None
        self._troubled: dict[str, str] = {}

    # From outside

    def put(self, event: Event) -> None:
        """An event of this depot. Never waits."""
        if self._inbox.put(event):
            self._woken.set()

    def stop(self) -> None:
        """End after what is being done now. Setpoints run out with their leases."""
        self._is_stopping = True
        self._woken.set()

    # The loop

    async def run(self) -> None:
        """Until `stop`. Raises BusbarError where what was stored cannot be read at the start."""
        await self._restore()
        self._charge_points.serve_depot(self.control.stored_depot)
        self._use_meters(self.control.stored_depot)
        trigger = await self._until_meters_spoke()
        while not self._is_stopping:
            began_s = self._clock.now_s()
            await self._cycle_or_log(trigger)
            took_s = self._clock.now_s() - began_s
            if took_s > self._timing.cycle_s:
                self.counts.overruns += 1
                self._log.warning("cycle took too long", cycle=self.control.number, took_s=round(took_s, 3))
            trigger = await self._until_next(began_s, soonest_s=max(SOONEST_CYCLE_S, CYCLES_SHARE * took_s))
        if self._keeping is not None:
            await self._keeping
        if self._pruning is not None:
            self._pruning.cancel()

    async def _cycle_or_log(self, trigger: str) -> None:
        """A cycle that fails is given up; several in a row end the process, so that leases end too."""
        try:
            await self._cycle(trigger)
        except Exception as error:
            # Whatever it is, it is our own fault, and the next cycle may do without it.
            self.counts.failures += 1
            self._failed_in_a_row += 1
            self._log.error("cycle failed", cycle=self.control.number, reason=repr(error), exc_info=True)
            if self._failed_in_a_row >= MOST_FAILURES:
                raise BusbarError(
                    f"{MOST_FAILURES} cycles of depot {self.depot_id} in a row failed; the last one: {error!r}"
                ) from error
        else:
            self._failed_in_a_row = 0

    async def _restore(self) -> None:
        store, depot_id = self._store, self.depot_id
        memory = Memory(
            setpoints=await store.stored_setpoints(depot_id),
            evidence=await store.evidence(depot_id),
            sessions=await store.open_sessions(depot_id),
            last_cycle_number=await store.last_cycle_number(depot_id),
        )
        self._revision = await store.depot_revision(depot_id)
        self._stored = {each.connector: (each.value, each.fallback) for each in memory.setpoints}
        self.control.restore(memory, at=self._clock.now(), now_s=self._clock.now_s())

    async def _until_meters_spoke(self) -> str:
        """A restart lowers nobody only because meters have not spoken yet; they are given a little time.

        What charge points were told before goes on being renewed meanwhile.
        """
        timing = self._timing
        until_s = self._clock.now_s() + min(timing.stale_s, timing.lease_s / 4)
        while not self._is_stopping and self._clock.now_s() < until_s:
            await self._take_events()
            if not self.control.has_unheard_meters(self._clock.now_s()):
                break
            await self._release()
            await asyncio.sleep(METERS_ASKED_S)
        return "start"

    async def _until_next(self, began_s: float, *, soonest_s: float) -> str:
        """Release what answers free, until it is time for the next cycle; why it is. Events bring it forward, but no
        sooner than `soonest_s` after the last one began."""
        due_s, trigger = began_s + self._timing.cycle_s, "clock"
        while not self._is_stopping:
            wanted, is_to_release = await self._take_events()
            if wanted is not None and trigger == "clock":
                due_s, trigger = min(due_s, began_s + soonest_s), wanted
            if self._clock.now_s() >= due_s:
                break
            if is_to_release:
                await self._release()
            # Taken one by one, answers would each cost a release of their own.
            await asyncio.sleep(SOONEST_RELEASE_S)
            if len(self._inbox) >= SAMPLES_AT_ONCE:
                continue
            if not await _wait(self._woken, min(LOOKED_S, max(0.0, due_s - self._clock.now_s()))):
                await self._release()
            self._woken.clear()
            if trigger == "clock" and self._clock.now_s() >= self._looked_s + LOOKED_S:
                news = await self._news()
                if news is not None:
                    due_s, trigger = min(due_s, began_s + soonest_s), news
        return trigger

    async def _news(self) -> str | None:
        """What has changed in the store that cannot wait for the next cycle's turn: a limit, or a person's order."""
        try:
            async with asyncio.timeout(LOOKED_S):
                revision, overrides = await asyncio.gather(
                    self._store.depot_revision(self.depot_id), self._store.overrides(self.depot_id)
                )
        except (BusbarError, TimeoutError):
            # The next cycle says so.
            return None
        finally:
            self._looked_s = self._clock.now_s()
        if revision != self._revision:
            return "limit"
        return "order" if tuple(overrides) != self._ordered else None

    async def _take_events(self) -> tuple[str | None, bool]:
        """Follow everything that waits: whether a cycle is wanted and why, and whether something may leave."""
        now_s, trigger, is_to_release = self._clock.now_s(), None, False
        answers: list[FallbackAnswered] = []
        for event in self._inbox.take(most_samples=SAMPLES_AT_ONCE):
            if isinstance(event, FallbackAnswered):
                answers.append(event)
            self._commissioning.take(event, now_s)
            needs = self.control.take(event, now_s)
            trigger = trigger or needs.cycle
            is_to_release = is_to_release or needs.release
        if answers:
            await self._believe(self.control.weigh(answers, at=self._clock.now()))
        return trigger, is_to_release

    async def _believe(self, evidence: Sequence[Evidence]) -> None:
        """Doubt counts at once; belief only when it is stored, which is tried again every cycle."""
        self.control.accept(each for each in evidence if each.trust is TrustLevel.NONE)
        self._unstored.update((each.connector, each) for each in evidence)
        due = tuple(self._unstored.values())
        if not due:
            return
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                await self._store.save_evidence(self.depot_id, due)
        except (BusbarError, TimeoutError) as error:
            self._log.error("evidence not stored", connectors=len(due), reason=repr(error))
            return
        self.control.accept(due)
        self._unstored.clear()

    # A cycle

    async def _cycle(self, trigger: str) -> None:
        # Setpoints wait behind it: a store that hangs does not let leases run out.
        await self._or_log("what people ordered could not be read", self._reread(), within_s=STORED_WITHIN_S)
        await self._take_events()
        control, clock = self.control, self._clock
        projection, depot = control.projection, control.stored_depot
        snapshot = control.look(clock.now(), clock.now_s())
        # In a thread of its own, so that answers and samples go on being read.
        cycle = await asyncio.to_thread(
            run_cycle,
            projection,
            snapshot,
            number=control.number + 1,
            trigger=trigger,
            clock_us=clock.us,
            strategy=depot.strategy,
            fair_in=depot.fair_in,
            before=control.before,
        )
        await self._take_events()
        cycle = control.conclude(cycle, now_s=clock.now_s())
        self.last_cycle = cycle
        self.counts.cycles += 1
        self.counts.last_duration_us = cycle.record.duration_us
        await self._release()
        await self._keep_beside(cycle)

    async def _keep_beside(self, cycle: Cycle) -> None:
        """Recording does not hold up answers; a store that falls behind by a whole cycle is waited for."""
        before = self._keeping
        if before is not None and not before.done():
            await asyncio.wait([before], timeout=STORED_WITHIN_S)
            if not before.done():
                reason = "the store has not kept the one before yet"
                self._log.error("cycle not recorded", cycle=cycle.record.number, reason=reason)
                return
        self._keeping = asyncio.create_task(self._or_log("cycle not recorded", self._keep(cycle)))

    async def _reread(self) -> None:
        """The depot, what people ordered, and what is known of vehicles: whatever changed since the last cycle."""
        store, depot_id = self._store, self.depot_id
        # Together: one after the other they would take four times as long where the store is busy.
        revision, overrides, plans, requests = await asyncio.gather(
            store.depot_revision(depot_id),
            store.overrides(depot_id),
            store.plans(depot_id),
            store.commissioning_requests(depot_id),
        )
        if revision != self._revision:
            await self._use_edited(revision)
        now, now_s = self._clock.now(), self._clock.now_s()
        self._ordered, self._looked_s = tuple(overrides), now_s
        for override in self.control.obey(overrides, now_s=now_s):
            await store.end_override(
                depot_id, kind=override.kind, subject=override.subject, by="busbar: the session ended", at=now
            )
        self.control.plan(plans)
        step = self._commissioning.step(requests, depot=self.control.projection.depot, at=now, now_s=now_s)
        self.control.withhold(step.withheld)
        for charge_point, refuse_for_s in step.cut:
            self._log.info("commissioning cuts the connection", charge_point=charge_point, for_s=refuse_for_s)
            self._charge_points.disconnect(depot_id, charge_point, refuse_for_s=refuse_for_s)
        await self._believe(step.evidence)
        for request_id, state, result in step.updates:
            await store.update_commissioning(depot_id, request_id, state=state, result=result)

    async def _use_edited(self, revision: int) -> None:
        """Swap to an edited depot, or go on with the one before, whole."""
        self._revision = revision
        depot = await self._store.load_depot(self.depot_id)
        before = self.control.stored_depot
        try:
            if depot is None:
                raise BusbarError(f"Depot {self.depot_id} is not in the store any more.")
            self._use_meters(depot)
            self.control.use(depot, now_s=self._clock.now_s())
        except BusbarError as error:
            self._use_meters(before)
            self._log.error("edited depot refused, going on with the one before", reason=str(error))
            return
        self._charge_points.serve_depot(depot)
        self._log.info("edited depot in use", revision=revision)

    async def _keep(self, cycle: Cycle) -> None:
        """Record what changed; what cannot be recorded is said, and held up no setpoint."""
        now, now_s = self._clock.now(), self._clock.now_s()
        self._say(cycle)
        if cycle.is_worth_keeping:
            self.counts.kept += 1
            await self._store.record_cycle(self.depot_id, cycle.record)
        sessions = self.control.vehicles.sessions(now)
        what_matters = tuple((s.connector, s.arrived, s.charging, s.waiting_since, s.stopped_at) for s in sessions)
        if what_matters != self._saved or now_s - self._saved_s >= SESSIONS_SAVED_S:
            await self._store.save_sessions(self.depot_id, sessions, at=now)
            self._saved, self._saved_s = what_matters, now_s
        if now_s - self._pruned_s >= PRUNED_S and (self._pruning is None or self._pruning.done()):
            self._pruned_s = now_s
            self._pruning = asyncio.create_task(self._or_log("old records not forgotten", self._prune(now)))

    async def _prune(self, now: datetime) -> None:
        """As long as it takes: nothing waits for it."""
        await self._store.prune(self.depot_id, before=now - timedelta(days=self._keep_days))

    def _say(self, cycle: Cycle) -> None:
        """One line where a cycle ends otherwise than the one before, and one for each connector that begins to fail."""
        record = cycle.record
        if record.outcome is not CycleOutcome.UNCHANGED and record.outcome is not self._said:
            self._said = record.outcome
            says = self._log.error if record.outcome is CycleOutcome.FAILED else self._log.info
            says("cycle", cycle=record.number, outcome=record.outcome.value, trigger=record.trigger)
        troubled = dict(self.control.dispatch.troubled())
        for connector, trouble in troubled.items():
            if self._troubled.get(connector) != trouble:
                charge_point = connector.rpartition("/")[0]
                self._log.warning(
                    "setpoint", cycle=record.number, charge_point=charge_point, connector=connector, trouble=trouble
                )
        self._troubled = troubled

    # Releasing

    async def _release(self) -> None:
        """Store what is about to leave, then let it leave.

        What cannot be stored is sent only where what is stored already covers it: lower values and renewals.
        """
        clock = self._clock
        released = self.control.release(clock.now(), clock.now_s())
        orders = released.orders
        if released.to_store:
            try:
                async with asyncio.timeout(STORED_WITHIN_S):
                    await self._store.save_setpoints(self.depot_id, released.to_store)
            except (BusbarError, TimeoutError) as error:
                self._log.error("setpoints not stored", orders=len(orders), reason=repr(error))
                orders = self._covered(released)
            else:
                self._stored.update((each.connector, (each.value, each.fallback)) for each in released.to_store)
        self.counts.orders += len(orders)
        until_s = clock.now_s() + SENT_FOR_S
        for order in orders:
            self._charge_points.send(order)
            if clock.now_s() >= until_s:
                await asyncio.sleep(0)
                until_s = clock.now_s() + SENT_FOR_S
        for charge_point in released.to_disconnect:
            self._log.warning("charge point does not answer", charge_point=charge_point)
            self._charge_points.disconnect(self.depot_id, charge_point)

    def _covered(self, released: Release) -> tuple[Order, ...]:
        """The orders that what is stored covers; the others are taken back."""
        needed = {each.order_id: each for each in released.to_store}
        covered, now_s = [], self._clock.now_s()
        for order in released.orders:
            row = needed.get(order.id)
            value, fallback = self._stored.get(order.connector, (-1, -1))
            if row is None or (row.value <= value and row.fallback <= fallback):
                covered.append(order)
                continue
            self.counts.unsaved += 1
            not_sent = Answered(
                order_id=order.id,
                charge_point=order.charge_point,
                connection=-1,
                answer=Answer.NOT_SENT,
                received_s=now_s,
                detail="it could not be stored",
            )
            self.control.take(not_sent, now_s)
        return tuple(covered)

    async def _or_log(self, what: str, work: Awaitable[None], *, within_s: float | None = None) -> None:
        """Work that safety does not hang on: where the store refuses it, that is said, and the cycle goes on."""
        try:
            async with asyncio.timeout(within_s):
                await work
        except (BusbarError, TimeoutError) as error:
            self._log.error(what, cycle=self.control.number, reason=repr(error))


async def _wait(woken: asyncio.Event, timeout_s: float) -> bool:
    """Whether it was woken before the time was over."""
    try:
        async with asyncio.timeout(timeout_s):
            await woken.wait()
    except TimeoutError:
        return False
    return True
