"""Who goes away in the middle of a question is no error of ours."""

import asyncio

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from busbar.entrypoints.api.hardening import Hardened


def test_nothing_is_said_of_a_question_whose_asker_left_before_all_of_it_came() -> None:
    said: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/depots/d/meters/GC1",
        "headers": [(b"content-length", b"10")],
        "query_string": b"",
    }
    with capture_logs() as logs:
        asyncio.run(Hardened(app, routes=())(scope, gone, send))
    assert (said, logs) == ([], [])
