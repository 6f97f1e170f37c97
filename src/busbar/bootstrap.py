"""The one place that picks adapters and wires them.

Adapters are imported where they are wired: SQLAlchemy and the fill's compiler take most of a second each, and most
commands need neither.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import TypeVar

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords
from busbar.engine.ports import ChargePointRecords, Evidence, ImportResult, Store
from busbar.simulator.played import Played
from busbar.simulator.scenario import Scenario

DATABASE_VARIABLE = "BUSBAR_DATABASE"

Kept = TypeVar("Kept")


def database_url(given: str | None) -> str:
    """Which database: as given, from the environment, or a file among the user's data."""
    from busbar.adapters.store.urls import default_database_url

    return given or os.environ.get(DATABASE_VARIABLE) or default_database_url()


async def open_store(url: str) -> Store:
    """The store behind a URL. Raises BusbarError."""
    from busbar.adapters.store.store import open_store as open_sql_store

    return await open_sql_store(url)


def import_depot(depot: Depot, *, database: str | None) -> tuple[str, ImportResult, Sequence[Evidence]]:
    """Store a depot and provision its microgrid.

    The database's name without password, what changed, and what is known about the depot's fallbacks.
    """

    async def run() -> tuple[str, ImportResult, Sequence[Evidence]]:
        from busbar.adapters.store.urls import driver_url, place

        url = database_url(database)
        name = place(driver_url(url))
        store = await open_store(url)
        try:
            result = await store.import_depot(depot, at=datetime.now(UTC))
            return name, result, await store.evidence(depot.id)
        finally:
            await store.close()

    return asyncio.run(run())


def play_scenario(
    scenario: Scenario, *, seed: int | None, database: str | None, progress: Callable[[int, int], None]
) -> Played:
    """Play a scenario; where a database is named, its depot, vehicles and cycles are kept there."""
    from busbar.simulator.play import play, play_into

    if database is None:
        return play(scenario, seed=seed, progress=progress)

    async def run() -> Played:
        # The store's connections belong to the event loop that they are opened in.
        store = await open_store(database)
        try:
            return await play_into(store, scenario, seed=seed, progress=progress, clock_us=_clock_us)
        finally:
            await store.close()

    return asyncio.run(run())


def _clock_us() -> int:
    return perf_counter_ns() // 1000


def shipped_scenario(name: str) -> Path:
    """The file of a scenario that comes with Busbar. Raises BusbarError where it did not come along."""
    for folder in _scenario_folders():
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path
    raise BusbarError(f"The scenario {name} did not come with this installation; give its file to `busbar simulate`.")


def shipped_library() -> Path:
    """The folder of all scenarios that come with Busbar. Raises BusbarError where it did not come along."""
    for folder in _scenario_folders():
        if folder.is_dir():
            return folder
    raise BusbarError("The scenarios did not come with this installation; name a folder of your own.")


def _scenario_folders() -> tuple[Path, Path]:
    """Of an installed package, and of a checkout."""
    package = Path(__file__).parent
    return package / "scenarios", package.parents[1] / "scenarios"


async def open_store_and_records(url: str) -> tuple[Store, ChargePointRecords, AccessRecords]:
    """The store behind a URL, and what the OCPP adapter, the HTTP interface and the webhooks keep in it.

    All close with the store. Raises BusbarError.
    """
    from busbar.adapters.store.store import open_store as open_sql_store

    store = await open_sql_store(url)
    return store, store.records(), store.access()


async def open_served_store(url: str) -> tuple[Store, ChargePointRecords, AccessRecords]:
    """The same in a process of its own, for a service: a busy event loop does not hold it up, nor it the loop."""
    from busbar.adapters.store.apart import open_store_apart

    apart = await open_store_apart(url)
    return apart.store, apart.records, apart.access


def database_name(given: str | None) -> str:
    """What a database is called to people, without its password."""
    from busbar.adapters.store.urls import driver_url, place

    return place(driver_url(database_url(given)))


def with_store(act: Callable[[Store, ChargePointRecords], Awaitable[Kept]], *, database: str | None) -> Kept:
    """Open the store, let something happen in it, and close it. Raises BusbarError."""
    return _in_store(lambda store, records, _: act(store, records), database)


def with_access(act: Callable[[Store, AccessRecords], Awaitable[Kept]], *, database: str | None) -> Kept:
    """The same with what the HTTP interface and the webhooks keep. Raises BusbarError."""
    return _in_store(lambda store, _, access: act(store, access), database)


def _in_store(act: Callable[[Store, ChargePointRecords, AccessRecords], Awaitable[Kept]], database: str | None) -> Kept:
    async def run() -> Kept:
        store, records, access = await open_store_and_records(database_url(database))
        try:
            return await act(store, records, access)
        finally:
            await store.close()

    return asyncio.run(run())
