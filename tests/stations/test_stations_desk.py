"""Charge points without a network: what they draw, take, refuse and say, in made-up time."""

from dataclasses import replace

import pytest
from desk import BUS, Desk

from busbar.simulator.scenario import Spread, VehicleType
from busbar.simulator.stations.behaviours import BEHAVIOURS, together
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.traffic import NOBODY, Traffic

VERSIONS = ("1.6", "2.0.1")
QUIET = Conditions(traffic=NOBODY)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# What is drawn


def test_a_vehicle_draws_what_it_takes_up_to_the_rating(version: str) -> None:
    desk = Desk(version=version).charging()
    # 22 kW on three wires of 230.94 V, 92 % of it into the battery: more than 32 A.
    assert desk.draw == 32_000
    small = Desk(version=version).charging(VehicleType(id="car", battery_wh=60_000, max_power_w=11_000))
    assert small.draw == int(11_000 / (3 * 0.4 / 3**0.5 * 0.92))


def test_a_lease_is_obeyed_and_falls_to_its_second_period_by_itself(version: str) -> None:
    desk = Desk(version=version).charging()
    assert desk.set((0, 16), (30, 6)) == "Accepted"
    desk.wait(29)
    assert desk.draw == 16_000
    desk.wait(3.5)
    assert desk.draw == 6_000


