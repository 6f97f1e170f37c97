"""What a route is given: who asks, of which depot, and the body, each refused before it is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
from fastapi import Depends, Path, Request
from pydantic import BaseModel, ValidationError

from busbar.core.depot import Depot
from busbar.core.errors import Problem
from busbar.core.nearest import known_names, suggestion
from busbar.engine.access import Role, Token, WriteRecord
from busbar.engine.moment import Moment
from busbar.entrypoints.api.feed import DepotFeed, Feeds
from busbar.entrypoints.api.gate import Caller, Gate, refuse_other_page, refuse_role
from busbar.entrypoints.api.hardening import MOST_BODY_BYTES
from busbar.entrypoints.api.links import OneTimeLinks
from busbar.entrypoints.api.refusals import NotServedError, problems_of, refuse
from busbar.entrypoints.api.served import Served
from busbar.entrypoints.api.workshop import Workshop

BODY_WITHIN_S = 10.0
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """What all routes share."""

    served: Served
    gate: Gate
    links: OneTimeLinks
    feeds: Feeds
    workshop: Workshop


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question about one depot by somebody who may ask it."""

    api: Api
    request: Request
    depot_id: str
    token: Token

    @property
    def granted(self) -> tuple[str, ...] | None:
        """The nodes it is limited to, with everything below; None: it sees all."""
        return self.token.nodes if self.token.role is Role.DERMS else None

    @property
    def feed(self) -> DepotFeed:
        """The depot's."""
        return self.api.feeds.of(self.depot_id)

    def moment(self) -> Moment:
        """The depot as its last cycle left it. Raises NotServedError (503)."""
        moment = self.api.served.moment(self.depot_id)
        if moment is None:
            refuse_before_first_cycle()
        return moment

    async def depot(self) -> Depot:
        """As it is stored now. Raises NotServedError (404)."""
        depot = await self.api.served.store.load_depot(self.depot_id)
        if depot is None:
            refuse_unknown_depot(self.depot_id, ())
        return depot

    async def body(self, model: type[Body], *, most_bytes: int = MOST_BODY_BYTES) -> Body:
        """The body, checked. Raises NotServedError (408, 413, 415, 422)."""
        return await read_body(self.request, model, most_bytes=most_bytes)

    def write(
        self,
        action: str,
        subject: str,
        *,
        by: str,
        at: datetime,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> WriteRecord:
        """For the audit log: the token's name, and the name that a person gave."""
        who = f"{self.token.name} ({by})" if by and by != self.token.name else self.token.name
        return WriteRecord(
            depot_id=self.depot_id, at=at, by=who, action=action, subject=subject, before=before, after=after
        )

    def wake(self) -> None:
        """Let the depot's loop look at once."""
        self.api.served.wake(self.depot_id)


def api_of(request: Request) -> Api:
    """What all routes share."""
    found = request.app.state.api
    assert isinstance(found, Api)
    return found


async def caller_of(request: Request) -> Caller:
    """Who asks. Raises NotServedError (401, 429)."""
    return await api_of(request).gate.caller(request)


DepotId = Annotated[str, Path(min_length=1, max_length=200, description="Which depot.", examples=["wa_pta"])]
Here = Annotated[Api, Depends(api_of)]
Known = Annotated[Caller, Depends(caller_of)]


def asked_by(*roles: Role, is_write: bool = False) -> Callable[..., Awaitable[Asked]]:
    """Lets in these roles, for depots that their token may see."""

    async def asked(request: Request, depot_id: DepotId) -> Asked:
        api = api_of(request)
        caller = await api.gate.caller(request)
        refuse_role(caller.token, roles)
        if is_write:
            refuse_other_page(request, caller)
        seen = depots_of(api, caller.token)
        if depot_id not in seen:
            refuse_unknown_depot(depot_id, seen)
        return Asked(api=api, request=request, depot_id=depot_id, token=caller.token)

    return asked


Reading = Annotated[Asked, Depends(asked_by(Role.VIEWER, Role.OPERATOR))]
Seeing = Annotated[Asked, Depends(asked_by(Role.VIEWER, Role.OPERATOR, Role.DERMS))]
Writing = Annotated[Asked, Depends(asked_by(Role.OPERATOR, is_write=True))]
Limiting = Annotated[Asked, Depends(asked_by(Role.OPERATOR, Role.DERMS, is_write=True))]
Auditing = Annotated[Asked, Depends(asked_by(Role.OPERATOR))]


def depots_of(api: Api, token: Token) -> tuple[str, ...]:
    """The depots that a token may see."""
    return tuple(depot_id for depot_id in api.served.depots() if token.depot_id in (None, depot_id))


def refuse_unknown_depot(depot_id: str, seen: tuple[str, ...]) -> NoReturn:
    """Raises NotServedError (404). One that the token may not see is as unknown as any other."""
    refuse(404, "depot", "There is no such depot.", suggestion(depot_id, known_names(seen)), value=depot_id)


def refuse_before_first_cycle() -> NoReturn:
    """Raises NotServedError (503)."""
    rule = "This depot has had no cycle yet."
    refuse(503, "depot", rule, "Ask again in some seconds.", headers={"Retry-After": "5"})


async def read_body(request: Request, model: type[Body], *, most_bytes: int = MOST_BODY_BYTES) -> Body:
    """A JSON body, checked. Raises NotServedError (408, 413, 415, 422)."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        refuse(415, "content-type", "A body is JSON.", "Send `Content-Type: application/json`.", value=kind)
    raw = await read_raw(request, most_bytes=most_bytes)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        refuse(422, "body", f"This is not JSON: {error}.", "Send a JSON object.")
    refuse_control_characters(document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise NotServedError(422, problems_of(error)) from None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that a route reads by itself, once it is known who sends it."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def refuse_control_characters(document: Any) -> None:
    """Raises NotServedError (422) naming every text with control characters: no name has any, and some databases
    take none."""
    found = tuple(_with_control(document, ""))
    if found:
        raise NotServedError(422, found)


def _with_control(value: Any, path: str) -> list[Problem]:
    # With a stack of our own: orjson takes documents deeper than Python recurses.
    problems, waiting = [], [(value, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, dict):
            waiting += [(key, path or "body") for key in value]
            waiting += [(each, f"{path}.{key}" if path else str(key)) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [(each, f"{path}[{index}]") for index, each in enumerate(value)]
        elif isinstance(value, str) and any(
            (ord(char) < 32 and char not in "\n\t") or ord(char) == 127 for char in value
        ):
            rule = "A text has no control characters."
            problems.append(Problem(path=path or "body", value=value, rule=rule, fix="Leave them out."))
    return problems


def instant(when: datetime | None, path: str) -> datetime | None:
    """In UTC. Raises NotServedError (422) for a time without a zone, and for one that is not of this century."""
    if when is None:
        return None
    if when.tzinfo is None:
        fix = "Write for example 2026-11-23T05:10:00+08:00."
        refuse(422, path, "A time has a time zone.", fix, value=when.isoformat())
    try:
        utc = when.astimezone(UTC)
    except (OverflowError, ValueError):
        utc = None
    if utc is None or not EARLIEST <= utc < LATEST:
        refuse(422, path, "A time is of this century.", "Check the year.", value=when.isoformat())
    return utc


def person(by: str) -> str:
    """The name without spaces around it. Raises NotServedError (422) where there is none."""
    if not by.strip():
        refuse(422, "by", "This is done by a named person.", "Write your name, for example Ann Lee.", value=by)
    return by.strip()


async def read_raw(request: Request, *, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """The body as it came. Raises NotServedError (408, 413)."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    refuse(413, "body", f"A body has at most {most_bytes} bytes.", "Send less at a time.")
    except TimeoutError:
        refuse(408, "body", f"The body did not arrive within {BODY_WITHIN_S:.0f} s.", "Send it at once.")
    return b"".join(parts)
