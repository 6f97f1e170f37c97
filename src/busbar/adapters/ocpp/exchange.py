"""What all connections share: where events go, what is kept, how long things take."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import structlog

from busbar.adapters.ocpp.messages import Wishes
from busbar.adapters.ocpp.quirks import QuirkTable
from busbar.adapters.ocpp.station import Received, Station
from busbar.core.errors import BusbarError
from busbar.engine.clock import Clock
from busbar.engine.events import Event
from busbar.engine.ports import ChargePointRecords
from busbar.engine.timing import Timing

MEASURANDS = ("Power.Active.Import", "Current.Import", "Voltage", "Energy.Active.Import.Register", "SoC")
FEW_MEASURANDS = ("Power.Active.Import", "Energy.Active.Import.Register")

STEP_S = 1.0
"""A wall clock that runs away from the other one by so much between two messages was set."""
_ASKED_AT_ONCE = 8
"""Questions that the store is asked from here at a time."""
_MOST_QUEUED_S = 30.0


class Exchange:
    """The shared part of the central system. Holds no state of any one charge point."""

    def __init__(
        self,
        *,
        inbox: Callable[[str, Event], None],
        records: ChargePointRecords,
        timing: Timing,
        quirks: QuirkTable,
        ping_s: float,
        clock: Clock,
        random: Random,
        log: Any = None,
    ) -> None:
        """`random`: what ids are made of, so that none is used twice, in another process either."""
        self.inbox = inbox
        self.records = records
        self.timing = timing
        self.quirks = quirks
        self.ping_s = ping_s
        self.clock = clock
        self._random = random
        self.log: Any = log or structlog.get_logger("busbar.ocpp")
        # Ids are never used twice, across restarts either: a charge point may answer late.
        self._prefix = f"{random.getrandbits(48):012x}"
        self._ids = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._wall_s: float | None = None
        """The wall clock when the clock that never jumps began."""
        self.on_step: Callable[[float], None] = lambda by_s: None
        """Whoever reads clocks is told here that our own wall clock was put forward by so much."""
        self.keep_facts: Callable[[Station], None] = lambda station: None
        """Whoever keeps what charge points are is told here that one said something new."""

    def next_id(self) -> str:
        """An id for a CALL."""
        self._ids += 1
        return f"{self._prefix}-{self._ids}"

    def next_number(self) -> int:
        """A positive 31-bit number for a remote start; unlikely to be one of an earlier process."""
        return self._random.randrange(1, 2**31)

    def received(self) -> Received:
        """Now."""
        received = Received(at=self.clock.now(), s=self.clock.now_s())
        wall_s = received.at.timestamp() - received.s
        before_s, self._wall_s = self._wall_s, wall_s
        if before_s is not None and abs(wall_s - before_s) >= STEP_S:
            self.log.warning("the wall clock was set", by_s=round(wall_s - before_s, 3))
            self.on_step(wall_s - before_s)
        return received

    def wishes(self, station: Station) -> Wishes:
        """What that charge point is set to."""
        quirk = station.quirk
        measurands = quirk.measurands or MEASURANDS
        return Wishes(
            sample_s=max(quirk.sample_interval_s or 0, self.timing.sample_s),
            idle_sample_s=max(quirk.sample_interval_s or 0, 60),
            ping_s=max(1, round(self.ping_s)),
            measurands=measurands,
            few_measurands=tuple(one for one in FEW_MEASURANDS if one in measurands) or measurands[:1],
        )

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something on the side; `close` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("something on the side failed", error=repr(error), exc_info=error)

    def running(self) -> tuple[asyncio.Task[Any], ...]:
        """What runs on the side."""
        return tuple(self._tasks)

    async def close(self) -> None:
        """End what runs on the side."""
        tasks = self.running()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def in_time(self, answer: Coroutine[Any, Any, Any]) -> Any:
        """What the records say, a few questions at a time: what thousands say at once must not stand in the store's
        queue before the setpoints. Raises BusbarError where they take longer than the answer time, or the queue here
        is longer than half a minute.
        """
        try:
            async with asyncio.timeout(_MOST_QUEUED_S):
                await self._turn.acquire()
        except TimeoutError as error:
            answer.close()
            raise BusbarError(f"The store was busy for {_MOST_QUEUED_S:g} s.") from error
        except BaseException:
            answer.close()
            raise
        try:
            async with asyncio.timeout(self.timing.answer_s):
                return await answer
        except TimeoutError as error:
            raise BusbarError(f"The store did not answer within {self.timing.answer_s:g} s.") from error
        finally:
            self._turn.release()
