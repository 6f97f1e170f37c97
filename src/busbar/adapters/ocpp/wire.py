"""The web socket of one charge point, made lean: whole messages go straight to its session, no task reads them."""

import asyncio
import time
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.frames import apply_mask as unmasked  # type: ignore[attr-defined]
from websockets.protocol import State

from busbar.adapters.ocpp.messages import Version
from busbar.adapters.ocpp.station import Station
from busbar.adapters.ocpp.turns import Turns

# RFC 6455, section 5.2: a text message in one frame, and the bit that says that it is masked.
_WHOLE_TEXT, _MASKED = 0x81, 0x80
_LENGTH_FOLLOWS, _LONGEST_SHORT = 126, 2**16 - 1
_MASKED_HEAD = 8
"""Bytes before the text of a frame whose length follows."""
_MOST_EARLY = 32
_MOST_FRAGMENTS = 1024
_SHUT_S = 5.0


class Listener(Protocol):
    """Who hears what a charge point says."""

    def receive(self, raw: bytes | bytearray) -> None:
        """One message, whole."""
        ...

    def end(self, reason: str, *, code: int = 1000) -> None:
        """The connection is gone."""
        ...


class Gate:
    """How many connections there may be at a time, those that are not let in yet among them."""

    def __init__(self, *, most: int, most_unread_bytes: int) -> None:
        self.most = most
        self.most_unread_bytes = most_unread_bytes
        self.wires: set[StationWire] = set()
        self.turns = Turns()


class StationWire(ServerConnection):
    """A `websockets` connection that hands on messages as they arrive, and writes without waiting.

    Reading needs no queue: a message is dealt with when it is there. Writing needs no flow control of its own: there is
    one call in flight, and whoever does not read what it is sent is disconnected at `most_unread_bytes`.
    """

    def __init__(self, *args: Any, gate: Gate, **more: Any) -> None:
        super().__init__(*args, **more)
        self._gate = gate
        self.listener: Listener | None = None
        self.station: Station | None = None
        self.version: Version | None = None
        self.heard_s = time.monotonic()
        self.pinged_s = self.heard_s
        self._early: list[bytes | bytearray] | None = None
        self._parts: list[bytes] | None = None

    def listen(self, listener: Listener) -> None:
        """Hand messages to it from now on, and those that came before."""
        self.listener = listener
        early, self._early = self._early, None
        for raw in early or ():
            listener.receive(raw)

    def write(self, frame: bytes) -> bool:
        """Send a text message now; False: not a byte of it left."""
        if self.protocol.state is not State.OPEN or self.transport.is_closing():
            return False
        # A frame is as quickly written here as handed over; it leaves by itself, whole, as all others do.
        self.transport.write(_head(len(frame)) + frame)
        if self.transport.get_write_buffer_size() > self._gate.most_unread_bytes:
            self.transport.abort()
        return True

    def knock(self) -> None:
        """Ask whether it is there; any sign of life is an answer."""
        if self.protocol.state is State.OPEN and not self.transport.is_closing():
            self.protocol.send_ping(b"")
            self.send_data()

    def drop(self) -> None:
        """Close it without a word."""
        self.transport.abort()

    def shut(self, code: int, reason: str) -> None:
        """Say goodbye and close, without waiting for either."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(code, reason[:100])
            self.send_data()
        self.transport.close()
        self.loop.call_later(_SHUT_S, self.transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; where there are too many, not for long."""
        super().connection_made(transport)
        if len(self._gate.wires) >= self._gate.most:
            self.transport.abort()
        else:
            self._gate.wires.add(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        self.heard_s = time.monotonic()
        self._gate.turns.heard(self.transport)
        protocol = self.protocol
        if (
            self.listener is not None
            and self._parts is None
            and protocol.current_size is None
            and not protocol.reader.buffer
        ):
            data = self._hear_plain(data)
        if data:
            super().data_received(data)

    def _hear_plain(self, data: bytes) -> bytes:
        """Hand on the whole text messages that it begins with, each in one short frame; what is left is for others.

        That is nearly everything that charge points say, and takes a fraction of the general way.
        """
        assert self.listener is not None
        begin, size, most = 0, len(data), self.protocol.max_message_size
        while size - begin > _MASKED_HEAD and data[begin] == _WHOLE_TEXT and self.protocol.state is State.OPEN:
            length, start = data[begin + 1] - _MASKED, begin + 2
            if not 0 < length <= _LENGTH_FOLLOWS:
                # Empty, longer than 64 kB, or without a mask, which makes it negative.
                break
            if length == _LENGTH_FOLLOWS:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            end = start + 4 + length
            if end > size or (most is not None and length > most):
                break
            self.listener.receive(unmasked(data[start + 4 : end], data[start : start + 4]))
            begin = end
        return data[begin:]

    def process_event(self, event: Any) -> None:
        """A frame, or the request that opens the connection."""
        if self.request is None or not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            raw = self._whole(event)
            if raw is None:
                return
            if self.listener is not None:
                self.listener.receive(raw)
            elif self._early is None:
                self._early = [raw]
            elif len(self._early) < _MOST_EARLY:
                self._early.append(raw)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        super().connection_lost(exc)
        self._gate.wires.discard(self)
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.end("connection lost" if exc is None else f"connection lost: {exc}")
        self._let_go()

    def _let_go(self) -> None:
        """Open the circles that this hangs in, so that what flaps all night does not wait for the collector.

        What `websockets` keeps for reading holds itself: a generator, how that ended (with its frames), and a closure.
        """
        protocol = self.protocol
        protocol.parser.close()
        protocol.parser_exc = None
        vars(protocol).pop("select_subprotocol", None)

    def _whole(self, frame: Frame) -> bytes | bytearray | None:
        """The message that this frame completes; None: more of it is to come."""
        if frame.fin and self._parts is None:
            return frame.data if isinstance(frame.data, bytes | bytearray) else bytes(frame.data)
        if self._parts is None:
            self._parts = []
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            if len(self._parts) > _MOST_FRAGMENTS:
                self.shut(1009, "too many fragments")
            return None
        parts, self._parts = self._parts, None
        return b"".join(parts)


def _head(length: int) -> bytes:
    """What stands before a text message in one frame from a server."""
    if length < _LENGTH_FOLLOWS:
        return bytes((_WHOLE_TEXT, length))
    if length <= _LONGEST_SHORT:
        return bytes((_WHOLE_TEXT, _LENGTH_FOLLOWS)) + length.to_bytes(2, "big")
    return bytes((_WHOLE_TEXT, _LENGTH_FOLLOWS + 1)) + length.to_bytes(8, "big")
