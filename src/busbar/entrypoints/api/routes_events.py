"""Server-sent events: what happens in a depot, as it happens, resumable."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from busbar.core.errors import BusbarError
from busbar.entrypoints.api.asked import Asked, Reading
from busbar.entrypoints.api.feed import MOST_LISTENERS, event_number, event_text
from busbar.entrypoints.api.refusals import answers, refuse

router = APIRouter(prefix="/api/v1/depots/{depot_id}", tags=["events"])

ALIVE_S = 5.0
CHECKED_S = 30.0
"""How often it is asked whether the token is still good."""
RETRY_MS = 2_000
"""How soon a browser comes back when the connection is gone."""
EventId = Annotated[str | None, Query(max_length=200, description="Events after this one (`EPOCH-NUMBER`).")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=200)]


class EventStream(StreamingResponse):
    """Counts itself among the listeners for as long as it is sent."""

    media_type = "text/event-stream"

    def __init__(self, asked: Asked, text: AsyncIterator[bytes]) -> None:
        super().__init__(text, headers={"X-Accel-Buffering": "no"})
        self._feed = asked.feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        self._feed.listeners += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.listeners -= 1

    async def stream_response(self, send: Send) -> None:
        """Send it until the listener is gone."""
        try:
            await super().stream_response(send)
        except asyncio.CancelledError as gone:
            # Whoever cancels it keeps that in a circle, and all its frames: with what was last told, half a megabyte.
            raise gone.with_traceback(None) from None


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events for as long as the listener stays.", "content": {"text/event-stream": {}}},
        **answers(404),
    },
)
async def events(asked: Reading, after: EventId = None, last_event_id: LastEventId = None) -> EventStream:
    """What happens from now on, or after an event: `status` (a patch: only what changed), `cycle`, `breach`, `mode`,
    `alarm`; `reset` where it cannot be resumed (ask for the status anew); `alive` every 5 s."""
    feeds = asked.api.feeds
    if feeds.listeners >= MOST_LISTENERS or feeds.has_ended:
        rule = f"There are {MOST_LISTENERS} listeners already." if not feeds.has_ended else "Busbar is ending."
        refuse(503, "events", rule, "Come back a little later.", headers={"Retry-After": "10"})
    broadcast = asked.api.served.broadcast
    # A browser that reconnects sends the header beside the address it began with: the header is newer.
    known = last_event_id or after
    number = broadcast.number if known is None else event_number(broadcast.epoch, known)
    return EventStream(asked, _listen(asked, number))


async def _listen(asked: Asked, number: int) -> AsyncIterator[bytes]:
    feed, feeds = asked.feed, asked.api.feeds
    yield b"retry: %d\n\n" % RETRY_MS
    alive_s, checked_s = 0.0, monotonic()
    while not feeds.has_ended:
        missed, number = feed.after(number)
        for told in missed:
            yield told.text
        now_s = monotonic()
        if now_s - checked_s >= CHECKED_S:
            checked_s = now_s
            if not await _may_go_on(asked):
                return
        if now_s - alive_s >= ALIVE_S:
            alive_s = now_s
            yield event_text("alive", {"at": datetime.now(UTC)})
        elif not missed:
            await feed.wait(alive_s + ALIVE_S - now_s)


async def _may_go_on(asked: Asked) -> bool:
    """Whether the token is still good; as long as that cannot be found out, it is taken to be."""
    try:
        return await asked.api.gate.is_still_good(asked.token)
    except BusbarError:
        return True
