"""The HTTP interface of `busbar serve`, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from busbar.core.errors import BusbarError, RefusedError
from busbar.engine.access import Role, Token
from busbar.entrypoints.api import (
    models,
    refusals,
    routes_depots,
    routes_envelopes,
    routes_events,
    routes_meters,
    routes_orders,
    routes_records,
    routes_session,
)
from busbar.entrypoints.api.asked import Api, caller_of
from busbar.entrypoints.api.feed import Feeds
from busbar.entrypoints.api.gate import Gate, refuse_role
from busbar.entrypoints.api.hardening import MOST_BODY_BYTES as MOST_BODY_BYTES
from busbar.entrypoints.api.hardening import Hardened
from busbar.entrypoints.api.links import OneTimeLinks
from busbar.entrypoints.api.metrics import add_metrics
from busbar.entrypoints.api.rates import Rates
from busbar.entrypoints.api.served import Served
from busbar.entrypoints.api.workshop import Workshop
from busbar.entrypoints.web.pages import add_pages

VERSION = "1.0"
"""Of the interface: names are added, never changed."""
_BODIES = (
    models.Acknowledgement,
    models.NewEnvelope,
    models.NewOrder,
    models.NewPlan,
    models.Settings,
    models.WhatIf,
    routes_session.Login,
)


def create_app(served: Served, *, links: OneTimeLinks | None = None, rates: Rates | None = None) -> FastAPI:
    """The application; it knows the service by its protocol alone. `links`: one-time links that let somebody in."""
    gate = Gate(served, rates or Rates())
    api = Api(served=served, gate=gate, links=links or OneTimeLinks(), feeds=Feeds(served), workshop=Workshop())

    @asynccontextmanager
    async def following(_: FastAPI) -> AsyncIterator[None]:
        api.feeds.start()
        yield
        await api.feeds.stop()

    app = FastAPI(
        title="Busbar",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=following,
        redirect_slashes=False,
    )
    app.state.api = api
    for router in _routers():
        app.include_router(router)
    add_metrics(app, served, _may_read_metrics)
    add_pages(app)
    _answer_errors(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    routes = [*app.routes, *(route for router in _routers() for route in router.routes)]
    app.add_middleware(Hardened, routes=routes)
    return app


def end_streams(app: FastAPI) -> None:
    """Let every listener to events go, so that the server can end: its shutdown waits for open answers."""
    api = app.state.api
    assert isinstance(api, Api)
    api.feeds.end_streams()


def _routers() -> tuple[APIRouter, ...]:
    return (
        routes_session.router,
        routes_depots.router,
        routes_records.router,
        routes_envelopes.router,
        routes_orders.router,
        routes_events.router,
        routes_meters.router,
    )


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(refusals.NotServedError, refusals.answer_not_served)
    app.add_exception_handler(RefusedError, refusals.answer_refused)
    app.add_exception_handler(BusbarError, refusals.answer_busbar)
    app.add_exception_handler(RequestValidationError, refusals.answer_invalid)
    app.add_exception_handler(HTTPException, refusals.answer_http)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the bodies that routes read by themselves, and how to prove who asks."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes, summary="The HTTP interface")
        components = schema.setdefault("components", {})
        _, bodies = models_json_schema(
            [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
        )
        components.setdefault("schemas", {}).update(bodies.get("$defs", {}))
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": "busbar_session"},
        }
        schema["security"] = [{"token": []}, {"session": []}]
        app.openapi_schema = schema
    return app.openapi_schema


async def _may_read_metrics(request: Request) -> Token:
    """The token of whoever may. Raises NotServedError."""
    token = (await caller_of(request)).token
    refuse_role(token, (Role.VIEWER, Role.OPERATOR))
    return token
