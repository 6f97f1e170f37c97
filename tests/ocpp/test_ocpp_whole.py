"""One limit for all connectors of a charge point: the profile, its lease, its fallback, and the way there and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ocpp_peers import Central, Peer, Script, ac_point, central, connector, depot, in_loop, order, peer, quirks

from busbar.adapters.ocpp.quirks import NO_QUIRK, load_quirks
from busbar.core.depot import ChargePoint, Depot, Leaves, Sharing
from busbar.engine.events import FallbackAnswered, Ready
from busbar.engine.orders import Answer, OrderKind

BOTH = pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
OFTEN = quirks("  station_limit_often: true")
ACCEPTED = {"status": "Accepted"}
LEVELS: dict[str, Mapping[str, Any] | Script | None] = {
    "GetConfiguration": {
        "configurationKey": [{"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "5"}],
    },
    "GetVariables": {
        "getVariableResult": [
            {
                "attributeStatus": "Accepted",
                "attributeValue": "5",
                "component": {"name": "SmartChargingCtrlr"},
                "variable": {"name": "ProfileStackLevel"},
            }
        ]
    },
}


def pair(sharing: Sharing | None = Sharing.PARALLEL, *, second: int = 10_000, **more: Any) -> ChargePoint:
    unit = ac_point("CP1", connector("1", fallback=6000), connector("2", fallback=second, **more))
    return replace(unit, sharing=sharing, max_rating=63_000)


def sharing(*units: ChargePoint, leaves: Leaves = Leaves.CHARGE_POINT) -> Depot:
    return depot(*(units or (pair(),)), leaves=leaves)


def profile(told: Mapping[str, Any]) -> dict[str, Any]:
    """Where it is for, and what it says, whatever the version."""
    given = told.get("csChargingProfiles") or told["chargingProfile"]
    schedule = given["chargingSchedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    return {
        "place": told.get("connectorId", told.get("evseId")),
        "id": given.get("chargingProfileId", given.get("id")),
        "purpose": given["chargingProfilePurpose"],
        "kind": given["chargingProfileKind"],
        "level": given["stackLevel"],
        "limits": [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]],
        "duration": schedule.get("duration"),
        "starts": schedule.get("startSchedule"),
        "transaction": given.get("transactionId"),
    }


def profiles(one: Peer) -> list[dict[str, Any]]:
    return [profile(told) for told in one.told("SetChargingProfile")]


def cleared(one: Peer) -> list[int]:
    return [told.get("id", told.get("chargingProfileId")) for told in one.told("ClearChargingProfile")]


async def answer(to: Central, whole: int | None, **more: Any) -> tuple[Answer, str]:
    sent = replace(order(16_000, **more), whole=whole)
    to.system.send(sent)
    answered = await to.inbox.answer_to(sent)
    return answered.answer, answered.detail


def refuse_the_whole(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"status": "Rejected"} if profile(told)["place"] == 0 else ACCEPTED


@BOTH
def test_it_is_greeted_with_a_fallback_for_all_and_what_its_connectors_held_is_cleared_after_that(
    protocol: str,
) -> None:
    @in_loop
    async def run() -> None:
        async with central(sharing(), table=OFTEN) as to, peer(to, protocol, script=LEVELS) as one:
            await one.boot()
            ready = await to.inbox.until(Ready)
            assert ready.is_whole
            (fallback,) = profiles(one)
            purpose = "ChargePointMaxProfile" if protocol == "ocpp1.6" else "ChargingStationMaxProfile"
            assert (fallback["place"], fallback["purpose"], fallback["level"]) == (0, purpose, 0)
            assert (fallback["limits"], fallback["duration"], fallback["kind"]) == ([(0, 16.0)], None, "Absolute")
            assert cleared(one) == [11, 12, 21, 22]
            actions = [action for action, _ in one.calls]
            assert actions.index("SetChargingProfile") < actions.index("ClearChargingProfile")
            told = to.inbox.of(FallbackAnswered)
            assert [(each.connector, each.fallback, each.is_accepted) for each in told] == [
                ("CP1/1", 6000, True),
                ("CP1/2", 10_000, True),
            ]

    run()


@BOTH
def test_a_setpoint_is_a_limit_for_all_above_the_fallback_that_ends_with_its_lease(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central(sharing(), table=OFTEN) as to, peer(to, protocol, script=LEVELS) as one:
            await one.boot()
            await to.inbox.until(Ready)
            one.calls.clear()
            # Whoever is there: a vehicle that comes finds the limit in force.
            assert await answer(to, 40_050) == (Answer.ACCEPTED, "Accepted")
            (lease,) = profiles(one)
            assert (lease["place"], lease["level"], lease["limits"]) == (0, 5, [(0, 40.0)])
            assert lease["kind"] == "Absolute"
            assert lease["transaction"] is None
            assert lease["starts"] is not None
            assert 60 + 115 <= lease["duration"] <= 60 + 120
            assert await answer(to, 20_000, kind=OrderKind.CLEAR_AND_SET) == (Answer.ACCEPTED, "Accepted")
            assert cleared(one) == [lease["id"]]
            assert await answer(to, 20_000, lasts_s=-1) == (Answer.NOT_SENT, "its lease is over")

    run()


@BOTH
def test_one_that_refuses_is_told_connector_by_connector(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        script = {**LEVELS, "SetChargingProfile": refuse_the_whole}
        async with central(sharing(), table=OFTEN) as to, peer(to, protocol, script=script) as one:
            await one.boot()
            assert not (await to.inbox.until(Ready)).is_whole
            assert [(each["place"], each["purpose"]) for each in profiles(one)[1:]] == [
                (1, "TxDefaultProfile"),
                (2, "TxDefaultProfile"),
            ]
            assert [each.is_accepted for each in to.inbox.of(FallbackAnswered)] == [True, True]
            one.calls.clear()
            await one.start()
            assert await answer(to, 16_000) == (Answer.NOT_SENT, "it is told in another way by now")
            assert await answer(to, None) == (Answer.ACCEPTED, "Accepted")
            assert [each["purpose"] for each in profiles(one)] == ["TxProfile"]

    run()


@pytest.mark.parametrize(
    ("at", "table", "script"),
    [
        (sharing(leaves=Leaves.CONNECTOR), OFTEN, LEVELS),
        (sharing(), quirks("  note: Nothing known."), LEVELS),
        (sharing(pair(phases=("L1",))), OFTEN, LEVELS),
        (sharing(), quirks("  station_limit_often: true\n  zero: stop"), LEVELS),
        (sharing(), quirks("  station_limit_often: true\n  allowed_a: [6, 16]"), LEVELS),
        (sharing(), OFTEN, {}),
    ],
    ids=["connectors share", "not said", "other wires", "no zero", "listed currents", "one stack level"],
)
def test_whoever_cannot_or_need_not_be_told_so_is_not(at: Depot, table: Any, script: Any) -> None:
    @in_loop
    async def run() -> None:
        async with central(at, table=table) as to, peer(to, script=script) as one:
            await one.boot()
            assert not (await to.inbox.until(Ready)).is_whole
            assert {each["purpose"] for each in profiles(one)} == {"TxDefaultProfile"}

    run()


@in_loop
async def test_what_each_may_take_whole_is_the_part_that_fits_as_often() -> None:
    async with central(sharing(pair(None)), table=OFTEN) as to, peer(to, script=LEVELS) as one:
        await one.boot()
        assert (await to.inbox.until(Ready)).is_whole
        assert profiles(one)[0]["limits"] == [(0, 8.0)]


@in_loop
async def test_another_fallback_is_told_for_all_and_another_way_on_another_connection() -> None:
    async with central(sharing(), table=OFTEN) as to:
        async with peer(to, script=LEVELS) as one:
            await one.boot()
            await to.inbox.until(Ready)
            await one.start()
            one.calls.clear()
            to.system.serve_depot(sharing(pair(second=6000)))
            await one.until_told("SetChargingProfile")
            assert profiles(one)[0]["limits"] == [(0, 12.0)]
            await to.inbox.until(FallbackAnswered, 4)
            to.system.serve_depot(sharing(leaves=Leaves.CONNECTOR))
            await one.is_closed.wait()
        async with peer(to, script=LEVELS) as again:
            await again.boot()
            assert not (await to.inbox.until(Ready, 2)).is_whole
            first, second, running = profiles(again)
            assert [each["purpose"] for each in (first, second, running)] == [
                "TxDefaultProfile",
                "TxDefaultProfile",
                "TxProfile",
            ]
            # A session that runs may not go by a new TxDefaultProfile: it has one of its own before the limit goes.
            assert (running["place"], running["limits"]) == (1, [(0, 6.0)])
            assert cleared(again) == [2, 1]
            last_set = max(place for place, (action, _) in enumerate(again.calls) if action == "SetChargingProfile")
            first_cleared = [action for action, _ in again.calls].index("ClearChargingProfile")
            assert last_set < first_cleared


@in_loop
async def test_the_limit_for_all_stays_where_a_connector_takes_none_of_its_own() -> None:
    async with central(sharing(), table=OFTEN) as to:
        async with peer(to, script=LEVELS) as one:
            await one.boot()
            await to.inbox.until(Ready)
            await one.start()
            to.system.serve_depot(sharing(leaves=Leaves.CONNECTOR))
            await one.is_closed.wait()

        def refuse_setpoints(told: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"status": "Rejected"} if profile(told)["purpose"] == "TxProfile" else ACCEPTED

        async with peer(to, script={**LEVELS, "SetChargingProfile": refuse_setpoints}) as again:
            await again.boot()
            await to.inbox.until(Ready, 2)
            assert cleared(again) == []


def test_nobody_is_told_so_without_an_entry_that_says_so() -> None:
    assert not NO_QUIRK.station_limit_often
    assert not any(entry.station_limit_often for entry in load_quirks().entries)
