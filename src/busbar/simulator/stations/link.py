"""A simulated charge point's websocket: connects, connects again, and carries frames both ways.

One task reads; whatever else happens in time hangs on one timer of the event loop.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from math import inf
from random import Random
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from busbar.simulator.stations.conditions import Conditions, Parting
from busbar.simulator.stations.station import Station

OPEN_S, CLOSE_S, SEND_S = 10.0, 1.0, 10.0
LONGEST_MESSAGE = 65_536
_SLEEPS_AT_MOST_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How the central system is reached; shared by all charge points of a depot."""

    url: str
    """The charge point's id is added to it."""
    tls: ssl.SSLContext | None = None
    """For `wss://`; None: as the system trusts."""
    openings: asyncio.Semaphore
    """How many may be opening a connection at a time."""
    clock: Callable[[], float]
    """POSIX seconds."""


class Link:
    """One charge point on the network."""

    def __init__(self, station: Station, way: Way, conditions: Conditions, random: Random) -> None:
        self.station = station
        self._way = way
        self._conditions = conditions
        self._random = random
        self._socket: ClientConnection | None = None
        self._abandoned: set[ClientConnection] = set()
        """Still open, and not read any more: at most a few, each until the next one is open."""
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._wakes: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_sending = False
        self._failures = 0
        self.connections = 0
        """How many there have been."""
        self.trouble = ""
        """Why the last attempt to connect failed; empty: it did not."""

    # Coming and going

    def start(self) -> None:
        """Switch it on."""
        self._spawn(self._run())
        self._plan_wake()

    async def stop(self) -> None:
        """Switch it off for good; the connection is closed."""
        if self._wakes is not None:
            self._wakes.cancel()
        socket, self._socket = self._socket, None
        for left in self._abandoned:
            left.transport.abort()
        if socket is not None:
            await _close(socket)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._wakes is not None:
            self._wakes.cancel()

    def connect(self) -> None:
        """The network is there."""
        self._failures = 0
        self._may_connect.set()

    def disconnect(self) -> None:
        """The network is gone: no more bytes pass, and nobody is told; until `connect`."""
        self._may_connect.clear()
        if self._socket is not None:
            self._socket.transport.abort()

    def poke(self) -> None:
        """Something was done to the station from outside: send and plan anew."""
        self._after()

    # Reading

    async def _run(self) -> None:
        """Connects for ever; ends where another task has taken over."""
        while True:
            await self._may_connect.wait()
            socket = await self._open()
            if socket is not None:
                await self._read(socket)
                if socket in self._abandoned:
                    self._abandoned.discard(socket)
                    return
            await asyncio.sleep(self._conditions.reconnect_wait_s(self._failures, self._random))

    async def _open(self) -> ClientConnection | None:
        if not self.station.charger.is_powered:
            return None
        url = f"{self._way.url.rstrip('/')}/{quote(self.station.id, safe='')}"
        headers = {}
        secret = self.station.state.configuration.secret
        if secret is not None:
            token = b64encode(f"{self.station.id}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        try:
            async with self._way.openings:
                socket = await connect(
                    url,
                    subprotocols=[Subprotocol(self.station.speech.subprotocol)],
                    additional_headers=headers,
                    user_agent_header=None,
                    compression=None,
                    proxy=None,
                    open_timeout=OPEN_S,
                    close_timeout=CLOSE_S,
                    ping_interval=None,
                    max_size=LONGEST_MESSAGE,
                    ssl=self._way.tls,
                )
        except InvalidStatus as error:
            self._failed(f"turned away with {error.response.status_code}")
        except InvalidHandshake as error:
            self._failed(f"no handshake: {error}")
        except (OSError, TimeoutError) as error:
            self._failed(f"nobody there: {error}")
        else:
            if socket.subprotocol == self.station.speech.subprotocol and self._may_connect.is_set():
                return socket
            if self._may_connect.is_set():
                self._failed(f"does not speak {self.station.speech.subprotocol}")
            socket.transport.abort()
        return None

    def _failed(self, trouble: str) -> None:
        self.trouble = trouble[:200]
        self._failures += 1

    async def _read(self, socket: ClientConnection) -> None:
        """Carry frames until the connection is gone."""
        self._socket, self.trouble = socket, ""
        self.connections += 1
        self.station.parting = None
        self.station.opened(self._way.clock())
        for left in self._abandoned:
            left.transport.abort()
        try:
            await self._send_waiting()
            self._plan_wake()
            async for frame in socket:
                if socket is not self._socket:
                    break
                self._failures = 0
                self.station.received(frame, self._way.clock())
                self._part()
                await self._send_waiting()
                self._plan_wake()
        except (WebSocketException, OSError, TimeoutError):
            pass
        if socket is self._socket:
            self._gone()

    def _gone(self) -> None:
        self._socket = None
        self.station.lost(self._way.clock())
        self._plan_wake()

    # Writing, and time

    async def _send_waiting(self) -> None:
        """Send what there is to send; one sender at a time keeps the order."""
        if self._is_sending:
            return
        self._is_sending = True
        try:
            while (socket := self._socket) is not None:
                frames = self.station.frames(self._way.clock())
                if not frames:
                    return
                for frame in frames:
                    async with asyncio.timeout(SEND_S):
                        await socket.send(frame, text=True)
        except (WebSocketException, OSError, TimeoutError):
            if socket is not None:
                socket.transport.abort()
        finally:
            self._is_sending = False

    def _plan_wake(self) -> None:
        if self._wakes is not None:
            self._wakes.cancel()
        next_s = self.station.next_s
        if next_s == inf:
            self._wakes = None
            return
        wait_s = min(max(0.0, next_s - self._way.clock()), _SLEEPS_AT_MOST_S)
        self._wakes = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self.station.tick(self._way.clock())
        self._after()

    def _after(self) -> None:
        self._part()
        if self._socket is not None and not self._is_sending:
            self._spawn(self._send_waiting())
        self._plan_wake()

    def _part(self) -> None:
        """Do to the connection what the station wants."""
        parting, self.station.parting = self.station.parting, None
        socket = self._socket
        if parting is None or socket is None:
            return
        self._gone()
        match parting:
            case Parting.CUT:
                socket.transport.abort()
            case Parting.CLOSE:
                self._spawn(_close(socket))
            case Parting.SILENCE:
                socket.transport.pause_reading()
                self._abandoned.add(socket)
                self._spawn(self._take_over())

    async def _take_over(self) -> None:
        """The task that reads the silent connection ends with it."""
        await asyncio.sleep(self._conditions.silent_s)
        await self._run()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _close(socket: ClientConnection) -> None:
    try:
        await socket.close()
    except (OSError, WebSocketException):
        socket.transport.abort()
