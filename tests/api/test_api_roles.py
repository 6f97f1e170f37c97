"""Who may what: every route and every role."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import GRANTED, WA_PTA, Asking, asking_of

from busbar.engine.access import Role
from busbar.entrypoints.api.gate import COOKIE

CONNECTOR = f"{WA_PTA}/connectors/PU1/1"
HOLD = {"kind": "hold", "subject": "PU1/1", "by": "Ann"}
LIMIT = {"node": GRANTED, "value": "700 kW", "by": "Ann"}

ROUTES: list[tuple[str, str, Any, tuple[int, int, int, int]]] = [
    # what, where, body, status for: no token, viewer, operator, derms
    ("GET", "/api/v1/depots", None, (401, 200, 200, 403)),
    ("GET", "/api/v1/me", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/microgrid", None, (401, 200, 200, 403)),
    ("GET", f"{WA_PTA}/status", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/cycles", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/cycles?node=GC2", None, (401, 200, 200, 404)),
    ("GET", f"{WA_PTA}/cycles/1", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/breaches", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/breaches/ours", None, (401, 200, 200, 200)),
    ("GET", f"{WA_PTA}/breaches/theirs", None, (401, 200, 200, 404)),
    ("POST", f"{WA_PTA}/breaches/ours/acknowledgement", {"by": "Ann"}, (401, 403, 200, 403)),
    ("GET", f"{CONNECTOR}/explanation", None, (401, 200, 200, 403)),
    ("GET", f"{CONNECTOR}/history", None, (401, 200, 200, 403)),
    ("GET", f"{WA_PTA}/nodes/GC1/history", None, (401, 200, 200, 403)),
    ("POST", f"{WA_PTA}/what-if", {}, (401, 200, 200, 403)),
    ("GET", f"{WA_PTA}/plans", None, (401, 200, 200, 403)),
    ("GET", f"{WA_PTA}/plans/connector:PU2/1", None, (401, 200, 200, 403)),
    ("PUT", f"{WA_PTA}/plans/connector:PU1/1", {"priority": 1, "by": "Ann"}, (401, 403, 200, 403)),
    ("PATCH", f"{WA_PTA}/settings", {"strategy": "equal_share", "by": "Ann"}, (401, 403, 200, 403)),
    ("GET", f"{WA_PTA}/envelopes", None, (401, 200, 200, 200)),
    ("POST", f"{WA_PTA}/envelopes", LIMIT, (401, 403, 201, 201)),
    ("POST", f"{WA_PTA}/envelopes", {**LIMIT, "node": "GC2"}, (401, 403, 201, 403)),
    ("DELETE", f"{WA_PTA}/envelopes/1", None, (401, 403, 200, 200)),
    ("DELETE", f"{WA_PTA}/envelopes/2", None, (401, 403, 200, 404)),
    ("GET", f"{WA_PTA}/orders", None, (401, 200, 200, 403)),
    ("POST", f"{WA_PTA}/orders", HOLD, (401, 403, 201, 403)),
    ("DELETE", f"{WA_PTA}/orders/hold/PU2/1?by=Ann", None, (401, 403, 200, 403)),
    ("GET", f"{WA_PTA}/writes", None, (401, 403, 200, 403)),
    ("GET", "/metrics", None, (401, 200, 200, 403)),
    ("GET", "/health", None, (200, 200, 200, 200)),
    ("GET", "/api/v1/openapi.json", None, (200, 200, 200, 200)),
    ("DELETE", "/api/v1/session", None, (204, 204, 204, 204)),
    ("GET", "/enter/nothing", None, (404, 404, 404, 404)),
    ("GET", "/", None, (200, 200, 200, 200)),
    ("POST", f"{WA_PTA}/meters/GC1", {"power_w": 1}, (401, 403, 403, 403)),
]
WHO: tuple[Role | None, ...] = (None, Role.VIEWER, Role.OPERATOR, Role.DERMS)


@pytest.mark.parametrize("who", WHO)
def test_every_route_lets_in_whom_it_should_and_nobody_else(who: Role | None) -> None:
    found: dict[str, int] = {}
    wanted: dict[str, int] = {}
    with asking_of(vehicles=4) as asking:
        _fill(asking)
        for method, path, body, statuses in ROUTES:
            name = f"{method} {path} {json.dumps(body) if body else ''}"
            found[name] = asking(method, path, role=who, json=body).status_code
            wanted[name] = statuses[WHO.index(who)]
    assert found == wanted


def test_the_table_of_roles_has_every_route_there_is(asking: Asking) -> None:
    described = asking("GET", "/api/v1/openapi.json").json()["paths"]
    wanted = {(method.upper(), path) for path, methods in described.items() for method in methods}
    # Events go on for ever and have tests of their own, and so has the way in.
    wanted -= {("GET", "/api/v1/depots/{depot_id}/events"), ("POST", "/api/v1/session")}
    missing = {(method, path) for method, path in wanted if not any(_is_at(method, path, row) for row in ROUTES)}
    assert missing == set()


def test_a_depot_that_a_token_may_not_see_is_as_unknown_as_one_that_is_not_there(asking: Asking) -> None:
    secret, _ = asking.run(asking.service.made_token(Role.OPERATOR, depot_id="wa_pta"))
    assert asking("GET", f"{WA_PTA}/status", secret=secret).status_code == 200
    asking.service.projections["moon"] = asking.service.projections["wa_pta"]
    hidden = asking("GET", "/api/v1/depots/moon/status", secret=secret)
    unknown = asking("GET", "/api/v1/depots/mars/status", secret=secret)
    assert (hidden.status_code, unknown.status_code) == (404, 404)
    assert hidden.json()["problems"][0]["rule"] == unknown.json()["problems"][0]["rule"]
    assert [depot["id"] for depot in asking("GET", "/api/v1/depots", secret=secret).json()["depots"]] == ["wa_pta"]


def test_a_derms_sees_its_nodes_and_no_vehicle(asking: Asking) -> None:
    _fill(asking)
    status = asking("GET", f"{WA_PTA}/status", role=Role.DERMS).json()
    names = {node["id"] for node in status["nodes"]}
    assert GRANTED in names
    assert "GC2" not in names
    assert "wa_pta" not in names
    assert status["connectors"] == []
    breaches = asking("GET", f"{WA_PTA}/breaches", role=Role.DERMS).json()["breaches"]
    assert [each["id"] for each in breaches] == ["ours"]
    envelopes = asking("GET", f"{WA_PTA}/envelopes", role=Role.DERMS).json()["envelopes"]
    assert {each["node"] for each in envelopes} == {GRANTED}
    cycle = asking("GET", f"{WA_PTA}/cycles/1", role=Role.DERMS).json()
    whole = asking("GET", f"{WA_PTA}/cycles/1").json()
    assert 0 < len(cycle["setpoints"]) < len(whole["setpoints"])


def test_a_revoked_token_is_good_for_ten_seconds_at_most(asking: Asking) -> None:
    secret, token = asking.run(asking.service.made_token(Role.VIEWER))
    gate = asking.app.state.api.gate
    assert asking("GET", "/api/v1/me", secret=secret).status_code == 200
    asking.run(asking.service.access.revoke_token(token.id, at=datetime.now(UTC)))
    now_s = gate._now_s()
    gate._now_s = lambda: now_s + 10.5
    answer = asking("GET", "/api/v1/me", secret=secret)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_none(asking: Asking) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    secret = asking.run(asking.service.make_token(Role.VIEWER, expires_at=past))
    assert asking("GET", "/api/v1/me", secret=secret).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer busbar_nothing", "Bearer " + "x" * 9000]
)
def test_what_is_no_token_is_told_so(asking: Asking, header: str) -> None:
    assert asking("GET", "/api/v1/me", role=None, headers={"Authorization": header}).status_code == 401


def test_a_token_says_when_it_was_used(asking: Asking) -> None:
    secret, token = asking.run(asking.service.made_token(Role.VIEWER))
    asking("GET", "/api/v1/me", secret=secret)
    used = {each.id: each.used_at for each in asking.run(asking.service.access.tokens())}
    assert used[token.id] is not None


def test_strangers_hear_whether_it_runs_and_no_more(asking: Asking) -> None:
    assert asking("GET", "/health", role=None).json() == {"ok": True, "depots": {"wa_pta": {"ok": True}}}
    assert "overruns" in asking("GET", "/health").json()["depots"]["wa_pta"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "http://busbar"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://busbar", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://busbar.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[busbar"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://busbar", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_write_with_a_cookie_has_to_come_from_our_own_page(
    asking: Asking, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": f"{COOKIE}={asking.secrets[Role.OPERATOR]}"}
    answer = asking("POST", f"{WA_PTA}/orders", role=None, headers={**cookie, **headers}, json=HOLD)
    assert answer.status_code == status
    assert len(asking.run(asking.service.store.overrides("wa_pta"))) == (status == 201)


def _fill(asking: Asking) -> None:
    """Breaches, envelopes, an order and a plan, of ours and of theirs."""
    asking.run(asking.service.breach(GRANTED, breach_id="ours"))
    asking.run(asking.service.breach("GC2", breach_id="theirs"))
    for node in (GRANTED, "GC2"):
        body = {"node": node, "value": "800 kW", "by": "Ann"}
        assert asking("POST", f"{WA_PTA}/envelopes", json=body).status_code == 201
    assert asking("POST", f"{WA_PTA}/orders", json={**HOLD, "subject": "PU2/1"}).status_code == 201
    plan = {"priority": 2, "by": "Ann"}
    assert asking("PUT", f"{WA_PTA}/plans/connector:PU2/1", json=plan).status_code == 200


def _is_at(method: str, described: str, row: tuple[str, str, Any, Any]) -> bool:
    """Whether a row of the table asks that route."""
    if row[0] != method:
        return False
    pattern = described.split("/")
    path = row[1].partition("?")[0].split("/")
    # Keys and nodes may have slashes of their own.
    fixed = [(index, part) for index, part in enumerate(pattern) if not part.startswith("{")]
    return len(path) >= len(pattern) and all(part in (path[index], path[index - len(pattern)]) for index, part in fixed)
