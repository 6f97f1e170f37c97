"""Notices reach whoever is to be told: at least once, in order, signed, and whatever happens meanwhile."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from receivers import Receiver, receiving
from sending import (
    DEPOT,
    QUICK,
    SECRET,
    Clock,
    first_waiting,
    kept,
    notices,
    sending,
    told,
    until,
    until_nothing_waits,
    until_tried,
)

from busbar.adapters.webhooks import MOST_AT_ONCE, Pace, retry_after_s
from busbar.engine.access import AccessRecords, Notice, NoticeKind


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def play(folder: Path, kind: str, story: Callable[[AccessRecords], Awaitable[None]]) -> None:
    """A story on a store of that kind, in an event loop of its own."""

    async def played() -> None:
        async with kept(folder, kind) as access:
            await story(access)

    asyncio.run(played())


both_stores = pytest.mark.parametrize("kind", ["memory", "sqlite"])


def test_a_notice_says_what_it_is_about_and_is_signed(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    notice = Notice(
        kind=NoticeKind.BREACH_OPENED,
        node="GC1",
        at=at,
        document={"breach": {"id": "B1", "peak": 7}, "schema": "not ours", "count": 0},
    )

    async def story(access: AccessRecords) -> None:
        await told(access, receiver.url)
        await access.enqueue(DEPOT, [notice])
        async with sending(access):
            await until_nothing_waits(access)

    with receiving(Receiver()) as receiver:
        play(tmp_path, "memory", story)
    (got,) = receiver.got
    assert got.path == "/busbar"
    assert got.headers["content-type"] == "application/json"
    assert got.document == {
        "schema": "busbar/notice/1",
        "id": int(got.headers["busbar-delivery"]),
        "kind": "breach.opened",
        "depot": DEPOT,
        "node": "GC1",
        "at": at.isoformat(),
        "breach": {"id": "B1", "peak": 7},
        "count": 0,
    }
    # As a receiver would do it.
    parts = dict(part.split("=", 1) for part in got.headers["busbar-signature"].split(","))
    assert abs(int(parts["t"]) - time.time()) < 60
    wanted = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert parts["v1"] == wanted


@both_stores
def test_those_about_one_node_arrive_in_order_one_at_a_time(tmp_path: Path, kind: str) -> None:
    nodes = ("GC1", "C1", "C2")

    async def story(access: AccessRecords) -> None:
        await told(access, receiver.url)
        for number in range(6):
            await access.enqueue(DEPOT, [one for node in nodes for one in notices(node, 1, first=number)])
        async with sending(access):
            await until_nothing_waits(access)

    # Now and then it fails: what comes after has to wait for what came before.
    with receiving(Receiver(statuses=[204, 500, 204, 503, 500, 404, 204, 500])) as receiver:
        play(tmp_path, kind, story)
    for node in nodes:
        seen = [count for place, count in receiver.places() if place == node]
        assert seen == sorted(seen)
        assert list(dict.fromkeys(seen)) == list(range(6))
    assert len(receiver.got) == 6 * len(nodes) + 5
    assert receiver.most_at_once <= 2


@both_stores
def test_a_receiver_that_comes_back_gets_everything(tmp_path: Path, kind: str) -> None:
    with receiving(Receiver()) as receiver:
        pass

    async def story(access: AccessRecords) -> None:
        await told(access, receiver.url)
        await access.enqueue(DEPOT, notices("GC1", 5))
        async with sending(access):
            first = await until_tried(access, 2)
            assert first.last_error
            assert SECRET not in first.last_error
            with receiving(receiver):
                await until_nothing_waits(access)

    play(tmp_path, kind, story)
    assert receiver.places() == [("GC1", number) for number in range(5)]


def test_a_day_without_the_receiver_costs_nothing(tmp_path: Path) -> None:
    with receiving(Receiver()) as receiver:
        pass
    clock = Clock()

    async def story(access: AccessRecords) -> None:
        await told(access, receiver.url)
        async with sending(access, clock=clock, pace=replace(Pace(), looked_s=0.005, timeout_s=2.0)):
            for hour in range(24):
                await access.enqueue(DEPOT, notices("GC1", 1, first=hour, at=clock.now()))
                for _ in range(6):
                    clock.ahead += timedelta(minutes=10)
                    await asyncio.sleep(0.02)
            first = await first_waiting(access)
            # Doubling to ten minutes: neither given up nor asked again and again.
            assert 15 <= first.attempts <= 24 * 6 + 9
            with receiving(receiver):
                clock.ahead += timedelta(minutes=10)
                await until_nothing_waits(access)

    play(tmp_path, "memory", story)
    assert receiver.places() == [("GC1", hour) for hour in range(24)]


def test_what_did_not_arrive_in_seven_days_is_given_up(tmp_path: Path) -> None:
    with receiving(Receiver(status=500)) as receiver:
        clock = Clock()

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 2, at=clock.now()))
            clock.ahead = timedelta(days=6, hours=23)
            await access.enqueue(DEPOT, notices("GC1", 1, first=2, at=clock.now()))
            async with sending(access, clock=clock):
                await until(lambda: bool(receiver.got), "it is tried")
                assert sum((await access.deliveries_waiting()).values()) == 3
                clock.ahead = timedelta(days=7, hours=1)
                receiver.status = 204
                await until_nothing_waits(access)

        play(tmp_path, "memory", story)
    assert ("GC1", 2) in receiver.places()
    assert ("GC1", 1) not in receiver.places()


def test_a_slow_receiver_does_not_hold_up_another(tmp_path: Path) -> None:
    with receiving(Receiver(takes_s=1.0)) as slow, receiving(Receiver()) as quick:

        async def story(access: AccessRecords) -> None:
            await told(access, slow.url)
            await told(access, quick.url)
            nodes = [f"C{number}" for number in range(1, 20)]
            await access.enqueue(DEPOT, [one for node in nodes for one in notices(node, 1)])
            async with sending(access):
                await until(lambda: len(quick.got) == len(nodes), "the quick one has all")
                assert len(slow.got) < len(nodes)

        play(tmp_path, "memory", story)
    assert slow.most_at_once <= 2


def test_no_more_are_sent_at_once_than_eight(tmp_path: Path) -> None:
    async def story(access: AccessRecords) -> None:
        for _ in range(12):
            await told(access, receiver.url)
        await access.enqueue(DEPOT, [one for node in ("GC1", "C1", "C2") for one in notices(node, 1)])
        async with sending(access):
            await until_nothing_waits(access)

    with receiving(Receiver(takes_s=0.05)) as receiver:
        play(tmp_path, "memory", story)
    assert 3 <= receiver.most_at_once <= MOST_AT_ONCE
    assert len(receiver.got) == 36


def test_one_that_takes_too_long_is_tried_again(tmp_path: Path) -> None:
    with receiving(Receiver(takes_s=1.5)) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 1))
            async with sending(access, pace=replace(QUICK, timeout_s=0.2)):
                await until(lambda: bool(receiver.got), "it is tried")
                receiver.takes_s = 0.0
                await until_nothing_waits(access)

        play(tmp_path, "memory", story)
    assert len(receiver.got) >= 2
    assert set(receiver.places()) == {("GC1", 0)}


def test_one_that_is_gone_loses_that_notice_and_not_the_next(tmp_path: Path) -> None:
    with receiving(Receiver(statuses=[410])) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 2))
            async with sending(access):
                await until_nothing_waits(access)

        play(tmp_path, "memory", story)
    assert receiver.places() == [("GC1", 0), ("GC1", 1)]


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    with receiving(Receiver()) as elsewhere, receiving(Receiver(status=307, location=elsewhere.url)) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 1))
            async with sending(access):
                await until(lambda: len(receiver.got) >= 2, "it is tried again")
            assert (await first_waiting(access)).last_error == "answered 307"

        play(tmp_path, "memory", story)
    assert elsewhere.got == []


def test_an_endless_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    with receiving(Receiver(answer=b"x" * 50_000_000)) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 1))
            async with sending(access):
                await until_nothing_waits(access)

        play(tmp_path, "memory", story)
    assert len(receiver.got) == 1


def test_no_secret_and_no_path_of_the_receivers_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with receiving(Receiver(statuses=[500, 410])) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url + "/path-that-is-a-key")
            await access.enqueue(DEPOT, notices("GC1", 2))
            async with sending(access):
                await until_nothing_waits(access)

        play(tmp_path, "memory", story)
    said = "".join(capfd.readouterr())
    assert "webhook not reached" in said
    assert "answered 500" in said
    assert SECRET not in said
    assert "path-that-is-a-key" not in said


def test_waits_double_up_to_ten_minutes_with_some_chance_in_them() -> None:
    random = Random(1)
    waits = [retry_after_s(attempts, Pace(), random) for attempts in range(40)]
    for attempts, wait_s in enumerate(waits):
        whole_s = min(600, 2 * 2**attempts)
        assert 0.75 * whole_s <= wait_s <= whole_s
    assert len({retry_after_s(9, Pace(), random) for _ in range(20)}) > 10


def test_a_sender_that_is_killed_loses_nothing_and_repeats_at_most_what_was_on_its_way(tmp_path: Path) -> None:
    nodes, each = ("GC1", "C1", "C2"), 8

    async def queue() -> None:
        async with kept(tmp_path, "sqlite") as access:
            await told(access, receiver.url)
            for number in range(each):
                await access.enqueue(DEPOT, [one for node in nodes for one in notices(node, 1, first=number)])

    async def finish() -> None:
        async with kept(tmp_path, "sqlite") as access, sending(access):
            await until_nothing_waits(access)

    kills = 3
    with receiving(Receiver(takes_s=0.03)) as receiver:
        asyncio.run(queue())
        for life in range(kills):
            _killed_after(tmp_path, receiver, answers=4 * (life + 1))
        asyncio.run(finish())
    for node in nodes:
        seen = [count for place, count in receiver.places() if place == node]
        assert seen == sorted(seen)
        assert list(dict.fromkeys(seen)) == list(range(each))
    # Two are on their way to one receiver at a time, at most.
    assert len(receiver.got) <= each * len(nodes) + 2 * kills


def _killed_after(folder: Path, receiver: Receiver, *, answers: int) -> None:
    """A sender in a process of its own, killed when so many have arrived."""
    program = "import sys, asyncio; from sender_process import main; asyncio.run(main(sys.argv[1]))"
    here = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])}
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)
    try:
        until_s = time.monotonic() + 60
        while len(receiver.got) < answers:
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def test_a_port_that_nobody_listens_at_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def story(access: AccessRecords) -> None:
        await told(access, f"http://127.0.0.1:{port}/")
        await access.enqueue(DEPOT, notices("GC1", 1))
        async with sending(access):
            assert "connect" in (await until_tried(access, 1)).last_error.lower()

    play(tmp_path, "memory", story)


def test_what_is_on_its_way_when_it_stops_is_still_written_down(tmp_path: Path) -> None:
    with receiving(Receiver(takes_s=0.3)) as receiver:

        async def story(access: AccessRecords) -> None:
            await told(access, receiver.url)
            await access.enqueue(DEPOT, notices("GC1", 2))
            async with sending(access):
                await until(lambda: len(receiver.got) == 1, "the first is on its way")
            assert sum((await access.deliveries_waiting()).values()) == 1

        play(tmp_path, "memory", story)
    assert json.loads(receiver.got[0].body)["count"] == 0
