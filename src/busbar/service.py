"""The running service: every depot's loop, the port for charge points, and the meters, wired together."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from busbar.adapters.clock import SystemClock
from busbar.adapters.collector import calm_collector
from busbar.adapters.meters.address import check_addresses
from busbar.adapters.meters.meters import Meters
from busbar.adapters.ocpp.listening import Listening
from busbar.adapters.ocpp.quirks import QuirkTable, load_quirks
from busbar.adapters.ocpp.server import CentralSystem
from busbar.adapters.secrets import SecretChecker
from busbar.adapters.webhooks import WebhookSender
from busbar.bootstrap import open_served_store
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError, RefusedError
from busbar.core.projection import project
from busbar.core.snapshot import Session, snapshot_from_sessions
from busbar.engine.access import AccessRecords
from busbar.engine.beliefs import prove_fallbacks
from busbar.engine.broadcast import Broadcast
from busbar.engine.cycle import run_cycle
from busbar.engine.events import Event
from busbar.engine.figures import Figures
from busbar.engine.loop import DepotLoop
from busbar.engine.moment import Moment
from busbar.engine.ports import ChargePointRecords, Store
from busbar.engine.timing import Timing

MOST_EXCESSES_SAID = 10
STOP_SENDING_S = 5.0
LATE_CYCLES = 3
"""A depot whose last cycle is older than so many intervals is not well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What `busbar serve` was asked for."""

    database: str
    depots: tuple[str, ...] = ()
    """Which of the stored depots; empty: all of them."""
    listening: Listening = field(default_factory=Listening)
    timing: Timing = field(default_factory=Timing)
    quirks_file: Path | None = None
    """Entries that come before the shipped quirk table; None: none."""
    meter_passwords: Mapping[str, str] = field(default_factory=dict)
    """Of MQTT users, by `USER@HOST:PORT`."""
    register_maps: Path | None = None
    """A folder of register maps of the operator's own; None: the shipped ones."""
    keep_days: int = 90


