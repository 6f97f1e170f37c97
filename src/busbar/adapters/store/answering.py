"""The other end of `apart.py`: opens the store and answers, question by question, until its input ends."""

import asyncio
import os
import signal
import sys
from typing import Any

from busbar.adapters.store.apart import ACCESS, RECORDS, STORE, framed, packed, read_frame, unpacked
from busbar.adapters.store.store import SqlStore, open_store
from busbar.core.errors import BusbarError

_BUFFER_BYTES = 2**20


async def answer_all() -> None:
    """Open the store at the URL that comes first, say whether that went well, and answer.

    Questions run side by side, as they do in one process.
    """
    questions, answers = await _ends()
    url = await read_frame(questions)
    if url is None:
        return
    try:
        store = await open_store(url)
    except BusbarError as error:
        answers.write(framed((0, str(error), None)))
        await answers.drain()
        return
    answers.write(framed((0, None, None)))
    running: set[asyncio.Task[None]] = set()
    while (question := await read_frame(questions)) is not None:
        task = asyncio.create_task(_answer(store, answers, *question))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running, return_exceptions=True)
    await store.close()


async def _answer(
    store: SqlStore,
    answers: asyncio.StreamWriter,
    number: int,
    whom: str,
    method: str,
    given: tuple[Any, ...],
    named: dict[str, Any],
) -> None:
    asked = {STORE: store, RECORDS: store.records(), ACCESS: store.access()}[whom]
    fault, value = None, None
    try:
        value = await getattr(asked, method)(*(unpacked(each) for each in given), **named)
    except BusbarError as error:
        fault = str(error)
    except Exception as error:
        # Our own fault; the service says it where it asked.
        fault = f"The store failed at {method}: {type(error).__name__}: {error}"
    try:
        answers.write(framed((number, fault, packed(value))))
        await answers.drain()
    except OSError:
        # Nobody is left to hear it. What was kept is kept.
        pass


async def _ends() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader(limit=_BUFFER_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin.buffer)
    # Whatever else is printed here must not get between the answers.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, out)
    return questions, asyncio.StreamWriter(transport, protocol, None, loop)


def main() -> None:
    """Answer until the input ends. A Ctrl-C or a stop is for the service, which needs its store to the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(answer_all())


if __name__ == "__main__":
    main()
