"""A connection between browser and server that can be cut and mended, or left open without a word."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit


class Cable:
    """Passes bytes on between a port of its own and the server's."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url).port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._is_silent = False
        self.port = 0

    @property
    def url(self) -> str:
        """Where the browser looks."""
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Pass on from now on, always at the same port."""
        self._is_silent = False
        self._run(self._listen())

    def cut(self) -> None:
        """End every connection and take no new one."""
        self._run(self._close())

    def fall_silent(self) -> None:
        """Leave the connections open, and pass nothing on."""
        self._is_silent = True

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self.mend()

    def stop(self) -> None:
        """End."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        both = {writer, back}
        self._open |= both
        await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        self._open -= both

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while read := await reader.read(65536):
                if not self._is_silent:
                    writer.write(read)
                    await writer.drain()
        writer.close()


@contextlib.contextmanager
def cable_to(url: str) -> Iterator[Cable]:
    """One that is whole at first."""
    cable = Cable(url)
    cable.start()
    try:
        yield cable
    finally:
        cable.stop()
