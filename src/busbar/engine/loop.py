"""The loop of one depot: a cycle at its own pace for as long as the process lives, and releases in between.

Events only mark the world as changed and wake it; it re-reads everything and decides. Whatever safety needs after a
restart is on disk before an order leaves.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.access import NoticeKind
from busbar.engine.breach_record import BreachChange, BreachRecord
from busbar.engine.broadcast import Broadcast
from busbar.engine.clock import Clock
from busbar.engine.commissioning import Commissioning
from busbar.engine.control import Control, Memory
from busbar.engine.cycle import Cycle, run_cycle_to_connectors
from busbar.engine.dispatch import Release
from busbar.engine.events import Answered, Event, FallbackAnswered
from busbar.engine.inbox import Inbox
from busbar.engine.keeping import Keeping
from busbar.engine.moment import Moment
from busbar.engine.orders import Answer, Order
from busbar.engine.ports import ChargePoints, CycleOutcome, Evidence, Override, Store, StoredSetpoint, TrustLevel
from busbar.engine.timing import Timing
from busbar.engine.watching import Seen

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
STORED_WITHIN_S = 3.0
"""A store that takes longer does not hold up what it need not know first."""
MOST_DURATIONS = 1_000
"""Durations of cycles that wait for whoever asks how long they take."""
MOST_FAILURES = 6
"""So many cycles in a row that fail end the process: nobody goes on under limits that nobody looks at."""


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
    overruns: int = 0
    """Cycles that took longer than their interval."""
    failures: int = 0
    """Cycles that could not be finished, and were given up."""
    orders: int = 0
    unsaved: int = 0
    """Orders that were not sent because they could not be stored first."""
    last_duration_us: int = 0
    unwatched: int = 0
    """Cycles after which it could not be looked what flows: nothing new was shown."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Cycles by outcome."""
    answers: Counter[str] = field(default_factory=Counter)
    """Orders by what was answered."""
    breaches: Counter[str] = field(default_factory=Counter)
    """Breaches opened, by cause."""
    durations_us: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_DURATIONS))
    """Of the latest cycles, until somebody takes them."""


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
        keep_days: float = 90,
        use_meters: Callable[[Depot], None] = lambda depot: None,
        broadcast: Broadcast | None = None,
        on_notices: Callable[[], None] = lambda: None,
    ) -> None:
        self.depot_id = depot.id
        self._broadcast = broadcast or Broadcast("")
        self.control = Control(
            depot, timing, order_ids=order_ids, now_s=clock.now_s(), breach_ids=order_ids, epoch=self._broadcast.epoch
        )
        self.counts = Counts()
        self.last_cycle: Cycle | None = None
        self.moment: Moment | None = None
        """The depot as the last cycle left it."""
        self._store, self._charge_points, self._clock, self._timing, self._log = (
            store,
            charge_points,
            clock,
            timing,
            log,
        )
        self._use_meters = use_meters
        self.keeping = Keeping(
            depot.id, store, says=log, keep_days=keep_days, on_breach=self._breach_kept, on_notices=on_notices
        )
        self._inbox = Inbox()
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._revision = 0
        self._is_asked = False
        self._commissioning = Commissioning(timing)
        self._failed_in_a_row = 0
        self._stored: dict[str, tuple[int, int]] = {}
        self._unstored: dict[str, Evidence] = {}
        self._ordered: tuple[Override, ...] = ()
        self._looked_s = -1e9
        self._said: CycleOutcome | None = None
        self._troubled: dict[str, str] = {}

    # From outside

    def put(self, event: Event) -> None:
        """An event of this depot. Never waits."""
        if self._inbox.put(event):
            self._woken.set()

    def wake(self) -> None:
        """Somebody ordered something or set a limit: look at once."""
        self._is_asked = True
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
        await self.keeping.end()

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
        # Somebody may have edited it while everything else was made ready.
        await self._use_edited(await store.depot_revision(depot_id))
        memory = Memory(
            setpoints=await store.stored_setpoints(depot_id),
            evidence=await store.evidence(depot_id),
            sessions=await store.open_sessions(depot_id),
            last_cycle_number=await store.last_cycle_number(depot_id),
            breaches=await store.open_breaches(depot_id),
        )
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
            if self._is_asked:
                self._is_asked, wanted = False, "order"
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
            elif isinstance(event, Answered):
                self.counts.answers[event.answer.value] += 1
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
        depot = control.stored_depot
        snapshot = control.look(clock.now(), clock.now_s())
        # In a thread of its own, so that answers and samples go on being read.
        cycle = await asyncio.to_thread(
            run_cycle_to_connectors,
            control.shared,
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
        self.counts.durations_us.append(cycle.record.duration_us)
        self.counts.outcomes[cycle.record.outcome.value] += 1
        await self._release()
        self._say(cycle)
        seen = self._watch(cycle)
        await self.keeping.keep_beside(cycle, seen, control.vehicles.sessions(clock.now()), now_s=clock.now_s())

    def _watch(self, cycle: Cycle) -> Seen | None:
        """Look what flows, and tell; None where that fails: showing it is not worth a cycle, let alone the process."""
        try:
            seen = self.control.watch(cycle, at=self._clock.now(), now_s=self._clock.now_s())
            self._tell(cycle, seen)
        except Exception as error:
            self.counts.unwatched += 1
            self._log.error("not watched", cycle=cycle.record.number, reason=repr(error), exc_info=True)
            return None
        return seen

    def _tell(self, cycle: Cycle, seen: Seen) -> None:
        """Whoever listens: what became of it, and what is not as it was."""
        self.moment = seen.moment
        tell, depot_id = self._broadcast.tell, self.depot_id
        tell(depot_id, "moment", seen.moment.sequence)
        if cycle.is_worth_keeping:
            tell(depot_id, "cycle", cycle.record, weight=1 + len(cycle.record.allocations))
        for change, record in seen.changes:
            if change is BreachChange.OPENED:
                self.counts.breaches[record.cause.value] += 1
            says = self._log.info if change is BreachChange.CLOSED else self._log.warning
            says(f"breach {change.value}", node=record.node, row=record.row, id=record.id, cause=record.cause.value)
        for notice in seen.notices:
            if notice.kind is NoticeKind.MODE_CHANGED:
                tell(depot_id, "mode", {"node": notice.node, "at": notice.at.isoformat(), **notice.document})
                self._log.warning("mode", node=notice.node, **notice.document)
        for alarm in seen.raised_alarms:
            tell(depot_id, "alarm", alarm)
            self._log.warning("alarm", kind=alarm.kind, node=alarm.node, text=alarm.text)

    def _breach_kept(self, change: BreachChange, record: BreachRecord) -> None:
        self._broadcast.tell(self.depot_id, "breach", (change, record))

    async def _reread(self) -> None:
        """The depot, what people ordered, and what is known of vehicles: whatever changed since the last cycle."""
        store, depot_id = self._store, self.depot_id
        # Together: one after the other they would take four times as long where the store is busy.
        revision, overrides, plans, requests, envelopes = await asyncio.gather(
            store.depot_revision(depot_id),
            store.overrides(depot_id),
            store.plans(depot_id),
            store.commissioning_requests(depot_id),
            store.envelopes(depot_id, now=self._clock.now()),
        )
        now, now_s = self._clock.now(), self._clock.now_s()
        self._ordered, self._looked_s = tuple(overrides), now_s
        for override in self.control.obey(overrides, now_s=now_s):
            await store.end_override(
                depot_id, kind=override.kind, subject=override.subject, by="busbar: the session ended", at=now
            )
        self.control.plan(plans)
        self.control.envelopes = tuple(envelopes)
        if revision != self._revision:
            await self._use_edited(revision)
        step = self._commissioning.step(requests, depot=self.control.projection.depot, at=now, now_s=now_s)
        self.control.withhold(step.withheld)
        for charge_point, refuse_for_s in step.cut:
            self._log.info("commissioning cuts the connection", charge_point=charge_point, for_s=refuse_for_s)
            self._charge_points.disconnect(depot_id, charge_point, refuse_for_s=refuse_for_s)
        await self._believe(step.evidence)
        for request_id, state, result in step.updates:
            await store.update_commissioning(depot_id, request_id, state=state, result=result)

    async def _use_edited(self, revision: int) -> None:
        """Swap to an edited depot, or go on with the one before, whole. One that could not be read is read again."""
        depot = await self._store.load_depot(self.depot_id)
        self._revision, before = revision, self.control.stored_depot
        if depot == before:
            return
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
                self._may_be_stored(released.to_store)
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
        needed: dict[str, list[StoredSetpoint]] = {}
        for each in released.to_store:
            needed.setdefault(each.order_id, []).append(each)
        covered, now_s = [], self._clock.now_s()
        for order in released.orders:
            if all(self._is_stored(row) for row in needed.get(order.id, ())):
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

    def _may_be_stored(self, rows: Sequence[StoredSetpoint]) -> None:
        """Written or not, nobody has said: from now on the lesser of both covers what leaves."""
        for row in rows:
            value, fallback = self._stored.get(row.connector, (-1, -1))
            self._stored[row.connector] = min(value, row.value), min(fallback, row.fallback)

    def _is_stored(self, row: StoredSetpoint) -> bool:
        value, fallback = self._stored.get(row.connector, (-1, -1))
        return row.value <= value and row.fallback <= fallback

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
