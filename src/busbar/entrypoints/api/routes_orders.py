"""What a depot needs in daily use: orders, plans of vehicles, its settings."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.strategies import STRATEGIES
from busbar.engine.ports import Override, OverrideKind, Plan
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import Asked, Reading, Writing, body_of, instant, person
from busbar.entrypoints.api.documents import depot_summary, order_document, plan_document
from busbar.entrypoints.api.kept import kept_document
from busbar.entrypoints.api.quantities import energy_wh_of
from busbar.entrypoints.api.refusals import WRITING, answers, json_answer, refuse
from busbar.entrypoints.plan_values import known_key
from busbar.entrypoints.stored_depot import names_in

router = APIRouter(prefix="/api/v1/depots/{depot_id}", tags=["daily use"])

SUBJECTS = {
    OverrideKind.HOLD: "connector",
    OverrideKind.STOP: "connector",
    OverrideKind.OUT_OF_SERVICE: "charge point",
    OverrideKind.SAFE: "circuit",
}
"""What each order is about."""
By = Annotated[str, Query(min_length=1, max_length=200, description="The person's name.")]
Subject = Annotated[str, Path(min_length=1, max_length=200)]
Key = Annotated[str, Path(min_length=1, max_length=200, examples=["connector:CP1/1"])]


@router.get("/orders", response_model=models.Orders, responses=answers(404))
async def orders(asked: Reading) -> Response:
    """The orders in force, oldest first."""
    found = await asked.api.served.store.overrides(asked.depot_id)
    return json_answer({"orders": [order_document(each) for each in found]})


@router.post(
    "/orders",
    response_model=models.Order,
    status_code=201,
    responses={200: {"model": models.Order, "description": "It was in force already."}, **answers(404, *WRITING)},
    openapi_extra=body_of(models.NewOrder),
)
async def order(asked: Writing) -> Response:
    """Hold or stop a connector, take a charge point out of service, put a node into SAFE."""
    wanted = await asked.body(models.NewOrder)
    kind, at, by = OverrideKind(wanted.kind), datetime.now(UTC), person(wanted.by)
    _refuse_unknown_subject(await asked.depot(), kind, wanted.subject)
    before = await _in_force(asked, kind, wanted.subject)
    if before is not None:
        return json_answer(order_document(before), 200)
    if kind is OverrideKind.STOP:
        _refuse_empty(asked, wanted.subject)
    after = {"kind": kind.value, "by": by, "reason": wanted.reason.strip()}
    made = await asked.api.served.store.add_override(
        asked.depot_id,
        kind=kind,
        subject=wanted.subject,
        by=by,
        reason=wanted.reason.strip(),
        at=at,
        write=asked.write("order", wanted.subject, by=by, at=at, after=after),
    )
    asked.wake()
    return json_answer(order_document(made), 201)


@router.delete("/orders/{kind}/{subject:path}", response_model=models.Order, responses=answers(404, 411, 413))
async def lift(asked: Writing, kind: OverrideKind, subject: Subject, by: By) -> Response:
    """Lift an order. Whatever is in force can be lifted, whether or not its subject is still in the depot."""
    at, name = datetime.now(UTC), person(by)
    before = await _in_force(asked, kind, subject)
    ended = None
    if before is not None:
        write = asked.write(
            "lift_order", subject, by=name, at=at, before=kept_document(order_document(before)), after=None
        )
        ended = await asked.api.served.store.end_override(
            asked.depot_id, kind=kind, subject=subject, by=name, at=at, write=write
        )
    if ended is None:
        refuse(404, "subject", f"No {kind.value} of this is in force.", "`orders` lists those that are.", value=subject)
    asked.wake()
    return json_answer(order_document(ended))


@router.get("/plans", response_model=models.Plans, responses=answers(404))
async def plans(asked: Reading) -> Response:
    """What is known of vehicles beforehand."""
    found = await asked.api.served.store.plans(asked.depot_id)
    return json_answer({"plans": [plan_document(each) for each in found if not _is_empty(each)]})


@router.get("/plans/{key:path}", response_model=models.Plan, responses=answers(404))
async def plan(asked: Reading, key: Key) -> Response:
    """What is known of one vehicle beforehand."""
    found = await _kept_plan(asked, key)
    if found is None or _is_empty(found):
        refuse(404, "key", "Nothing is known of this vehicle beforehand.", "`plans` lists what is known.", value=key)
    return json_answer(plan_document(found))


@router.put(
    "/plans/{key:path}",
    response_model=models.Plan,
    responses=answers(404, *WRITING),
    openapi_extra=body_of(models.NewPlan),
)
async def put_plan(asked: Writing, key: Key) -> Response:
    """A vehicle's departure, energy needed and priority: replaces the plan with that key. One that says nothing
    clears it."""
    wanted = await asked.body(models.NewPlan)
    kept_key = known_key(await asked.depot(), key)
    made = Plan(
        key=kept_key,
        departs=instant(wanted.departs, "departs"),
        energy_needed_wh=None if wanted.energy_needed is None else energy_wh_of(wanted.energy_needed, "energy_needed"),
        priority=wanted.priority,
        by=person(wanted.by),
        at=datetime.now(UTC),
    )
    before = await _kept_plan(asked, kept_key)
    write = asked.write(
        "plan",
        kept_key,
        by=made.by,
        at=made.at,
        before=None if before is None or _is_empty(before) else kept_document(plan_document(before)),
        after=None if _is_empty(made) else kept_document(plan_document(made)),
    )
    await asked.api.served.store.save_plan(asked.depot_id, made, write=write)
    asked.wake()
    return json_answer(plan_document(made))


@router.patch(
    "/settings",
    response_model=models.DepotSummary,
    responses=answers(404, *WRITING),
    openapi_extra=body_of(models.Settings),
)
async def settings(asked: Writing) -> Response:
    """Change the depot's strategy, its leaves, or what shares are compared in; what is not given stays."""
    wanted = await asked.body(models.Settings)
    depot, at, by = await asked.depot(), datetime.now(UTC), person(wanted.by)
    given = {name: value for name in ("strategy", "leaves", "fair_in") if (value := getattr(wanted, name)) is not None}
    _refuse_settings(given)
    before = {name: str(getattr(depot, name)) for name in given}
    if before != given:
        write = asked.write("settings", depot.id, by=by, at=at, before=before, after=given)
        await asked.api.served.store.change_settings(asked.depot_id, **given, at=at, write=write)
        asked.wake()
    changed = await asked.depot()
    return json_answer(depot_summary(changed, asked.api.served.moment(asked.depot_id)))


