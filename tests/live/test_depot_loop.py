"""The loop of one depot, against charge points made for it: real time, short leases, no sockets."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from made_charge_points import QUICK, SystemClock, depot
from made_site import PATIENCE_S, site, tell

from busbar.adapters.memory import MemoryStore
from busbar.core.depot import Depot, Leaves
from busbar.core.errors import BusbarError
from busbar.engine.events import NodeMeasured
from busbar.engine.orders import Answer, OrderKind
from busbar.engine.ports import CycleOutcome, CycleRecord, Evidence, OverrideKind, StoredSetpoint, TrustLevel


@pytest.mark.parametrize("leaves", Leaves)
def test_vehicles_share_what_fits_and_never_more(leaves: Leaves) -> None:
    async def story() -> None:
        async with site(depot(3, limit_w=200_000, leaves=leaves)) as here:
            for unit in ("CP1", "CP2", "CP3"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 195_000, "the room is used")
            draws = sorted(unit.draw_w() for unit in here.points.units.values())
            assert draws[0] >= 60_000
            assert here.most_w <= 200_000
            evidence = await here.store.evidence("yard")
            assert [each.trust for each in evidence] == [TrustLevel.ACCEPTED] * 3

    tell(story)


@pytest.mark.parametrize("leaves", Leaves)
def test_one_more_vehicle_is_given_what_others_have_given_back(leaves: Leaves) -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=150_000, leaves=leaves)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 150_000, "one takes all")
            here.points.arrive("CP2")
            await here.until(lambda: here.points.units["CP2"].draw_w() >= 70_000, "two share")
            assert here.most_w <= 150_000

    tell(story)


def test_leases_are_renewed_for_as_long_as_it_runs() -> None:
    async def story() -> None:
        async with site(depot(1)) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            unit = here.points.units["CP1"]
            await here.until(lambda: unit.draw_w() == 150_000, "it charges")
            first = unit.ends_at
            await asyncio.sleep(QUICK.lease_s + 1)
            assert unit.draw_w() == 150_000
            assert unit.ends_at is not None
            assert first is not None
            assert unit.ends_at > first

    tell(story)


@pytest.mark.parametrize("leaves", Leaves)
def test_when_the_process_ends_everything_falls_back_and_charging_resumes_when_it_is_back(leaves: Leaves) -> None:
    async def story() -> None:
        store = MemoryStore()
        async with site(depot(2, limit_w=200_000, fallback_w=10_000, leaves=leaves), store=store) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 198_000, "both charge")
        points = here.points
        number = await store.last_cycle_number("yard")
        await asyncio.sleep(QUICK.lease_s + 0.5)
        assert points.total_w() == 20_000
        async with site(
            depot(2, limit_w=200_000, fallback_w=10_000, leaves=leaves), store=store, points=points
        ) as again:
            for unit in ("CP1", "CP2"):
                points.connect(unit)
            await again.until(lambda: points.total_w() >= 198_000, "both charge again")
            assert again.most_w <= 200_000
            assert await store.last_cycle_number("yard") > number

    tell(story)


class FullStore(MemoryStore):
    """A store whose disk is full from some moment on."""

    is_full = False

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        if self.is_full:
            raise BusbarError("the disk is full")
        await super().save_setpoints(depot_id, setpoints)


def test_what_cannot_be_stored_is_not_sent() -> None:
    async def story() -> None:
        store = FullStore()
        async with site(depot(1), store=store) as here:
            store.is_full = True
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.loop.counts.unsaved > 0, "it tried")
            assert here.points.units["CP1"].orders == []
            store.is_full = False
            await here.until(lambda: here.points.total_w() == 150_000, "it goes on when there is room again")

    tell(story)


class SpeechlessStore(FullStore):
    """Writes, and does not say so, from some moment on; later its disk is full as well."""

    is_speechless = False
    written = 0
    """The largest value of the last write."""

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        await super().save_setpoints(depot_id, setpoints)
        self.written = max(each.value for each in setpoints)
        if self.is_speechless:
            raise BusbarError("the connection was lost")


def test_what_may_have_been_stored_lower_after_all_covers_no_more_than_that() -> None:
    async def story() -> None:
        store = SpeechlessStore()
        async with site(depot(1), store=store) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            unit = here.points.units["CP1"]
            await here.until(lambda: unit.draw_w() == 150_000, "it charges")
            store.is_speechless = True
            order = {"by": "Ann", "at": datetime.now(UTC)}
            held = {"kind": OverrideKind.HOLD, "subject": "CP1/1"}
            await store.add_override("yard", **held, **order, reason="a test")  # type: ignore[arg-type]
            await here.until(lambda: store.written == 0, "it came down, and that is written")
            store.is_full = True
            await store.end_override("yard", **held, **order)  # type: ignore[arg-type]
            unsaved = here.loop.counts.unsaved
            await here.until(lambda: here.loop.counts.unsaved > unsaved, "it tried to raise")
            assert unit.draw_w() == 0

    tell(story)


def test_a_silent_charge_point_counts_until_its_lease_is_over() -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=150_000)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 150_000, "one takes all")
            here.points.disconnect("yard", "CP1")
            here.points.arrive("CP2")
            await asyncio.sleep(1.0)
            assert here.points.units["CP2"].draw_w() == 0
            await here.until(lambda: here.points.units["CP2"].draw_w() == 150_000, "the lease is over")
            assert here.most_w <= 150_000

    tell(story)


def test_people_hold_stop_and_isolate() -> None:
    async def story() -> None:
        async with site(depot(3, limit_w=400_000)) as here:
            for unit in ("CP1", "CP2", "CP3"):
                here.points.connect(unit)
                here.points.arrive(unit)
            units = here.points.units
            await here.until(lambda: here.points.total_w() >= 390_000, "all charge")
            now = datetime.now(UTC)
            order = {"by": "Ann", "reason": "a test", "at": now}
            await here.store.add_override("yard", kind=OverrideKind.HOLD, subject="CP1/1", **order)  # type: ignore[arg-type]
            await here.store.add_override("yard", kind=OverrideKind.STOP, subject="CP2/1", **order)  # type: ignore[arg-type]
            await here.until(lambda: units["CP1"].draw_w() == 0 and not units["CP2"].has_vehicle, "held and stopped")
            assert any(sent.kind is OrderKind.STOP for sent in units["CP2"].orders)
            await here.until(lambda: units["CP3"].draw_w() == 150_000, "the third takes what it can")
            async with asyncio.timeout(PATIENCE_S):
                while [each.kind for each in await here.store.overrides("yard")] != [OverrideKind.HOLD]:
                    await asyncio.sleep(0.05)
            await here.store.end_override("yard", kind=OverrideKind.HOLD, subject="CP1/1", by="Ann", at=now)
            await here.until(lambda: units["CP1"].draw_w() == 150_000, "it goes on")
            await here.store.add_override("yard", kind=OverrideKind.OUT_OF_SERVICE, subject="CP3", **order)  # type: ignore[arg-type]
            before = len(units["CP3"].orders)
            await asyncio.sleep(1.0)
            assert len(units["CP3"].orders) <= before + 1

    tell(story)


@pytest.mark.parametrize("leaves", Leaves)
def test_safe_by_order_lowers_and_lifting_it_raises(leaves: Leaves) -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=200_000, leaves=leaves)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 198_000, "both charge")
            order = {"by": "Ann", "reason": "work on the meter", "at": datetime.now(UTC)}
            await here.store.add_override("yard", kind=OverrideKind.SAFE, subject="GC1", **order)  # type: ignore[arg-type]
            await here.until(lambda: here.points.total_w() <= 100_000, "the safe capacity holds")
            await here.store.end_override("yard", kind=OverrideKind.SAFE, subject="GC1", by="Ann", at=datetime.now(UTC))
            await here.until(lambda: here.points.total_w() >= 198_000, "and is lifted")

    tell(story)


def test_an_edited_depot_is_used_from_the_next_cycle_on() -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=200_000)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 198_000, "both charge")
            await here.store.import_depot(depot(3, limit_w=100_000), at=datetime.now(UTC))
            await here.until(lambda: here.points.total_w() <= 100_000, "the new limit holds")
            assert [unit.id for unit in here.points.served[-1].charge_points] == ["CP1", "CP2", "CP3"]
            here.points.connect("CP3")
            here.points.arrive("CP3")
            await here.until(lambda: here.points.units["CP3"].draw_w() >= 30_000, "the new one charges")

    tell(story)


def test_a_refused_fallback_counts_at_the_rating() -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=150_000)) as here:
            here.points.connect("CP1", accepts_fallback=False)
            here.points.connect("CP2")
            here.points.arrive("CP2")
            await asyncio.sleep(1.5)
            assert here.points.units["CP2"].draw_w() == 0

    tell(story)


def test_a_refusal_makes_the_cycle_partial_and_is_on_record() -> None:
    async def story() -> None:
        async with site(depot(1)) as here:
            here.points.connect("CP1")
            here.points.units["CP1"].answer = Answer.REFUSED
            here.points.arrive("CP1")
            await here.until(
                lambda: (
                    here.loop.last_cycle is not None and here.loop.last_cycle.record.outcome is CycleOutcome.PARTIAL
                ),
                "it is partial",
            )
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    cycles = await here.store.cycles("yard")
                    news: list[dict[str, Any]] = [row for cycle in cycles for row in cycle.setpoints]
                    if any(row["state"] == "refused" for row in news):
                        break
                    await asyncio.sleep(0.05)

    tell(story)


def test_a_deaf_unit_is_paid_for_by_the_others() -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=150_000)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 148_000, "both charge")
            here.points.units["CP1"].is_deaf = True
            await here.until(lambda: here.points.units["CP2"].draw_w() == 0, "the other makes room")
            await here.until(lambda: not here.points.units["CP1"].has_vehicle, "it is stopped in the end")
            kinds = [sent.kind for sent in here.points.units["CP1"].orders]
            assert OrderKind.CLEAR_AND_SET in kinds
            await here.until(lambda: here.points.units["CP2"].draw_w() == 150_000, "and the room is used again")

    tell(story)


def test_a_node_whose_meter_has_not_spoken_is_safe_and_one_above_its_limit_wakes_the_loop() -> None:
    async def story() -> None:
        async with site(depot(1, limit_w=200_000, meter=True)) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 100_000, "the safe capacity is used")
            here.loop.put(NodeMeasured(node="GC1", received_s=SystemClock().now_s(), power_w=260_000))
            triggers = set()

            def seen() -> bool:
                last = here.loop.last_cycle
                triggers.add("" if last is None else last.record.trigger)
                return "meter" in triggers

            await here.until(seen, "an early cycle")
            assert here.most_w <= 100_000

    tell(story)


def test_the_proof_of_a_fallback_raises_its_trust() -> None:
    async def story() -> None:
        at = replace(depot(1, fallback_w=10_000), id="yard")
        async with site(at) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 150_000, "it charges")
            await here.store.ask_commissioning("yard", charge_point="CP1", by="Ann", at=datetime.now(UTC))
            await here.until(lambda: not here.points.units["CP1"].is_connected, "the connection is cut")
            async with asyncio.timeout(60):
                while True:
                    if not here.points.units["CP1"].is_connected:
                        here.points.connect("CP1")
                    found = await here.store.commissioning_requests("yard", is_open=False)
                    if found and found[0].state in ("passed", "failed"):
                        break
                    await asyncio.sleep(0.1)
            assert found[0].state == "passed", found[0].result
            (evidence,) = await here.store.evidence("yard")
            assert evidence.trust is TrustLevel.VERIFIED

    tell(story)


class HangingStore(MemoryStore):
    """A store that does not answer from some moment on."""

    hangs = False

    async def _hang(self) -> None:
        while self.hangs:
            await asyncio.sleep(0.05)

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        await self._hang()
        await super().save_setpoints(depot_id, setpoints)

    async def depot_revision(self, depot_id: str) -> int:
        await self._hang()
        return await super().depot_revision(depot_id)

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        await self._hang()
        await super().record_cycle(depot_id, cycle)


def test_a_store_that_hangs_lets_no_lease_run_out() -> None:
    async def story() -> None:
        store = HangingStore()
        async with site(depot(1), store=store, timing=replace(QUICK, lease_s=20, renew_s=3.0)) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            unit = here.points.units["CP1"]
            await here.until(lambda: unit.draw_w() == 150_000, "it charges")
            first = unit.ends_at
            store.hangs = True
            await here.until(lambda: unit.ends_at != first, "its lease is renewed all the same")
            assert unit.draw_w() == 150_000
            store.hangs = False

    tell(story)


class ForgetfulStore(MemoryStore):
    """A store that cannot keep evidence for a while."""

    refuses = True

    async def save_evidence(self, depot_id: str, evidence: Sequence[Evidence]) -> None:
        if self.refuses:
            raise BusbarError("the disk is full")
        await super().save_evidence(depot_id, evidence)


def test_a_fallback_is_believed_when_it_could_be_stored_and_no_sooner() -> None:
    async def story() -> None:
        store = ForgetfulStore()
        async with site(depot(2, limit_w=150_000), store=store) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
            here.points.arrive("CP2")
            await asyncio.sleep(1.0)
            assert here.loop.control.dispatch.commitments().tolist() == [150_000, 150_000]
            store.refuses = False
            await here.until(lambda: here.points.units["CP2"].draw_w() == 150_000, "it is believed, and charges")

    tell(story)


def test_an_order_and_an_edit_do_not_wait_for_the_next_cycles_turn() -> None:
    async def story() -> None:
        async with site(depot(1), timing=replace(QUICK, cycle_s=60.0, lease_s=300, renew_s=100.0)) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 150_000, "it charges")
            order = {"by": "Ann", "reason": "a test", "at": datetime.now(UTC)}
            await here.store.add_override("yard", kind=OverrideKind.HOLD, subject="CP1/1", **order)  # type: ignore[arg-type]
            await here.until(lambda: here.points.total_w() == 0, "it is held long before a minute is over")
            await here.store.end_override(
                "yard", kind=OverrideKind.HOLD, subject="CP1/1", by="Ann", at=datetime.now(UTC)
            )
            await here.until(lambda: here.points.total_w() == 150_000, "and goes on")
            await here.store.import_depot(depot(1, limit_w=100_000), at=datetime.now(UTC))
            await here.until(lambda: here.points.total_w() == 100_000, "the new limit holds")

    tell(story)


def test_an_edit_that_was_made_while_it_began_is_followed() -> None:
    async def story() -> None:
        store = MemoryStore()
        await store.import_depot(depot(1, limit_w=50_000), at=datetime.now(UTC))
        async with site(depot(1, limit_w=100_000), store=store) as here:
            assert here.points.served[-1] == depot(1, limit_w=50_000)
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 50_000, "it charges")
            assert here.most_w <= 50_000

    tell(story)


class ForgettingStore(MemoryStore):
    """A store that cannot say what the depot is for a while."""

    refuses = False

    async def load_depot(self, depot_id: str) -> Depot | None:
        if self.refuses:
            raise BusbarError("the database went away")
        return await super().load_depot(depot_id)


def test_an_edit_that_could_not_be_read_is_read_again_and_orders_are_followed_meanwhile() -> None:
    async def story() -> None:
        store = ForgettingStore()
        async with site(depot(2, limit_w=100_000), store=store) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() == 100_000, "they charge")
            store.refuses = True
            at = datetime.now(UTC)
            await store.import_depot(depot(2, limit_w=60_000), at=at)
            await store.add_override("yard", kind=OverrideKind.HOLD, subject="CP1/1", by="Ann", reason="", at=at)
            await here.until(lambda: here.points.units["CP2"].draw_w() == 100_000, "one is held, the other has all")
            store.refuses = False
            await here.until(lambda: here.points.total_w() == 60_000, "the new limit holds")

    tell(story)


def test_an_edit_that_cannot_be_used_changes_nothing() -> None:
    class Losing(MemoryStore):
        """Says that the depot was edited, and has it no more."""

        async def load_depot(self, depot_id: str) -> Depot | None:
            return None

    async def story() -> None:
        store = Losing()
        async with site(depot(1, limit_w=100_000), store=store) as here:
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 100_000, "it charges")
            await here.store.import_depot(depot(1, limit_w=50_000), at=datetime.now(UTC))
            before = here.loop.counts.cycles
            await here.until(lambda: here.loop.counts.cycles > before + 5, "it goes on")
            assert here.loop.control.stored_depot == depot(1, limit_w=100_000)
            assert here.points.total_w() == 100_000

    tell(story)


def test_a_running_depot_goes_over_to_charge_points_that_share() -> None:
    async def story() -> None:
        async with site(depot(2, limit_w=100_000)) as here:
            for unit in ("CP1", "CP2"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() == 100_000, "they charge")
            charger_based = replace(depot(2, limit_w=80_000), leaves=Leaves.CHARGE_POINT)
            await here.store.import_depot(charger_based, at=datetime.now(UTC))
            await here.until(lambda: here.points.total_w() == 80_000, "the edited depot is in use")
            await here.until(lambda: here.loop.moment is not None and here.loop.moment.shared is not None, "they share")
            assert sorted(unit.draw_w() for unit in here.points.units.values()) == [40_000, 40_000]

    tell(story)
