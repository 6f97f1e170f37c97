"""What `live.py` measures with: memory, CPU, how long steps take, how long the event loop is held up, and answers."""

import asyncio
import gc
import inspect
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from busbar.engine.events import Answered, Event
from busbar.engine.loop import DepotLoop
from busbar.engine.orders import Answer, Order, OrderKind

TICK_S = 0.01
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> int:
    """What a process holds in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_s(pid: int) -> float:
    """CPU time that a process has taken, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed; NaN where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Ticker:
    """How long the event loop does nothing else: the gaps between ticks that are due every 10 ms."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self._last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._last_s = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now_s = time.monotonic()
        self.late_s.append(max(0.0, now_s - self._last_s - TICK_S))
        self.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def take(self) -> list[float]:
        """Since this was last asked."""
        found, self.late_s = self.late_s, []
        return found


class Collections:
    """How long Python's collector of cycles holds everything up."""

    def __init__(self) -> None:
        self.took_s: dict[int, list[float]] = defaultdict(list)
        self._began_s = 0.0

    def start(self) -> None:
        gc.callbacks.append(self._note)

    def stop(self) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = time.monotonic()
        else:
            self.took_s[facts["generation"]].append(time.monotonic() - self._began_s)


@dataclass(frozen=True, slots=True)
class Lap:
    """A step that was done once."""

    began_s: float
    took_s: float


class Stopwatch:
    """How long named steps take, by wrapping what does them."""

    def __init__(self) -> None:
        self.laps: dict[str, list[Lap]] = defaultdict(list)

    def wrap(self, owner: Any, name: str, step: str) -> None:
        """Time a function of a module, or a method of an object, from now on."""
        call = getattr(owner, name)

        async def waited(began_s: float, work: Awaitable[Any]) -> Any:
            try:
                return await work
            finally:
                self.laps[step].append(Lap(began_s, time.monotonic() - began_s))

        def timed(*given: Any, **named: Any) -> Any:
            began_s = time.monotonic()
            found = call(*given, **named)
            if inspect.isawaitable(found):
                return waited(began_s, found)
            self.laps[step].append(Lap(began_s, time.monotonic() - began_s))
            return found

        setattr(owner, name, timed)

    def first(self, step: str, *, after_s: float) -> Lap | None:
        """The first one that began after a moment."""
        return next((lap for lap in self.laps[step] if lap.began_s >= after_s), None)

    def last(self, step: str, *, before_s: float) -> Lap | None:
        """The last one that began before a moment."""
        return next((lap for lap in reversed(self.laps[step]) if lap.began_s <= before_s), None)

    def take(self) -> dict[str, list[float]]:
        """How long each took since this was last asked."""
        found, self.laps = self.laps, defaultdict(list)
        return {step: [lap.took_s for lap in laps] for step, laps in found.items()}


@dataclass(slots=True)
class Sent:
    """A setpoint on its way. (Mutable.)"""

    charge_point: str
    limit: int
    is_decrease: bool
    sent_s: float
    answered_s: float | None = None
    answer: Answer | None = None


@dataclass(slots=True)
class Orders:
    """Listens to what a loop sends, and to what is answered. (Mutable.)"""

    sent: dict[str, Sent] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    """By connector, what it was told last."""
    answers: dict[Answer, int] = field(default_factory=lambda: dict.fromkeys(Answer, 0))
    measured: int = 0
    """Samples that reached the loop."""

    def listen(self, loop: DepotLoop, charge_points: Any) -> None:
        """From now on, for good."""
        put, send = loop.put, charge_points.send

        def note_event(event: Event) -> None:
            if isinstance(event, Answered):
                self.answers[event.answer] += 1
                if (sent := self.sent.get(event.order_id)) is not None:
                    sent.answered_s, sent.answer = event.received_s, event.answer
            self.measured += type(event).__name__ == "Measured"
            put(event)

        def note_order(order: Order) -> None:
            if order.kind is not OrderKind.STOP:
                before = self.limits.get(order.connector)
                self.limits[order.connector] = order.limit
                self.sent[order.id] = Sent(
                    charge_point=order.charge_point,
                    limit=order.limit,
                    is_decrease=before is not None and order.limit < before,
                    sent_s=time.monotonic(),
                )
            send(order)

        loop.put = note_event  # type: ignore[method-assign]
        charge_points.send = note_order

    def forget(self) -> None:
        """Count from here."""
        self.sent = {}


async def until(holds: Callable[[], bool], within_s: float, every_s: float = 0.02) -> bool:
    """Whether it held before the time was over."""
    give_up_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up_s:
            return False
        await asyncio.sleep(every_s)
    return True
