"""Meters push what flows, and monitoring asks whether it runs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Request, Response

from busbar.adapters.meters.push import parse_push
from busbar.adapters.secrets import BusyError
from busbar.core.errors import BusbarError
from busbar.engine.access import Role
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import DepotId, Here, read_raw
from busbar.entrypoints.api.refusals import WRITING, NotServedError, answers, json_answer, refuse

router = APIRouter(tags=["running"])


class Taken(models.Model):
    """A meter's values were taken."""

    taken: Literal[True]


class Health(models.Model):
    """Whether every depot has its cycles in time."""

    ok: bool
    depots: dict[str, dict[str, Any]]
    """By depot: ok, and for those with a token what its loop has counted."""


@router.get(
    "/health",
    response_model=Health,
    responses={
        **{status: answer for status, answer in answers().items() if status in (401, 429)},
        503: {"model": Health, "description": "A depot has not had its cycles in time."},
    },
)
async def health(api: Here, request: Request) -> Response:
    """200 while every depot has its cycles in time, 503 where one has not. Open; more is said to those with a token."""
    found = api.served.health()
    try:
        caller = await api.gate.caller_if_any(request)
    except NotServedError:
        raise
    except BusbarError:
        # Monitoring is to hear whether cycles go on, most of all when the database does not answer.
        caller = None
    sees_all = caller is not None and caller.token.role is not Role.DERMS and caller.token.depot_id is None
    return json_answer(found if sees_all else _for_strangers(found), 200 if found["ok"] else 503)


@router.post(
    "/api/v1/depots/{depot_id}/meters/{node}", status_code=202, response_model=Taken, responses=answers(404, *WRITING)
)
async def push_meter(
    depot_id: DepotId, node: Annotated[str, Path(min_length=1, max_length=200)], request: Request, api: Here
) -> Response:
    """A meter says what flows at a node: `{"power_w": ..., "phases_ma": {"L1": ...}, "at": ...}`.

    The token is the meter's own secret (`busbar credential meter NODE`).
    """
    received_s = monotonic()
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        fix = "Send `Authorization: Bearer SECRET`."
        refuse(401, "authorization", "A meter's secret is asked for.", fix, headers={"WWW-Authenticate": "Bearer"})
    try:
        is_meter = await api.served.is_meter(depot_id, node, secret)
    except BusyError as error:
        refuse(503, "authorization", str(error), "Try again.", headers={"Retry-After": "5"})
    if not is_meter:
        fix = f"Make one with `busbar credential meter {node}`."
        refuse(403, "authorization", "That is not the secret of this meter.", fix)
    nodes = api.served.metered_nodes(depot_id)
    if nodes is None or node not in nodes:
        fix = "Set `meter: true` on the circuit and import the depot."
        refuse(404, node, "No values are taken for this node.", fix)
    try:
        document = orjson.loads(await read_raw(request))
    except orjson.JSONDecodeError as error:
        refuse(422, "body", f"This is not JSON: {error}.", 'Send {"power_w": 85000}.')
    api.served.put(depot_id, parse_push(node, document, now=datetime.now(UTC), received_s=received_s))
    return json_answer({"taken": True}, 202)


def _for_strangers(found: Mapping[str, Any]) -> dict[str, Any]:
    depots = {depot_id: {"ok": depot["ok"]} for depot_id, depot in found["depots"].items()}
    return {"ok": found["ok"], "depots": depots}
