"""Charge points on real sockets, against a strict central system: connections lost, killed, half open, and truth."""

import asyncio
import time
from base64 import b64encode
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from strict_central import StrictCentral, draw, order_of, profile_of, run, strict_central, until, yard

from busbar.simulator.physics import physical_limits, whole_flow
from busbar.simulator.scenario import VehicleType
from busbar.simulator.stations.behaviours import BEHAVIOURS
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.simulated_depot import SimulatedDepot
from busbar.simulator.stations.traffic import NOBODY, Traffic

VAN = VehicleType(id="van", battery_wh=75_000, max_power_w=22_000)
QUICK = Conditions(
    ramp_s=0.2, sample_s=1, reconnect_s=0.05, longest_reconnect_s=0.2, reboot_s=0.2, traffic=Traffic(ac=(VAN,))
)


@pytest.fixture(params=["1.6", "2.0.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def lease(central: StrictCentral, depot: SimulatedDepot, version: str, *periods: tuple[int, float]) -> None:
    """A setpoint for AC1/1, from now on."""
    transaction = depot.station("AC1").outlets[0].transaction
    assert transaction is not None
    assert transaction.id is not None
    profile = profile_of(version, *periods, transaction=transaction.id, start_s=time.time())
    answer = await central.ask("AC1", "SetChargingProfile", order_of(version, 1, profile))
    assert answer == {"status": "Accepted"}


def charging(depot: SimulatedDepot, name: str = "AC1") -> bool:
    """Under way, and known to both sides."""
    transaction = depot.station(name).outlets[0].transaction
    return depot.station(name).is_ready and transaction is not None and transaction.id is not None


def test_all_charge_points_of_a_depot_connect_charge_and_report(version: str) -> None:
    async def work() -> None:
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=Cast(protocol=version), conditions=QUICK) as depot,
        ):
            reports = "MeterValues" if version == "1.6" else "TransactionEvent"
            await until(lambda: all(len(central.of(name, reports)) >= 5 for name in depot.charge_points))
            count = depot.count()
            assert (count.charge_points, count.ready, count.vehicles) == (2, 2, 3)
            assert (count.errors, count.dropped) == (0, 0)
            spoken = {socket.subprotocol for socket in central.sockets.values()}
            assert spoken == {f"ocpp{version}"}

    run(work)


def test_both_protocols_are_mixed_by_the_seed() -> None:
    projection = yard()
    spoken = set()
    for seed in range(8):
        depot = SimulatedDepot(projection, url="ws://nowhere", cast=Cast(protocol="mixed", seed=seed))
        spoken.add(tuple(depot.station(name).speech.subprotocol for name in depot.charge_points))
    assert len(spoken) > 2


def test_what_is_true_adds_up_in_the_wiring() -> None:
    async def work() -> None:
        projection = yard()
        conditions = replace(QUICK, traffic=NOBODY)
        async with (
            strict_central() as central,
            SimulatedDepot(projection, url=central.url, cast=Cast(protocol="1.6"), conditions=conditions) as depot,
        ):
            await until(lambda: depot.count().ready == 2)
            depot.plug_in("AC1/1", VAN)
            depot.plug_in("DC1/2", VehicleType(id="bus", battery_wh=400_000, max_power_w=95_000))
            await until(lambda: depot.draws().tolist() == [0, 95_000, 32_000])
            flow = whole_flow(depot.flow())
            # 95 kW behind an efficiency of 0.95, and 3 x 32 A at 230.94 V.
            assert flow[0, 3] == pytest.approx(100_000 + 22_170, abs=2)
            assert np.all(flow <= physical_limits(projection, {}))
            depot.unplug("DC1/2")
            assert depot.draws().tolist() == [0, 0, 32_000]

    run(work)


def test_passwords_are_shown_and_may_be_changed() -> None:
    async def work() -> None:
        cast = Cast(protocol="1.6", passwords={"AC1": "of AC1 alone"}, password="of all others")
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=cast, conditions=QUICK) as depot,
        ):
            await until(lambda: depot.count().ready == 2)
            assert central.headers["AC1"] == _basic("AC1", "of AC1 alone")
            assert central.headers["DC1"] == _basic("DC1", "of all others")
            key = {"key": "AuthorizationKey", "value": "a new one, long enough"}
            assert await central.ask("AC1", "ChangeConfiguration", key) == {"status": "Accepted"}
            central.sockets["AC1"].transport.abort()
            await until(lambda: central.headers["AC1"] == _basic("AC1", "a new one, long enough"))

    run(work)


def _basic(name: str, secret: str) -> str:
    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


def test_a_lease_ends_by_itself_after_the_server_was_killed_and_charging_goes_on(version: str) -> None:
    async def work() -> None:
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=Cast(protocol=version), conditions=QUICK) as depot,
        ):
            await until(lambda: charging(depot))
            await lease(central, depot, version, (0, 20), (2, 6))
            ends_s = time.time() + 2
            await until(lambda: draw(depot, "AC1/1") == 20_000, for_s=1.9)
            await central.die()
            await until(lambda: depot.count().connected == 0)
            while time.time() < ends_s - 0.3:
                assert draw(depot, "AC1/1") == 20_000
                await asyncio.sleep(0.02)
            await until(lambda: draw(depot, "AC1/1") == 6_000)
            assert time.time() > ends_s - 0.1
            boots = len(central.of("AC1", "BootNotification"))
            samples = len(central.heard)
            await asyncio.sleep(1)
            await central.start()
            await until(lambda: depot.count().ready == 2 and len(central.heard) > samples)
            # It comes back as it went: no boot, the same transaction, and what it measured meanwhile.
            assert len(central.of("AC1", "BootNotification")) == boots
            assert draw(depot, "AC1/1") == 6_000
            await lease(central, depot, version, (0, 12), (60, 6))
            await until(lambda: draw(depot, "AC1/1") == 12_000)

    run(work)


