"""The description is true: whatever is asked of the running server, it answers as `openapi.json` says.

Made-up questions, valid and not, with real names mixed in so that they get past the door.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_service import METER_SECRET, MadeService, Running, serving
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from busbar.entrypoints.api.app import create_app

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 10
"""Of each operation, valid ones and as many that are not."""
WITHIN_S = 10.0
REAL = {
    "depot_id": "wa_pta",
    "charge_point": "PU1",
    "connector": "1",
    "number": 1,
    "breach": "one",
    "kind": "hold",
    "subject": "PU1/1",
    "key": "connector:PU1/1",
    "envelope": 1,
}
NODES = ("GC1", "C1", "PU1", "wa_pta")
BODIES: dict[str, Any] = {
    "/acknowledgement": {"by": "Ann", "note": "seen"},
    "/orders": {"kind": "hold", "subject": "PU1/1", "by": "Ann"},
    "/envelopes": {"node": "GC1", "value": "700 kW", "by": "Ann"},
    "/plans/{key}": {"priority": 1, "energy_needed": "200 kWh", "departs": "2026-12-01T00:00:00Z", "by": "Ann"},
    "/settings": {"strategy": "priority", "by": "Ann"},
    "/meters/{node}": {"power_w": 85_000},
    "/what-if": {"strategy": "equal_share", "limits": {"C1": "100 A"}, "remove": ["PU1/1"]},
}


def operations() -> list[str]:
    """Every one that is described, but for the events, which do not end."""
    described = create_app(MadeService()).openapi()["paths"]
    found = [f"{method.upper()} {path}" for path, methods in described.items() for method in methods]
    return [each for each in found if not each.endswith("/events")]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A running server, and what it says of itself."""

    running: Running
    schema: Any
    session: requests.Session


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """A depot with something of everything in it."""
    with serving(vehicles=8, steps=2) as running, requests.Session() as session:
        running.call(running.service.breach("GC1", breach_id="one"))
        plan: dict[str, Any] = {"priority": 1, "by": "Ann"}
        put = f"{running.url}/api/v1/depots/wa_pta/plans/{REAL['key']}"
        assert session.put(put, json=plan, headers=running.headers(), timeout=WITHIN_S).status_code == 200
        schema = schemathesis.openapi.from_url(f"{running.url}/api/v1/openapi.json")
        yield Asked(running=running, schema=schema, session=session)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_one_that_is_described(asked: Asked, operation: str, mode: GenerationMode) -> None:
    ask_and_check(asked, operation, mode)


def test_the_check_would_notice_an_answer_that_is_not_described(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    service: Any = asked.running.service
    known = service.health
    # What no monitoring expects: a depot that is no object.
    monkeypatch.setattr(service, "health", lambda: {**known(), "extra": 1})
    with pytest.raises(BaseException, match=r"(?i)schema|conform|properties"):
        ask_and_check(asked, "GET /health", GenerationMode.POSITIVE)


def ask_and_check(asked: Asked, operation: str, mode: GenerationMode) -> None:
    """Made-up questions of one operation; raises for an answer that is not described."""
    method, _, path = operation.partition(" ")
    described = asked.schema[path][method]
    running = asked.running

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode), luck=st.integers(0, 3), node=st.sampled_from(NODES))
    def ask(case: Case[Any], luck: int, node: str) -> None:
        # Three of four get past the door; of these one has everything right, and of the rest one its names.
        real = {**REAL, "node": node}
        names = real if luck < 2 else {"depot_id": REAL["depot_id"]} if luck == 2 else {}
        case.path_parameters = {name: names.get(name, value) for name, value in (case.path_parameters or {}).items()}
        body = next((body for ending, body in BODIES.items() if path.endswith(ending)), None)
        if luck == 0 and body is not None:
            case.body, case.media_type = body, "application/json"
        if luck == 0:
            case.query = {"by": "Ann"} if method == "DELETE" else {}
        is_meter = path.endswith("/meters/{node}")
        headers = {"Authorization": f"Bearer {METER_SECRET}"} if is_meter else running.headers()
        answer = case.call(running.url, asked.session, headers, timeout=WITHIN_S)
        asked.session.cookies.clear()
        case.validate_response(answer, checks=CHECKS)

    ask()
