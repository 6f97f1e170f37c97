"""A depot in real time: charge points on sockets, meters over HTTP, a served Busbar, and the store beside it."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random

from busbar.core.depot import Depot
from busbar.core.units import Amount
from busbar.engine.envelopes import amount_at
from busbar.engine.events import NodeMeasured
from busbar.engine.ports import Store
from busbar.simulator.acceptance.live.line import SocketLine
from busbar.simulator.acceptance.live.server import Server
from busbar.simulator.scenario import Scenario
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.link import Way
from busbar.simulator.stations.station import Station
from busbar.simulator.trials.meters import Meter, meters_of
from busbar.simulator.trials.store import Disk
from busbar.simulator.trials.yard import Sight, Yard

OPENINGS_AT_A_TIME = 50


class RealClock:
    """The machine's (the protocol `trials.line.SiteClock`)."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_s(self) -> float:
        """Seconds of a clock that never jumps."""
        return time.monotonic()

    def now(self) -> datetime:
        """The wall clock (aware UTC)."""
        return datetime.now(UTC)

    @property
    def true_s(self) -> float:
        """The true time, POSIX."""
        return time.time()


class LiveSite:
    """What events and faults are done to (the protocol `trials.happening.Site`). (It lives.)"""

    def __init__(
        self, scenario: Scenario, *, seed: int, speed: int, store: Store, server: Server, sample_s: int
    ) -> None:
        self.depot_id, self.lease_s = scenario.depot.id, scenario.lease_s
        self.people, self.server = store, server
        self.clock = RealClock()
        self.disk = Disk(Random(f"{seed}/disk"))
        self._depot, self._seed = scenario.depot, seed
        self._lines: list[SocketLine] = []
        self._restarts: set[asyncio.Task[None]] = set()
        way = Way(
            url=f"ws://127.0.0.1:{server.ocpp_port}",
            openings=asyncio.Semaphore(OPENINGS_AT_A_TIME),
            clock=time.time,
        )

        def line(station: Station, conditions: Conditions, random: Random) -> SocketLine:
            made = SocketLine(station, way=way, clock=self.clock, conditions=conditions, random=random)
            self._lines.append(made)
            return made

        self.yard = Yard(scenario, seed=seed, make_line=line, clock=self.clock, sample_s=sample_s, speed=float(speed))
        self.meters: Mapping[str, Meter] = meters_of(self.yard.projection, Random(f"{seed}/meters"))
        self._random = Random(f"{seed}/said")

    @property
    def are_ready(self) -> bool:
        """Every charge point is connected and accepted."""
        return all(line.is_ready for line in self._lines)

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return sum(line.connections for line in self._lines)

    async def look(self, at_s: int) -> Sight:
        """What is true now, and what may flow by what is stored."""
        revision = await self.people.depot_revision(self.depot_id)
        depot: Depot | None = await self.people.load_depot(self.depot_id)
        self._depot = depot or self._depot
        envelopes: dict[str, list[Amount]] = {}
        for envelope in await self.people.envelopes(self.depot_id):
            if (amount := amount_at(envelope, self.clock.now())) is not None:
                envelopes.setdefault(envelope.node, []).append(amount)
        return self.yard.look(at_s, self._depot, revision, envelopes)

    def said(self, real_s: int, sight: Sight) -> list[NodeMeasured]:
        """What the meters say at this second."""
        said = (meter.say(real_s, sight.now_s, sight.flow, self._random) for meter in self.meters.values())
        return [each for each in said if each is not None]

    def kill_at(self, nth: int, restart_s: float) -> None:
        """`kill -9` now (nobody counts what a real process does), and started again so long after."""
        self.server.kill()
        task = asyncio.get_running_loop().create_task(self._restart(restart_s))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _restart(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.server.start()

    async def stop(self) -> None:
        """Switch everything off."""
        for task in tuple(self._restarts):
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        await asyncio.gather(*(line.stop() for line in self._lines))
