"""Who may ask and write, and what was written (the port `AccessRecords`): memory and databases alike."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from store_examples import EVERYTHING, LATER, NOON, TWO_FEEDERS, breach, cycle, write
from store_places import Place, with_access

from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords, Role, Token
from busbar.engine.ports import OverrideKind, Plan, Store

HOLD = OverrideKind.HOLD
SECOND = timedelta(seconds=1)
AFTER = LATER + timedelta(hours=1)


async def add(access: AccessRecords, name: str = "Ann", secret_hash: str = "", **more: Any) -> Token:
    given: dict[str, Any] = {
        "role": Role.OPERATOR,
        "depot_id": None,
        "nodes": (),
        "at": NOON,
        "expires_at": None,
        **more,
    }
    return await access.add_token(name=name, secret_hash=secret_hash or f"hash of {name}", **given)


# Tokens


def test_a_token_is_found_by_its_hash(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        ann = await add(access)
        assert (ann.name, ann.role, ann.created_at) == ("Ann", Role.OPERATOR, NOON)
        assert (ann.revoked_at, ann.used_at, ann.nodes) == (None, None, ())
        granted: dict[str, Any] = {
            "role": Role.DERMS,
            "depot_id": "elizabeth",
            "nodes": ["GC1", "C2"],
            "expires_at": AFTER,
        }
        grid = await add(access, "grid", **granted)
        assert (grid.role, grid.depot_id, grid.nodes, grid.expires_at) == (
            Role.DERMS,
            "elizabeth",
            ("GC1", "C2"),
            AFTER,
        )
        assert await access.token_with("hash of grid") == grid
        assert await access.token_with("hash of nobody") is None
        assert list(await access.tokens()) == [ann, grid]

    with_access(place, story)


def test_a_name_is_given_again_once_its_token_is_revoked_or_expired(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        first = await add(access, secret_hash="1", expires_at=LATER)
        with pytest.raises(BusbarError, match="named Ann already"):
            await add(access, secret_hash="2", at=LATER - SECOND)
        second = await add(access, secret_hash="2", at=LATER)
        with pytest.raises(BusbarError, match="named Ann already"):
            await add(access, secret_hash="3", at=AFTER)
        await access.revoke_token(second.id, at=AFTER)
        third = await add(access, secret_hash="3", at=AFTER)
        assert [one.id for one in await access.tokens()] == [first.id, second.id, third.id]

    with_access(place, story)


def test_of_tokens_made_at_the_same_moment_one_gets_the_name(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        made = await asyncio.gather(
            *(add(access, secret_hash=f"{number}") for number in range(6)), return_exceptions=True
        )
        assert sum(isinstance(one, Token) for one in made) == 1
        assert len(await access.tokens()) == 1

    with_access(place, story)


def test_a_token_that_makes_no_sense_is_refused(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await add(access, "Ben")
        for name, more, why in (
            (" ", {}, "has a name"),
            ("Ann", {"nodes": ["C1"]}, "C1: nodes are granted of one depot"),
            ("Ann", {"depot_id": "nowhere"}, "no depot nowhere"),
            ("Ann", {"secret_hash": "hash of Ben"}, "that secret already"),
            ("Ann", {"at": NOON.replace(tzinfo=None)}, "no time zone"),
            ("Ann", {"expires_at": NOON.replace(tzinfo=None)}, "no time zone"),
        ):
            with pytest.raises(BusbarError, match=why):
                await add(access, name, **more)
        assert len(await access.tokens()) == 1

    with_access(place, story)


def test_a_token_is_revoked_once_and_still_found(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        ann = await add(access)
        revoked = await access.revoke_token(ann.id, at=LATER)
        assert revoked == replace(ann, revoked_at=LATER)
        assert not revoked.is_good(LATER)
        assert await access.revoke_token(ann.id, at=AFTER) == revoked
        assert await access.token_with("hash of Ann") == revoked
        assert await access.revoke_token(ann.id + 1, at=LATER) is None

    with_access(place, story)


def test_a_use_is_kept_to_the_minute(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        ann = await add(access)

        async def used(seconds: int) -> float:
            await access.note_use(ann.id, at=LATER + seconds * SECOND)
            [kept] = await access.tokens()
            assert kept.used_at is not None
            return (kept.used_at - LATER).total_seconds()

        assert [await used(seconds) for seconds in (0, 1, 59, 60, 119, -1)] == [0, 0, 0, 60, 60, -1]
        await access.note_use(ann.id + 1, at=LATER)

    with_access(place, story)


# What was written


def test_what_was_written_is_kept_with_who_when_before_and_after(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        plan = Plan(key="vehicle:BUS17", by="Ann", at=NOON)
        first = write("plan", plan.key, by="depot app (Ann)", before={"priority": None}, after=None)
        await store.save_plan("elizabeth", plan, write=first)
        second = write("settings", "elizabeth", at=LATER, before={"strategy": "equal_share"})
        await store.change_settings("elizabeth", strategy="first_come", at=LATER, write=second)
        newest, oldest = await access.writes("elizabeth")
        assert [replace(one, id=0) for one in (oldest, newest)] == [first, second]
        assert newest.id > oldest.id > 0

    with_access(place, story)


def test_writes_come_page_by_page_and_depot_by_depot(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        for number in range(5):
            for depot_id in ("elizabeth", "everything"):
                plan = Plan(key="connector:CP1/1", by="Ann", at=NOON)
                await store.save_plan(depot_id, plan, write=write("plan", f"{number}", depot_id=depot_id))
        first = await access.writes("elizabeth", limit=2)
        assert [one.subject for one in first] == ["4", "3"]
        rest = await access.writes("elizabeth", before=first[-1].id)
        assert [one.subject for one in rest] == ["2", "1", "0"]
        assert list(await access.writes("elizabeth", before=rest[-1].id)) == []
        assert list(await access.writes("elizabeth", limit=-1)) == []
        assert {one.depot_id for one in await access.writes("everything")} == {"everything"}
        assert list(await access.writes("nowhere")) == []

    with_access(place, story)


def test_an_order_is_written_where_it_changed_something(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        async def subjects() -> list[str]:
            return [one.subject for one in await access.writes("elizabeth")]

        told: dict[str, Any] = {"kind": HOLD, "subject": "CP1/1", "by": "Ann", "at": NOON}
        assert await store.end_override("elizabeth", **told, write=write(subject="lifted nothing")) is None
        assert await subjects() == []
        put = await store.add_override("elizabeth", **told, reason="", write=write(subject="put"))
        assert await store.add_override("elizabeth", **told, reason="", write=write(subject="put again")) == put
        assert await subjects() == ["put"]
        await store.end_override("elizabeth", **told, write=write(subject="lifted"))
        assert await subjects() == ["lifted", "put"]

    with_access(place, story)


def test_what_is_refused_is_not_written_and_what_cannot_be_written_is_refused(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        plan = Plan(key="connector:CP1/1", by="Ann", at=NOON)
        with pytest.raises(BusbarError, match="named person"):
            await store.save_plan("elizabeth", replace(plan, by=""), write=write())
        for wrong, why in (
            (write(by=" "), "named person"),
            (write(depot_id="everything"), "about depot everything"),
            (write(at=NOON.replace(tzinfo=None)), "no time zone"),
        ):
            with pytest.raises(BusbarError, match=why):
                await store.save_plan("elizabeth", plan, write=wrong)
            with pytest.raises(BusbarError, match=why):
                await store.change_settings("elizabeth", strategy="first_come", at=NOON, write=wrong)
        assert list(await store.plans("elizabeth")) == []
        assert await store.load_depot("elizabeth") == TWO_FEEDERS
        assert list(await access.writes("elizabeth")) == []

    with_access(place, story)


# Whatever is asked


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63, 0])
def test_what_no_row_can_be_numbered_is_not_found(place: Place, number: int) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        await store.record_cycle("elizabeth", cycle(1))
        await store.save_breaches("elizabeth", [breach()])
        await store.save_plan("elizabeth", Plan(key="connector:CP1/1", by="Ann", at=NOON), write=write())
        assert await store.cycle("elizabeth", number) is None
        assert await store.withdraw_envelope("elizabeth", number, by="Ann", at=NOON) is None
        assert await access.revoke_token(number, at=NOON) is None
        assert await access.remove_webhook(number, at=NOON) is None
        await access.note_use(number, at=NOON)
        await access.delivered(number, at=NOON)
        found = 1 if number > 0 else 0
        assert len(await store.cycle_page("elizabeth", before=number)) == found
        assert len(await access.writes("elizabeth", before=number)) == found
        assert len(await store.cycles("elizabeth", after=number)) == 1 - found
        assert len(await store.cycle_page("elizabeth", limit=number)) == found
        assert len(await store.breaches("elizabeth", limit=number)) == found
        assert len(await access.writes("elizabeth", limit=number)) == found

    with_access(place, story)


def test_an_instant_beyond_the_calendar_is_refused(place: Place) -> None:
    async def story(store: Store, _: AccessRecords) -> None:
        before = datetime.min.replace(tzinfo=timezone(timedelta(hours=8)))
        with pytest.raises(BusbarError):
            await store.breaches("elizabeth", before=before)
        with pytest.raises(BusbarError):
            await store.envelopes("elizabeth", now=before)

    with_access(place, story)