def test_a_lease_with_a_duration_falls_to_the_default_even_when_nobody_is_there(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    assert desk.set((0, 7), purpose="TxDefaultProfile", id=9, level=0) == "Accepted"
    desk.plug_in()
    desk.wait(5)
    assert desk.draw == 7_000
    assert desk.set((0, 20), duration_s=30) == "Accepted"
    desk.wait(10)
    assert desk.draw == 20_000
    desk.lose()
    desk.wait(25)
    assert desk.draw == 7_000


def test_a_limit_is_followed_in_a_straight_line_that_takes_the_ramp_time() -> None:
    desk = Desk(conditions=replace(QUIET, ramp_s=4.0)).charging()
    desk.set((0, 16))
    desk.wait(1)
    assert desk.draw == 24_000
    desk.wait(1)
    assert desk.draw == 16_000


@pytest.mark.parametrize(("limit", "drawn"), [(0, 0), (5.9, 0), (6, 6_000), (13.1, 13_100)])
def test_below_the_minimum_nothing_is_drawn(version: str, limit: float, drawn: int) -> None:
    desk = Desk(version=version).charging()
    assert desk.set((0, limit)) == "Accepted"
    desk.wait(5)
    assert desk.draw == drawn


def test_a_power_unit_shares_its_rating_among_its_outlets() -> None:
    desk = Desk(charge_point="DC1")
    desk.open()
    desk.plug_in(BUS, place=0)
    desk.plug_in(BUS, place=1)
    desk.wait(5)
    assert desk.draws == [75_000, 75_000]
    assert desk.set((0, 30_000), unit="W", connector=2) == "Accepted"
    desk.wait(5)
    assert desk.draws[1] == 30_000
    assert desk.draws[0] == 100_000


def test_the_station_maximum_holds_for_all_outlets_together(version: str) -> None:
    purpose = "ChargePointMaxProfile" if version == "1.6" else "ChargingStationMaxProfile"
    desk = Desk(charge_point="DC1", version=version)
    desk.open()
    desk.plug_in(BUS, place=0)
    desk.plug_in(BUS, place=1)
    assert desk.set((0, 50_000), unit="W", connector=0, purpose=purpose) == "Accepted"
    desk.wait(5)
    assert desk.draws == [25_000, 25_000]
    assert desk.set((0, 50_000), unit="W", connector=1, purpose=purpose, id=2) == "Rejected"


def test_a_battery_tapers_and_ends_full_whatever_the_speed() -> None:
    desk = Desk(conditions=replace(QUIET, speed=60.0))
    desk.open()
    desk.plug_in(soc=0.79)
    desk.wait(20)
    # Twenty minutes of battery time later.
    first = desk.draw
    desk.wait(20)
    assert 0 < desk.draw < first
    desk.wait(200)
    assert desk.draw == 0
    vehicle = desk.station.outlets[0].vehicle
    assert vehicle is not None
    assert vehicle.soc == pytest.approx(1.0)
    assert desk.statuses()[-1] == "SuspendedEV"


def test_energy_is_the_integral_of_what_is_drawn() -> None:
    often, seldom = Desk().charging(), Desk().charging()
    for desk, step_s in ((often, 0.5), (seldom, 60.0)):
        desk.set((0, 10))
        for _ in range(int(120 / step_s)):
            desk.wait(step_s)
    assert often.station.outlets[0].energy_wh == pytest.approx(seldom.station.outlets[0].energy_wh, rel=1e-6)
    # 3 x 230.94 V x 10 A for two minutes, and the ramps.
    assert often.station.outlets[0].energy_wh == pytest.approx(6928 * 120 / 3600 + 40, abs=25)


# What is taken


def test_a_setpoint_needs_the_running_transaction(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    refused = "7" if version == "1.6" else "another"
    assert desk.set((0, 10), transaction=refused) == "Rejected"
    desk.plug_in()
    desk.wait(1)
    assert desk.set((0, 10), transaction=refused) == "Rejected"
    assert desk.set((0, 10)) == "Accepted"
    # OCPP 1.6 may leave the transaction out, 2.0.1 may not.
    assert desk.set((0, 11), transaction=None) == ("Accepted" if version == "1.6" else "Rejected")


def test_the_end_of_a_transaction_drops_its_setpoint_and_keeps_the_default(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    desk.set((0, 8), purpose="TxDefaultProfile", id=9, level=0)
    desk.plug_in()
    desk.wait(1)
    desk.set((0, 20))
    desk.wait(5)
    assert desk.draw == 20_000
    desk.unplug()
    assert desk.draw == 0
    desk.plug_in()
    desk.wait(5)
    assert desk.draw == 8_000


def test_what_breaks_a_rule_is_refused(version: str) -> None:
    desk = Desk(version=version).charging()
    assert desk.set((5, 10)) == "Rejected"
    assert desk.set((0, 10), (30, 9), (20, 8)) == "Rejected"
    assert desk.set((0, 10), level=11) == "Rejected"
    assert desk.set(*((second, 10) for second in range(25))) == "Rejected"
    assert desk.set((0, 10), connector=1, purpose="TxDefaultProfile", id=4) == "Accepted"
    dc = Desk(charge_point="DC1", version=version).charging(BUS)
    assert dc.set((0, 100)) == "Rejected"
    assert dc.set((0, 50_000), unit="W") == "Accepted"


def test_a_newer_charge_point_wants_one_id_for_one_place() -> None:
    desk = Desk(version="2.0.1").charging()
    assert desk.set((0, 10), id=1) == "Accepted"
    assert desk.set((0, 12), id=2) == "Rejected"
    assert desk.set((0, 12), id=1) == "Accepted"


def test_what_is_no_message_of_ocpp_is_answered_with_an_error(version: str) -> None:
    desk = Desk(version=version).charging()
    unknown = "FormationViolation" if version == "1.6" else "FormatViolation"
    assert desk.ask("SetChargingProfile", {"connectorId": "one"}) == {"error": unknown}
    assert desk.ask("MakeCoffee") == {"error": "NotImplemented"}
    unlock = {"connectorId": 1} if version == "1.6" else {"evseId": 1, "connectorId": 1}
    assert desk.ask("UnlockConnector", unlock) == {"error": "NotImplemented"}
    # A limit with two decimals is none in OCPP 1.6.
    assert desk.set((0, 8.15)) == ("FormationViolation" if version == "1.6" else "Accepted")
    assert desk.draw > 0


def test_clearing_falls_to_what_is_below(version: str) -> None:
    desk = Desk(version=version).charging()
    desk.set((0, 8), purpose="TxDefaultProfile", id=9, level=0)
    desk.set((0, 20), id=1)
    by_id = {"id": 1} if version == "1.6" else {"chargingProfileId": 1}
    assert desk.ask("ClearChargingProfile", by_id) == {"status": "Accepted"}
    assert desk.ask("ClearChargingProfile", by_id) == {"status": "Unknown"}
    desk.wait(5)
    assert desk.draw == 8_000


def test_the_composite_schedule_is_what_will_be_allowed(version: str) -> None:
    desk = Desk(version=version).charging()
    desk.set((0, 16), (30, 6))
    number = "connectorId" if version == "1.6" else "evseId"
    answer = desk.ask("GetCompositeSchedule", {number: 1, "duration": 60, "chargingRateUnit": "A"})
    schedule = answer["chargingSchedule"] if version == "1.6" else answer["schedule"]
    assert schedule["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 16.0},
        {"startPeriod": 30, "limit": 6.0},
    ]
    assert desk.ask("GetCompositeSchedule", {number: 7, "duration": 60})["status"] == "Rejected"


# What is said


def test_a_visit_is_told_in_order_in_the_older_protocol() -> None:
    desk = Desk()
    desk.open()
    desk.plug_in()
    desk.wait(25)
    desk.set((0, 0))
    desk.wait(1)
    desk.unplug()
    actions = [action for action, _ in desk.said]
    assert actions[:6] == ["BootNotification", *["StatusNotification"] * 3, "Authorize", "StartTransaction"]
    assert desk.statuses() == ["Available", "Available", "Preparing", "Charging", "SuspendedEVSE", "Available"]
    assert [each["reason"] for each in desk.of("StopTransaction")] == ["EVDisconnected"]
    assert desk.of("StopTransaction")[0]["transactionId"] == 101
    assert len(desk.of("MeterValues")) in (2, 3)


def test_a_visit_is_told_in_order_in_the_newer_protocol() -> None:
    desk = Desk(version="2.0.1")
    desk.open()
    desk.plug_in()
    desk.wait(25)
    desk.set((0, 0))
    desk.wait(1)
    desk.unplug()
    events = desk.of("TransactionEvent")
    assert [each["seqNo"] for each in events] == list(range(len(events)))
    assert (events[0]["eventType"], events[-1]["eventType"]) == ("Started", "Ended")
    assert [each["triggerReason"] for each in events if each["triggerReason"] != "MeterValuePeriodic"] == [
        "Authorized",
        "ChargingStateChanged",
        "EVCommunicationLost",
    ]
    assert desk.statuses() == ["Available", "Occupied", "Available"]


def test_intervals_are_the_central_systems_to_choose(version: str) -> None:
    desk = Desk(version=version).charging()
    if version == "1.6":
        answer = desk.ask("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "3"})
        assert answer == {"status": "Accepted"}
        assert desk.ask("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "3"}) == {"status": "Rejected"}
        assert desk.ask("ChangeConfiguration", {"key": "Sugar", "value": "3"}) == {"status": "NotSupported"}
        keys = desk.ask("GetConfiguration", {"key": ["MeterValueSampleInterval", "Sugar"]})
        assert keys == {
            "configurationKey": [{"key": "MeterValueSampleInterval", "readonly": False, "value": "3"}],
            "unknownKey": ["Sugar"],
        }
    else:
        component, variable = {"name": "SampledDataCtrlr"}, {"name": "TxUpdatedInterval"}
        named = {"component": component, "variable": variable}
        answer = desk.ask("SetVariables", {"setVariableData": [{**named, "attributeValue": "3"}]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
        unknown = {"component": component, "variable": {"name": "Sugar"}}
        answer = desk.ask("GetVariables", {"getVariableData": [named, unknown]})
        results = answer["getVariableResult"]
        assert [each["attributeStatus"] for each in results] == ["Accepted", "UnknownVariable"]
        assert results[0]["attributeValue"] == "3"
    before = len(desk.said)
    desk.wait(30)
    assert 9 <= len(desk.said) - before <= 11


def test_what_is_measured_is_what_is_drawn(version: str) -> None:
    desk = Desk(version=version).charging(VehicleType(id="s", battery_wh=40_000, max_power_w=7_400, phases=1))
    desk.set((0, 10))
    desk.wait(5)
    place = {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1}}
    assert desk.ask("TriggerMessage", {"requestedMessage": "MeterValues", **place}) == {"status": "Accepted"}
    samples = desk.of("MeterValues")[-1]["meterValue"][0]["sampledValue"]
    shown = {(each["measurand"], each.get("phase")): float(each["value"]) for each in samples}
    assert shown["Current.Import", "L1"] == 10.0
    assert ("Current.Import", "L2") not in shown
    # On one wire, at the power factor of the depot file: 1.
    assert shown["Power.Active.Import", None] == pytest.approx(2309.4, abs=0.1)


def test_a_remote_start_and_stop_are_done(version: str) -> None:
    desk = Desk(behaviour=BEHAVIOURS["waits_for_start"], version=version)
    desk.open()
    desk.plug_in()
    desk.wait(120)
    assert desk.draw == 0
    if version == "1.6":
        answer = desk.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": "DEPOT"})
    else:
        token = {"idToken": "DEPOT", "type": "Central"}
        answer = desk.ask("RequestStartTransaction", {"evseId": 1, "idToken": token, "remoteStartId": 4})
    assert answer["status"] == "Accepted"
    desk.wait(5)
    assert desk.draw == 32_000
    transaction = desk.transaction()
    if version == "1.6":
        answer = desk.ask("RemoteStopTransaction", {"transactionId": int(transaction or 0)})
    else:
        answer = desk.ask("RequestStopTransaction", {"transactionId": transaction})
    assert answer["status"] == "Accepted"
    desk.wait(60)
    assert desk.draw == 0


def test_a_vehicle_that_is_not_accepted_does_not_charge() -> None:
    desk = Desk(answers={"Authorize": {"idTagInfo": {"status": "Blocked"}}}).charging()
    desk.wait(60)
    assert (desk.draw, desk.of("StartTransaction")) == (0, [])
    later = Desk(answers={"StartTransaction": {"transactionId": 5, "idTagInfo": {"status": "Invalid"}}}).charging()
    assert later.draw == 0
    assert [each["reason"] for each in later.of("StopTransaction")] == ["DeAuthorized"]


def test_a_charge_point_that_is_not_accepted_says_nothing_but_boot() -> None:
    desk = Desk(
        answers={"BootNotification": {"status": "Pending", "currentTime": "2027-01-01T00:00:00Z", "interval": 5}}
    )
    desk.open()
    desk.plug_in()
    desk.wait(14)
    assert {action for action, _ in desk.said} == {"BootNotification"}
    assert len(desk.said) == 3
    del desk.answers["BootNotification"]
    desk.wait(10)
    assert desk.of("StartTransaction")
    # Accepted in the end, it tells everything once.
    assert desk.statuses() == ["Available", "Charging"]


def test_a_charge_without_anybody_there_is_told_afterwards(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    desk.lose()
    desk.plug_in()
    desk.wait(60)
    assert desk.draw == 32_000
    assert [action for action, _ in desk.said].count("StatusNotification") <= 2
    desk.open()
    starts = desk.of("StartTransaction") or [e for e in desk.of("TransactionEvent") if e["eventType"] == "Started"]
    assert len(starts) == 1
    # It waited ten seconds for an answer.
    assert starts[0]["timestamp"].endswith("10.000Z")
    samples = desk.of("MeterValues") or [e for e in desk.of("TransactionEvent") if "meterValue" in e]
    assert len(samples) >= 4
    if version == "2.0.1":
        assert starts[0]["offline"]
    # Nobody booted.
    assert len(desk.of("BootNotification")) == 1


def test_a_call_that_is_not_answered_ends_the_connection_and_is_sent_again() -> None:
    desk = Desk().charging()
    desk.is_mute = True
    before = len(desk.of("MeterValues"))
    desk.wait(60)
    assert not desk.station.is_open
    sent = desk.of("MeterValues")[before:]
    assert len(sent) == 1
    desk.is_mute = False
    desk.open()
    assert desk.of("MeterValues")[before + 1] == sent[0]


def test_what_waits_for_a_connection_is_bounded() -> None:
    desk = Desk(conditions=Conditions(traffic=NOBODY, sample_s=1)).charging()
    desk.lose()
    desk.wait(3600)
    before = len(desk.said)
    desk.open()
    assert len(desk.said) - before <= 25
    assert desk.station.dialogue.dropped > 3000


def test_vehicles_come_and_go_as_the_seed_says() -> None:
    hour = Spread(mean=3600, spread=600, lowest=1800, highest=7200)
    traffic = Traffic(stays_s=hour, gap_s=Spread(mean=600, lowest=600, highest=600))
    visits = []
    for _ in range(2):
        desk = Desk(conditions=Conditions(traffic=traffic, sample_s=600, speed=60.0))
        desk.open()
        desk.wait(600)
        visits.append([each["timestamp"] for each in desk.of("StartTransaction")])
        assert len(desk.of("StopTransaction")) in (len(visits[-1]), len(visits[-1]) - 1)
    assert visits[0] == visits[1]
    # Ten hours: stays of an hour, gaps of ten minutes.
    assert 6 <= len(visits[0]) <= 12


# How they misbehave


def test_a_deaf_one_acknowledges_and_draws_on(version: str) -> None:
    desk = Desk(behaviour=BEHAVIOURS["deaf"], version=version).charging()
    assert desk.set((0, 6)) == "Accepted"
    desk.wait(30)
    assert desk.draw == 32_000
    assert [(each.action, each.status) for each in desk.station.orders] == [("SetChargingProfile", "Accepted")]


def test_a_slow_one_answers_late_and_follows_slowly() -> None:
    desk = Desk(behaviour=BEHAVIOURS["slow"])
    desk.open()
    desk.wait(30)
    desk.plug_in()
    desk.wait(60)
    assert desk.draw == 32_000
    assert desk.set((0, 16)) == ""
    desk.wait(3.9)
    assert desk.late_answer() == {}
    desk.wait(0.2)
    assert desk.late_answer() == {"status": "Accepted"}
    desk.wait(2.5)
    assert 16_000 < desk.draw < 32_000
    desk.wait(5)
    assert desk.draw == 16_000


def test_a_refusing_one_takes_no_setpoint_but_a_default(version: str) -> None:
    desk = Desk(behaviour=BEHAVIOURS["refusing"], version=version).charging()
    assert desk.set((0, 16)) == "Rejected"
    assert desk.set((0, 7), purpose="TxDefaultProfile", id=9) == "Accepted"
    desk.wait(5)
    assert desk.draw == 7_000


def test_one_that_knows_no_zero_refuses_it(version: str) -> None:
    desk = Desk(behaviour=BEHAVIOURS["no_zero"], version=version).charging()
    assert desk.set((0, 0)) == "Rejected"
    assert desk.set((0, 10), (60, 0)) == "Rejected"
    assert desk.set((0, 10), (60, 6)) == "Accepted"


def test_one_for_whole_amperes_rounds_down() -> None:
    desk = Desk(behaviour=BEHAVIOURS["whole_amperes"]).charging()
    desk.set((0, 13.9))
    desk.wait(5)
    assert desk.draw == 13_000
    desk.set((0, 6.9), purpose="TxDefaultProfile", id=9)
    assert desk.draw == 13_000


def test_one_that_reboots_forgets_its_profiles_and_draws_everything(version: str) -> None:
    quick = replace(BEHAVIOURS["reboot_to_full"], reboots_every_s=40.0)
    desk = Desk(version=version).charging()
    desk.set((0, 7), purpose="TxDefaultProfile", id=9)
    desk.set((0, 16))
    desk.wait(5)
    desk.station.behave(quick, desk.now_s)
    desk.wait(61)
    desk.station.behave(replace(quick, reboots_every_s=None), desk.now_s)
    desk.wait(30)
    # Alone, and at its rating: not even the default is left.
    assert not desk.station.is_open
    assert desk.draw == 32_000
    assert desk.station.charger.profiles == ()
    desk.open()
    assert len(desk.of("BootNotification")) == 2


def test_an_honest_one_keeps_its_default_when_it_reboots(version: str) -> None:
    desk = Desk(version=version).charging()
    desk.set((0, 7), purpose="TxDefaultProfile", id=9)
    desk.set((0, 16))
    reset = {"type": "Soft"} if version == "1.6" else {"type": "Immediate"}
    assert desk.ask("Reset", reset) == {"status": "Accepted"}
    desk.wait(1)
    assert desk.draw == 0
    desk.wait(3)
    desk.open()
    desk.wait(5)
    assert desk.draw == 7_000
    boots = desk.of("BootNotification")
    assert len(boots) == 2
    if version == "2.0.1":
        assert boots[1]["reason"] == "RemoteReset"


def test_a_replaying_one_sends_old_samples_after_newer_ones() -> None:
    calm = replace(BEHAVIOURS["replaying"], drops_every_s=None)
    times = {}
    for name, behaviour in (("replaying", calm), ("honest", BEHAVIOURS["honest"])):
        desk = Desk(behaviour=behaviour).charging()
        desk.wait(20)
        desk.lose()
        desk.wait(50)
        desk.open()
        desk.wait(60)
        times[name] = [each["meterValue"][0]["timestamp"] for each in desk.of("MeterValues")]
    assert times["honest"] == sorted(times["honest"])
    assert times["replaying"] != sorted(times["replaying"])
    assert len(set(times["replaying"])) == len(times["replaying"]) >= 11


def test_behaviours_can_be_put_together() -> None:
    both = together([BEHAVIOURS["whole_amperes"], BEHAVIOURS["no_zero"], BEHAVIOURS["slow"]])
    assert (both.name, both.answers_after_s) == ("whole_amperes+no_zero+slow", 4.0)
    assert both.heeds(13_900, True) == 13_000
    desk = Desk(behaviour=replace(both, answers_after_s=0.0)).charging()
    assert desk.set((0, 0)) == "Rejected"
    assert together([]).name == "honest"


def test_a_killed_one_draws_nothing_until_its_power_is_back() -> None:
    desk = Desk().charging()
    desk.depot.kill("AC1")
    assert desk.draw == 0
    desk.lose()
    desk.wait(300)
    assert desk.draw == 0
    desk.station.restore_power(desk.now_s)
    desk.wait(30)
    assert desk.draw == 32_000
