"""What happened: cycles, breaches with their acknowledgement, and the audit log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from busbar.engine.breach_record import BreachChange, BreachRecord
from busbar.engine.ports import CycleOutcome
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import Asked, Auditing, Seeing, Writing, body_of, instant, person
from busbar.entrypoints.api.documents import (
    breach_document,
    breach_in_full_document,
    cycle_document,
    cycle_summary,
    write_document,
)
from busbar.entrypoints.api.granting import cycle_for, refuse_ungranted, sees
from busbar.entrypoints.api.refusals import WRITING, answers, json_answer, refuse

router = APIRouter(prefix="/api/v1/depots/{depot_id}", tags=["records"])

MOST_AT_ONCE = 500
_LARGEST = 2**53
Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE)]
Before = Annotated[int | None, Query(ge=1, le=_LARGEST, description="`next` of the page before.")]
Node = Annotated[str | None, Query(min_length=1, max_length=200)]
BreachId = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/cycles", response_model=models.Cycles, responses=answers(404))
async def cycles(
    asked: Seeing,
    before: Before = None,
    limit: Limit = 50,
    outcome: Annotated[list[models.Outcome] | None, Query(max_length=10)] = None,
    node: Node = None,
) -> Response:
    """The cycles that were kept, the newest first. One that changed nothing is counted, not kept."""
    if node is not None:
        refuse_ungranted(asked, node)
    found = await asked.api.served.store.cycle_page(
        asked.depot_id,
        before=before,
        outcomes=[CycleOutcome(each) for each in outcome or ()],
        node=node,
        limit=limit + 1,
    )
    shown = [cycle_for(asked, cycle_summary(each)) for each in found[:limit]]
    return json_answer({"cycles": shown, "next": found[limit - 1].number if len(found) > limit else None})


@router.get("/cycles/{number}", response_model=models.Cycle, responses=answers(404))
async def cycle(asked: Seeing, number: Annotated[int, Path(ge=0, le=_LARGEST)]) -> Response:
    """One cycle, whole."""
    found = await asked.api.served.store.cycle(asked.depot_id, number)
    if found is None:
        rule = "No such cycle is kept: one that changed nothing is counted, not kept, and old ones are forgotten."
        refuse(404, "number", rule, "`cycles` lists those that are kept.", value=str(number))
    return json_answer(cycle_for(asked, cycle_document(found)))


@router.get("/breaches", response_model=models.Breaches, responses=answers(404))
async def breaches(
    asked: Seeing,
    is_open: Annotated[bool | None, Query(alias="open", description="Only open ones, or only past ones.")] = None,
    node: Node = None,
    before: Annotated[datetime | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> Response:
    """Breaches: the open ones first (on the first page, all of them), then the newest first."""
    if node is not None:
        refuse_ungranted(asked, node)
    until = instant(before, "before")
    store, now = asked.api.served.store, datetime.now(UTC)
    found: list[BreachRecord] = []
    if is_open is not False and (until is None or is_open):
        found += await store.breaches(asked.depot_id, is_open=True, node=node, before=until, limit=MOST_AT_ONCE)
    following: datetime | None = None
    if is_open is not True:
        past = await store.breaches(asked.depot_id, is_open=False, node=node, before=until, limit=limit + 1)
        page = _whole_instants(past, limit)
        found += page
        following = page[-1].started_at if len(page) < len(past) else None
    shown = [breach_document(each, now) for each in found if sees(asked, each.node)]
    return json_answer({"breaches": shown, "next": following})


@router.get("/breaches/{breach}", response_model=models.BreachInFull, responses=answers(404))
async def breach(asked: Seeing, breach: BreachId) -> Response:
    """One breach with the moments before and after."""
    return json_answer(await _in_full(asked, await _known_breach(asked, breach)))


@router.post(
    "/breaches/{breach}/acknowledgement",
    response_model=models.BreachInFull,
    responses=answers(404, *WRITING),
    openapi_extra=body_of(models.Acknowledgement),
)
async def acknowledge(asked: Writing, breach: BreachId) -> Response:
    """A named person has seen it, which closes nothing; again replaces name and note."""
    wanted = await asked.body(models.Acknowledgement)
    known, at, by = await _known_breach(asked, breach), datetime.now(UTC), person(wanted.by)
    before = None
    if known.acknowledged_by is not None:
        before = {"acknowledged_by": known.acknowledged_by, "note": known.note}
    write = asked.write(
        "acknowledge", breach, by=by, at=at, before=before, after={"acknowledged_by": by, "note": wanted.note.strip()}
    )
    record = await asked.api.served.store.acknowledge_breach(
        asked.depot_id, breach, by=by, note=wanted.note.strip(), at=at, write=write
    )
    if record is not None:
        asked.api.served.broadcast.tell(asked.depot_id, "breach", (BreachChange.ACKNOWLEDGED, record))
    return json_answer(await _in_full(asked, record or known))


@router.get("/writes", response_model=models.Writes, responses=answers(404))
async def writes(asked: Auditing, before: Before = None, limit: Limit = 50) -> Response:
    """Who wrote what, the newest first."""
    found = await asked.api.served.access.writes(asked.depot_id, before=before, limit=limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return json_answer({"writes": [write_document(each) for each in found[:limit]], "next": following})


async def _known_breach(asked: Asked, breach: str) -> BreachRecord:
    record = await asked.api.served.store.breach(asked.depot_id, breach)
    if record is None or not sees(asked, record.node):
        refuse(404, "breach", "There is no such breach in this depot.", "`breaches` lists them.", value=breach)
    return record


async def _in_full(asked: Asked, record: BreachRecord) -> dict[str, Any]:
    """With those at nodes below that name it as the one above."""
    near = await asked.api.served.store.breaches(asked.depot_id, limit=MOST_AT_ONCE)
    children = [each.id for each in near if each.parent == record.id and sees(asked, each.node)]
    return breach_in_full_document(record, datetime.now(UTC), children)


def _whole_instants(found: Sequence[BreachRecord], limit: int) -> Sequence[BreachRecord]:
    """At most `limit` of them, and none of those that began together parted: the next page goes on before them."""
    if len(found) <= limit:
        return found
    page = list(found[:limit])
    while len(page) > 1 and page[-1].started_at == found[len(page)].started_at:
        page.pop()
    return page
