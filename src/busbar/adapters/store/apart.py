"""The store in a process of its own, for a service whose event loop may be busy to the brim.

A thread does not help there: whenever the database hands the interpreter back, a busy event loop takes it first, and
what takes 40 ms on an idle one can take seconds. Another process has an interpreter to itself. It is asked over its
standard input and answers over its standard output; it ends when its input ends, so it never outlives the service,
and what it has begun by then it finishes.
"""

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import count
from operator import attrgetter
from typing import Any, cast

from busbar.adapters.store.connecting import TRANSACTION_TIMEOUT_S
from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords
from busbar.engine.ports import ChargePointRecords, Store

ANSWER_TIMEOUT_S = TRANSACTION_TIMEOUT_S + 15
CLOSE_TIMEOUT_S = 10
SIZE_BYTES = 4
"""Before every message stands its length."""
LARGEST_BYTES = 2**28

STORE, RECORDS, ACCESS = "store", "records", "access"
"""Whom a question is for."""

_OF_PORT = {STORE: Store, RECORDS: ChargePointRecords, ACCESS: AccessRecords}


class StoreApart:
    """Starts the process, and starts it again when it is gone. `store`, `records` and `access` are the ports."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False
        self.store = cast(Store, _Port(self, STORE))
        self.records = cast(ChargePointRecords, _Port(self, RECORDS))
        self.access = cast(AccessRecords, _Port(self, ACCESS))

    async def ask(self, whom: str, method: str, *given: Any, **named: Any) -> Any:
        """What a method of a port answers. Raises BusbarError where it does, or the process is gone."""
        if (whom, method) == (STORE, "close"):
            return await self.close()
        process = await self._running()
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                assert process.stdin is not None
                question = (number, whom, method, tuple(packed(value) for value in given), named)
                process.stdin.write(framed(question))
                await process.stdin.drain()
                return await answer
        except (OSError, TimeoutError) as error:
            raise _gone() from error
        finally:
            self._waiting.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def open(self) -> None:
        """Start it and open the database. Raises BusbarError as opening a store does."""
        await self._running()

    async def close(self) -> None:
        """Let it finish what it has begun."""
        self._is_closed = True
        process, listening = self._process, self._listening
        if process is None or listening is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await listening
                await process.wait()
        except TimeoutError:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self._process = None

    async def _running(self) -> Process:
        async with self._starting:
            if self._is_closed:
                raise BusbarError("The store is closed.")
            if self._process is not None and self._listening is not None and not self._listening.done():
                return self._process
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            self._process = await asyncio.create_subprocess_exec(
                # Without -P, a file in the working directory could take the place of a module.
                *(sys.executable, "-P", "-m", "busbar.adapters.store.answering"),
                stdin=PIPE,
                stdout=PIPE,
            )
            fault = await self._opened(self._process)
            if fault is not None:
                self._process.kill()
                await self._process.wait()
                raise fault
            assert self._process.stdout is not None
            self._listening = asyncio.create_task(self._listen(self._process.stdout))
            return self._process

    async def _opened(self, process: Process) -> BusbarError | None:
        """What was wrong with opening the database there; None where it is open."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                # Not as an argument: everybody on the machine may read those, and there may be a password in it.
                process.stdin.write(framed(self._url))
                await process.stdin.drain()
                opened = await read_frame(process.stdout)
        except (OSError, TimeoutError):
            return _gone()
        if opened is None:
            return _gone()
        _, fault, _ = opened
        return None if fault is None else BusbarError(fault)

    async def _listen(self, answers: asyncio.StreamReader) -> None:
        while (frame := await read_frame(answers)) is not None:
            number, fault, value = frame
            waiting = self._waiting.get(number)
            if waiting is None or waiting.done():
                continue
            if fault is None:
                waiting.set_result(unpacked(value))
            else:
                waiting.set_exception(BusbarError(fault))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_gone())


class _Port:
    """Every method of a port, asked of the process."""

    def __init__(self, apart: StoreApart, whom: str) -> None:
        self._apart = apart
        self._whom = whom

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if method.startswith("_") or not hasattr(_OF_PORT[self._whom], method):
            raise AttributeError(f"{self._whom} has no method {method}")

        def ask(*given: Any, **named: Any) -> Coroutine[Any, Any, Any]:
            return self._apart.ask(self._whom, method, *given, **named)

        return ask


async def open_store_apart(url: str) -> StoreApart:
    """The store behind a URL, in a process of its own. Raises BusbarError as opening it here would."""
    apart = StoreApart(url)
    await apart.open()
    return apart


@dataclass(frozen=True, slots=True)
class _Rows:
    """Many values of one dataclass: as plain tuples they travel four times as fast."""

    kind: type[Any]
    rows: list[tuple[Any, ...]]


def packed(value: Any) -> Any:
    """A value as it travels."""
    if not isinstance(value, list | tuple) or len(value) < 2:
        return value
    kind = type(value[0])
    if not is_dataclass(kind) or any(type(one) is not kind for one in value):
        return value
    names = _names(kind)
    return _Rows(kind, list(map(attrgetter(*names), value))) if len(names) > 1 else value


def unpacked(value: Any) -> Any:
    """A value as it was before it travelled; a list has become a tuple."""
    if not isinstance(value, _Rows):
        return value
    names, kind = _names(value.kind), value.kind
    return tuple(kind(**dict(zip(names, row, strict=True))) for row in value.rows)


def _names(kind: type[Any]) -> Sequence[str]:
    return [field.name for field in fields(kind)]


def framed(message: object) -> bytes:
    """A message with its length before it. Both ends are this program: pickle carries our own dataclasses."""
    packed = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(packed).to_bytes(SIZE_BYTES, "big") + packed


async def read_frame(stream: asyncio.StreamReader) -> Any:
    """The next message; None where the other end is gone, or says what is none."""
    try:
        size = int.from_bytes(await stream.readexactly(SIZE_BYTES), "big")
        if size > LARGEST_BYTES:
            return None
        return pickle.loads(await stream.readexactly(size))
    except (asyncio.IncompleteReadError, OSError, pickle.UnpicklingError):
        return None


def _gone() -> BusbarError:
    return BusbarError("The process that keeps the store is gone or does not answer; it is started again when asked.")
