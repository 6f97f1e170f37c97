"""Orders on the wire, and exactly one answer to each."""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from ocpp_peers import (
    Central,
    Peer,
    ac_point,
    central,
    connector,
    dc_point,
    depot,
    in_loop,
    order,
    peer,
    quirks,
    ready_peer,
)

from busbar.engine.events import Answered, VehicleArrived, VehicleLeft
from busbar.engine.orders import Answer, Order, OrderKind
from busbar.engine.timing import Timing

BOTH = pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])


async def _verdict(to: Central, sent: Order) -> tuple[Answer, str]:
    to.system.send(sent)
    answered = await to.inbox.answer_to(sent)
    assert answered.charge_point == "CP1"
    return answered.answer, answered.detail


def _profile(told: Mapping[str, Any]) -> Mapping[str, Any]:
    profile: Mapping[str, Any] = told.get("csChargingProfiles") or told["chargingProfile"]
    return profile


def _periods(told: Mapping[str, Any]) -> list[tuple[int, float]]:
    schedule = _profile(told)["chargingSchedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    return [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]]


@BOTH
def test_a_setpoint_goes_out_as_a_lease_for_the_running_transaction(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            reference = await one.start()
            assert await _verdict(to, order(10_050)) == (Answer.ACCEPTED, "Accepted")
            told = one.told("SetChargingProfile")[0]
            assert _profile(told)["transactionId"] == reference
            assert _profile(told)["chargingProfilePurpose"] == "TxProfile"
            (first, limit), (then, fallback) = _periods(told)
            assert (first, limit, fallback) == (0, 10.0, 6.0)
            assert 175 <= then <= 180

    run()


@in_loop
async def test_the_same_id_is_used_for_every_setpoint_of_a_connector_and_another_for_its_neighbour() -> None:
    async with central(depot(ac_point("CP1", connector("1"), connector("2")))) as to, ready_peer(to) as one:
        await one.start(evse=1)
        await one.start(evse=2)
        for name in ("CP1/1", "CP1/2", "CP1/1"):
            await _verdict(to, order(connector=name))
        ids = [_profile(told)["chargingProfileId"] for told in one.told("SetChargingProfile")]
        assert ids == [12, 22, 12]


@in_loop
async def test_without_a_vehicle_there_is_nothing_to_set_or_stop() -> None:
    async with central() as to, ready_peer(to) as one:
        assert await _verdict(to, order()) == (Answer.REFUSED, "no vehicle")
        assert await _verdict(to, order(kind=OrderKind.STOP)) == (Answer.REFUSED, "no vehicle")
        assert one.calls == []


@in_loop
async def test_a_lease_that_is_over_is_not_sent() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.start()
        assert await _verdict(to, order(lasts_s=-1)) == (Answer.NOT_SENT, "its lease is over")
        assert one.told("SetChargingProfile") == []


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"status": "Accepted"}, (Answer.ACCEPTED, "Accepted")),
        ({"status": "accepted", "vendor": 1}, (Answer.ACCEPTED, "accepted")),
        ({"status": "Rejected"}, (Answer.REFUSED, "Rejected")),
        ({"status": "NotSupported"}, (Answer.REFUSED, "NotSupported")),
        (
            {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}},
            (Answer.REFUSED, "Rejected: TxNotFound"),
        ),
        ({"CALLERROR": "PropertyConstraintViolation"}, (Answer.REFUSED, "PropertyConstraintViolation: because")),
        ({}, (Answer.NO_ANSWER, "an answer without a status")),
        ({"status": "Pending"}, (Answer.NO_ANSWER, "Pending")),
    ],
)
def test_what_a_charge_point_says_becomes_the_answer(said: Mapping[str, Any], verdict: tuple[Answer, str]) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to) as one:
            await one.start()
            one.script["SetChargingProfile"] = said
            assert await _verdict(to, order()) == verdict

    run()


