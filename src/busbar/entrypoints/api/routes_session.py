"""How a person gets in: a token for a cookie, a one-time link for a cookie, and out again."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from busbar.engine.access import Token
from busbar.entrypoints.api import models
from busbar.entrypoints.api.asked import Here, read_body
from busbar.entrypoints.api.gate import COOKIE, Caller, presented, refuse_other_page
from busbar.entrypoints.api.refusals import WRITING, answers, json_answer, refuse

router = APIRouter(tags=["session"])

KEPT_FOR_S = 30 * 24 * 3600
"""After that a browser asks for the token again."""


class Login(models.Model):
    """`POST session`."""

    token: models.Text


@router.post(
    "/api/v1/session",
    response_model=models.Me,
    responses=answers(*WRITING),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Login"}}},
        }
    },
)
async def log_in(api: Here, request: Request) -> Response:
    """Take a token, and give a session cookie for it that no script can read."""
    wanted = await read_body(request, Login)
    token = await api.gate.entry(wanted.token.strip(), request)
    document = {"name": token.name, "role": token.role.value, "depot_id": token.depot_id, "nodes": list(token.nodes)}
    answer = json_answer(document)
    _set_cookie(answer, request, wanted.token.strip(), token)
    return answer


@router.delete("/api/v1/session", status_code=204, responses=answers(411, 413), response_class=Response)
async def log_out(api: Here, request: Request) -> Response:
    """Forget the session cookie. The token goes on being good."""
    secret, by_cookie = presented(request)
    if secret is not None and by_cookie:
        refuse_other_page(request, Caller(token=await api.gate.entry(secret, request), by_cookie=True))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.get("/enter/{code}", include_in_schema=False)
async def enter(api: Here, request: Request, code: Annotated[str, Path(min_length=1, max_length=200)]) -> Response:
    """A one-time link: good once and for ten minutes."""
    secret = api.links.use(code)
    if secret is None:
        api.gate.fail(request)
        rule = "This link is not good any more: it opens the page once, within ten minutes."
        refuse(404, "code", rule, "Ask for another one, or log in with a token.")
    token = await api.gate.entry(secret, request)
    answer = Response(status_code=303, headers={"Location": "/"})
    _set_cookie(answer, request, secret, token)
    return answer


def _set_cookie(answer: Response, request: Request, secret: str, token: Token) -> None:
    left_s = KEPT_FOR_S
    if token.expires_at is not None:
        left_s = min(left_s, max(0, int((token.expires_at - datetime.now(UTC)).total_seconds())))
    is_https = request.url.scheme == "https"
    answer.set_cookie(COOKIE, secret, max_age=left_s, path="/", httponly=True, samesite="strict", secure=is_https)
