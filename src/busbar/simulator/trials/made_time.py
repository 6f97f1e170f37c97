"""Made-up time: an event loop whose clock moves only to what is due next, and the clocks that are read from it."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

BEGIN_S = 1_000.0
"""What the clock that never jumps shows at the start: not 0, which is easily taken for nothing."""


class _Passing(selectors.SelectSelector):
    """Waits for no file: whoever waits finds that the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = BEGIN_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits and nothing is due")
        self.now_s += max(0.0, timeout)
        return []


class MadeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which nothing takes time but waiting. One thread: what is handed to another runs at once."""

    def __init__(self) -> None:
        self._passing = _Passing()
        super().__init__(self._passing)

    def time(self) -> float:
        """Made-up seconds."""
        return self._passing.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do it now: the order in which threads end is nobody's to choose."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class MadeClock:
    """The time of one machine (the protocol `engine.clock.Clock`). (Mutable: its wall clock can be set.)"""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        self._loop, self._start = loop, start.astimezone(UTC)
        self._start_s = self._start.timestamp()
        self.ahead_s = 0.0
        """How far the wall clock is ahead of the true time."""

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        return self._loop.time()

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        return self._start + timedelta(seconds=self.passed_s + self.ahead_s)

    def us(self) -> int:
        """Microseconds; what is thought takes no time here."""
        return round(self._loop.time() * 1e6)

    @property
    def passed_s(self) -> float:
        """True seconds since the start."""
        return self._loop.time() - BEGIN_S

    def true_now(self) -> datetime:
        """The true time (aware UTC)."""
        return self._start + timedelta(seconds=self.passed_s)

    @property
    def true_s(self) -> float:
        """The true time, POSIX."""
        return self._start_s + self.passed_s
