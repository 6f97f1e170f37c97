"""A charge point told one limit for both of its outlets, over real sockets: the loop, the central system, and truth."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import structlog
from made_charge_points import QUICK, SystemClock

from busbar.adapters.memory import MemoryStore
from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.ocpp.quirks import QuirkTable, read_quirks
from busbar.adapters.ocpp.server import CentralSystem
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves, Sharing
from busbar.core.projection import project
from busbar.core.units import ActivePower
from busbar.engine.events import Event
from busbar.engine.loop import DepotLoop
from busbar.simulator.scenario import VehicleType
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.profiles import Profile, Purpose
from busbar.simulator.stations.simulated_depot import SimulatedDepot
from busbar.simulator.stations.traffic import NOBODY

TIMING = replace(QUICK, cycle_s=0.3, lease_s=6, renew_s=1.5, skew_s=0.5, ramp_s=1.0, answer_s=2.0)
CONDITIONS = Conditions(ramp_s=0.2, sample_s=1, reconnect_s=0.05, longest_reconnect_s=0.2, traffic=NOBODY)
BUS = VehicleType(id="bus", battery_wh=600_000, max_power_w=150_000)
VAN = VehicleType(id="van", battery_wh=100_000, max_power_w=20_000)
OFTEN = QuirkTable(
    entries=read_quirks("- name: Simulated\n  match: {vendor: .}\n  station_limit_often: true\n", "test")
)
LIMIT_W = 160_000


def yard(leaves: Leaves = Leaves.CHARGE_POINT) -> Depot:
    """CP1 with two outlets, CP2 with one, 150 kW each with 20 kW to fall back to, lossless."""

    def unit(name: str, outlets: int) -> ChargePoint:
        plugs = tuple(
            Connector(id=str(number), max_rating=150_000, minimum=1000, step=1000, fallback=20_000)
            for number in range(1, outlets + 1)
        )
        return ChargePoint(
            id=name,
            circuit="GC1",
            current=CurrentKind.DC,
            max_rating=150_000,
            connectors=plugs,
            sharing=Sharing.PARALLEL,
        )

    limit = ActivePower(w=LIMIT_W)
    circuit = Circuit(id="GC1", default_operating_capacity=limit, safe_operating_capacity=limit)
    return Depot(
        id="yard", voltage_v=400, leaves=leaves, circuits=(circuit,), charge_points=(unit("CP1", 2), unit("CP2", 1))
    )


@dataclass
class Here:
    loop: DepotLoop
    store: MemoryStore
    depot: SimulatedDepot
    most_w: int = 0

    def draws(self) -> dict[str, int]:
        return dict(zip(self.depot.projection.leaf_ids, self.depot.draws().tolist(), strict=True))

    def unit_w(self) -> int:
        """What CP1 draws."""
        draws = self.draws()
        return draws["CP1/1"] + draws["CP1/2"]

    def told(self) -> list[Profile]:
        """Every profile that CP1 took, oldest first."""
        return [seen.profile for seen in self.depot.orders("CP1") if seen.profile and seen.status == "Accepted"]

    async def until(self, holds: Callable[[], bool], what: str, *, for_s: float = 20.0) -> None:
        try:
            async with asyncio.timeout(for_s):
                while not holds():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not seen: {what}; {self.draws()}") from None


_ids = count(1)


@asynccontextmanager
async def running(protocol: str) -> AsyncIterator[Here]:
    store, at, inbox = MemoryStore(), yard(), list[Callable[[Event], None]]()
    await store.import_depot(at, at=datetime.now(UTC))
    central = CentralSystem(
        Listening(port=0, proof=Proof.NOTHING, boot_wait_s=1.0),
        records=MemoryRecords(),
        inbox=lambda depot_id, event: inbox[0](event),
        timing=TIMING,
        quirks=OFTEN,
    )
    loop = DepotLoop(
        at,
        store=store,
        charge_points=central,
        clock=SystemClock(),
        timing=TIMING,
        order_ids=lambda: f"order-{next(_ids)}",
        log=structlog.get_logger("test"),
    )
    inbox.append(loop.put)
    await central.start()
    controlling = asyncio.create_task(loop.run())
    url = f"ws://127.0.0.1:{central.port}/"
    depot = SimulatedDepot(project(at), url=url, cast=Cast(protocol=protocol), conditions=CONDITIONS)
    here = Here(loop=loop, store=store, depot=depot)

    async def watch() -> None:
        while True:
            here.most_w = max(here.most_w, sum(here.draws().values()))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        async with depot:
            await here.until(lambda: depot.count().ready == 2, "they connect")
            yield here
    finally:
        watching.cancel()
        loop.stop()
        await asyncio.wait_for(controlling, 20)
        await central.stop()


def tell(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@pytest.mark.parametrize("protocol", ["1.6", "2.0.1"])
def test_one_limit_for_both_outlets_is_shared_renewed_and_ends_in_the_fallback(protocol: str) -> None:
    async def story() -> None:
        async with running(protocol) as here:
            for outlet, vehicle in (("CP1/1", VAN), ("CP1/2", BUS), ("CP2/1", BUS)):
                here.depot.plug_in(outlet, vehicle)
            # Charge points share evenly; how CP1 divides its half is its own affair.
            await here.until(lambda: here.unit_w() >= 78_000 and here.draws()["CP2/1"] >= 78_000, "all is used")
            assert 0 < here.draws()["CP1/1"] < 20_000
            assert {each.purpose for each in here.told()} == {Purpose.STATION_MAX}
            assert {each.connector for each in here.told()} == {0}
            fallback, *leases = here.told()
            assert (fallback.stack_level, fallback.periods[0].limit, fallback.duration_s) == (0, 40_000, None)
            assert all(each.stack_level > 0 and each.duration_s is not None for each in leases)
            told = len(here.told())
            await asyncio.sleep(TIMING.lease_s + 1)
            assert here.unit_w() >= 78_000
            assert len(here.told()) > told
            here.depot.disconnect("CP1")
            await asyncio.sleep(TIMING.lease_s + 1)
            assert 39_999 <= here.unit_w() <= 40_000
            await here.until(lambda: here.draws()["CP2/1"] >= 115_000, "its neighbour has what it gave up")
            here.depot.connect("CP1")
            await here.until(lambda: here.unit_w() >= 78_000, "it is back")
            # Whoever leaves gives room to the one beside it, but for the fallback of the outlet that is idle now.
            here.depot.unplug("CP1/1")
            await here.until(lambda: here.draws()["CP1/2"] >= 69_000, "the other has all of it")
            assert here.most_w <= LIMIT_W

    tell(story)


def test_switching_the_leaves_raises_nothing_in_that_cycle_and_setpoints_go_to_connectors() -> None:
    async def story() -> None:
        async with running("1.6") as here:
            for outlet in ("CP1/1", "CP1/2", "CP2/1"):
                here.depot.plug_in(outlet, BUS)
            await here.until(lambda: sum(here.draws().values()) >= 156_000, "all is used")
            before, number = len(here.told()), here.loop.control.number
            draw_w = here.draws()["CP2/1"]
            await here.store.import_depot(yard(Leaves.CONNECTOR), at=datetime.now(UTC))
            await here.until(lambda: here.loop.control.stored_depot.leaves is Leaves.CONNECTOR, "it is taken up")
            await here.until(lambda: here.loop.control.number > number, "the cycle that switches")
            assert here.draws()["CP2/1"] <= draw_w
            await here.until(
                lambda: any(each.purpose is Purpose.TX for each in here.told()[before:]), "it is told by connector"
            )
            await here.until(lambda: sum(here.draws().values()) >= 156_000, "all is used again", for_s=40)
            await here.until(lambda: max(here.draws().values()) <= 56_000, "evenly", for_s=40)
            profiles = here.depot.station("CP1").charger.profiles
            assert not any(each.purpose is Purpose.STATION_MAX for each in profiles)
            await here.store.import_depot(yard(), at=datetime.now(UTC))
            await here.until(lambda: here.told()[-1].purpose is Purpose.STATION_MAX, "and back")
            await here.until(lambda: here.draws()["CP2/1"] >= 78_000, "evenly among charge points", for_s=40)
            profiles = here.depot.station("CP1").charger.profiles
            assert {each.purpose for each in profiles} == {Purpose.STATION_MAX}
            assert here.most_w <= LIMIT_W

    tell(story)
