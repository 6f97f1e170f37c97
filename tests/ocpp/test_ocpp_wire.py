"""Frames as they may arrive: cut anywhere, several at once, in pieces, in every form of their length, and malformed."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
import pytest
from ocpp_peers import OPEN, PATIENCE_S, central, in_loop

TEXT, CONTINUED, CLOSE, PING, PONG = 1, 0, 8, 9, 10
MASK = bytes((7, 130, 0, 255))


def heartbeat(message_id: str, *, length: int = 0) -> bytes:
    """One message, at least so long."""
    return orjson.dumps([2, message_id, "Heartbeat", {"filler": "x" * length}])


def frame(
    payload: bytes, *, opcode: int = TEXT, fin: bool = True, mask: bytes | None = MASK, size_bytes: int | None = None
) -> bytes:
    """A frame as a client writes it; `size_bytes` 0, 2 or 8: how its length is written."""
    length = len(payload)
    if size_bytes is None:
        size_bytes = 0 if length < 126 else 2 if length < 2**16 else 8
    short = length if size_bytes == 0 else {2: 126, 8: 127}[size_bytes]
    head = bytes(((0x80 if fin else 0) | opcode, (0x80 if mask else 0) | short))
    head += length.to_bytes(size_bytes, "big") if size_bytes else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))


@dataclass
class Line:
    """A plain socket after the handshake."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answered: list[str] = field(default_factory=list)
    """Ids of what was answered."""
    closed_with: int | None = None

    async def send(self, *parts: bytes) -> None:
        """Each part as a segment of its own, as far as that can be had."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.005)

    async def hear(self) -> int:
        """One frame; its opcode."""
        head = await self.reader.readexactly(2)
        length = head[1] if head[1] < 126 else int.from_bytes(await self.reader.readexactly(2), "big")
        payload = await self.reader.readexactly(length)
        opcode = head[0] & 15
        if opcode == CLOSE:
            self.closed_with = int.from_bytes(payload[:2], "big")
        elif opcode == TEXT:
            message = orjson.loads(payload)
            if message[0] == 3:
                self.answered.append(message[1])
        return opcode

    async def until_answered(self, *ids: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.answered) < len(ids) and self.closed_with is None:
                await self.hear()
        assert self.answered == list(ids)

    async def until_closed(self) -> int | None:
        async with asyncio.timeout(PATIENCE_S):
            while self.closed_with is None:
                await self.hear()
        return self.closed_with


@asynccontextmanager
async def line(*, most_message_bytes: int = OPEN.most_message_bytes) -> AsyncIterator[Line]:
    async with central(listening=replace(OPEN, most_message_bytes=most_message_bytes)) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.system.port)
        try:
            writer.write(
                b"GET /CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
            )
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            yield Line(reader, writer)
        finally:
            writer.close()


@in_loop
async def test_several_messages_in_one_segment_are_answered_in_order() -> None:
    async with line() as there:
        sizes = {"a": 0, "b": 300, "c": 90_000}
        await there.send(b"".join(frame(heartbeat(name, length=size)) for name, size in sizes.items()))
        await there.until_answered("a", "b", "c")


@in_loop
async def test_a_message_may_be_cut_anywhere() -> None:
    async with line() as there:
        whole = frame(heartbeat("cut", length=200))
        places = (1, 2, 3, 4, 7, 8, 9, len(whole) - 1)
        for place in places:
            await there.send(whole[:place], whole[place:])
        # Cut off in the middle of the one behind.
        await there.send(whole + whole[:5], whole[5:] + whole)
        await there.until_answered(*["cut"] * (len(places) + 3))


@in_loop
async def test_a_message_may_come_in_pieces_between_others_with_a_ping_among_them() -> None:
    async with line() as there:
        pieces = heartbeat("b")
        await there.send(
            frame(heartbeat("a")) + frame(pieces[:5], fin=False),
            frame(b"?", opcode=PING),
            frame(pieces[5:9], opcode=CONTINUED, fin=False)
            + frame(pieces[9:], opcode=CONTINUED)
            + frame(heartbeat("c")),
        )
        await there.until_answered("a", "b", "c")


@pytest.mark.parametrize("size_bytes", [0, 2, 8])
def test_a_length_may_be_written_in_every_form(size_bytes: int) -> None:
    @in_loop
    async def story() -> None:
        async with line() as there:
            await there.send(frame(heartbeat("a"), size_bytes=size_bytes) + frame(heartbeat("b")))
            await there.until_answered("a", "b")

    story()


@pytest.mark.parametrize("mask", [bytes(4), b"\xff\xff\xff\xff", MASK])
def test_any_mask_is_taken_off(mask: bytes) -> None:
    @in_loop
    async def story() -> None:
        async with line() as there:
            await there.send(frame(heartbeat("a", length=131), mask=mask))
            await there.until_answered("a")

    story()


@in_loop
async def test_a_frame_without_a_mask_ends_the_connection() -> None:
    async with line() as there:
        await there.send(frame(heartbeat("a"), mask=None))
        assert await there.until_closed() == 1002
        assert there.answered == []


@in_loop
async def test_a_whole_message_in_the_middle_of_another_one_ends_the_connection() -> None:
    async with line() as there:
        await there.send(frame(heartbeat("a")[:5], fin=False) + frame(heartbeat("b")))
        assert await there.until_closed() == 1002
        assert there.answered == []


@pytest.mark.parametrize("length", [2_000, 70_000])
def test_a_message_that_is_too_long_ends_the_connection(length: int) -> None:
    @in_loop
    async def story() -> None:
        async with line(most_message_bytes=1_000) as there:
            await there.send(frame(heartbeat("a", length=500)) + frame(heartbeat("b", length=length)))
            assert await there.until_closed() == 1009
            assert there.answered == ["a"]

    story()
