"""Envelopes: time-bound limits from outside. One that cannot be met is taken, and answered with by how much."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import NodeKind
from busbar.engine.access import Role
from busbar.engine.envelopes import Shortfall, amount_at, shortfalls
from busbar.engine.ports import Envelope
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import Asked, Limiting, Seeing, body_of, instant, person
from busbar.entrypoints.api.documents import envelope_document
from busbar.entrypoints.api.granting import projection_of, sees_in
from busbar.entrypoints.api.kept import kept_document
from busbar.entrypoints.api.quantities import limit_of
from busbar.entrypoints.api.refusals import WRITING, answers, json_answer, refuse

router = APIRouter(prefix="/api/v1/depots/{depot_id}", tags=["envelopes"])

MOST_ENVELOPES = 1_000
"""That hold now or later in one depot: every cycle looks at all of them."""
EnvelopeId = Annotated[int, Path(ge=1, le=2**53)]
By = Annotated[str | None, Query(min_length=1, max_length=200, description="Who; by default the token's name.")]


@router.get("/envelopes", response_model=models.Envelopes, responses=answers(404))
async def envelopes(asked: Seeing) -> Response:
    """Those that hold now or later; of those in force, by how much they cannot be met."""
    now = datetime.now(UTC)
    found = await asked.api.served.store.envelopes(asked.depot_id, now=now)
    projection = await projection_of(asked)
    seen = [each for each in found if sees_in(projection, asked, each.node)]
    return json_answer({"envelopes": await asyncio.to_thread(_documents, asked, seen, now)})


@router.post(
    "/envelopes",
    response_model=models.Envelope,
    status_code=201,
    responses=answers(404, *WRITING),
    openapi_extra=body_of(models.NewEnvelope),
)
async def add_envelope(asked: Limiting) -> Response:
    """Limit a node for a time. All that hold at a node are merged by minimum, row by row."""
    wanted = await asked.body(models.NewEnvelope)
    now = datetime.now(UTC)
    await _refuse_node(asked, wanted.node)
    envelope = Envelope(
        id=0,
        node=wanted.node,
        amount=limit_of(wanted.value, "value"),
        starts_at=instant(wanted.starts_at, "starts_at") or now,
        ends_at=instant(wanted.ends_at, "ends_at"),
        after=None if wanted.after is None else limit_of(wanted.after, "after"),
        by=person(wanted.by),
        reason=wanted.reason.strip(),
        at=now,
    )
    _refuse_times(envelope, now)
    if len(await asked.api.served.store.envelopes(asked.depot_id, now=now)) >= MOST_ENVELOPES:
        rule = f"A depot has at most {MOST_ENVELOPES} envelopes that hold now or later."
        refuse(422, "envelopes", rule, "Withdraw some first.")
    write = asked.write(
        "envelope", envelope.node, by=envelope.by, at=now, after=kept_document(envelope_document(envelope, now))
    )
    kept = await asked.api.served.store.add_envelope(asked.depot_id, envelope, write=write)
    asked.wake()
    # As if it held now: who gives one for tomorrow wants to know today.
    short = await asyncio.to_thread(_shortfalls, asked, kept)
    return json_answer(envelope_document(kept, now, short), 201)


@router.delete("/envelopes/{envelope}", response_model=models.Envelope, responses=answers(404, 411, 413))
async def withdraw_envelope(asked: Limiting, envelope: EnvelopeId, by: By = None) -> Response:
    """It holds no more. Withdrawing twice is fine."""
    now = datetime.now(UTC)
    who = asked.token.name if by is None else person(by)
    known = {each.id: each for each in await asked.api.served.store.envelopes(asked.depot_id)}.get(envelope)
    if known is None or not sees_in(await projection_of(asked), asked, known.node):
        fix = "`envelopes` lists those that hold now or later."
        refuse(404, "envelope", "There is no such envelope in this depot.", fix, value=str(envelope))
    if known.withdrawn_at is not None:
        return json_answer(envelope_document(known, now))
    write = asked.write(
        "withdraw_envelope", known.node, by=who, at=now, before=kept_document(envelope_document(known, now))
    )
    withdrawn = await asked.api.served.store.withdraw_envelope(asked.depot_id, envelope, by=who, at=now, write=write)
    asked.wake()
    return json_answer(envelope_document(withdrawn or known, now))


async def _refuse_node(asked: Asked, node: str) -> None:
    """Raises NotServedError: 403 for a node that a DERMS is not granted, 422 for one that takes no envelope."""
    projection = await projection_of(asked)
    if asked.token.role is Role.DERMS and not sees_in(projection, asked, node):
        granted = ", ".join(asked.token.nodes)
        refuse(403, "node", "This token is not granted that node.", f"It is granted {granted}, and below.", value=node)
    index = projection.node_index.get(node)
    if index is None or projection.kinds[index] is NodeKind.CONNECTOR:
        names = [
            each
            for each, kind in zip(projection.node_ids, projection.kinds, strict=True)
            if kind is not NodeKind.CONNECTOR and sees_in(projection, asked, each)
        ]
        rule = "There is no such node." if index is None else "A connector takes no envelope; its charge point does."
        refuse(422, "node", rule, suggestion(node, known_names(names)), value=node)


def _refuse_times(envelope: Envelope, now: datetime) -> None:
    """Raises NotServedError (422) for one that never holds."""
    if envelope.ends_at is None:
        return
    if envelope.ends_at <= envelope.starts_at:
        fix = "Let it end after it starts, or leave `ends_at` out."
        refuse(422, "ends_at", "It ends before it starts.", fix, value=envelope.ends_at.isoformat())
    if envelope.ends_at <= now and envelope.after is None:
        refuse(422, "ends_at", "It has ended already.", "Check the time.", value=envelope.ends_at.isoformat())


def _documents(asked: Asked, found: Sequence[Envelope], now: datetime) -> list[dict[str, Any]]:
    return [
        envelope_document(each, now, () if amount_at(each, now) is None else _shortfalls(asked, each)) for each in found
    ]


def _shortfalls(asked: Asked, envelope: Envelope) -> tuple[Shortfall, ...]:
    """Of what holds now, or, of one to come, of what it will ask for; none before the first cycle."""
    moment = asked.api.served.moment(asked.depot_id)
    caps = amount_at(envelope, datetime.now(UTC)) or envelope.amount
    if moment is None or envelope.node not in moment.projection.node_index:
        return ()
    try:
        return shortfalls(moment, envelope.node, caps)
    except KeyError:
        # A node that takes no envelope any more: the depot was changed since.
        return ()
