"""The HTTP interface: who may push what, and what is said to those who may not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from busbar.adapters.secrets import BusyError
from busbar.engine.events import Event, NodeMeasured
from busbar.entrypoints.api.app import MOST_BODY_BYTES, create_app


class Served:
    """A service with one depot and one pushed meter."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []
        self.is_well = True
        self.is_busy = False

    def metered_nodes(self, depot_id: str) -> frozenset[str] | None:
        return frozenset({"GC1"}) if depot_id == "yard" else None

    async def is_meter(self, depot_id: str, node: str, secret: str) -> bool:
        if self.is_busy:
            raise BusyError("too many wait")
        return secret == f"secret of {node}"

    def put(self, depot_id: str, event: Event) -> None:
        self.events.append((depot_id, event))

    def health(self) -> Mapping[str, Any]:
        return {"ok": self.is_well, "depots": {}}


def ask(served: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(served))
        async with httpx.AsyncClient(transport=transport, base_url="http://busbar") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


PATH = "/api/v1/depots/yard/meters/GC1"
SECRET = {"Authorization": "Bearer secret of GC1"}


def test_a_meter_with_its_secret_is_heard() -> None:
    served = Served()
    answer = ask(
        served, "POST", PATH, headers=SECRET, json={"power_w": 85_000, "phases_ma": {"L1": 1, "L2": 2, "L3": 3}}
    )
    assert answer.status_code == 202
    ((depot_id, event),) = served.events
    assert depot_id == "yard"
    assert isinstance(event, NodeMeasured)
    assert (event.node, event.power_w, event.phases_ma) == ("GC1", 85_000, (1, 2, 3))


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        (PATH, {}, b'{"power_w": 1}', 401),
        (PATH, {"Authorization": "Basic abc"}, b'{"power_w": 1}', 401),
        (PATH, {"Authorization": "Bearer another"}, b'{"power_w": 1}', 403),
        ("/api/v1/depots/yard/meters/C9", {"Authorization": "Bearer secret of C9"}, b'{"power_w": 1}', 404),
        ("/api/v1/depots/moon/meters/GC1", SECRET, b'{"power_w": 1}', 404),
        (PATH, SECRET, b"{power", 422),
        (PATH, SECRET, b"{}", 422),
        (PATH, SECRET, b'{"power_w": "much"}', 422),
        (PATH, SECRET, b'{"power_w": 1, "color": 2}', 422),
        (PATH, SECRET, b"x" * (MOST_BODY_BYTES + 1), 413),
    ],
)
def test_whoever_may_not_or_makes_no_sense_is_told_so_and_changes_nothing(
    path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    served = Served()
    answer = ask(served, "POST", path, headers=headers, content=body)
    assert answer.status_code == status
    assert served.events == []
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    problems = answer.json()["problems"]
    assert problems
    assert all(problem["rule"] and problem["fix"] for problem in problems)


def test_a_body_of_unknown_size_is_not_read() -> None:
    async def chunks() -> Any:
        yield b'{"power_w": 1}'

    assert ask(Served(), "POST", PATH, headers=SECRET, content=chunks()).status_code == 411


def test_too_many_secrets_at_once_are_asked_to_come_back() -> None:
    served = Served()
    served.is_busy = True
    assert ask(served, "POST", PATH, headers=SECRET, json={"power_w": 1}).status_code == 503


@pytest.mark.parametrize(("is_well", "status"), [(True, 200), (False, 503)])
def test_health_says_whether_cycles_are_in_time(is_well: bool, status: int) -> None:
    served = Served()
    served.is_well = is_well
    assert ask(served, "GET", "/health").status_code == status


def test_nothing_else_is_served() -> None:
    assert ask(Served(), "GET", "/api").status_code == 404
    assert ask(Served(), "GET", PATH).status_code == 405
