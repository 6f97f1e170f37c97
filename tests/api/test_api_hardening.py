"""What a hostile or clumsy caller meets: limits, and answers that tell nothing they need not."""

from typing import Any

import pytest
from asking import WA_PTA, Asking, asking_of, only_problem
from structlog.testing import capture_logs

from busbar.engine.access import Role
from busbar.entrypoints.api.app import create_app
from busbar.entrypoints.api.hardening import MOST_BODY_BYTES, MOST_WHAT_IF_BYTES
from busbar.entrypoints.api.rates import MOST_REMEMBERED, Buckets, Rates

ODD = [
    "%00",
    "a%00b",
    "%01",
    "%7F",
    "%0A",
    "%ED%A0%80",
    "%FF",
    "%C3%28",
    "%F0%9F%9A%8C",
    "..%2F..",
    "x" * 201,
    "x" * 5000,
]


@pytest.mark.parametrize("odd", ODD)
def test_no_odd_name_is_our_mistake(asking: Asking, odd: str) -> None:
    for path in (
        f"/api/v1/depots/{odd}/status",
        f"{WA_PTA}/cycles/{odd}",
        f"{WA_PTA}/cycles?node={odd}",
        f"{WA_PTA}/cycles?before={odd}",
        f"{WA_PTA}/breaches?before={odd}",
        f"{WA_PTA}/breaches/{odd}",
        f"{WA_PTA}/connectors/{odd}/{odd}/explanation",
        f"{WA_PTA}/nodes/{odd}/history",
        f"{WA_PTA}/nodes/GC1/history?row={odd}",
        f"{WA_PTA}/plans/{odd}",
        f"/enter/{odd}",
    ):
        answer = asking("GET", path)
        assert answer.status_code in (404, 422), (path, answer.status_code, answer.text)
        assert answer.json()["problems"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b"\xff\xfe",
        b'{"by": "\\ud800"}',
        b'{"by": NaN}',
        b'{"by": 1e999}',
        b'{"priority": ' + b"9" * 5_000 + b"}",
        b'{"departs": 1e300, "by": "x"}',
        b'{"departs": -62135596800, "by": "x"}',
        '{"by": "\u202eAnn"}'.encode(),
    ],
)
def test_no_odd_body_is_our_mistake(asking: Asking, body: bytes) -> None:
    for method, path in (
        ("POST", f"{WA_PTA}/orders"),
        ("PUT", f"{WA_PTA}/plans/vehicle:BUS1"),
        ("PATCH", f"{WA_PTA}/settings"),
        ("POST", f"{WA_PTA}/envelopes"),
        ("POST", f"{WA_PTA}/what-if"),
        ("POST", "/api/v1/session"),
    ):
        answer = asking(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (method, path, answer.text)


@pytest.mark.parametrize(
    ("path", "most"), [("orders", MOST_BODY_BYTES), ("envelopes", MOST_BODY_BYTES), ("what-if", MOST_WHAT_IF_BYTES)]
)
def test_a_body_has_a_size(asking: Asking, path: str, most: int) -> None:
    fits = asking("POST", f"{WA_PTA}/{path}", content=b" " * most)
    assert fits.status_code == 422
    too_large = asking("POST", f"{WA_PTA}/{path}", content=b" " * (most + 1))
    assert (too_large.status_code, only_problem(too_large)["path"]) == (413, "body")


def test_a_body_of_unknown_size_or_kind_is_not_read(asking: Asking) -> None:
    async def chunks() -> Any:
        yield b"{}"

    assert asking("POST", f"{WA_PTA}/orders", content=chunks()).status_code == 411
    form = {"Content-Type": "multipart/form-data"}
    assert asking("POST", f"{WA_PTA}/orders", content=b"{}", headers=form).status_code == 415


def test_who_asks_comes_before_what_is_asked(asking: Asking) -> None:
    assert asking("POST", f"{WA_PTA}/orders", role=None, content=b"{").status_code == 401
    assert asking("POST", f"{WA_PTA}/orders", role=Role.VIEWER, content=b"{").status_code == 403
    assert asking("GET", f"{WA_PTA}/cycles?limit=x", role=None).status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/me", f"{WA_PTA}/status", "/api/v1/nothing", "/health", "/"])
def test_every_answer_is_closed_to_other_sites(asking: Asking, path: str) -> None:
    answer = asking("GET", path, headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    if path.startswith("/api"):
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_brings_its_own_policy(asking: Asking) -> None:
    assert "script-src 'self'" in asking("GET", "/").headers["Content-Security-Policy"]


def test_head_is_get_without_a_body_and_options_says_what_there_is(asking: Asking) -> None:
    head = asking("HEAD", f"{WA_PTA}/status")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"]
    assert asking("HEAD", f"{WA_PTA}/status", role=None).status_code == 401
    options = asking("OPTIONS", f"{WA_PTA}/orders", role=None)
    assert options.status_code == 204
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert asking("OPTIONS", "/api/v1/nothing").status_code == 404


def test_what_is_not_there_is_refused_like_everything_else(asking: Asking) -> None:
    assert "openapi" in only_problem(asking("GET", "/api/v1/nothing"))["fix"]
    answer = asking("DELETE", f"{WA_PTA}/status")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    only_problem(answer)
    assert asking("PATCH", f"{WA_PTA}/orders").headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_our_own_mistake_tells_nothing(asking: Asking) -> None:
    def broken(depot_id: str) -> None:
        raise ValueError("a secret of the inside")

    asking.service.moment = broken  # type: ignore[method-assign]
    with capture_logs() as lines:
        answer = asking("GET", f"{WA_PTA}/status")
    assert [line["event"] for line in lines] == ["not answered"]
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    only_problem(answer)


def test_a_token_that_asks_too_much_is_asked_to_wait() -> None:
    with asking_of(rates=Rates(token_burst=3, token_rate_per_s=0.5)) as asking:
        statuses = [asking("GET", "/api/v1/me").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = asking("GET", "/api/v1/me")
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert asking("GET", "/api/v1/me", role=Role.VIEWER).status_code == 200, "another token has its own"


def test_an_address_that_guesses_is_asked_to_wait_and_others_there_are_not() -> None:
    with asking_of(rates=Rates(failure_burst=2, failure_rate_per_s=0.01)) as asking:
        assert asking("GET", "/api/v1/me").status_code == 200
        guesses = [asking("GET", "/api/v1/me", secret=f"busbar_{number}").status_code for number in range(4)]
        assert guesses == [401, 401, 429, 429]
        assert asking("GET", "/api/v1/me").status_code == 200, "who was good before still is"
        assert asking("GET", "/enter/guess", role=None).status_code == 429


def test_permits_come_back_at_a_steady_rate() -> None:
    now_s = [0.0]
    buckets = Buckets(2, 0.5, now_s=lambda: now_s[0])
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 2]
    now_s[0] = 2.0
    assert [buckets.take("a"), buckets.take("a")] == [0, 2]
    now_s[0] = 1000.0
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 2], "never more than the bucket holds"


def test_buckets_are_bounded_in_number() -> None:
    buckets = Buckets(1, 0.001, now_s=lambda: 0.0)
    for number in range(MOST_REMEMBERED + 1):
        buckets.take(f"address {number}")
    assert len(buckets._left) == MOST_REMEMBERED


def test_the_application_is_made_without_a_cycle_or_a_store(asking: Asking) -> None:
    assert create_app(asking.service).openapi()["info"]["title"] == "Busbar"
