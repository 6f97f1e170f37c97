"""The store in a process of its own keeps what the store promises, and what it costs to lose one of the two."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import test_access_kept
import test_breaches_kept
import test_cycle_pages
import test_deliveries_kept
import test_envelopes_kept
import test_forgetting
import test_orders_kept
import test_records
import test_setpoints_kept
import test_store
from store_examples import BUS, EVERYTHING, LATER, NOON, TWO_FEEDERS, VAN, cycle
from store_places import Place

from busbar.adapters.store.apart import StoreApart, open_store_apart
from busbar.adapters.store.store import SqlStore, open_store
from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords
from busbar.engine.ports import ChargePointRecords, Store, StoredSetpoint


def setpoints(value: int, count: int = 300) -> list[StoredSetpoint]:
    return [
        StoredSetpoint(connector=f"CP{unit:04}/1", value=value, expiry_s=145.0, order_id=f"{value}", at=NOON)
        for unit in range(count)
    ]


def process_of(apart: StoreApart) -> int:
    assert apart._process is not None
    return apart._process.pid


@pytest.mark.parametrize(
    "promise",
    [
        test_store.test_two_sessions_on_one_connector_are_refused_and_nothing_is_saved,
        test_setpoints_kept.test_ten_thousand_setpoints_are_one_save,
        test_setpoints_kept.test_saves_at_the_same_moment_are_all_kept,
        test_orders_kept.test_a_commissioning_request_goes_its_way,
        test_forgetting.test_what_ended_is_forgotten_by_its_end,
        test_forgetting.test_closed_breaches_and_the_audit_log_are_kept_for_a_year,
        test_cycle_pages.test_a_page_is_the_newest_first_without_allocations_and_setpoints,
        test_cycle_pages.test_a_page_of_some_outcomes_has_no_other,
        test_breaches_kept.test_a_breach_comes_back_as_it_was_kept,
        test_breaches_kept.test_breaches_and_their_notices_are_kept_together_or_not_at_all,
        test_breaches_kept.test_an_acknowledgement_stays_whatever_becomes_of_the_breach,
        test_envelopes_kept.test_those_that_hold_now_or_later_are_neither_withdrawn_nor_ended_for_good,
        test_envelopes_kept.test_settings_that_there_are_not_are_refused_all_at_once,
        test_access_kept.test_a_name_is_given_again_once_its_token_is_revoked_or_expired,
        test_access_kept.test_writes_come_page_by_page_and_depot_by_depot,
        test_deliveries_kept.test_notices_go_to_every_webhook_that_wants_them,
        test_deliveries_kept.test_what_waits_behind_a_postponed_one_goes_on_waiting,
        test_records.test_facts_are_what_a_charge_point_said_last,
        test_records.test_a_transaction_is_open_until_it_ends,
    ],
    ids=lambda promise: promise.__name__.removeprefix("test_"),
)
def test_a_promise_of_every_store_holds_apart(promise: Callable[[Place], None], sqlite_url: str) -> None:
    promise(Place(url=sqlite_url, is_apart=True))


def test_everything_a_port_has_can_be_asked_and_nothing_else() -> None:
    apart = StoreApart("sqlite:///never-opened.db")
    for port, ends in ((Store, apart.store), (ChargePointRecords, apart.records), (AccessRecords, apart.access)):
        for name in vars(port):
            if not name.startswith("_"):
                assert callable(getattr(ends, name)), name
        for name in ("nothing", "_database", "__len__"):
            with pytest.raises(AttributeError):
                getattr(ends, name)
    assert {name for name in vars(SqlStore) if not name.startswith("_")} - set(vars(Store)) == {"records", "access"}


def test_depots_sessions_and_cycles_travel_unchanged(sqlite_url: str) -> None:
    async def story() -> None:
        async with Place(url=sqlite_url, is_apart=True).store() as store:
            result = await store.import_depot(EVERYTHING, at=NOON)
            assert await store.load_depot("everything") == EVERYTHING
            assert await store.microgrid("everything") == result.microgrid
            await store.save_sessions("everything", [VAN, BUS], at=NOON)
            assert list(await store.open_sessions("everything")) == [BUS, VAN]
            await store.record_cycle("everything", cycle(1, allocations=2000))
            assert list(await store.cycles("everything", after=0, limit=1)) == [cycle(1, allocations=2000)]

    asyncio.run(story())


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:////proc/none/busbar.db"])
def test_a_database_that_cannot_be_opened_is_refused_in_the_same_words(url: str) -> None:
    said = []
    for opened in (open_store, open_store_apart):
        with pytest.raises(BusbarError) as refused:
            asyncio.run(opened(url))
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_when_its_process_is_killed_whoever_waits_is_told_and_the_next_question_starts_another(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        apart = await open_store_apart(sqlite_url)
        store = apart.store
        await store.import_depot(TWO_FEEDERS, at=NOON)
        await store.save_setpoints("elizabeth", setpoints(1))
        first = process_of(apart)
        os.kill(first, signal.SIGSTOP)
        waiting = [asyncio.create_task(store.save_setpoints("elizabeth", setpoints(n))) for n in (2, 3)]
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        for told in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(told, BusbarError)
            assert "is gone" in str(told)
        assert {one.value for one in await store.stored_setpoints("elizabeth")} == {1}
        assert process_of(apart) != first
        await store.close()
        with pytest.raises(BusbarError, match="closed"):
            await store.depot_ids()

    asyncio.run(story())


def test_closing_lets_it_finish_what_it_has_begun(sqlite_url: str) -> None:
    async def story() -> None:
        apart = await open_store_apart(sqlite_url)
        await apart.store.import_depot(TWO_FEEDERS, at=NOON)
        pid = process_of(apart)
        begun = asyncio.create_task(apart.store.save_setpoints("elizabeth", setpoints(7, 5000)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await apart.store.close()
        await begun
        assert not is_running(pid)
        async with Place(url=sqlite_url).store() as store:
            assert {one.value for one in await store.stored_setpoints("elizabeth")} == {7}

    asyncio.run(story())


def test_a_stop_of_the_whole_group_leaves_the_store_to_its_service(sqlite_url: str) -> None:
    async def story() -> None:
        apart = await open_store_apart(sqlite_url)
        for told in (signal.SIGINT, signal.SIGTERM):
            os.kill(process_of(apart), told)
        await apart.store.import_depot(TWO_FEEDERS, at=LATER)
        assert list(await apart.store.depot_ids()) == ["elizabeth"]
        await apart.store.close()

    asyncio.run(story())


def test_a_busy_event_loop_does_not_hold_it_up(sqlite_url: str) -> None:
    async def story() -> float:
        async with Place(url=sqlite_url, is_apart=True).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            saving = asyncio.create_task(store.save_setpoints("elizabeth", setpoints(1, 5000)))
            began = time.perf_counter()
            while not saving.done():
                busy_until = time.perf_counter() + 0.002
                while time.perf_counter() < busy_until:
                    pass
                await asyncio.sleep(0)
            await saving
            return time.perf_counter() - began

    # In a thread of this process it may take many seconds.
    assert asyncio.run(story()) < 3


SAVES_APART_AND_TELLS = """
import asyncio, sys
from datetime import UTC, datetime
from busbar.adapters.store.apart import open_store_apart
from busbar.engine.ports import StoredSetpoint

