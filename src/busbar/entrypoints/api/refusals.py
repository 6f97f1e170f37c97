"""What is said to those who cannot be served: `busbar/refusal/1`, with every offender."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.entrypoints.api import models
from busbar.entrypoints.documents import refusal_document

MOST_PROBLEMS = 100
MOST_VALUE_CHARACTERS = 200

_MEANINGS = {
    401: "No token, or one that is not good any more.",
    403: "The token's role does not reach so far, or a page elsewhere asked in its name.",
    404: "There is no such thing here, or the token may not see it.",
    408: "The body did not arrive in time.",
    411: "The size of the body was not said.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    422: "What was asked breaks a rule; every offender is named.",
    429: "Too many questions; `Retry-After` says in how many seconds the next one is answered.",
    503: "Busbar cannot answer just now: no cycle yet, no database, or too many listeners.",
}
Answers = dict[int | str, dict[str, Any]]


class NotServedError(BusbarError):
    """This is not answered; `status` and `problems` say why."""

    def __init__(self, status: int, problems: Sequence[Problem], *, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.problems, self.headers = status, tuple(problems), dict(headers or {})
        super().__init__("\n".join(str(problem) for problem in problems))


def refuse(
    status: int, path: str, rule: str, fix: str, *, value: str | None = None, headers: Mapping[str, str] | None = None
) -> NoReturn:
    """Raises NotServedError with one problem."""
    raise NotServedError(status, (Problem(path=path, value=value, rule=rule, fix=fix),), headers=headers)


def answers(*statuses: int) -> Answers:
    """The refusals of an operation, for its description."""
    wanted = sorted({401, 403, 422, 429, 503, *statuses})
    return {status: {"model": models.Refusal, "description": _MEANINGS[status]} for status in wanted}


WRITING = (408, 411, 413, 415)
"""What whoever sends a body may hear besides."""


def refused(status: int, problems: Sequence[Problem], *, headers: Mapping[str, str] | None = None) -> Response:
    """The answer. Whatever strangers sent is shown back clipped, and in characters that can be written."""
    document = refusal_document([_shown(problem) for problem in problems[:MOST_PROBLEMS]])
    return json_answer(document, status, headers=headers)


def json_answer(document: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """A document as JSON."""
    return Response(
        orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY),
        status_code=status,
        media_type="application/json",
        headers=None if headers is None else dict(headers),
    )


def problems_of(error: ValidationError | RequestValidationError, *, within: str = "") -> tuple[Problem, ...]:
    """Every offender that pydantic found, with where and what."""
    return tuple(_problem(each, within) for each in error.errors())


def _problem(found: Mapping[str, Any], within: str) -> Problem:
    place = [str(part) for part in found["loc"]]
    if not within and place and place[0] in ("path", "query", "header", "cookie"):
        place = place[1:]
    path = ".".join(part for part in (within, *place) if part) or "body"
    given = found.get("input")
    value = None if given is None or found["type"] == "missing" else str(given)
    return Problem(path=path, value=value, rule=f"{found['msg']}.", fix=_fix(found))


def _fix(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case "missing":
            return "Give it."
        case "extra_forbidden":
            return "Leave it out; `/api/v1/openapi.json` has every name."
        case "literal_error" | "enum":
            return f"One of {found.get('ctx', {}).get('expected', 'those that are known')}."
        case _:
            return "See `/api/v1/openapi.json` for what is taken."


def _shown(problem: Problem) -> Problem:
    return Problem(
        path=_clean(problem.path),
        value=None if problem.value is None else _clean(problem.value),
        rule=_clean(problem.rule),
        fix=_clean(problem.fix),
        file=problem.file,
        line=problem.line,
    )


def _clean(text: str) -> str:
    shown = text if len(text) <= MOST_VALUE_CHARACTERS * 4 else f"{text[: MOST_VALUE_CHARACTERS * 4]}..."
    return shown.encode("utf-8", "replace").decode()


# How what is raised becomes an answer


async def answer_not_served(_: Request, error: Exception) -> Response:
    """Of NotServedError."""
    assert isinstance(error, NotServedError)
    return refused(error.status, error.problems, headers=error.headers)


async def answer_refused(_: Request, error: Exception) -> Response:
    """Of RefusedError: bad input."""
    assert isinstance(error, RefusedError)
    return refused(422, error.problems)


async def answer_busbar(_: Request, error: Exception) -> Response:
    """Of BusbarError: this does not go on now."""
    return refused(503, (Problem(path="busbar", rule=str(error), fix="Try again."),), headers={"Retry-After": "5"})


async def answer_invalid(_: Request, error: Exception) -> Response:
    """Of RequestValidationError: parameters that break a rule."""
    assert isinstance(error, RequestValidationError)
    return refused(422, problems_of(error))


async def answer_http(_: Request, error: Exception) -> Response:
    """Of HTTPException: there is no such address, or it takes no such method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another one")
        problem = Problem(path="method", rule="This address does not take that method.", fix=f"Use {allowed}.")
    elif error.status_code == 404:
        fix = "`/api/v1/openapi.json` lists every address."
        problem = Problem(path="address", rule="There is nothing at this address.", fix=fix)
    else:
        problem = Problem(path="request", rule=f"{error.detail}.", fix="Ask otherwise.")
    return refused(error.status_code, (problem,), headers=error.headers)


def failure() -> Response:
    """Of anything else: our fault, which is logged and not shown."""
    rule = "Busbar made a mistake while it answered this."
    return refused(500, (Problem(path="busbar", rule=rule, fix="Report it, with what the log says."),))
