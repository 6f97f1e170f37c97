"""The ways in and out: a token for a cookie, and links that open once."""

from http.cookies import SimpleCookie

import pytest
from asking import WA_PTA, Asking, only_problem

from busbar.engine.access import Role
from busbar.entrypoints.api import models
from busbar.entrypoints.api.gate import COOKIE
from busbar.entrypoints.api.links import GOOD_FOR_S, MOST_LINKS, OneTimeLinks

OURS = {"Origin": "http://busbar"}


def test_a_token_buys_a_cookie_that_no_script_and_no_other_site_gets(asking: Asking) -> None:
    answer = asking("POST", "/api/v1/session", role=None, json={"token": asking.secrets[Role.VIEWER]})
    assert models.Me.model_validate_json(answer.content).role == "viewer"
    cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"], cookie["secure"]) == (
        True,
        "strict",
        "/",
        "",
    )
    status = asking("GET", f"{WA_PTA}/status", role=None, headers={"Cookie": f"{COOKIE}={cookie.value}"})
    assert status.status_code == 200


def test_over_https_the_cookie_stays_there(asking: Asking) -> None:
    body = {"token": asking.secrets[Role.VIEWER]}
    answer = asking("POST", "https://busbar/api/v1/session", role=None, json=body)
    assert "secure" in answer.headers["Set-Cookie"].lower()


def test_a_wrong_token_buys_nothing(asking: Asking) -> None:
    answer = asking("POST", "/api/v1/session", role=None, json={"token": "busbar_" + "x" * 43})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert asking("POST", "/api/v1/session", role=None, headers=form, content=b"token=x").status_code == 415


def test_logging_out_takes_the_cookie_away(asking: Asking) -> None:
    cookie = {"Cookie": f"{COOKIE}={asking.secrets[Role.VIEWER]}"}
    assert asking("DELETE", "/api/v1/session", role=None, headers=cookie).status_code == 403
    answer = asking("DELETE", "/api/v1/session", role=None, headers={**cookie, **OURS})
    assert answer.status_code == 204
    assert SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value == ""


def test_a_link_opens_once(asking: Asking) -> None:
    code = asking.links.make(asking.secrets[Role.OPERATOR])
    assert asking("HEAD", f"/enter/{code}", role=None).status_code == 405, "a look ahead uses nothing up"
    answer = asking("GET", f"/enter/{code}", role=None)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert SimpleCookie(answer.headers["Set-Cookie"])[COOKIE].value == asking.secrets[Role.OPERATOR]
    again = asking("GET", f"/enter/{code}", role=None)
    assert again.status_code == 404
    assert "once" in only_problem(again)["rule"]
    assert "Set-Cookie" not in again.headers


@pytest.mark.parametrize(("later_s", "opens"), [(GOOD_FOR_S - 1, True), (GOOD_FOR_S + 1, False)])
def test_a_link_is_good_for_ten_minutes(later_s: float, opens: bool) -> None:
    now_s = [1000.0]
    links = OneTimeLinks(now_s=lambda: now_s[0])
    code = links.make("secret")
    now_s[0] += later_s
    assert (links.use(code) == "secret") == opens
    assert links.use(code) is None


def test_links_are_long_and_the_oldest_is_forgotten() -> None:
    links = OneTimeLinks()
    codes = [links.make(f"secret {number}") for number in range(MOST_LINKS + 1)]
    assert all(len(code) >= 43 for code in codes)
    assert links.use(codes[0]) is None
    assert links.use(codes[-1]) == f"secret {MOST_LINKS}"
