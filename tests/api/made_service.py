"""A service without charge points: the real application over the store in memory and made-up moments that move.

`python tests/api/made_service.py --port 8099` serves it to a browser, and prints a one-time link.
"""

import argparse
import asyncio
import math
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from made_moments import made_moment

from busbar.adapters.files.depot_file import load_depot
from busbar.adapters.memory import MemoryStore
from busbar.adapters.tokens import make_token_secret
from busbar.core.projection import Projection, project
from busbar.core.units import ActivePower
from busbar.engine.access import AccessRecords, Role, Token
from busbar.engine.breach_record import BreachCause, BreachChange, BreachRecord, Sample
from busbar.engine.broadcast import Broadcast
from busbar.engine.events import Event
from busbar.engine.figures import Figures
from busbar.engine.moment import Alarm, Moment
from busbar.engine.ports import CycleOutcome, Store
from busbar.entrypoints.api.app import create_app
from busbar.entrypoints.api.http_server import HttpServer
from busbar.entrypoints.api.links import OneTimeLinks
from busbar.entrypoints.api.rates import Rates

SCENARIOS = Path(__file__).parents[2] / "scenarios"
METER_SECRET = "the-secret-of-the-meter"
NO_LIMIT = Rates(token_burst=10**9, failure_burst=10**9)
"""For tests that ask as fast as they can."""