def test_a_flapping_one_comes_back_without_booting() -> None:
    async def work() -> None:
        flapping = replace(BEHAVIOURS["flapping"], drops_every_s=0.4)
        cast = Cast(protocol="1.6", behaviours={"AC1": flapping})
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=cast, conditions=QUICK) as depot,
        ):
            await until(lambda: central.connections.get("AC1", 0) >= 4)
            assert len(central.of("AC1", "BootNotification")) == 1
            assert central.connections["DC1"] == 1
            assert len(central.of("AC1", "StartTransaction")) == 1
            assert draw(depot, "AC1/1") == 32_000

    run(work)


def test_a_half_open_one_is_silent_and_then_opens_another_connection_beside_the_old_one() -> None:
    async def work() -> None:
        half_open = replace(BEHAVIOURS["half_open"], falls_silent_every_s=1.0)
        cast = Cast(protocol="2.0.1", behaviours={"AC1": half_open})
        conditions = replace(QUICK, silent_s=1.0)
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=cast, conditions=conditions) as depot,
        ):
            await until(lambda: depot.count().ready == 2)
            first = central.sockets["AC1"]
            await until(lambda: not depot.station("AC1").is_open)
            heard = len([each for each in central.heard if each.charge_point == "AC1"])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await central.ask("AC1", "GetVariables", {"getVariableData": []})
            # For the server the connection is still there.
            assert first.state.name == "OPEN"
            assert len([each for each in central.heard if each.charge_point == "AC1"]) == heard
            await until(lambda: central.connections["AC1"] >= 2 and depot.station("AC1").is_open)
            await until(lambda: first.state.name == "CLOSED")

    run(work)


def test_disconnecting_connecting_and_killing_are_in_the_tests_hands() -> None:
    async def work() -> None:
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=Cast(protocol="1.6"), conditions=QUICK) as depot,
        ):
            await until(lambda: charging(depot))
            await until(lambda: draw(depot, "AC1/1") == 32_000)
            depot.disconnect("AC1")
            await until(lambda: not depot.station("AC1").is_open)
            await asyncio.sleep(0.5)
            assert central.connections["AC1"] == 1
            assert draw(depot, "AC1/1") == 32_000
            depot.connect("AC1")
            await until(lambda: depot.station("AC1").is_ready)
            assert len(central.of("AC1", "BootNotification")) == 1
            depot.kill("AC1")
            assert draw(depot, "AC1/1") == 0
            await asyncio.sleep(0.5)
            assert not depot.station("AC1").is_open
            depot.connect("AC1")
            await until(lambda: len(central.of("AC1", "BootNotification")) == 2)
            await until(lambda: draw(depot, "AC1/1") == 32_000)

    run(work)


def test_a_reboot_is_done_over_the_wire(version: str) -> None:
    async def work() -> None:
        async with (
            strict_central() as central,
            SimulatedDepot(yard(), url=central.url, cast=Cast(protocol=version), conditions=QUICK) as depot,
        ):
            await until(lambda: charging(depot))
            reset = {"type": "Hard"} if version == "1.6" else {"type": "Immediate"}
            assert await central.ask("AC1", "Reset", reset) == {"status": "Accepted"}
            await until(lambda: len(central.of("AC1", "BootNotification")) == 2)
            await until(lambda: charging(depot))

    run(work)


def test_one_that_is_turned_away_says_why_and_tries_again() -> None:
    async def work() -> None:
        conditions = replace(QUICK, reconnect_s=0.3)
        async with SimulatedDepot(yard(), url="ws://127.0.0.1:9", cast=Cast(), conditions=conditions) as depot:
            await until(lambda: len(depot.trouble()) == 2)
            assert "nobody there" in depot.trouble()["AC1"]

    run(work)


def test_the_waits_between_attempts_double_and_are_never_shorter_than_the_shortest() -> None:
    async def work() -> list[float]:
        arrivals: list[float] = []

        async def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrivals.append(time.monotonic())
            writer.close()

        server = await asyncio.start_server(turn_away, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        conditions = Conditions(reconnect_s=0.1, longest_reconnect_s=10, traffic=NOBODY)
        projection = yard(ONE)
        async with SimulatedDepot(projection, url=f"ws://127.0.0.1:{port}", conditions=conditions):
            await asyncio.sleep(3)
        server.close()
        return arrivals

    arrivals = run(work)
    waits = [after - before for before, after in pairwise(arrivals)]
    assert min(waits) >= 0.099
    # Without doubling there would be twenty.
    assert 3 <= len(arrivals) <= 14


ONE = """\
schema: busbar/depot/1
depot: {id: one, voltage: 400 V}
circuits:
  - {id: GC1, default_operating_capacity: 100 A}
charge_points:
  - {id: AC1, circuit: GC1, current: AC, max_rating: 32 A,
     connectors: [{id: left, max_rating: 32 A}, {id: right, max_rating: 16 A}]}
  - {id: AC2, in_service: false, circuit: GC1, current: AC, max_rating: 32 A, connectors: [{id: 1, max_rating: 32 A}]}
"""


def test_connectors_are_numbered_and_what_is_out_of_service_is_not_there() -> None:
    depot = SimulatedDepot(yard(ONE), url="ws://nowhere")
    assert depot.charge_points == ("AC1",)
    assert [(each.id, each.number) for each in depot.station("AC1").outlets] == [("AC1/left", 1), ("AC1/right", 2)]