def _refuse_settings(given: dict[str, str]) -> None:
    """Raises RefusedError, naming all that is wrong."""
    problems = []
    strategy = given.get("strategy")
    if not given:
        rule, fix = "Nothing is changed by this.", "Give strategy, leaves or fair_in."
        problems.append(Problem(path="body", rule=rule, fix=fix))
    if strategy is not None and strategy not in STRATEGIES:
        fix = suggestion(strategy, known_names(STRATEGIES))
        problems.append(Problem(path="strategy", value=strategy, rule="There is no such strategy.", fix=fix))
    if problems:
        raise RefusedError(tuple(problems))


def _refuse_unknown_subject(depot: Depot, kind: OverrideKind, subject: str) -> None:
    names, wanted = names_in(depot), SUBJECTS[kind]
    if subject in names[wanted]:
        return
    others = [other for other, known in names.items() if subject in known]
    rule = f"{subject!r} is a {others[0]}, not a {wanted}." if others else f"There is no such {wanted}."
    refuse(422, "subject", rule, suggestion(subject, known_names(names[wanted])), value=subject)


def _refuse_empty(asked: Asked, connector: str) -> None:
    """A stop ends with its vehicle's session: without one it would wait for the next vehicle."""
    moment = asked.api.served.moment(asked.depot_id)
    if moment is not None and connector not in moment.plugged:
        fix = "Order a hold to keep the next one waiting."
        refuse(422, "subject", "There is no vehicle on this connector to stop.", fix, value=connector)


async def _in_force(asked: Asked, kind: OverrideKind, subject: str) -> Override | None:
    found = await asked.api.served.store.overrides(asked.depot_id)
    return next((each for each in found if (each.kind, each.subject) == (kind, subject)), None)


async def _kept_plan(asked: Asked, key: str) -> Plan | None:
    return next((each for each in await asked.api.served.store.plans(asked.depot_id) if each.key == key), None)


def _is_empty(plan: Plan) -> bool:
    return (plan.departs, plan.energy_needed_wh, plan.priority) == (None, None, None)
