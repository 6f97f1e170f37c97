"""What a new connection begins with: abilities, fallbacks, settings, then ready."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ocpp_peers import (
    NO_QUIRKS,
    OPEN,
    ac_point,
    central,
    connector,
    depot,
    in_loop,
    order,
    peer,
    quirks,
    ready_peer,
    stamped,
)

from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.exchange import FEW_MEASURANDS, MEASURANDS
from busbar.adapters.ocpp.greeting import tell_fallbacks
from busbar.engine.events import ConnectorState, Described, FallbackAnswered, Ready, StateChanged, VehicleArrived
from busbar.engine.orders import Answer
from busbar.engine.timing import Timing


def _configuration(**values: str) -> Mapping[str, Any]:
    return {"configurationKey": [{"key": key, "readonly": False, "value": value} for key, value in values.items()]}


def _variables(**values: str) -> Mapping[str, Any]:
    return {
        "getVariableResult": [
            {
                "attributeStatus": "Accepted",
                "attributeValue": value,
                "component": {"name": key.split("__")[0]},
                "variable": {"name": key.split("__")[1]},
            }
            for key, value in values.items()
        ]
    }


@in_loop
async def test_events_come_in_order_and_setpoints_only_after_ready() -> None:
    async with central(depot(ac_point("CP1", connector("1"), connector("2", fallback=0)))) as to:
        async with peer(to, script={"SetChargingProfile": None}) as one:
            await one.boot()
            await one.until_told("SetChargingProfile")
            too_early = order()
            to.system.send(too_early)
            answered = await to.inbox.answer_to(too_early)
            assert (answered.answer, answered.detail) == (Answer.NOT_SENT, "not ready")
            one.script["SetChargingProfile"] = {"status": "Accepted"}
            await one.answer_held({"status": "Accepted"})
            await to.inbox.until(Ready)
        assert [kind for kind in to.inbox.kinds() if kind != "ClockRead"][:6] == [
            "Connected",
            "Answered",
            "FallbackAnswered",
            "FallbackAnswered",
            "Described",
            "Ready",
        ]
        told = to.inbox.of(FallbackAnswered)
        assert [(one.connector, one.fallback, one.is_accepted, one.detail) for one in told] == [
            ("CP1/1", 6000, True, "Accepted"),
            ("CP1/2", 0, True, "Accepted"),
        ]


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_what_it_is_and_can_do_is_told_and_kept(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        script: Mapping[str, Any] = {
            "GetConfiguration": _configuration(
                ChargingScheduleAllowedChargingRateUnit="Current,Power",
                ChargeProfileMaxStackLevel="4",
                ChargingScheduleMaxPeriods="12",
                MaxChargingProfilesInstalled="9",
            ),
            "GetVariables": _variables(
                SmartChargingCtrlr__RateUnit="A,W",
                SmartChargingCtrlr__ProfileStackLevel="4",
                SmartChargingCtrlr__PeriodsPerSchedule="12",
                SmartChargingCtrlr__Entries="9",
            ),
        }
        async with central() as to, ready_peer(to, protocol, script=script):
            facts = to.inbox.of(Described)[0].facts
            assert facts.protocol == protocol
            assert (facts.vendor, facts.model, facts.firmware) == ("Acme", "One", "1.0")
            assert facts.rate_units == ("A", "W")
            assert (facts.most_stack_level, facts.most_periods, facts.most_profiles) == (4, 12, 9)
        assert (await to.records.facts("north"))["CP1"] == facts

    run()


@in_loop
async def test_the_fallback_goes_at_the_highest_stack_level_or_else_the_lowest() -> None:
    def choosy(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        level = payload["csChargingProfiles"]["stackLevel"]
        return {"status": "Accepted" if level == 0 else "Rejected"}

    script: Mapping[str, Any] = {
        "GetConfiguration": _configuration(ChargeProfileMaxStackLevel="3"),
        "SetChargingProfile": choosy,
    }
    async with central() as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        levels = [told["csChargingProfiles"]["stackLevel"] for told in one.told("SetChargingProfile")]
        assert levels == [3, 0]
        assert to.inbox.of(FallbackAnswered)[0].is_accepted
        await one.start()
        to.system.send(sent := order())
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        assert one.told("SetChargingProfile")[-1]["csChargingProfiles"]["stackLevel"] == 0


@in_loop
async def test_a_refused_fallback_is_told_in_the_words_of_the_charge_point() -> None:
    for said, detail in (
        ({"status": "NotSupported"}, "NotSupported"),
        ({"CALLERROR": "GenericError"}, "GenericError: because"),
    ):
        async with central() as to, peer(to, script={"SetChargingProfile": said}) as one:
            await one.boot()
            await to.inbox.until(Ready)
            told = to.inbox.of(FallbackAnswered)[0]
            assert not told.is_accepted
            assert told.detail == detail


@in_loop
async def test_a_mute_charge_point_becomes_ready_without_a_fallback() -> None:
    script: dict[str, Any] = {"GetConfiguration": None, "SetChargingProfile": None, "TriggerMessage": None}
    async with central(timing=Timing(answer_s=0.4)) as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        assert not to.inbox.of(FallbackAnswered)[0].is_accepted
        assert to.inbox.of(FallbackAnswered)[0].detail == "no answer"


@in_loop
async def test_a_fallback_that_was_not_answered_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = tell_fallbacks.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "again_s", 0.05)
    script: dict[str, Any] = {"SetChargingProfile": None, "TriggerMessage": None}
    async with central(timing=Timing(answer_s=0.4)) as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        assert not to.inbox.of(FallbackAnswered)[0].is_accepted
        script["SetChargingProfile"] = {"status": "Rejected"}
        one.script |= script
        await to.inbox.until(FallbackAnswered, 2)
        one.script["SetChargingProfile"] = {"status": "Accepted"}
        told = await to.inbox.until(FallbackAnswered, 3)
        while not told.is_accepted:
            told = await to.inbox.until(FallbackAnswered, len(to.inbox.of(FallbackAnswered)) + 1)
        assert (told.connector, told.fallback) == ("CP1/1", 6000)


@in_loop
async def test_settings_that_differ_are_set_and_larger_intervals_tried_where_refused() -> None:
    def slow(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        is_short = payload["key"] == "MeterValueSampleInterval" and int(payload["value"]) < 60
        return {"status": "Rejected" if is_short else "Accepted"}

    script: Mapping[str, Any] = {
        "GetConfiguration": _configuration(
            MeterValueSampleInterval="900",
            MeterValuesSampledData="Energy.Active.Import.Register",
            ClockAlignedDataInterval="60",
            WebSocketPingInterval="0",
        ),
        "ChangeConfiguration": slow,
    }
    async with central() as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        assert [(told["key"], told["value"]) for told in one.told("ChangeConfiguration")] == [
            ("MeterValueSampleInterval", "10"),
            ("MeterValueSampleInterval", "30"),
            ("MeterValueSampleInterval", "60"),
            ("MeterValuesSampledData", ",".join(MEASURANDS)),
            ("WebSocketPingInterval", "30"),
        ]


@in_loop
async def test_fewer_measurands_are_asked_where_all_are_refused() -> None:
    def few(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"status": "Accepted" if payload["value"] == ",".join(FEW_MEASURANDS) else "Rejected"}

    script: Mapping[str, Any] = {
        "GetConfiguration": _configuration(MeterValuesSampledData="SoC"),
        "ChangeConfiguration": few,
    }
    async with central() as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        assert len(one.told("ChangeConfiguration")) == 2


@in_loop
async def test_settings_of_2_0_1_are_variables() -> None:
    script: Mapping[str, Any] = {
        "GetVariables": _variables(SampledDataCtrlr__TxUpdatedInterval="60", AlignedDataCtrlr__Interval="60"),
        "SetVariables": lambda payload: {
            "setVariableResult": [
                {
                    "attributeStatus": "Accepted",
                    "component": payload["setVariableData"][0]["component"],
                    "variable": payload["setVariableData"][0]["variable"],
                }
            ]
        },
    }
    async with central() as to, peer(to, "ocpp2.0.1", script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        (told,) = one.told("SetVariables")
        assert told["setVariableData"] == [
            {
                "attributeValue": "10",
                "component": {"name": "SampledDataCtrlr"},
                "variable": {"name": "TxUpdatedInterval"},
            }
        ]


@in_loop
async def test_one_that_comes_back_without_booting_keeps_all_and_is_asked_for_its_state() -> None:
    async with central() as to:
        async with ready_peer(to) as one:
            await one.start(tag="T7")
            arrived = await to.inbox.until(VehicleArrived)
        async with peer(to, script={"TriggerMessage": {"status": "NotImplemented"}}) as one:
            await one.status("Charging")
            await to.inbox.until(Ready, 2)
            assert to.inbox.of(VehicleArrived) == [arrived, arrived]
            assert to.inbox.of(Described)[1].facts == to.inbox.of(Described)[0].facts
            assert one.told("GetConfiguration") == [], "it was asked before"
            assert len(one.told("SetChargingProfile")) == 1, "profiles get lost"
            to.system.send(sent := order())
            assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
            await one.until_told("TriggerMessage", 2)
            assert [told["requestedMessage"] for told in one.told("TriggerMessage")] == [
                "BootNotification",
                "StatusNotification",
            ]


@in_loop
async def test_one_that_says_nothing_at_all_is_greeted_after_a_while() -> None:
    async with central(listening=replace(OPEN, boot_wait_s=0.2)) as to, peer(to):
        await to.inbox.until(Ready)


@in_loop
async def test_a_boot_that_was_asked_for_is_no_boot() -> None:
    async with central() as to, peer(to) as one:
        await one.status("Available")
        await to.inbox.until(Ready)
        await one.until_told("TriggerMessage", 2)
        installed = len(one.told("SetChargingProfile"))
        await one.boot()
        await one.ask("Heartbeat", {})
        assert len(one.told("SetChargingProfile")) == installed


@in_loop
async def test_one_that_boots_on_an_open_connection_is_told_its_fallbacks_again() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.boot(firmwareVersion="2.0")
        await to.inbox.until(Described, 2)
        assert len(to.inbox.of(FallbackAnswered)) == 2
        assert len(to.inbox.of(Ready)) == 1
        assert to.inbox.of(Described)[1].facts.firmware == "2.0"
        assert len(one.told("GetConfiguration")) == 1, "it may have another firmware, which can do other things"


@in_loop
async def test_after_a_restart_of_ours_facts_and_transactions_are_known_from_the_records() -> None:
    records = MemoryRecords()
    table = quirks("  zero: stop\n  shortest_interval_s: 7\n  ramp_s: 44")
    async with central(records=records, table=table) as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.start(name="tx-kept", tag="T9")
        await to.inbox.until(VehicleArrived)
    async with central(records=records, table=table) as to, peer(to, "ocpp2.0.1") as one:
        await one.status("Occupied")
        ready = await to.inbox.until(Ready)
        assert (ready.shortest_interval_s, ready.ramp_s) == (7.0, 44.0), "its quirks, though it did not boot"
        assert to.inbox.of(Described)[0].facts.vendor == "Acme"
        assert [event.id_tag for event in to.inbox.of(VehicleArrived)] == ["T9"]
        to.system.send(sent := order())
        assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        assert one.told("SetChargingProfile")[-1]["chargingProfile"]["transactionId"] == "tx-kept"


@in_loop
async def test_a_fallback_that_changes_in_the_depot_is_told_at_once() -> None:
    async with central() as to, ready_peer(to) as one:
        to.system.serve_depot(depot(ac_point("CP1", connector(fallback=8000))))
        told = await to.inbox.until(FallbackAnswered, 2)
        assert (told.fallback, told.is_accepted) == (8000, True)
        profile = one.told("SetChargingProfile")[0]["csChargingProfiles"]
        assert profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 8.0
        assert profile["chargingProfileId"] == 11
        to.system.serve_depot(depot(ac_point("CP1", connector(fallback=8000))))
        await one.ask("Heartbeat", {})
        assert len(one.told("SetChargingProfile")) == 1, "nothing changed"


@in_loop
async def test_one_that_never_starts_by_itself_is_started_once() -> None:
    async with central(table=quirks("  remote_start: true")) as to, ready_peer(to) as one:
        await one.status("Preparing")
        told = await one.until_told("RemoteStartTransaction")
        assert told == {"connectorId": 1, "idTag": "BUSBAR"}
        await one.status("Preparing")
        await one.ask("Heartbeat", {})
        assert len(one.told("RemoteStartTransaction")) == 1
        await one.status("Available")
        await one.ask("Authorize", {"idTag": "CARD"})
        await one.status("Preparing")
        assert (await one.until_told("RemoteStartTransaction", 2))["idTag"] == "CARD"


@in_loop
async def test_one_that_was_plugged_in_before_it_was_ready_is_started_when_it_is() -> None:
    async with central(table=quirks("  remote_start: true")) as to, peer(to, "ocpp2.0.1") as one:
        await one.boot()
        await one.status("Occupied")
        told = await one.until_told("RequestStartTransaction")
        assert told["evseId"] == 1
        assert told["idToken"] == {"idToken": "BUSBAR", "type": "Central"}


@in_loop
async def test_others_are_never_started() -> None:
    async with central(table=NO_QUIRKS) as to, ready_peer(to) as one:
        await one.status("Preparing")
        await to.inbox.until(StateChanged)
        await one.ask("Heartbeat", {})
        assert one.told("RemoteStartTransaction") == []
        assert to.inbox.of(StateChanged)[0].state is ConnectorState.OCCUPIED


@in_loop
async def test_measurands_and_triggers_keep_to_the_quirk() -> None:
    table = quirks("  measurands: [SoC]\n  sample_interval_s: 45\n  trigger_messages: false")
    script: Mapping[str, Any] = {
        "GetConfiguration": _configuration(MeterValuesSampledData="x", MeterValueSampleInterval="900")
    }
    records = MemoryRecords()
    async with central(table=table, records=records) as to, peer(to, script=script) as one:
        await one.boot()
        await to.inbox.until(Ready)
        assert {told["key"]: told["value"] for told in one.told("ChangeConfiguration")} == {
            "MeterValuesSampledData": "SoC",
            "MeterValueSampleInterval": "45",
        }
    async with central(table=table, records=records) as to, peer(to) as one:
        await one.ask("Heartbeat", {})
        await to.inbox.until(Ready)
        await one.ask("Heartbeat", {})
        assert one.told("TriggerMessage") == []


@in_loop
async def test_one_whose_charging_ended_for_good_is_not_started_again_before_it_was_unplugged() -> None:
    async with central(table=quirks("  remote_start: true")) as to, ready_peer(to) as one:
        reference = await one.start()
        await one.stop(reference)
        await one.status("Preparing")
        await one.ask("Heartbeat", {})
        assert one.told("RemoteStartTransaction") == []
        await one.status("Available")
        await one.status("Preparing")
        await one.until_told("RemoteStartTransaction")


@in_loop
async def test_one_that_lost_its_power_meanwhile_is_started_again() -> None:
    async with central(table=quirks("  remote_start: true")) as to, ready_peer(to) as one:
        ended = {"transactionId": await one.start(), "meterStop": 1, "timestamp": stamped(), "reason": "PowerLoss"}
        await one.ask("StopTransaction", ended)
        await one.status("Preparing")
        await one.until_told("RemoteStartTransaction")


@in_loop
async def test_one_that_takes_no_id_twice_is_cleared_before_its_fallback_too() -> None:
    async with central(table=quirks("  clear_first: true")) as to, peer(to) as one:
        await one.boot()
        await to.inbox.until(Ready)
        actions = [action for action, _ in one.calls]
        assert actions.index("ClearChargingProfile") == actions.index("SetChargingProfile") - 1
        assert one.told("ClearChargingProfile") == [{"id": 11}]


@in_loop
async def test_one_that_does_not_answer_a_trigger_does_not_hold_up_orders() -> None:
    async with central(timing=Timing(answer_s=2.0)) as to:
        async with ready_peer(to) as one:
            await one.start()
        async with peer(to, script={"TriggerMessage": None}) as one:
            await one.status("Charging")
            await one.until_told("TriggerMessage")
            to.system.send(sent := order())
            assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
            assert len(one.told("TriggerMessage")) == 1
