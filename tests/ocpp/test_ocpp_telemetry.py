"""Meter values: live ones measured, old ones dropped, too many shed, control first."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from ocpp_peers import OPEN, ac_point, central, connector, dc_point, depot, in_loop, order, ready_peer, stamped

from busbar.adapters.ocpp.station import Outlet, Station
from busbar.adapters.ocpp.telemetry import CALM, MOST_KEPT, Telemetry, Told
from busbar.adapters.ocpp.wiring import wired_connectors
from busbar.engine.events import ClockRead, Measured
from busbar.engine.orders import Answer


def _frame(number: int, at: str, power_w: float, connector: int = 1) -> str:
    sample = {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"}
    values = [{"timestamp": at, "sampledValue": [sample]}]
    return orjson.dumps([2, f"f{number}", "MeterValues", {"connectorId": connector, "meterValue": values}]).decode()


@in_loop
async def test_a_live_sample_is_measured_in_the_unit_of_the_connector() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(6900)
        measured = await to.inbox.until(Measured)
        assert measured.connector == "CP1/1"
        assert measured.power_w == 6900
        assert measured.draw is not None
        assert 9900 <= measured.draw <= 10_300
        assert measured.age_s < 5
    async with central(depot(dc_point())) as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.event(
            "Updated",
            meterValue=[
                {
                    "timestamp": stamped(),
                    "sampledValue": [
                        {
                            "value": 50.5,
                            "measurand": "Power.Active.Import",
                            "unitOfMeasure": {"unit": "W", "multiplier": 3},
                        },
                        {"value": 42, "measurand": "SoC", "unitOfMeasure": {"unit": "Percent"}},
                    ],
                }
            ],
        )
        measured = await to.inbox.until(Measured)
        assert (measured.draw, measured.soc) == (50_500, 0.42)


@in_loop
async def test_replayed_values_are_never_live_even_in_a_long_burst() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(5000)
        await to.inbox.until(Measured)
        for number in range(40):
            await one.meter(22_000, at=stamped(-600 + 10 * number))
        await one.meter(5100)
        await to.inbox.until(Measured, 2)
        assert [event.power_w for event in to.inbox.of(Measured)] == [5000, 5100]
        assert to.oddities()["replayed sample: too old"] == 40


@in_loop
async def test_values_that_come_after_newer_ones_are_dropped() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(5000)
        await one.meter(22_000, at=stamped(-20))
        await one.meter(5100)
        await to.inbox.until(Measured, 2)
        assert [event.power_w for event in to.inbox.of(Measured)] == [5000, 5100]
        assert to.oddities()["replayed sample: older than the newest"] == 1


@in_loop
async def test_a_fast_clock_is_read_and_corrected() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(5000, at=stamped(90))
        measured = await to.inbox.until(Measured)
        assert abs((measured.sampled_at - datetime.now(UTC)).total_seconds()) < 10
        assert 80 < to.inbox.of(ClockRead)[-1].ahead_s <= 90
        await one.meter(5000, at=stamped(92))
        assert (await to.inbox.until(Measured, 2)).age_s < 10


@in_loop
async def test_a_slow_clock_is_told_and_its_samples_are_old_until_that_is_sure() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(5000, at=stamped(-40))
        measured = await to.inbox.until(Measured)
        assert 39 < measured.age_s < 55
        assert -55 < to.inbox.of(ClockRead)[-1].ahead_s < -39


@in_loop
async def test_a_flood_of_meter_values_is_answered_and_shed_and_orders_go_through() -> None:
    listening = replace(OPEN, messages_per_s=10, messages_at_once=50)
    async with central(listening=listening) as to, ready_peer(to) as one:
        await one.start()
        for number in range(300):
            await one.say(_frame(number, stamped(), 5000))
        to.system.send(sent := order())
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        await one.ask("Heartbeat", {})
        assert len(one.strays) == 300, "each was answered"
        assert to.oddities()["shed meter values: too many messages"] >= 200
        assert 1 <= len(to.inbox.of(Measured)) < 100


def _outlets(number: int) -> list[tuple[Station, Outlet]]:
    points = [ac_point(f"CP{n}", connector()) for n in range(number)]
    wired = wired_connectors(depot(*points))
    stations = [Station(depot_id="north", charge_point=name, wired=some) for name, some in wired.items()]
    return [(station, outlet) for station in stations for outlet in station.outlets.values()]


def _backlog() -> tuple[Telemetry, list[tuple[str, float]]]:
    looked_at: list[tuple[str, float]] = []

    def measure(station: Station, outlet: Outlet, told: Told) -> None:
        looked_at.append((station.id, told.received_s))

    return Telemetry(measure, now_s=time.monotonic), looked_at


async def _until(done: Callable[[], bool]) -> None:
    while not done():
        await asyncio.sleep(0)


@in_loop
async def test_what_one_connector_says_in_one_breath_is_all_looked_at_in_order() -> None:
    telemetry, looked_at = _backlog()
    ((station, outlet),) = _outlets(1)
    for number in range(MOST_KEPT):
        telemetry.put(station, outlet, Told(None, [], None, float(number)))
    assert looked_at == [], "control has its turn first"
    await _until(lambda: len(telemetry) == 0)
    assert [at for _, at in looked_at] == [float(number) for number in range(MOST_KEPT)]


@in_loop
async def test_beyond_a_few_the_oldest_of_a_connector_is_shed() -> None:
    telemetry, looked_at = _backlog()
    ((station, outlet),) = _outlets(1)
    for number in range(MOST_KEPT + 5):
        telemetry.put(station, outlet, Told(None, [], None, float(number)))
    await _until(lambda: len(telemetry) == 0)
    assert [at for _, at in looked_at] == [float(number) for number in range(5, MOST_KEPT + 5)]
    assert telemetry.shed == 5
    assert station.counts.of("shed meter values") == 5


@in_loop
async def test_under_overload_the_newest_of_each_connector_is_what_counts() -> None:
    telemetry, looked_at = _backlog()
    outlets = _outlets(CALM + 10)
    for at in range(3):
        for station, outlet in outlets:
            telemetry.put(station, outlet, Told(None, [], None, float(at)))
    assert len(telemetry) == CALM + 10
    await _until(lambda: len(telemetry) == 0)
    newest: dict[str, float] = dict(looked_at)
    assert set(newest.values()) == {2.0}
    assert len(looked_at) + telemetry.shed == 3 * (CALM + 10)
    assert telemetry.shed >= 2 * 10


@in_loop
async def test_what_a_charge_point_said_before_it_was_gone_is_forgotten() -> None:
    telemetry, looked_at = _backlog()
    (gone, outlet), (here, other) = _outlets(2)
    telemetry.put(gone, outlet, Told(None, [], None, 0.0))
    telemetry.put(here, other, Told(None, [], None, 0.0))
    telemetry.forget(gone)
    await _until(lambda: len(telemetry) == 0)
    assert looked_at == [("CP1", 0.0)]