class MadeService:
    """One depot or several, with as many vehicles as wanted; `step` is the next cycle (the protocol `Served`)."""

    def __init__(self, *projections: Projection, vehicles: int = 40) -> None:
        depots = projections or (project(load_depot(SCENARIOS / "wa_pta_depot.yaml")),)
        self.projections = {projection.depot.id: projection for projection in depots}
        self.vehicles = vehicles
        store = MemoryStore()
        self.store: Store = store
        self.access: AccessRecords = store.access()
        self.broadcast = Broadcast(secrets.token_hex(4))
        self.moments: dict[str, Moment] = {}
        self.woken: list[str] = []
        self.heard: list[tuple[str, Event]] = []
        self.is_well = True
        self._tokens = 0

    @property
    def depot_id(self) -> str:
        """The first depot."""
        return next(iter(self.projections))

    async def begin(self) -> None:
        """Import the depots."""
        for projection in self.projections.values():
            await self.store.import_depot(projection.depot, at=datetime.now(UTC))

    async def make_token(
        self, role: Role, *, depot_id: str | None = None, nodes: Sequence[str] = (), expires_at: datetime | None = None
    ) -> str:
        """The secret of a new token."""
        secret, _ = await self.made_token(role, depot_id=depot_id, nodes=nodes, expires_at=expires_at)
        return secret

    async def made_token(
        self, role: Role, *, depot_id: str | None = None, nodes: Sequence[str] = (), expires_at: datetime | None = None
    ) -> tuple[str, Token]:
        """The same with the token as it is kept."""
        self._tokens += 1
        secret, secret_hash = make_token_secret()
        token = await self.access.add_token(
            name=f"{role.value} {self._tokens}",
            role=role,
            secret_hash=secret_hash,
            depot_id=depot_id,
            nodes=nodes,
            at=datetime.now(UTC),
            expires_at=expires_at,
        )
        return secret, token

    async def step(self, depot_id: str | None = None, *, at: datetime | None = None, **changes: Any) -> Moment:
        """The next cycle of a depot: recorded and told. `changes` are arguments of `made_moment`."""
        depot_id = depot_id or self.depot_id
        before = self.moments.get(depot_id)
        sequence = 1 if before is None else before.sequence + 1
        projection = await self._projection(depot_id)
        top = next(circuit.id for circuit in projection.depot.circuits if circuit.parent is None)
        # Base load that rises and falls, so that everything below moves.
        wave_w = round(90_000 + 60_000 * math.sin(sequence / 5))
        metered = [circuit.id for circuit in projection.depot.circuits if circuit.meter]
        wanted: dict[str, Any] = {
            "base_load": {metered[0] if metered else top: ActivePower(w=wave_w)} if metered else None,
            "vehicles": self.vehicles,
            "overrides": tuple(await self.store.overrides(depot_id)),
            "envelopes": tuple(await self.store.envelopes(depot_id, now=datetime.now(UTC))),
            "breaches": tuple(await self.store.open_breaches(depot_id)),
            **changes,
        }
        moment: Moment = made_moment(projection, sequence=sequence, at=at or datetime.now(UTC), **wanted)
        moment = replace(moment, epoch=self.broadcast.epoch)
        self.moments[depot_id] = moment
        if moment.record.outcome is not CycleOutcome.UNCHANGED:
            await self.store.record_cycle(depot_id, moment.record)
        self.broadcast.tell(depot_id, "cycle", moment.record)
        self.broadcast.tell(depot_id, "moment", moment.sequence)
        return moment

    async def _projection(self, depot_id: str) -> Projection:
        """As the store has the depot now: settings may have been changed."""
        stored = await self.store.load_depot(depot_id)
        if stored is not None and stored != self.projections[depot_id].depot:
            self.projections[depot_id] = project(stored)
        return self.projections[depot_id]

    async def breach(
        self,
        node: str,
        *,
        breach_id: str | None = None,
        ago_s: float = 90.0,
        ended_ago_s: float | None = None,
        parent: str | None = None,
        cause: BreachCause = BreachCause.BASE_LOAD,
    ) -> BreachRecord:
        """A breach of a node's total, kept and told."""
        now = datetime.now(UTC)
        started = now - timedelta(seconds=ago_s)
        record = BreachRecord(
            id=breach_id or secrets.token_hex(6),
            node=node,
            row="total",
            started_at=started,
            opened_at=started + timedelta(seconds=20),
            ended_at=None if ended_ago_s is None else now - timedelta(seconds=ended_ago_s),
            limit=1_000_000,
            limit_name="default_operating_capacity",
            peak=1_084_000,
            peak_at=started + timedelta(seconds=30),
            energy_over_wh=1_900,
            cause=cause,
            sentence=f"{node} carries 84 kW more than its 1000 kW: its base load alone rose by 120 kW.",
            evidence={"charge_points": []},
            parent=parent,
            series=tuple(
                Sample(at=started + timedelta(seconds=5 * k), flow=960_000 + 18_000 * min(k, 6), limit=1_000_000)
                for k in range(-6, 12)
            ),
        )
        depot_id = self.depot_id
        await self.store.save_breaches(depot_id, [record])
        change = BreachChange.OPENED if record.is_open else BreachChange.CLOSED
        self.broadcast.tell(depot_id, "breach", (change, record))
        return record

    def alarm(self, alarm: Alarm) -> None:
        """Tell one."""
        self.broadcast.tell(self.depot_id, "alarm", alarm)

    # What the application asks for

    def depots(self) -> Sequence[str]:
        """The depots served."""
        return tuple(sorted(self.projections))

    def moment(self, depot_id: str) -> Moment | None:
        """The last step."""
        return self.moments.get(depot_id)

    def figures(self, depot_id: str) -> Figures:
        """As if every step had been fine."""
        moment = self.moments.get(depot_id)
        cycles = 0 if moment is None else moment.sequence
        units = len(self.projections[depot_id].depot.charge_points)
        return Figures(
            cycles=cycles,
            outcomes={} if moment is None else {moment.record.outcome.value: cycles},
            overruns=0,
            failures=0,
            durations_s=(0.004,) * min(cycles, 1000),
            orders={"sent": 3 * cycles, "acknowledged": 3 * cycles},
            connected=units,
            charge_points=units,
            breaches={},
        )

    def wake(self, depot_id: str) -> None:
        """Remember it."""
        self.woken.append(depot_id)

    def health(self) -> Mapping[str, Any]:
        """Well, unless a test says otherwise."""
        depots = {
            each: {
                "ok": self.is_well,
                "cycle": 1,
                "age_s": 0.5,
                "cycles": 1,
                "overruns": 0,
                "failures": 0,
                "connected": 1,
            }
            for each in self.depots()
        }
        return {"ok": self.is_well, "depots": depots}

    def metered_nodes(self, depot_id: str) -> frozenset[str] | None:
        """Circuits with a meter."""
        projection = self.projections.get(depot_id)
        if projection is None:
            return None
        return frozenset(circuit.id for circuit in projection.depot.circuits if circuit.meter)

    async def is_meter(self, depot_id: str, node: str, secret: str) -> bool:
        """One secret for all."""
        return secret == METER_SECRET

    def put(self, depot_id: str, event: Event) -> None:
        """Remember it."""
        self.heard.append((depot_id, event))


