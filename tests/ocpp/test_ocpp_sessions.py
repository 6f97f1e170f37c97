"""Transactions as vehicles that arrive and leave, across lost messages and restarts of either side."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp_peers import Central, ac_point, central, connector, depot, in_loop, peer, ready_peer

from busbar.adapters.memory_records import MemoryRecords
from busbar.core.errors import BusbarError
from busbar.engine.events import ConnectorState, StateChanged, VehicleArrived, VehicleLeft
from busbar.engine.ports import OpenTransaction

BOTH = pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _states(to: Central) -> list[ConnectorState]:
    return [event.state for event in to.inbox.of(StateChanged)]


@BOTH
def test_a_vehicle_arrives_and_leaves(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            began, ended = _ago(20), _ago(10)
            reference = await one.start(tag="T1", at=began)
            arrived = to.inbox.of(VehicleArrived)[0]
            assert (arrived.connector, arrived.id_tag) == ("CP1/1", "T1")
            assert arrived.at == datetime.fromisoformat(began)
            (kept,) = await to.records.open_transactions("north")
            assert kept.reference == str(reference)
            await one.stop(reference, at=ended)
            left = to.inbox.of(VehicleLeft)[0]
            assert (left.connector, left.at) == ("CP1/1", datetime.fromisoformat(ended))
            assert await to.records.open_transactions("north") == ()
            assert to.records.kept_transactions()[0].ended_at == left.at

    run()


@in_loop
async def test_states_of_1_6() -> None:
    async with central() as to, ready_peer(to) as one:
        said = [
            ("Available", ConnectorState.FREE),
            ("Preparing", ConnectorState.OCCUPIED),
            ("Charging", ConnectorState.CHARGING),
            ("SuspendedEV", ConnectorState.PAUSED_BY_VEHICLE),
            ("SuspendedEVSE", ConnectorState.PAUSED_BY_CHARGE_POINT),
            ("Finishing", ConnectorState.FINISHING),
            ("Reserved", ConnectorState.OCCUPIED),
            ("Unavailable", ConnectorState.UNAVAILABLE),
        ]
        for word, _ in said:
            await one.status(word)
        assert _states(to) == [state for _, state in said]
        fault = {
            "connectorId": 1,
            "errorCode": "GroundFailure",
            "status": "Faulted",
            "info": "L2",
            "vendorErrorCode": "E7",
        }
        await one.ask("StatusNotification", fault)
        assert to.inbox.of(StateChanged)[-1].state is ConnectorState.FAULTED
        assert to.inbox.of(StateChanged)[-1].detail == "GroundFailure, L2, E7"
        await one.status("Available", evse=0)
        await one.status("Available", evse=9)
        assert len(_states(to)) == 9


@in_loop
async def test_states_of_2_0_1_come_from_the_transaction_while_there_is_one() -> None:
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.status("Available")
        await one.status("Occupied")
        await one.event("Started", tag="T", state="EVConnected")
        await one.event("Updated", state="Charging")
        await one.status("Occupied")
        await one.event("Updated", state="SuspendedEV")
        await one.event("Updated", state="SuspendedEVSE")
        assert _states(to) == [
            ConnectorState.FREE,
            ConnectorState.OCCUPIED,
            ConnectorState.CHARGING,
            ConnectorState.PAUSED_BY_VEHICLE,
            ConnectorState.PAUSED_BY_CHARGE_POINT,
        ]


@in_loop
async def test_a_contract_names_the_vehicle_and_a_card_does_not() -> None:
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.event("Started", idToken={"idToken": "DE8AA1A2B3C4D5", "type": "eMAID"})
        await one.event("Ended")
        await one.event("Started", name="tx-2", idToken={"idToken": "04A2", "type": "ISO14443"})
        assert [(one.id_tag, one.vehicle) for one in to.inbox.of(VehicleArrived)] == [
            ("DE8AA1A2B3C4D5", "DE8AA1A2B3C4D5"),
            ("04A2", None),
        ]


@BOTH
def test_a_beginning_that_is_said_again_is_the_same_transaction(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            began = _ago(5)
            assert await one.start(at=began) == await one.start(at=began)
            assert len(to.inbox.of(VehicleArrived)) == 1
            assert len(to.records.kept_transactions()) == 1

    run()


@BOTH
def test_any_tag_is_let_charge(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            if protocol == "ocpp1.6":
                answer = await one.ask("Authorize", {"idTag": "X"})
                assert answer["idTagInfo"]["status"] == "Accepted"
            else:
                answer = await one.ask("Authorize", {"idToken": {"idToken": "X", "type": "ISO14443"}})
                assert answer["idTokenInfo"]["status"] == "Accepted"
                answer = await one.event("Started", tag="X")
                assert answer["idTokenInfo"]["status"] == "Accepted"

    run()


@BOTH
def test_a_transaction_whose_end_was_lost_ends_when_the_connector_is_free(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to:
            async with ready_peer(to, protocol) as one:
                await one.start()
            async with peer(to, protocol) as one:
                freed = _ago(0)
                await one.status("Available", at=freed)
                left = await to.inbox.until(VehicleLeft)
                assert left.at == datetime.fromisoformat(freed)
                await one.ask("Heartbeat", {})
            assert await to.records.open_transactions("north") == ()
            assert to.oddities()["transaction whose end was lost"] == 1
            assert to.inbox.of(StateChanged)[-1].state is ConnectorState.FREE

    run()


@in_loop
async def test_a_free_connector_from_before_the_transaction_ends_nothing() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.start()
        await one.status("Available", at=_ago(30))
        assert to.inbox.of(VehicleLeft) == []
        assert to.oddities()["status from before the transaction"] == 1


@BOTH
def test_another_beginning_ends_the_one_before(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            await one.start(at=_ago(60), name="tx-1", tag="A")
            await one.start(at=_ago(5), name="tx-2", tag="B")
            kinds = [kind for kind in to.inbox.kinds() if kind.startswith("Vehicle")]
            assert kinds == ["VehicleArrived", "VehicleLeft", "VehicleArrived"]
            (kept,) = await to.records.open_transactions("north")
            assert kept.id_tag == "B"

    run()


@BOTH
def test_what_was_kept_back_while_offline_does_not_disturb_what_runs(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            running = await one.start(at=_ago(10), name="tx-now", tag="NOW")
            began, ended = _ago(600), _ago(300)
            old = await one.start(at=began, name="tx-old", tag="OLD")
            assert old != running
            await one.stop(old, at=ended)
            assert [event.id_tag for event in to.inbox.of(VehicleArrived)] == ["NOW"]
            assert to.inbox.of(VehicleLeft) == []
            (kept,) = await to.records.open_transactions("north")
            assert kept.id_tag == "NOW"
            late = to.records.kept_transactions()[1]
            assert late.transaction.started_at == datetime.fromisoformat(began)
            assert late.ended_at == datetime.fromisoformat(ended)
            await one.stop(running)
            assert len(to.inbox.of(VehicleLeft)) == 1

    run()


@BOTH
def test_what_happened_offline_is_told_in_order(protocol: str) -> None:
    @in_loop
    async def run() -> None:
        async with central() as to, ready_peer(to, protocol) as one:
            first = await one.start(at=_ago(900), name="tx-1", tag="A")
            await one.stop(first, at=_ago(600))
            await one.start(at=_ago(300), name="tx-2", tag="B")
            kinds = [kind for kind in to.inbox.kinds() if kind.startswith("Vehicle")]
            assert kinds == ["VehicleArrived", "VehicleLeft", "VehicleArrived"]
            times = [one.ended_at for one in to.records.kept_transactions()]
            assert times[0] is not None
            assert times[1] is None

    run()


@in_loop
async def test_an_end_after_a_restart_of_ours_finds_its_transaction() -> None:
    records = MemoryRecords()
    async with central(records=records) as to, ready_peer(to) as one:
        reference = await one.start()
    async with central(records=records) as to, ready_peer(to) as one:
        await one.stop(reference)
        assert len(to.inbox.of(VehicleLeft)) == 1
        assert await records.open_transactions("north") == ()


@in_loop
async def test_an_end_of_nothing_is_answered() -> None:
    async with central() as to, ready_peer(to) as one:
        for reference in (0, -1, 4711):
            answer = await one.stop(reference)
            assert answer["idTagInfo"]["status"] == "Accepted"
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.event("Ended", name="unheard-of")
        assert to.inbox.of(VehicleLeft) == []
        assert to.oddities()["end of an unknown transaction"] == 1


@in_loop
async def test_a_transaction_that_was_never_told_is_found_when_it_goes_on() -> None:
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.event("Updated", name="tx-7", state="Charging")
        assert [event.connector for event in to.inbox.of(VehicleArrived)] == ["CP1/1"]
        assert to.inbox.of(StateChanged)[-1].state is ConnectorState.CHARGING
        await one.event("Updated", name="tx-8", evse=None, state="Charging")
        assert len(to.inbox.of(VehicleArrived)) == 1, "it does not say where"


@in_loop
async def test_meter_values_of_a_transaction_that_is_not_known_find_it_in_1_6() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.meter(7000, transactionId=815, at=_ago(300))
        await one.ask("Heartbeat", {})
        assert to.inbox.of(VehicleArrived) == [], "an old value says nothing about now"
        await one.meter(7000, transactionId=816)
        await to.inbox.until(VehicleArrived)
        (kept,) = await to.records.open_transactions("north")
        assert kept.reference == "816"
        await one.stop(816)
        assert len(to.inbox.of(VehicleLeft)) == 1
        await one.meter(0, transactionId=816)
        await one.ask("Heartbeat", {})
        await asyncio.sleep(0.05)
        assert len(to.inbox.of(VehicleArrived)) == 1, "it ended"


@in_loop
async def test_an_old_update_of_an_ended_transaction_does_not_bring_it_back() -> None:
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.start(name="tx-1")
        await one.stop("tx-1")
        await one.event("Updated", name="tx-1", state="Charging")
        await one.event("Updated", name="tx-0", state="Charging", at=_ago(500), offline=True)
        assert len(to.inbox.of(VehicleArrived)) == 1
        assert to.oddities()["replayed transaction"] == 2


@in_loop
async def test_a_connector_that_is_not_in_the_depot_is_no_vehicle() -> None:
    async with central() as to, ready_peer(to) as one:
        answer = await one.ask(
            "StartTransaction", {"connectorId": 5, "idTag": "T", "meterStart": 0, "timestamp": _ago(0)}
        )
        assert answer == {"transactionId": 0, "idTagInfo": {"status": "Invalid"}}
        assert to.inbox.of(VehicleArrived) == []
    async with central() as to, ready_peer(to, "ocpp2.0.1") as one:
        await one.event("Started", evse=5)
        assert to.inbox.of(VehicleArrived) == []


@in_loop
async def test_connectors_have_vehicles_of_their_own() -> None:
    async with central(depot(ac_point("CP1", connector("1"), connector("2")))) as to, ready_peer(to) as one:
        first = await one.start(evse=1, tag="A")
        await one.start(evse=2, tag="B")
        await one.stop(first)
        assert [event.connector for event in to.inbox.of(VehicleLeft)] == ["CP1/1"]
        (kept,) = await to.records.open_transactions("north")
        assert kept.connector == "CP1/2"


class _Failing(MemoryRecords):
    """Records whose disk is full for a while."""

    is_full = False

    async def begin_transaction(self, *args: Any, **more: Any) -> OpenTransaction:
        if self.is_full:
            raise BusbarError("The disk is full.")
        return await super().begin_transaction(*args, **more)

    async def end_transaction(self, *args: Any, **more: Any) -> None:
        if self.is_full:
            raise BusbarError("The disk is full.")
        await super().end_transaction(*args, **more)


@in_loop
async def test_what_could_not_be_kept_is_asked_for_again() -> None:
    records = _Failing()
    async with central(records=records) as to, ready_peer(to) as one:
        told = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": _ago(0)}
        records.is_full = True
        refused = await one.ask("StartTransaction", told)
        assert refused[2] == "InternalError"
        assert to.inbox.of(VehicleArrived) == []
        records.is_full = False
        reference = (await one.ask("StartTransaction", told))["transactionId"]
        records.is_full = True
        refused = await one.stop(reference)
        assert refused[2] == "InternalError"
        assert len(to.inbox.of(VehicleLeft)) == 1, "it left, whether that is kept or not"
        records.is_full = False
        await one.stop(reference)
        assert await records.open_transactions("north") == ()
        assert len(to.inbox.of(VehicleLeft)) == 1


class _Slow(MemoryRecords):
    """Records that take a while."""

    async def begin_transaction(self, *args: Any, **more: Any) -> OpenTransaction:
        await asyncio.sleep(0.02)
        return await super().begin_transaction(*args, **more)


@in_loop
async def test_what_is_said_while_a_beginning_is_kept_comes_after_it() -> None:
    async with central(records=_Slow()) as to, ready_peer(to) as one:
        await asyncio.gather(one.start(), one.status("Charging"))
        kinds = to.inbox.kinds()
        assert kinds.index("VehicleArrived") < kinds.index("StateChanged")


@in_loop
async def test_too_much_at_once_is_refused_and_nothing_piles_up() -> None:
    async with central(records=_Slow()) as to, ready_peer(to) as one:
        answers = await asyncio.gather(*(one.start(at=_ago(200 - n)) for n in range(5)))
        assert len(set(answers)) == 5
        told = {"connectorId": 1, "idTag": "T", "meterStart": 0}
        asked = [one.ask("StartTransaction", {**told, "timestamp": _ago(100 - n)}) for n in range(80)]
        found = await asyncio.gather(*asked)
        refused = [answer for answer in found if isinstance(answer, list)]
        assert refused
        assert {answer[2] for answer in refused} == {"GenericError"}
        assert len(found) - len(refused) >= 60
