"""Webhooks, and notices on their way to them: memory, SQLite and PostgreSQL alike."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from store_examples import EVERYTHING, LATER, NOON, breach, notice
from store_places import Place, with_access

from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords, Delivery, NoticeKind, Webhook
from busbar.engine.ports import Store

OPENED, CLOSED, MODE = NoticeKind.BREACH_OPENED, NoticeKind.BREACH_CLOSED, NoticeKind.MODE_CHANGED
SECOND = timedelta(seconds=1)


async def hook(access: AccessRecords, **more: Any) -> Webhook:
    given: dict[str, Any] = {"url": "https://x.example/in", "secret": "s", "depot_id": None, "kinds": (), "at": NOON}
    return await access.add_webhook(**{**given, **more})


async def due(access: AccessRecords, now: datetime = LATER, **more: Any) -> list[tuple[str, str]]:
    found = await access.due_deliveries(now=now, **more)
    return [(one.notice.node, one.notice.kind.value) for one in found]


async def first_due(access: AccessRecords, now: datetime = LATER) -> Delivery:
    found = await access.due_deliveries(now=now)
    return found[0]


def test_a_webhook_is_in_use_until_it_is_removed(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        one = await hook(access)
        two = await hook(access, depot_id="elizabeth", kinds=[CLOSED, MODE], at=LATER)
        assert (two.url, two.secret, two.depot_id, two.kinds) == (
            "https://x.example/in",
            "s",
            "elizabeth",
            (CLOSED, MODE),
        )
        assert list(await access.webhooks()) == [one, two]
        assert await access.remove_webhook(one.id, at=LATER) == replace(one, removed_at=LATER)
        assert await access.remove_webhook(one.id, at=LATER) is None
        assert list(await access.webhooks()) == [two]
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await hook(access, depot_id="nowhere")

    with_access(place, story)


def test_notices_go_to_every_webhook_that_wants_them(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        everything = await hook(access)
        here = await hook(access, depot_id="elizabeth")
        elsewhere = await hook(access, depot_id="everything")
        closed = await hook(access, kinds=[CLOSED])
        gone = await hook(access)
        await access.remove_webhook(gone.id, at=NOON)
        assert await access.enqueue("elizabeth", [notice(kind=OPENED), notice(kind=CLOSED)]) == 5
        assert await access.deliveries_waiting() == {everything.id: 2, here.id: 2, closed.id: 1}
        await store.save_breaches("everything", [breach()], notices=[notice(kind=OPENED)])
        assert await access.deliveries_waiting() == {everything.id: 3, here.id: 2, elsewhere.id: 1, closed.id: 1}
        assert await access.enqueue("elizabeth", []) == 0

    with_access(place, story)


def test_a_notice_to_one_webhook_goes_there_whatever_it_wants(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await hook(access)
        closed = await hook(access, kinds=[CLOSED])
        test = notice(kind=NoticeKind.TEST)
        assert await access.enqueue("elizabeth", [test], webhook_id=closed.id) == 1
        [delivery] = await access.due_deliveries(now=LATER)
        assert delivery == Delivery(
            id=delivery.id, webhook_id=closed.id, depot_id="elizabeth", notice=test, due_at=NOON
        )
        await access.remove_webhook(closed.id, at=LATER)
        with pytest.raises(BusbarError, match=f"no webhook {closed.id} in use"):
            await access.enqueue("elizabeth", [test], webhook_id=closed.id)
        with pytest.raises(BusbarError, match="no depot nowhere"):
            await access.enqueue("nowhere", [test])
        assert await access.deliveries_waiting() == {}

    with_access(place, story)


def test_only_the_first_of_each_webhook_depot_and_node_is_due(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        await hook(access)
        await access.enqueue("elizabeth", [notice("C1"), notice("C2"), notice("C1", CLOSED), notice("C2", CLOSED)])
        await access.enqueue("everything", [notice("C1", MODE)])
        assert await due(access) == [("C1", "breach.opened"), ("C2", "breach.opened"), ("C1", "mode.changed")]
        assert await due(access, limit=2) == [("C1", "breach.opened"), ("C2", "breach.opened")]
        assert await due(access, limit=-1) == []
        await access.delivered((await first_due(access)).id, at=LATER)
        assert await due(access) == [("C2", "breach.opened"), ("C1", "breach.closed"), ("C1", "mode.changed")]
        other = await hook(access)
        await access.enqueue("elizabeth", [notice("C1", MODE)], webhook_id=other.id)
        assert (await due(access))[-1] == ("C1", "mode.changed")
        assert len(await due(access)) == 4

    with_access(place, story)


def test_what_waits_behind_a_postponed_one_goes_on_waiting(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await hook(access)
        await access.enqueue("elizabeth", [notice("C1"), notice("C1", CLOSED), notice("C2")])
        first = await first_due(access)
        for attempt, said in ((1, "refused"), (2, "HTTP 503")):
            again_at = LATER + attempt * SECOND
            await access.postpone(first.id, due_at=again_at, error=said)
            assert await due(access, again_at - SECOND) == [("C2", "breach.opened")]
            postponed = await first_due(access, again_at)
            assert postponed == replace(first, attempts=attempt, due_at=again_at, last_error=said)
        await access.delivered(first.id, at=LATER)
        assert await due(access) == [("C1", "breach.closed"), ("C2", "breach.opened")]
        await access.postpone(first.id, due_at=LATER, error="")
        await access.delivered(first.id, at=LATER)
        assert sum((await access.deliveries_waiting()).values()) == 2

    with_access(place, story)


def test_what_is_not_due_yet_waits(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await hook(access)
        await access.enqueue("elizabeth", [notice(at=LATER)])
        assert await due(access, LATER - SECOND) == []
        assert await due(access, LATER) == [("C1", "breach.opened")]

    with_access(place, story)


def test_a_removed_webhook_forgets_what_was_on_its_way(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        one, two = await hook(access), await hook(access)
        await access.enqueue("elizabeth", [notice("C1"), notice("C2")])
        await access.remove_webhook(one.id, at=LATER)
        assert await access.deliveries_waiting() == {two.id: 2}
        assert {one.webhook_id for one in await access.due_deliveries(now=LATER)} == {two.id}

    with_access(place, story)


def test_old_notices_are_given_up(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await hook(access)
        await access.enqueue("elizabeth", [notice("C1"), notice("C1", CLOSED, at=LATER)])
        assert await access.drop_deliveries(before=NOON) == 0
        assert await access.drop_deliveries(before=LATER) == 1
        assert await due(access) == [("C1", "breach.closed")]

    with_access(place, story)


def test_the_queue_of_a_webhook_is_bounded_and_the_oldest_make_way(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        hers, closed = await hook(access), await hook(access, kinds=[CLOSED])
        await access.enqueue("elizabeth", [notice("first", CLOSED), notice("second")])
        many = [notice(f"C{number % 10}") for number in range(99_998)]
        await access.enqueue("elizabeth", many)
        assert await access.deliveries_waiting() == {hers.id: 100_000, closed.id: 1}
        assert (await due(access))[0] == ("first", "breach.closed")
        await access.enqueue("elizabeth", [notice("last")])
        assert await access.deliveries_waiting() == {hers.id: 100_000, closed.id: 1}
        nodes = [node for node, _ in await due(access)]
        # The one for the other webhook is still there.
        assert nodes == ["first", "second", *(f"C{number}" for number in range(10)), "last"]

    with_access(place, story)


def test_nothing_is_put_on_its_way_to_a_webhook_that_is_being_removed(place: Place) -> None:
    async def story(store: Store, access: AccessRecords) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        one = await hook(access)
        await asyncio.gather(
            *(
                access.enqueue(depot_id, [notice(f"C{number}")])
                for number in range(5)
                for depot_id in ("elizabeth", "everything")
            ),
            access.remove_webhook(one.id, at=LATER),
            *(store.save_breaches("elizabeth", [breach(f"b{number}")], notices=[notice()]) for number in range(5)),
        )
        assert await access.deliveries_waiting() == {}
        assert await due(access) == []

    with_access(place, story)


def test_ids_of_what_arrived_are_not_used_again(place: Place) -> None:
    async def story(_: Store, access: AccessRecords) -> None:
        await hook(access)
        await access.enqueue("elizabeth", [notice()])
        first = await first_due(access)
        await access.delivered(first.id, at=LATER)
        await access.enqueue("elizabeth", [notice()])
        assert (await first_due(access)).id > first.id

    with_access(place, story)
