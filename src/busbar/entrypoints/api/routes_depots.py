"""Reading a depot: its wiring, its status, explanations, history, what-if."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Header, Path, Query, Response

from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import NodeKind
from busbar.engine.access import Role
from busbar.engine.moment import Moment
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import Here, Known, Reading, Seeing, body_of, depots_of
from busbar.entrypoints.api.documents import (
    connector_history_document,
    depot_summary,
    explanation_document,
    for_nodes,
    microgrid_document,
    node_history_document,
    what_if_document,
)
from busbar.entrypoints.api.gate import refuse_role
from busbar.entrypoints.api.hardening import MOST_WHAT_IF_BYTES
from busbar.entrypoints.api.refusals import WRITING, answers, json_answer, refuse

router = APIRouter(prefix="/api/v1", tags=["reading"])

Name = Annotated[str, Path(min_length=1, max_length=200)]
Tag = Annotated[str | None, Header(alias="If-None-Match", max_length=500)]
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is what the caller has already."}}


@router.get("/depots", response_model=models.Depots, responses=answers())
async def depots(api: Here, caller: Known) -> Response:
    """The depots that the token may see."""
    refuse_role(caller.token, (Role.VIEWER, Role.OPERATOR))
    found = []
    for depot_id in depots_of(api, caller.token):
        depot = await api.served.store.load_depot(depot_id)
        if depot is not None:
            found.append(depot_summary(depot, api.served.moment(depot_id)))
    return json_answer({"depots": found})


@router.get("/me", response_model=models.Me, responses=answers())
async def me(caller: Known) -> Response:
    """Whose token this is."""
    token = caller.token
    return json_answer(
        {"name": token.name, "role": token.role.value, "depot_id": token.depot_id, "nodes": list(token.nodes)}
    )


@router.get("/depots/{depot_id}/microgrid", response_model=models.Microgrid, responses={**answers(404), **_UNCHANGED})
async def microgrid(asked: Reading, if_none_match: Tag = None) -> Response:
    """The projection: every power node with the limits given and derived. Its ETag is the depot's revision."""
    store = asked.api.served.store
    revision = await store.depot_revision(asked.depot_id)
    tag = f'"{asked.depot_id.encode().hex()}-{revision}"'
    if _is_known(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    depot, stored = await asked.depot(), await store.microgrid(asked.depot_id)
    document = await asyncio.to_thread(microgrid_document, depot, stored, revision)
    return json_answer(document, headers={"ETag": tag})


@router.get("/depots/{depot_id}/status", response_model=models.Status, responses={**answers(404), **_UNCHANGED})
async def status(asked: Seeing, if_none_match: Tag = None) -> Response:
    """One consistent cycle. Its ETag is the epoch and the sequence number; 503 before the first cycle."""
    moment = asked.moment()
    if _is_known(_tag(moment), if_none_match):
        return Response(status_code=304, headers={"ETag": _tag(moment)})
    found = await asked.feed.status()
    assert found is not None, "a depot that had a cycle has a moment"
    moment, document = found
    if asked.granted is not None:
        document = for_nodes(document, moment.projection, asked.granted)
    return json_answer(document, headers={"ETag": _tag(moment)})


@router.get(
    "/depots/{depot_id}/connectors/{charge_point}/{connector}/explanation",
    response_model=models.Explanation,
    responses=answers(404),
)
async def explanation(asked: Reading, charge_point: Name, connector: Name) -> Response:
    """Why a connector gets what it gets: a sentence, the chain up to the grid, and what would help."""
    moment = asked.moment()
    leaf = _known_connector(moment, charge_point, connector)
    made = await asked.api.workshop.made(
        moment.depot_id, (moment.epoch, moment.sequence), leaf, lambda: explanation_document(moment, leaf)
    )
    return json_answer(made)


@router.get(
    "/depots/{depot_id}/connectors/{charge_point}/{connector}/history",
    response_model=models.History,
    responses=answers(404),
)
async def connector_history(asked: Reading, charge_point: Name, connector: Name) -> Response:
    """What it asked for, was given and drew, at most for half an hour back."""
    leaf = _known_connector(asked.moment(), charge_point, connector)
    return json_answer(await asked.feed.history(lambda kept: connector_history_document(kept, leaf)))


@router.get("/depots/{depot_id}/nodes/{node:path}/history", response_model=models.NodeHistory, responses=answers(404))
async def node_history(
    asked: Reading,
    node: Name,
    row: Annotated[models.Row | None, Query(description="By default the one that is nearest its limit.")] = None,
) -> Response:
    """What a node might carry, could and did, at most for half an hour back."""
    moment = asked.moment()
    if node not in moment.projection.node_index:
        refuse_unknown("node", node, moment.projection.node_ids)
    return json_answer(await asked.feed.history(lambda kept: node_history_document(kept, node, row)))


@router.post(
    "/depots/{depot_id}/what-if",
    response_model=models.WhatIfAnswer,
    responses=answers(404, *WRITING),
    openapi_extra=body_of(models.WhatIf),
)
async def what_if(asked: Reading) -> Response:
    """The last cycle's balance with something otherwise: before and after. Nothing is sent, nothing is stored."""
    wanted = await asked.body(models.WhatIf, most_bytes=MOST_WHAT_IF_BYTES)
    moment = asked.moment()
    made = await asked.api.workshop.made(
        moment.depot_id,
        (moment.epoch, moment.sequence),
        wanted.model_dump_json(),
        lambda: what_if_document(moment, wanted),
    )
    return json_answer(made)


def refuse_unknown(what: str, name: str, known: Sequence[str]) -> NoReturn:
    """Raises NotServedError (404) with what there is."""
    refuse(404, what, f"There is no such {what} in this depot.", suggestion(name, known_names(known)), value=name)


def _known_connector(moment: Moment, charge_point: str, connector: str) -> str:
    leaf = f"{charge_point}/{connector}"
    projection = moment.projection
    index = projection.node_index.get(leaf)
    if index is None or projection.kinds[index] is not NodeKind.CONNECTOR:
        refuse_unknown("connector", leaf, projection.leaf_ids)
    return leaf


def _tag(moment: Moment) -> str:
    """Weak: the age in it is another at every answer."""
    return f'W/"{moment.epoch}-{moment.sequence}"'


def _is_known(tag: str, given: str | None) -> bool:
    """Whether `If-None-Match` names it; compared weakly, as RFC 9110 says."""
    if given is None:
        return False
    return any(each.strip().removeprefix("W/") in (tag.removeprefix("W/"), "*") for each in given.split(","))
