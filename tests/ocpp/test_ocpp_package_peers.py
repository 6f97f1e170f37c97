# mypy: disable-error-code="import-untyped,untyped-decorator"
"""Charge points built on the `ocpp` package: what an independent implementation makes of what we say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from ocpp_peers import Central, central, in_loop, order, stamped
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from busbar.engine.events import Described, FallbackAnswered, Measured, Ready, VehicleArrived, VehicleLeft
from busbar.engine.orders import Answer, OrderKind


class Station16(ChargePoint16):  # type: ignore[misc]
    """Validates all it receives and all it sends."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.profiles: list[Any] = []
        self.stopped: list[int] = []

    @on("GetConfiguration")
    def on_get_configuration(self, **asked: Any) -> Any:
        units = {"key": "ChargingScheduleAllowedChargingRateUnit", "readonly": True, "value": "Current"}
        interval = {"key": "MeterValueSampleInterval", "readonly": False, "value": "300"}
        return result16.GetConfiguration(configuration_key=[units, interval])

    @on("ChangeConfiguration")
    def on_change_configuration(self, **asked: Any) -> Any:
        return result16.ChangeConfiguration(status="Accepted")

    @on("SetChargingProfile")
    def on_set_charging_profile(self, connector_id: int, cs_charging_profiles: Any) -> Any:
        self.profiles.append(cs_charging_profiles)
        return result16.SetChargingProfile(status="Accepted")

    @on("ClearChargingProfile")
    def on_clear_charging_profile(self, **asked: Any) -> Any:
        return result16.ClearChargingProfile(status="Unknown")

    @on("RemoteStopTransaction")
    def on_remote_stop_transaction(self, transaction_id: int) -> Any:
        self.stopped.append(transaction_id)
        return result16.RemoteStopTransaction(status="Accepted")


class Station201(ChargePoint201):  # type: ignore[misc]
    """Validates all it receives and all it sends."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.profiles: list[Any] = []
        self.stopped: list[str] = []

    @on("GetVariables")
    def on_get_variables(self, get_variable_data: list[Any], **asked: Any) -> Any:
        answers = [{**one, "attribute_status": "UnknownVariable"} for one in get_variable_data]
        return result201.GetVariables(get_variable_result=answers)

    @on("SetChargingProfile")
    def on_set_charging_profile(self, evse_id: int, charging_profile: Any, **asked: Any) -> Any:
        self.profiles.append(charging_profile)
        return result201.SetChargingProfile(status="Accepted")

    @on("ClearChargingProfile")
    def on_clear_charging_profile(self, **asked: Any) -> Any:
        return result201.ClearChargingProfile(status="Unknown")

    @on("RequestStopTransaction")
    def on_request_stop_transaction(self, transaction_id: str, **asked: Any) -> Any:
        self.stopped.append(transaction_id)
        return result201.RequestStopTransaction(status="Accepted")


@asynccontextmanager
async def _running(to: Central, station_class: Any, protocol: str) -> AsyncIterator[Any]:
    async with connect(f"{to.url}/CP1", subprotocols=[Subprotocol(protocol)], proxy=None) as socket:
        station = station_class("CP1", socket)

        async def run() -> None:
            with suppress(ConnectionClosed):
                await station.start()

        task = asyncio.create_task(run())
        try:
            yield station
        finally:
            await socket.close()
            await task


@in_loop
async def test_a_whole_session_with_a_1_6_charge_point_of_the_package() -> None:
    async with central() as to, _running(to, Station16, "ocpp1.6") as station:
        booted = await station.call(call16.BootNotification(charge_point_model="M", charge_point_vendor="V"))
        assert booted.status == "Accepted"
        await to.inbox.until(Ready)
        assert to.inbox.of(FallbackAnswered)[0].is_accepted
        assert to.inbox.of(Described)[0].facts.rate_units == ("A",)
        started = await station.call(
            call16.StartTransaction(connector_id=1, id_tag="T", meter_start=0, timestamp=stamped())
        )
        await to.inbox.until(VehicleArrived)
        for kind in (OrderKind.SET, OrderKind.CLEAR_AND_SET):
            to.system.send(sent := order(8150, kind=kind))
            assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        profile = station.profiles[-1]
        assert profile["charging_schedule"]["charging_schedule_period"][0]["limit"] in (Decimal("8.1"), 8.1)
        assert profile["transaction_id"] == started.transaction_id
        sample = {"value": "5600", "unit": "W", "measurand": "Power.Active.Import"}
        values = [{"timestamp": stamped(), "sampled_value": [sample]}]
        await station.call(
            call16.MeterValues(connector_id=1, meter_value=values, transaction_id=started.transaction_id)
        )
        assert (await to.inbox.until(Measured)).power_w == 5600
        to.system.send(sent := order(kind=OrderKind.STOP))
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        assert station.stopped == [started.transaction_id]
        await station.call(
            call16.StopTransaction(meter_stop=5, timestamp=stamped(), transaction_id=started.transaction_id)
        )
        assert len(to.inbox.of(VehicleLeft)) == 1
        await station.call(call16.Heartbeat())
        assert to.oddities() == {}


@in_loop
async def test_a_whole_session_with_a_2_0_1_charge_point_of_the_package() -> None:
    async with central() as to, _running(to, Station201, "ocpp2.0.1") as station:
        booted = await station.call(
            call201.BootNotification(charging_station={"model": "M", "vendor_name": "V"}, reason="PowerUp")
        )
        assert booted.status == "Accepted"
        await to.inbox.until(Ready)

        def event(kind: str, **more: Any) -> Any:
            return call201.TransactionEvent(
                event_type=kind,
                timestamp=stamped(),
                trigger_reason="CablePluggedIn",
                seq_no=1,
                transaction_info={"transaction_id": "tx-9", "charging_state": "Charging"},
                evse={"id": 1, "connector_id": 1},
                **more,
            )

        await station.call(event("Started", id_token={"id_token": "T", "type": "ISO14443"}))
        await to.inbox.until(VehicleArrived)
        to.system.send(sent := order(8150))
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        profile = station.profiles[-1]
        assert profile["transaction_id"] == "tx-9"
        assert profile["charging_schedule"][0]["charging_schedule_period"][0]["limit"] in (Decimal("8.1"), 8.1)
        sample = {"value": 5600, "measurand": "Power.Active.Import"}
        values = [{"timestamp": stamped(), "sampled_value": [sample]}]
        await station.call(event("Updated", meter_value=values))
        assert (await to.inbox.until(Measured)).power_w == 5600
        to.system.send(sent := order(kind=OrderKind.STOP))
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        assert station.stopped == ["tx-9"]
        await station.call(event("Ended"))
        assert len(to.inbox.of(VehicleLeft)) == 1
        assert to.oddities() == {}