async def main(url):
    apart = await open_store_apart(url)
    print(apart._process.pid, flush=True)
    number = 0
    while True:
        number += 1
        at = datetime.now(UTC)
        given = [
            StoredSetpoint(connector=f"CP{unit}/1", value=number, expiry_s=1.0, order_id="", at=at)
            for unit in range(300)
        ]
        await apart.store.save_setpoints("elizabeth", given)
        print(number, flush=True)

asyncio.run(main(sys.argv[1]))
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_after_kill_9_of_the_service_everything_it_said_is_there_and_the_process_ends(database_url: str) -> None:
    async def depot() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)

    asyncio.run(depot())
    command = [sys.executable, "-c", SAVES_APART_AND_TELLS, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        try:
            keeper = int(service.stdout.readline())
            while service.stdout.readline().strip() != "12":
                assert service.poll() is None
        finally:
            service.kill()
        last = int((["12", *service.stdout.read().split()])[-1])
    give_up_at = time.monotonic() + 30
    while is_running(keeper):
        assert time.monotonic() < give_up_at, "it outlives its service"
        time.sleep(0.05)

    async def look() -> None:
        async with Place(url=database_url).store() as store:
            assert {one.value for one in await store.stored_setpoints("elizabeth")} in ({last}, {last + 1})

    asyncio.run(look())
