"""The application asked in this process, without a socket."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from made_service import NO_LIMIT, MadeService

from busbar.engine.access import Role
from busbar.entrypoints.api.app import create_app
from busbar.entrypoints.api.links import OneTimeLinks
from busbar.entrypoints.api.rates import Rates

WA_PTA = "/api/v1/depots/wa_pta"
GRANTED = "GC1"
"""What the DERMS is granted; GC2 and all below it are somebody else's."""


class Asking:
    """Somebody who asks: as an operator, unless said otherwise."""

    def __init__(self, runner: asyncio.Runner, service: MadeService, rates: Rates) -> None:
        self.service, self.links = service, OneTimeLinks()
        self.app: FastAPI = create_app(service, links=self.links, rates=rates)
        self.secrets: dict[Role, str] = {}
        self._runner = runner

    def __call__(
        self, method: str, path: str, *, role: Role | None = Role.OPERATOR, secret: str | None = None, **more: Any
    ) -> httpx.Response:
        """Ask, and what is answered."""
        given = secret or (None if role is None else self.secrets[role])
        headers = {**({} if given is None else {"Authorization": f"Bearer {given}"}), **more.pop("headers", {})}
        answer: httpx.Response = self.run(self._asked(method, path, headers=headers, **more))
        return answer

    def run(self, coroutine: Any) -> Any:
        """Something of the service's, in its event loop."""
        return self._runner.run(coroutine)

    async def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://busbar") as client:
            return await client.request(method, path, **more)


@contextmanager
def asking_of(*, rates: Rates = NO_LIMIT, steps: int = 1, vehicles: int = 40) -> Iterator[Asking]:
    """The WA-PTA depot after so many cycles, with a token of each role."""
    with asyncio.Runner() as runner:
        service = MadeService(vehicles=vehicles)
        asking = Asking(runner, service, rates)
        asking.run(service.begin())
        for _ in range(steps):
            asking.run(service.step())
        asking.secrets = {
            Role.VIEWER: asking.run(service.make_token(Role.VIEWER)),
            Role.OPERATOR: asking.run(service.make_token(Role.OPERATOR)),
            Role.DERMS: asking.run(service.make_token(Role.DERMS, depot_id="wa_pta", nodes=[GRANTED])),
        }
        yield asking


def only_problem(answer: httpx.Response) -> dict[str, Any]:
    """The one problem of a refusal."""
    document = answer.json()
    assert document["schema"] == "busbar/refusal/1"
    (problem,) = document["problems"]
    assert problem["rule"]
    assert problem["fix"]
    return dict(problem)