class Service:
    """Everything that runs for the depots served. `running` makes one and takes it down again."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        records: ChargePointRecords,
        access: AccessRecords,
        depots: Sequence[Depot],
        *,
        quirks: QuirkTable,
    ) -> None:
        self.store: Store = store
        self.access: AccessRecords = access
        self._settings, self._records = settings, records
        self.broadcast = Broadcast(secrets.token_hex(4))
        self.webhooks = WebhookSender(access)
        self._log = structlog.get_logger("busbar")
        self._checker = SecretChecker()
        self._clock = SystemClock()
        self.ocpp = CentralSystem(
            settings.listening,
            records=records,
            inbox=self.put,
            timing=settings.timing,
            quirks=quirks,
        )
        self.meters = Meters(self.put, passwords=settings.meter_passwords, maps=settings.register_maps)
        ids = _order_ids()
        self.loops = {
            depot.id: DepotLoop(
                depot,
                store=store,
                charge_points=self.ocpp,
                clock=self._clock,
                timing=settings.timing,
                order_ids=lambda: next(ids),
                log=self._log.bind(depot=depot.id),
                keep_days=settings.keep_days,
                use_meters=self.meters.use,
                broadcast=self.broadcast,
                on_notices=self.webhooks.wake,
            )
            for depot in depots
        }

    async def start(self) -> None:
        """Listen to charge points and meters. Raises BusbarError where a port is taken."""
        for loop in self.loops.values():
            # Known before anybody connects: who is turned away may not try again for minutes.
            self.ocpp.serve_depot(loop.control.stored_depot)
        await self.ocpp.start()
        await self.meters.start()

    async def run(self) -> None:
        """All loops, until they are stopped. One that cannot go on ends them all."""
        sending = asyncio.create_task(self.webhooks.run(), name="webhooks")
        try:
            async with asyncio.TaskGroup() as group:
                for loop in self.loops.values():
                    group.create_task(loop.run(), name=f"loop of {loop.depot_id}")
        finally:
            # What could not be delivered by now stays in the store.
            self.webhooks.stop()
            await asyncio.wait([sending], timeout=STOP_SENDING_S)
            sending.cancel()

    def stop(self) -> None:
        """Let every loop end after what it is doing."""
        for loop in self.loops.values():
            loop.stop()

    async def close(self) -> None:
        """Stop listening. Charge points fall back by themselves."""
        await self.meters.stop()
        await self.ocpp.stop()

    # For the HTTP interface

    def depots(self) -> Sequence[str]:
        """The depots served, sorted."""
        return sorted(self.loops)

    def moment(self, depot_id: str) -> Moment | None:
        """A depot as its last cycle left it; None: there is no such depot, or no cycle yet."""
        loop = self.loops.get(depot_id)
        return None if loop is None else loop.moment

    def figures(self, depot_id: str) -> Figures:
        """What its loop has counted. Raises KeyError."""
        loop = self.loops[depot_id]
        counts = loop.counts
        durations_s = [us / 1e6 for us in counts.durations_us]
        counts.durations_us.clear()
        return Figures(
            cycles=counts.cycles,
            outcomes=dict(counts.outcomes),
            overruns=counts.overruns,
            failures=counts.failures,
            durations_s=durations_s,
            orders={"sent": counts.orders, "unsaved": counts.unsaved, **counts.answers},
            connected=loop.control.dispatch.connected(),
            charge_points=len(loop.control.stored_depot.charge_points),
            breaches=dict(counts.breaches),
        )

    def wake(self, depot_id: str) -> None:
        """Something was written: let its loop look at once."""
        loop = self.loops.get(depot_id)
        if loop is not None:
            loop.wake()

    def put(self, depot_id: str, event: Event) -> None:
        """An event of a depot. Never waits."""
        loop = self.loops.get(depot_id)
        if loop is not None:
            loop.put(event)

    def metered_nodes(self, depot_id: str) -> frozenset[str] | None:
        """Nodes whose meter values are pushed; None: there is no such depot."""
        loop = self.loops.get(depot_id)
        if loop is None:
            return None
        return frozenset(circuit.id for circuit in loop.control.stored_depot.circuits if circuit.meter is True)

    async def is_meter(self, depot_id: str, node: str, secret: str) -> bool:
        """Whether that is the secret of the meter of that node."""
        credential = await self._records.credential("meter", depot_id, node)
        return credential is not None and await self._checker.verify(secret, credential.secret_hash)

    def health(self) -> Mapping[str, Any]:
        """Whether every depot's loop runs, and how late its last cycle is."""
        limit_s = LATE_CYCLES * self._settings.timing.cycle_s
        depots = {}
        for depot_id, loop in self.loops.items():
            last = loop.last_cycle
            age_s = (self._clock.now() - last.snapshot.at).total_seconds() if last is not None else None
            is_well = age_s is not None and age_s <= max(limit_s, 15.0)
            depots[depot_id] = {
                "ok": is_well,
                "cycle": loop.control.number,
                "age_s": None if age_s is None else round(age_s, 1),
                "cycles": loop.counts.cycles,
                "overruns": loop.counts.overruns,
                "failures": loop.counts.failures,
                "connected": loop.control.dispatch.connected(),
            }
        return {"ok": all(depot["ok"] for depot in depots.values()), "depots": depots}


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service, listening; its loops begin with `run`.

    Raises BusbarError where there is no such depot or none at all, a port is taken, or the database does not answer;
    RefusedError for meter addresses that cannot be read.
    """
    quirks = load_quirks(settings.quirks_file)
    store, records, access = await open_served_store(settings.database)
    try:
        depots = await _depots(store, settings.depots)
        problems = tuple(problem for depot in depots for problem in check_addresses(depot, maps=settings.register_maps))
        if problems:
            raise RefusedError(problems)
        for depot in depots:
            await _say_proof(store, depot)
        # Once after an installation the fill is compiled, for about half a minute: before anybody waits for an answer.
        structlog.get_logger("busbar").info("getting ready")
        await asyncio.to_thread(_warm_up, depots[0])
        service = Service(settings, store, records, access, depots, quirks=quirks)
        async with calm_collector():
            await service.start()
            try:
                yield service
            finally:
                await service.close()
    finally:
        await store.close()


async def _depots(store: Store, wanted: Sequence[str]) -> list[Depot]:
    known = await store.depot_ids()
    if not known:
        raise BusbarError("There is no depot in the store; import one with `busbar import DEPOT`.")
    unknown = [depot_id for depot_id in wanted if depot_id not in known]
    if unknown:
        raise BusbarError(f"There is no depot {', '.join(unknown)} in the store; it has {', '.join(known)}.")
    found = [await store.load_depot(depot_id) for depot_id in (wanted or known)]
    return [depot for depot in found if depot is not None]


def _warm_up(depot: Depot) -> None:
    """One cycle for nobody."""
    projection = project(depot)
    sessions = [Session(connector=connector) for connector in projection.leaf_ids[:1]]
    snapshot = snapshot_from_sessions(projection, at=datetime.now(UTC), sessions=sessions)
    run_cycle(projection, snapshot, number=0, trigger="", clock_us=lambda: 0)


async def _say_proof(store: Store, depot: Depot) -> None:
    """What is known about fallbacks when it starts; one line, and one for each circuit that fails the proof."""
    log = structlog.get_logger("busbar").bind(depot=depot.id)
    proof = prove_fallbacks(project(depot), await store.evidence(depot.id))
    log.info("fallbacks", verified=proof.verified, accepted=proof.accepted, at_their_rating=proof.unbelieved)
    # One row of a circuit says enough.
    worst = {excess.node: excess for excess in sorted(proof.excesses, key=lambda excess: excess.reserved)}
    for excess in list(worst.values())[:MOST_EXCESSES_SAID]:
        log.warning(
            "fallbacks do not fit",
            node=excess.node,
            row=("L1", "L2", "L3", "total")[excess.row],
            reserved=excess.reserved,
            safe=excess.available,
        )


def _order_ids() -> Iterator[str]:
    """Never used twice, across restarts either: a random beginning of 64 bits, and a count."""
    beginning = secrets.token_hex(8)
    return (f"{beginning}-{number}" for number in count(1))