@dataclass
class Running:
    """The application over a made-up service, served from a thread of its own."""

    service: MadeService
    url: str
    links: OneTimeLinks
    tokens: dict[Role, str]
    loop: asyncio.AbstractEventLoop
    server: HttpServer

    def call(self, coroutine: Any) -> Any:
        """Run something in the service's own event loop: `running.call(running.service.step())`."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def link(self, role: Role = Role.OPERATOR) -> str:
        """A one-time link into the page."""
        return f"{self.url}/enter/{self.links.make(self.tokens[role])}"

    def headers(self, role: Role = Role.OPERATOR) -> dict[str, str]:
        """Of a token with that role."""
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def stop(self) -> None:
        """Let the server end, as a signal does."""
        self.server.should_exit = True


@contextmanager
def serving(
    *projections: Projection,
    vehicles: int = 40,
    port: int = 0,
    every_s: float | None = None,
    rates: Rates = NO_LIMIT,
    steps: int = 1,
) -> Iterator[Running]:
    """Serve it at a free port of this machine, after so many cycles and then one every `every_s`."""
    ready = threading.Event()
    found: list[Running] = []

    async def serve() -> None:
        service = MadeService(*projections, vehicles=vehicles)
        await service.begin()
        for number in range(steps):
            for depot_id in service.depots():
                await service.step(depot_id, at=datetime.now(UTC) - timedelta(seconds=2 * (steps - 1 - number)))
        top = next(circuit.id for circuit in service.projections[service.depot_id].depot.circuits)
        tokens = {
            Role.VIEWER: await service.make_token(Role.VIEWER),
            Role.OPERATOR: await service.make_token(Role.OPERATOR),
            Role.DERMS: await service.make_token(Role.DERMS, depot_id=service.depot_id, nodes=[top]),
        }
        links = OneTimeLinks()
        server = HttpServer(create_app(service, links=links, rates=rates), host="127.0.0.1", port=port)
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        actual = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{actual}"
        loop = asyncio.get_running_loop()
        found.append(Running(service=service, url=url, links=links, tokens=tokens, loop=loop, server=server))
        ready.set()
        while not task.done():
            await asyncio.wait([task], timeout=every_s)
            if every_s is not None and not task.done():
                for depot_id in service.depots():
                    await service.step(depot_id)
        await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="made service", daemon=True)
    thread.start()
    if not ready.wait(60):
        raise RuntimeError("the made-up service did not start")
    running = found[0]
    try:
        yield running
    finally:
        running.stop()
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


def main() -> None:
    """For a person with a browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--every", type=float, default=2.0, help="seconds from cycle to cycle")
    parser.add_argument("--depot", default="wa_pta_depot", help="a depot of scenarios/")
    parser.add_argument("--vehicles", type=int, default=40)
    parser.add_argument("--breach", action="store_true", help="with an open breach")
    given = parser.parse_args()
    projection = project(load_depot(SCENARIOS / f"{given.depot}.yaml"))
    with serving(projection, vehicles=given.vehicles, port=given.port, every_s=given.every) as running:
        if given.breach:
            running.call(running.service.breach(projection.node_ids[1]))
        print(f"Open {running.link()}", flush=True)
        print(f"Or send Authorization: Bearer {running.tokens[Role.OPERATOR]}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("Ending.")


if __name__ == "__main__":
    main()
