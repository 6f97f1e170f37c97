"""What a charge point says about its transactions is kept one after the other, in the order it was said."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

MOST_WAITING = 64
"""What may wait; a charge point that says more at once is asked to say it again."""


class InOrder:
    """A short queue with a task that lives as long as there is something in it. Most of the time there is neither."""

    __slots__ = ("_task", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], Awaitable[None]]] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Something waits or is being done."""
        return self._waiting is not None

    def put(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it after what was put before; False: too much waits. The work deals with its own errors."""
        if self._waiting is None:
            self._waiting = deque((work,))
            self._task = asyncio.get_running_loop().create_task(self._run(self._waiting))
            return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(work)
        return True

    async def finish(self, timeout_s: float) -> None:
        """Wait until all is done, or so long and then leave it."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=timeout_s)
            if self._task is not None:
                self._task.cancel()

    async def _run(self, waiting: deque[Callable[[], Awaitable[None]]]) -> None:
        try:
            while waiting:
                await waiting.popleft()()
        finally:
            self._waiting = None
            self._task = None