@BOTH
def test_stop_ends_the_transaction(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            reference = await one.start()
            assert await _verdict(to, order(kind=OrderKind.STOP)) == (Answer.ACCEPTED, "Accepted")
            action = "RemoteStopTransaction" if protocol == "ocpp1.6" else "RequestStopTransaction"
            assert one.told(action) == [{"transactionId": reference}]

    run()


@BOTH
def test_clear_and_set_clears_exactly_its_own_profile_and_then_sets(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            await one.start()
            for said in ({"status": "Accepted"}, {"status": "Unknown"}, {"CALLERROR": "NotImplemented"}):
                one.calls.clear()
                one.script["ClearChargingProfile"] = said
                assert (await _verdict(to, order(kind=OrderKind.CLEAR_AND_SET)))[0] is Answer.ACCEPTED
                assert [action for action, _ in one.calls] == ["ClearChargingProfile", "SetChargingProfile"]
                key = "id" if protocol == "ocpp1.6" else "chargingProfileId"
                assert one.calls[0][1] == {key: 12}

    run()


@in_loop
async def test_clearing_that_is_never_answered_may_have_happened() -> None:
    async with central(timing=Timing(answer_s=0.5)) as to, ready_peer(to) as one:
        await one.start()
        one.script["ClearChargingProfile"] = None
        assert await _verdict(to, order(kind=OrderKind.CLEAR_AND_SET)) == (Answer.NO_ANSWER, "no answer")
        assert one.told("SetChargingProfile") == []


@in_loop
async def test_no_answer_in_time_is_no_answer_and_a_late_one_is_counted() -> None:
    async with central(timing=Timing(answer_s=0.5)) as to, ready_peer(to) as one:
        await one.start()
        one.script["SetChargingProfile"] = None
        assert await _verdict(to, order()) == (Answer.NO_ANSWER, "no answer")
        await one.answer_held({"status": "Accepted"})
        await to.until_counted("late answer")
        assert len(to.inbox.of(Answered)) == 1
        one.script["SetChargingProfile"] = {"status": "Accepted"}
        assert (await _verdict(to, order()))[0] is Answer.ACCEPTED


@in_loop
async def test_a_late_answer_is_not_taken_for_the_answer_to_what_was_sent_since() -> None:
    async with central(timing=Timing(answer_s=1.0)) as to, ready_peer(to) as one:
        await one.start()
        one.script["SetChargingProfile"] = None
        assert (await _verdict(to, order(7000)))[0] is Answer.NO_ANSWER
        to.system.send(since := order(6000))
        await one.until_told("SetChargingProfile", 2)
        await one.answer_held({"status": "Accepted"})
        await to.until_counted("late answer")
        await one.answer_held({"status": "Rejected"})
        assert (await to.inbox.answer_to(since)).answer is Answer.REFUSED


@in_loop
async def test_one_call_is_in_flight_and_the_latest_order_of_a_connector_waits() -> None:
    async with central(depot(ac_point("CP1", connector("1"), connector("2")))) as to, ready_peer(to) as one:
        await one.start(evse=1)
        await one.start(evse=2)
        one.script["SetChargingProfile"] = None
        first, replaced, latest, other = order(7000), order(8000), order(9000), order(connector="CP1/2")
        for sent in (first, replaced, other, latest):
            to.system.send(sent)
        assert (await to.inbox.answer_to(replaced)).answer is Answer.NOT_SENT
        await one.until_told("SetChargingProfile")
        await one.ask("Heartbeat", {})
        assert len(one.told("SetChargingProfile")) == 1
        for number in (1, 2, 3):
            await one.until_told("SetChargingProfile", number)
            await one.answer_held({"status": "Accepted"})
        for sent in (first, latest, other):
            assert (await to.inbox.answer_to(sent)).answer is Answer.ACCEPTED
        limits = [(told["connectorId"], _periods(told)[0][1]) for told in one.told("SetChargingProfile")]
        assert limits == [(1, 7.0), (2, 10.0), (1, 9.0)]


@in_loop
async def test_an_order_whose_turn_does_not_come_was_not_sent() -> None:
    two = depot(ac_point("CP1", connector("1"), connector("2")))
    async with central(two, timing=Timing(answer_s=1.0)) as to, ready_peer(to) as one:
        await one.start(evse=1)
        await one.start(evse=2)
        one.script["SetChargingProfile"] = None
        to.system.send(first := order())
        to.system.send(second := order(connector="CP1/2"))
        answered = await to.inbox.answer_to(second)
        assert (answered.answer, answered.detail) == (Answer.NOT_SENT, "its turn did not come in time")
        assert (await to.inbox.answer_to(first)).answer is Answer.NO_ANSWER


@in_loop
async def test_who_is_not_there_is_not_sent_anything() -> None:
    async with central() as to:
        assert await _verdict(to, order()) == (Answer.NOT_SENT, "not connected")
        to.system.send(sent := order(connector="CP9/1"))
        assert (await to.inbox.answer_to(sent)).detail == "no such charge point"
        to.system.send(sent := order(depot_id="nowhere"))
        assert (await to.inbox.answer_to(sent)).answer is Answer.NOT_SENT
        async with ready_peer(to):
            assert await _verdict(to, order(connector="CP1/7")) == (Answer.NOT_SENT, "no such connector")


@in_loop
async def test_a_connection_that_drops_after_sending_leaves_it_open_what_arrived() -> None:
    async with central() as to:
        async with ready_peer(to) as one:
            await one.start()
            one.script["SetChargingProfile"] = None
            to.system.send(flying := order(7000))
            await one.until_told("SetChargingProfile")
            to.system.send(waiting := order(8000))
            one.socket.transport.abort()
            assert (await to.inbox.answer_to(flying)).answer is Answer.NO_ANSWER
            assert (await to.inbox.answer_to(waiting)).answer is Answer.NOT_SENT
        assert to.inbox.kinds()[-1] == "Disconnected"


@pytest.mark.parametrize("seed", range(4))
def test_every_order_is_answered_exactly_once_whatever_drops(seed: int) -> None:
    luck = random.Random(seed)

    async def moody(one: Peer) -> None:
        """Answers, refuses, answers twice, stays mute or hangs up."""
        while not one.is_closed.is_set():
            await asyncio.sleep(0.01)
            while one.held:
                choice = luck.random()
                if choice < 0.5:
                    _, message_id = one.held[0]
                    await one.answer_held({"status": luck.choice(["Accepted", "Rejected"])})
                    if choice < 0.1:
                        await one.say([3, message_id, {"status": "Accepted"}])
                elif choice < 0.9:
                    one.held.pop(0)
                else:
                    one.socket.transport.abort()
                    return

    @in_loop
    async def run() -> None:
        points = depot(ac_point("CP1", connector("1"), connector("2")))
        sent: list[Order] = []
        async with central(points, timing=Timing(answer_s=0.3)) as to:
            for _ in range(4):
                async with ready_peer(to) as one:
                    await one.start(evse=1)
                    await one.start(evse=2)
                    one.script |= dict.fromkeys(("SetChargingProfile", "ClearChargingProfile", "RemoteStopTransaction"))
                    mood = asyncio.create_task(moody(one))
                    for _ in range(40):
                        kind = luck.choice(list(OrderKind))
                        sent.append(order(kind=kind, connector=luck.choice(["CP1/1", "CP1/2"])))
                        to.system.send(sent[-1])
                        await asyncio.sleep(luck.choice([0, 0, 0.01]))
                    await asyncio.sleep(luck.choice([0, 0.4]))
                await mood
            for one_order in sent:
                await to.inbox.answer_to(one_order)
        answered = [event.order_id for event in to.inbox.of(Answered)]
        assert sorted(answered) == sorted(one_order.id for one_order in sent)

    run()


# Quirks


@in_loop
async def test_only_allowed_values_are_sent() -> None:
    async with central(table=quirks("  allowed_a: [6, 10, 16]")) as to, ready_peer(to) as one:
        await one.start()
        await _verdict(to, order(15_900))
        assert [limit for _, limit in _periods(one.told("SetChargingProfile")[0])] == [10.0, 6.0]


@in_loop
async def test_watts_stack_level_kind_and_transaction_follow_the_quirk() -> None:
    words = "  rate_unit: W\n  stack_level: 5\n  profile_kind: Relative\n  transaction_id: absent"
    async with central(table=quirks(words)) as to, ready_peer(to) as one:
        await one.start()
        assert (await _verdict(to, order(16_000)))[0] is Answer.ACCEPTED
        profile = _profile(one.told("SetChargingProfile")[0])
        assert profile["stackLevel"] == 5
        assert profile["chargingProfileKind"] == "Relative"
        assert "transactionId" not in profile
        assert profile["chargingSchedule"]["chargingRateUnit"] == "W"
        assert profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10_530


@in_loop
async def test_one_period_ends_by_itself() -> None:
    async with central(table=quirks("  periods: 1")) as to, ready_peer(to) as one:
        await one.start()
        await _verdict(to, order())
        schedule = _profile(one.told("SetChargingProfile")[0])["chargingSchedule"]
        assert 175 <= schedule["duration"] <= 180
        assert len(schedule["chargingSchedulePeriod"]) == 1


@in_loop
async def test_dc_in_amperes_uses_the_voltage_of_the_quirk() -> None:
    table = quirks("  rate_unit: A\n  dc_voltage_v: 500")
    async with central(depot(dc_point()), table=table) as to, ready_peer(to) as one:
        await one.start()
        await _verdict(to, order(50_000, fallback=0))
        assert _periods(one.told("SetChargingProfile")[0])[0] == (0, 100.0)


@in_loop
async def test_one_that_takes_no_id_twice_is_cleared_first() -> None:
    async with central(table=quirks("  clear_first: true")) as to, ready_peer(to) as one:
        await one.start()
        await _verdict(to, order())
        assert [action for action, _ in one.calls] == ["ClearChargingProfile", "SetChargingProfile"]


@in_loop
async def test_zero_is_a_limit_of_zero_unless_the_quirk_says_otherwise() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.start()
        assert (await _verdict(to, order(0, fallback=0)))[0] is Answer.ACCEPTED
        assert [limit for _, limit in _periods(one.told("SetChargingProfile")[0])] == [0.0, 0.0]


@BOTH
def test_a_unit_that_zero_confuses_is_stopped_and_started_again_with_its_lease(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central(table=quirks("  zero: stop")) as to, ready_peer(to, protocol) as one:
            reference = await one.start(tag="T1")
            assert (await _verdict(to, order(0)))[0] is Answer.ACCEPTED
            assert one.told("SetChargingProfile") == []
            await one.stop(reference)
            assert to.inbox.of(VehicleLeft) == [], "it is parked, not gone"
            assert (await _verdict(to, order(0))) == (Answer.ACCEPTED, "its transaction is ended")

            assert (await _verdict(to, order(9000)))[0] is Answer.ACCEPTED
            action = "RemoteStartTransaction" if protocol == "ocpp1.6" else "RequestStartTransaction"
            told = one.told(action)[0]
            assert _periods({"chargingProfile": told["chargingProfile"]})[0] == (0, 9.0)
            assert "transactionId" not in told["chargingProfile"]
            await one.start(name="tx-2")
            assert len(to.inbox.of(VehicleArrived)) == 1, "it is the same vehicle"
            assert (await _verdict(to, order(8000)))[0] is Answer.ACCEPTED
            assert len(one.told("SetChargingProfile")) == 1
            await one.status("Available")
            await to.inbox.until(VehicleLeft)

    run()


@in_loop
async def test_a_parked_vehicle_that_is_unplugged_or_stopped_has_left() -> None:
    async with central(table=quirks("  zero: stop")) as to, ready_peer(to) as one:
        for leave in ("Available", "STOP"):
            reference = await one.start()
            await _verdict(to, order(0))
            await one.stop(reference)
            before = len(to.inbox.of(VehicleLeft))
            if leave == "Available":
                await one.status(leave)
            else:
                assert (await _verdict(to, order(kind=OrderKind.STOP)))[0] is Answer.ACCEPTED
            assert len(to.inbox.of(VehicleLeft)) == before + 1
            assert await _verdict(to, order()) == (Answer.REFUSED, "no vehicle")


@in_loop
async def test_a_stop_that_is_refused_leaves_the_transaction_as_it_is() -> None:
    script = {"RemoteStopTransaction": {"status": "Rejected"}}
    async with central(table=quirks("  zero: stop")) as to, ready_peer(to, script=script) as one:
        reference = await one.start()
        assert await _verdict(to, order(0)) == (Answer.REFUSED, "Rejected")
        await one.stop(reference)
        await to.inbox.until(VehicleLeft)


@in_loop
async def test_a_thousand_orders_to_one_charge_point_never_pile_up() -> None:
    async with central() as to, peer(to) as one:
        await one.boot()
        while "Ready" not in to.inbox.kinds():
            await asyncio.sleep(0.01)
        await one.start()
        one.script["SetChargingProfile"] = None
        sent = [order() for _ in range(1000)]
        for one_order in sent:
            to.system.send(one_order)
        answered = to.inbox.of(Answered)
        assert len(answered) == 998, "one is in flight, and one waits"
        assert {event.answer for event in answered} == {Answer.NOT_SENT}
        assert datetime.now(UTC) < sent[0].ends_at
