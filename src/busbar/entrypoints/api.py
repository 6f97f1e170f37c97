"""The HTTP interface of `busbar serve`: meters push what flows, and monitoring asks whether it runs."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, Request, Response

from busbar.adapters.meters.push import parse_push
from busbar.adapters.secrets import BusyError
from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.engine.events import Event
from busbar.entrypoints.documents import refusal_document

MOST_BODY_BYTES = 16 * 1024


class Served(Protocol):
    """What the interface needs of the running service."""

    def metered_nodes(self, depot_id: str) -> frozenset[str] | None:
        """Nodes whose meter values are pushed; None: there is no such depot."""
        ...

    async def is_meter(self, depot_id: str, node: str, secret: str) -> bool:
        """Whether that is the secret of the meter of that node. Raises BusyError, BusbarError."""
        ...

    def put(self, depot_id: str, event: Event) -> None:
        """An event of a depot. Never waits."""
        ...

    def health(self) -> Mapping[str, Any]:
        """Whether every depot's loop runs, and how late its last cycle is."""
        ...


def create_app(served: Served) -> FastAPI:
    """The application; it knows the service by its protocol alone."""
    app = FastAPI(title="Busbar", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.middleware("http")(_hardened)

    @app.get("/health")
    async def health() -> Response:
        """200 while every depot has its cycles in time, 503 where one has not."""
        found = served.health()
        return _json(found, 200 if found["ok"] else 503)

    @app.post("/api/v1/depots/{depot_id}/meters/{node}", status_code=202)
    async def push_meter(depot_id: str, node: str, request: Request) -> Response:
        """A meter says what flows at a node: `{"power_w": ..., "phases_ma": {"L1": ...}, "at": ...}`."""
        received_s = monotonic()
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret:
            return _refused(
                401, "authorization", "A meter's secret is asked for.", "Send `Authorization: Bearer SECRET`."
            )
        try:
            is_meter = await served.is_meter(depot_id, node, secret)
        except BusyError as error:
            return _refused(503, "authorization", str(error), "Try again.")
        if not is_meter:
            fix = f"Make one with `busbar credential meter {node}`."
            return _refused(403, "authorization", "That is not the secret of this meter.", fix)
        nodes = served.metered_nodes(depot_id)
        if nodes is None or node not in nodes:
            fix = "Set `meter: true` on the circuit and import the depot."
            return _refused(404, node, "No values are taken for this node.", fix)
        body = await request.body()
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return _refused(422, "body", f"This is not JSON: {error}.", 'Send {"power_w": 85000}.')
        try:
            served.put(depot_id, parse_push(node, document, now=datetime.now(UTC), received_s=received_s))
        except RefusedError as refusal:
            return _json(refusal_document(refusal.problems), 422)
        return _json({"taken": True}, 202)

    return app


async def _hardened(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Bodies have a size, failures tell nothing, and answers are for programs alone."""
    response = _wrong_size(request)
    if response is None:
        try:
            response = await call_next(request)
        except BusbarError as error:
            response = _refused(503, "busbar", str(error), "Try again.")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'"
    return response


def _wrong_size(request: Request) -> Response | None:
    length = request.headers.get("content-length", "")
    if request.method in ("POST", "PUT", "PATCH") and not length.isdigit():
        return _refused(411, "content-length", "The size of the body is asked for.", "Send Content-Length.")
    if length.isdigit() and int(length) > MOST_BODY_BYTES:
        return _refused(413, "body", f"A body has at most {MOST_BODY_BYTES} bytes.", "Send one sample at a time.")
    return None


def _refused(status: int, path: str, rule: str, fix: str) -> Response:
    return _json(refusal_document((Problem(path=path, rule=rule, fix=fix),)), status)


def _json(document: Mapping[str, Any], status: int) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
