"""What charge points really send: understood where it can be, counted where it is odd, answered as they need it."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from ocpp_peers import OPEN, Central, central, in_loop, peer, quirks, ready_peer, stamped
from websockets.exceptions import ConnectionClosed

from busbar.engine.events import Described, Measured, Ready, StateChanged, VehicleArrived


def _odd(to: Central, *words: str) -> bool:
    return all(any(word in kind for kind in to.oddities()) for word in words)


@in_loop
async def test_a_serial_number_that_is_too_long_is_no_reason_to_refuse_a_boot() -> None:
    async with central() as to, peer(to) as one:
        station = {
            "chargePointVendor": "A vendor with a name of more than twenty characters",
            "chargePointModel": "M",
            "chargePointSerialNumber": "S" * 40,
            "ourOwnKey": {"a": 1},
        }
        answer = await one.ask("BootNotification", station)
        assert answer["status"] == "Accepted"
        await to.inbox.until(Ready)
        facts = to.inbox.of(Described)[0].facts
        assert facts.vendor == station["chargePointVendor"]
        assert facts.serial == "S" * 40
        assert _odd(to, "odd BootNotification")


@pytest.mark.parametrize("station", [{}, {"chargePointVendor": None}, {"chargePointModel": 7, "firmwareVersion": []}])
def test_a_boot_that_says_next_to_nothing_is_accepted(station: dict[str, Any]) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, peer(to) as one:
            assert (await one.ask("BootNotification", station))["status"] == "Accepted"
            await to.inbox.until(Ready)

    run()


def _values(**sample: Any) -> list[dict[str, Any]]:
    return [{"timestamp": stamped(), "sampledValue": [{"value": "7000", "measurand": "Power.Active.Import", **sample}]}]


@pytest.mark.parametrize(
    "payload",
    [
        {"connectorId": 1, "meterValue": _values(context="Sample.Unheard", unit="W")},
        {"connectorId": "1", "meterValue": _values(unit="W")},
        {"meterValue": _values(unit="W", ownKey=1), "extra": None, "connectorId": 1, "transactionId": None},
        {
            "connectorId": 1,
            "meterValue": [
                {
                    "timestamp": stamped(),
                    "sampledValue": [
                        {"value": "50.01", "measurand": "Frequency", "unit": "Hz"},
                        {"value": "7000", "measurand": "Power.Active.Import", "unit": "W"},
                    ],
                }
            ],
        },
    ],
)
def test_odd_meter_values_are_read(payload: dict[str, Any]) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            # Parameters are made when tests are collected, which may be minutes ago: too old to be live.
            fresh = [{**value, "timestamp": stamped()} for value in payload["meterValue"]]
            assert await one.ask("MeterValues", {**payload, "meterValue": fresh}) == {}
            assert (await to.inbox.until(Measured)).power_w == 7000

    run()


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"connectorId": 1},
        {"connectorId": 1, "meterValue": None},
        {"connectorId": 1, "meterValue": "7000"},
        {"connectorId": 1, "meterValue": [None, 7, {}, {"timestamp": "yesterday", "sampledValue": [{"value": "x"}]}]},
        {"connectorId": 1, "meterValue": _values(value="NaN", unit="W")},
        {"connectorId": 0, "meterValue": _values(unit="W")},
        {"connectorId": 4, "meterValue": _values(unit="W")},
        {"connectorId": None, "meterValue": _values(unit="W")},
    ],
)
def test_meter_values_of_junk_are_answered_and_say_nothing(payload: dict[str, Any]) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            assert await one.ask("MeterValues", payload) == {}
            await one.meter(1234)
            first = await to.inbox.until(Measured)
            assert first.power_w in (1234, None)
            assert all(event.power_w in (1234, None) for event in to.inbox.of(Measured))

    run()


@in_loop
async def test_meter_values_written_oddly_are_still_meter_values() -> None:
    async with central() as to, ready_peer(to) as one:
        frame = (
            '\n [ 2 ,\t"odd-1", "MeterValues" , {"meterValue":[{"sampledValue":[{"unit":"kW","value":"7.5",'
            '"measurand":"Power.Active.Import"}],"timestamp":"NOW"}], "connectorId" : 1 } ] '
        )
        await one.say(frame.replace("odd-1", "odd\\u002d1").replace("NOW", stamped()))
        assert (await to.inbox.until(Measured)).power_w == 7500


@in_loop
async def test_a_status_without_its_fields_is_read_as_far_as_it_goes() -> None:
    async with central() as to, ready_peer(to) as one:
        assert await one.ask("StatusNotification", {"connectorId": 1, "status": "charging"}) == {}
        assert len(to.inbox.of(StateChanged)) == 1
        payloads: tuple[dict[str, Any], ...] = (
            {"connectorId": 1, "status": "Dreaming", "errorCode": "NoError"},
            {"connectorId": 1},
            {"status": "Available"},
            {"connectorId": "x", "status": "Available"},
        )
        for payload in payloads:
            assert await one.ask("StatusNotification", payload) == {}
        assert len(to.inbox.of(StateChanged)) == 1
        assert _odd(to, "unknown status")


@pytest.mark.parametrize(
    "stamp", ["2026-11-22 14:00:00", "2026-11-22T14:00:00.1234567Z", "2026-11-22T14:00:00+0100", "20261122T140000Z"]
)
def test_stamps_of_many_forms_are_read(stamp: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            await one.start(at=stamp)
            assert to.inbox.of(VehicleArrived)[0].at.minute == 0

    run()


@in_loop
async def test_a_beginning_without_its_fields_is_a_beginning() -> None:
    async with central() as to, ready_peer(to) as one:
        answer = await one.ask("StartTransaction", {"timestamp": "soon"})
        assert answer["transactionId"] > 0
        assert to.inbox.of(VehicleArrived)[0].id_tag is None
        assert _odd(to, "transaction without a connector", "unreadable timestamp")


@in_loop
async def test_unknown_actions_are_answered_as_such() -> None:
    async with central() as to, ready_peer(to) as one:
        answer = await one.ask("MakeCoffee", {})
        assert answer[2] == "NotImplemented"
        assert to.oddities()["unknown action"] == 1


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_everything_a_charge_point_may_say_is_answered_by_the_schema(protocol: str) -> None:
    """`ask` checks each answer; the payloads are next to nothing, so that leniency is tried too."""
    actions = {
        "ocpp1.6": (
            "Authorize DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat "
            "LogStatusNotification MeterValues SecurityEventNotification SignCertificate "
            "SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction"
        ),
        "ocpp2.0.1": (
            "Authorize ClearedChargingLimit DataTransfer FirmwareStatusNotification Heartbeat LogStatusNotification "
            "MeterValues NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds "
            "NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport "
            "PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate "
            "SecurityEventNotification SignCertificate StatusNotification TransactionEvent"
        ),
    }

    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            for action in actions["ocpp1.6" if protocol == "ocpp1.6" else "ocpp2.0.1"].split():
                for payload in ({}, {"x": 1}):
                    answer = await one.ask(action, payload)
                    assert isinstance(answer, dict), (action, answer)

    run()


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "hello",
        "{}",
        "[]",
        "[2]",
        '[2,"a"]',
        "[9,1,2,3]",
        '[2,"a",7,{}]',
        "[null,null,null]",
        '[3,"nobody-asked",{}]',
        '[4,"nobody-asked","GenericError","",{}]',
        "[3,null,null]",
        '[5,"x","NotifyPeriodicEventStream",{}]',
        b"\xff\xfe\x00",
        '[2,"m","MeterValues",{"connectorId":1,',
        "[" * 2000,
    ],
)
def test_frames_of_junk_are_counted_and_the_connection_stays(frame: str | bytes) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            await one.socket.send(frame)
            assert "currentTime" in await one.ask("Heartbeat", {})
            await one.ask("Heartbeat", {})
            assert sum(to.oddities().values()) >= 1

    run()


@pytest.mark.parametrize("message_id", [7, "", "x" * 80, 'a"b\\c', 1.5])
def test_ids_come_back_as_they_were_sent(message_id: Any) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            assert "currentTime" in await one.ask("Heartbeat", {}, message_id)
            values = {"connectorId": 1, "meterValue": _values(unit="W")}
            assert await one.ask("MeterValues", values, message_id) == {}
            await to.inbox.until(Measured)

    run()


@in_loop
async def test_a_payload_of_null_or_a_list_is_an_empty_one() -> None:
    async with central() as to, ready_peer(to) as one:
        empty: tuple[Any, ...] = (None, [])
        for payload in empty:
            assert "currentTime" in await one.ask("Heartbeat", payload)
        assert to.oddities()["frame: payload is no object"] == 2


@in_loop
async def test_one_that_floods_with_something_else_than_meter_values_is_disconnected() -> None:
    listening = replace(OPEN, messages_per_s=10, messages_at_once=20)
    async with central(listening=listening) as to, ready_peer(to) as one:
        while not one.is_closed.is_set():
            with suppress(ConnectionClosed):
                await one.socket.send('[2,"f","Heartbeat",{}]')
        await to.until_counted("disconnected: too many messages")


@in_loop
async def test_oddities_of_2_0_1_are_taken_too() -> None:
    async with central(table=quirks("  stack_level: 1")) as to, peer(to, "ocpp2.0.1") as one:
        answer = await one.ask(
            "BootNotification", {"chargingStation": {"vendorName": "V" * 60, "serialNumber": "S" * 50}}
        )
        assert answer["status"] == "Accepted"
        await to.inbox.until(Ready)
        await one.ask("TransactionEvent", {"transactionInfo": {"transactionId": "t"}, "evse": {"id": "1"}})
        assert len(to.inbox.of(VehicleArrived)) == 1
        await one.ask("TransactionEvent", {"eventType": "Updated"})
        assert _odd(to, "odd BootNotification", "transaction without an id")
