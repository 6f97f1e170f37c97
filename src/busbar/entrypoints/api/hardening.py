"""What holds for every question and answer: sizes, headers, HEAD and OPTIONS. Nothing here looks into a body."""

from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from busbar.core.errors import Problem
from busbar.entrypoints.api.refusals import failure, refused

MOST_BODY_BYTES = 16 * 1024
MOST_WHAT_IF_BYTES = 256 * 1024
MOST_ADDRESS_BYTES = 16_000
"""Path and query together."""
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNLESS_GIVEN = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""The page brings its own."""


class Hardened:
    """Around the application. CORS stays closed: no header of it is ever sent."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One question."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        send = _with_headers(send, is_head=is_head)
        answer = _wrong_address(scope) or _wrong_size(scope)
        if answer is None and scope["method"] == "OPTIONS":
            answer = self._options(scope)
        if answer is not None:
            await answer(scope, receive, send)
            return
        if is_head and self._is_safe_to_ask(scope):
            scope = {**scope, "method": "GET"}
        await self._answered(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start" and message["status"] == 405:
                # The router names the methods of the first route at an address, where there may be several.
                MutableHeaders(scope=message)["Allow"] = self._allowed(scope)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            # Who asked has gone before all was said: nobody is left to answer.
            return
        except Exception:
            structlog.get_logger("busbar").exception("not answered", method=scope["method"], path=scope["path"])
            if has_begun:
                raise
            await failure()(scope, receive, send)

    def _options(self, scope: Scope) -> Response | None:
        if not self._methods(scope):
            return None
        return Response(status_code=204, headers={"Allow": self._allowed(scope)})

    def _allowed(self, scope: Scope) -> str:
        methods = self._methods(scope)
        if "GET" in methods and self._is_safe_to_ask(scope):
            methods.add("HEAD")
        return ", ".join(sorted({*methods, "OPTIONS"}))

    def _methods(self, scope: Scope) -> set[str]:
        found: set[str] = set()
        for route in self._routes:
            if isinstance(route, Route) and route.matches({**scope, "method": "*"})[0] is not Match.NONE:
                found |= route.methods or set()
        return found

    def _is_safe_to_ask(self, scope: Scope) -> bool:
        """Whether answering changes nothing and ends: a look ahead must not use up a one-time link."""
        path = scope["path"]
        return not path.startswith("/enter/") and not path.endswith("/events")


def _wrong_address(scope: Scope) -> Response | None:
    path, query = scope["path"], scope.get("query_string", b"")
    if len(path) + len(query) > MOST_ADDRESS_BYTES:
        rule = f"An address has at most {MOST_ADDRESS_BYTES} characters."
        return refused(422, (Problem(path="address", rule=rule, fix="Ask for less at once."),))
    if any(ord(char) < 32 or ord(char) == 127 for char in path) or _has_control(query):
        rule = "An address has no control characters."
        return refused(422, (Problem(path="address", rule=rule, fix="Leave them out."),))
    return None


def _has_control(query: bytes) -> bool:
    from_percent = query.upper().split(b"%")[1:]
    codes = [int(part[:2], 16) for part in from_percent if _is_hex(part[:2])]
    return any(code < 32 or code == 127 for code in (*codes, *query))


def _is_hex(pair: bytes) -> bool:
    return len(pair) == 2 and all(byte in b"0123456789ABCDEF" for byte in pair)


def _wrong_size(scope: Scope) -> Response | None:
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    has_body = scope["method"] in _WRITES and (scope["method"] != "DELETE" or "transfer-encoding" in headers)
    if has_body and not (length.isascii() and length.isdigit()):
        rule, fix = "The size of the body is asked for.", "Send Content-Length."
        return refused(411, (Problem(path="content-length", rule=rule, fix=fix),))
    most = MOST_WHAT_IF_BYTES if scope["path"].endswith("/what-if") else MOST_BODY_BYTES
    if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > most):
        rule = f"A body has at most {most} bytes."
        return refused(413, (Problem(path="body", rule=rule, fix="Send less at a time."),))
    return None


def _with_headers(send: Send, *, is_head: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            for name, value in _UNLESS_GIVEN.items():
                headers.setdefault(name, value)
        elif is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
