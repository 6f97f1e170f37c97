"""What every keeper of charge point records promises (the port `ChargePointRecords`): memory and databases alike."""

import asyncio
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from store_examples import LATER, NOON
from store_places import Place, with_records

from busbar.core.errors import BusbarError
from busbar.engine.events import ChargePointFacts
from busbar.engine.ports import ChargePointRecords, Credential, OpenTransaction

AFTER = LATER + timedelta(hours=1)


async def begin(records: ChargePointRecords, connector: str = "CP1/1", **more: Any) -> OpenTransaction:
    told: dict[str, Any] = {
        "charge_point": connector.split("/")[0],
        "connector": connector,
        "reference": None,
        "id_tag": "04A2",
        "vehicle": None,
        "started_at": NOON,
        "meter_start_wh": 1_000,
    }
    return await records.begin_transaction("elizabeth", **{**told, **more})


# Credentials


def test_a_credential_is_replaced_by_a_newer_one(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        assert await records.credential("charge_point", "elizabeth", "CP1") is None
        first = Credential(kind="charge_point", depot_id="elizabeth", subject="CP1", secret_hash="scrypt$1")
        meter = replace(first, kind="meter", subject="CP1", secret_hash="scrypt$2")
        for credential in (first, meter):
            await records.save_credential(credential, at=NOON)
        newer = replace(first, secret_hash="scrypt$3")
        await records.save_credential(newer, at=LATER)
        assert await records.credential("charge_point", "elizabeth", "CP1") == newer
        assert await records.credential("meter", "elizabeth", "CP1") == meter
        assert await records.credential("charge_point", "elizabeth", "CP2") is None
        assert await records.credential("charge_point", "other", "CP1") is None

    with_records(place, story)


# Who was turned away


def test_who_was_turned_away_is_counted_with_first_and_last_time(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        await records.note_pending("CP77", address="10.0.0.7", reason="unknown", at=NOON)
        await records.note_pending("cp1", address="10.0.0.8", reason="unknown", at=LATER)
        await records.note_pending("CP77", address="10.0.0.9", reason="wrong password", at=AFTER)
        [latest, other] = await records.pending_identities()
        assert (latest.identity, latest.address, latest.reason) == ("CP77", "10.0.0.9", "wrong password")
        assert (latest.first_at, latest.last_at, latest.attempts) == (NOON, AFTER, 2)
        assert (other.identity, other.attempts) == ("cp1", 1)

    with_records(place, story)


def test_no_more_than_a_thousand_strangers_are_remembered(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        for number in range(1010):
            at = NOON + timedelta(seconds=number)
            await records.note_pending(f"stranger {number}", address="10.0.0.7", reason="unknown", at=at)
        kept = await records.pending_identities()
        assert len(kept) == 1000
        assert (kept[0].identity, kept[-1].identity) == ("stranger 1009", "stranger 10")

    with_records(place, story)


# Facts


def test_facts_are_what_a_charge_point_said_last(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        assert await records.facts("elizabeth") == {}
        bare = ChargePointFacts(protocol="ocpp1.6")
        full = ChargePointFacts(
            protocol="ocpp2.0.1",
            vendor="Möller",
            model="M1",
            firmware="1.0",
            serial="7",
            rate_units=("A", "W"),
            most_stack_level=9,
            most_periods=24,
            most_profiles=1_634_030_126,
            connectors=2,
            quirks="moeller-m1",
        )
        await records.save_facts("elizabeth", "CP1", bare, at=NOON)
        await records.save_facts("elizabeth", "CP2", bare, at=NOON)
        await records.save_facts("elizabeth", "CP1", full, at=LATER)
        await records.save_facts("elizabeth", "CP1", full, at=AFTER)
        assert await records.facts("elizabeth") == {"CP1": full, "CP2": bare}
        assert await records.facts("other") == {}

    with_records(place, story)


# Transactions


def test_a_transaction_is_open_until_it_ends(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        begun = await begin(records, vehicle="BUS17")
        assert begun == OpenTransaction(
            id=begun.id,
            reference=str(begun.id),
            charge_point="CP1",
            connector="CP1/1",
            id_tag="04A2",
            vehicle="BUS17",
            started_at=NOON,
            meter_start_wh=1_000,
        )
        other = await begin(records, "CP2/1", reference="a-long-name-of-its-own")
        assert other.reference == "a-long-name-of-its-own"
        assert list(await records.open_transactions("elizabeth")) == [begun, other]
        assert list(await records.open_transactions("other")) == []
        await records.end_transaction("elizabeth", begun.id, at=LATER, reason="EVDisconnected")
        await records.end_transaction("elizabeth", begun.id, at=AFTER, reason="again")
        assert list(await records.open_transactions("elizabeth")) == [other]

    with_records(place, story)


@pytest.mark.parametrize("unknown", [0, -1, 4711, 2**31, 2**63, 2**80])
def test_ending_what_was_never_begun_is_fine(place: Place, unknown: int) -> None:
    async def story(records: ChargePointRecords) -> None:
        begun = await begin(records)
        await records.end_transaction("elizabeth", unknown, at=LATER, reason="")
        await records.end_transaction("other", begun.id, at=LATER, reason="")
        assert list(await records.open_transactions("elizabeth")) == [begun]

    with_records(place, story)


@pytest.mark.parametrize("reference", [None, "its own name"])
def test_a_charge_point_that_lost_our_answer_is_given_the_same_one(place: Place, reference: str | None) -> None:
    async def story(records: ChargePointRecords) -> None:
        begun = await begin(records, reference=reference)
        again = await begin(records, reference=reference, id_tag="other", vehicle="other")
        assert again == begun
        assert list(await records.open_transactions("elizabeth")) == [begun]

    with_records(place, story)


def test_a_name_counts_more_than_start_and_register(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        begun = await begin(records, reference="T1")
        assert await begin(records, reference="T1", started_at=LATER, meter_start_wh=None) == begun
        other = await begin(records, reference="T2")
        assert other.id != begun.id
        assert list(await records.open_transactions("elizabeth")) == [other]

    with_records(place, story)


@pytest.mark.parametrize("more", [{"started_at": LATER}, {"meter_start_wh": 1_001}, {"meter_start_wh": None}])
def test_another_one_on_the_same_connector_ends_the_one_before(place: Place, more: dict[str, Any]) -> None:
    async def story(records: ChargePointRecords) -> None:
        first = await begin(records)
        elsewhere = await begin(records, "CP1/2")
        second = await begin(records, **more)
        assert second.id != first.id
        assert list(await records.open_transactions("elizabeth")) == [second, elsewhere]

    with_records(place, story)


def test_one_that_was_kept_back_while_offline_does_not_end_a_later_one(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        later = await begin(records, started_at=LATER)
        replayed = await begin(records, started_at=NOON)
        assert replayed.id != later.id
        assert list(await records.open_transactions("elizabeth")) == [later]
        await records.end_transaction("elizabeth", replayed.id, at=NOON + timedelta(minutes=5), reason="Local")
        assert list(await records.open_transactions("elizabeth")) == [later]

    with_records(place, story)


def test_ids_of_transactions_grow(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        ids = [(await begin(records, started_at=NOON + timedelta(minutes=minute))).id for minute in range(5)]
        assert ids == sorted(set(ids))
        assert ids[0] > 0

    with_records(place, story)


def test_reports_at_the_same_moment_begin_one(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        begun = await asyncio.gather(*(begin(records) for _ in range(8)))
        assert len({one.id for one in begun}) == 1

    with_records(place, story)


def test_times_of_records_are_utc_and_have_a_zone(place: Place) -> None:
    async def story(records: ChargePointRecords) -> None:
        in_perth = NOON.astimezone(timezone(timedelta(hours=8)))
        begun = await begin(records, started_at=in_perth)
        assert (begun.started_at, begun.started_at.tzinfo) == (NOON, UTC)
        assert await begin(records) == begun
        naive = NOON.replace(tzinfo=None)
        facts = ChargePointFacts(protocol="ocpp1.6")
        credential = Credential(kind="meter", depot_id="elizabeth", subject="C1", secret_hash="x")
        for attempt in (
            begin(records, started_at=naive),
            records.end_transaction("elizabeth", begun.id, at=naive, reason=""),
            records.note_pending("CP77", address="", reason="", at=naive),
            records.save_facts("elizabeth", "CP1", facts, at=naive),
            records.save_credential(credential, at=naive),
        ):
            with pytest.raises(BusbarError, match="no time zone"):
                await attempt
        assert list(await records.open_transactions("elizabeth")) == [begun]

    with_records(place, story)
