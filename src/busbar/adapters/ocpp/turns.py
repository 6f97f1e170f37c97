"""Who is listened to when everybody talks: so many connections in one turn of the event loop, the others next.

Left to itself the event loop reads whatever has arrived before anything else has its turn: with thousands that talk
all the time, seconds pass, and setpoints wait. Here a turn is short, and nobody waits long: a connection that has been
heard is read again after all others that wait. What it says meanwhile waits in its socket.
"""

import asyncio
from collections import deque

HEARD_IN_ONE_TURN = 200


class Turns:
    """Counts who was heard in this turn of the event loop. (Mutable.)"""

    def __init__(self) -> None:
        self._heard = 0
        self._waiting: deque[asyncio.Transport] = deque()
        self._is_due = False

    def heard(self, transport: asyncio.Transport) -> None:
        """Something was read from it."""
        self._heard += 1
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin)
        if self._heard > HEARD_IN_ONE_TURN and not transport.is_closing():
            transport.pause_reading()
            self._waiting.append(transport)

    def _begin(self) -> None:
        """The next turn."""
        self._is_due, self._heard = False, 0
        for _ in range(min(HEARD_IN_ONE_TURN, len(self._waiting))):
            transport = self._waiting.popleft()
            if not transport.is_closing():
                transport.resume_reading()
        if self._waiting:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin)
