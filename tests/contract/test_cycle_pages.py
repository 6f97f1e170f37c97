"""Cycles page by page, and those of one node: memory, SQLite and PostgreSQL alike."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_examples import EVERYTHING, NOON, TWO_FEEDERS, cycle
from store_places import Place, in_depot, on
from test_database import rows

from busbar.core.errors import BusbarError
from busbar.engine.ports import AllocationRecord, CycleOutcome, CycleRecord, Store

FAILED, APPLIED, CONSTRAINED = CycleOutcome.FAILED, CycleOutcome.APPLIED, CycleOutcome.CONSTRAINED


def about(number: int, *leaves: str, states: Sequence[str] = ()) -> CycleRecord:
    """A cycle that gave these leaves something while these nodes were not OK."""
    given = tuple(
        AllocationRecord(leaf=leaf, request=2, setpoint=1, unit="W", power_w=1, bound_by=None) for leaf in leaves
    )
    return replace(cycle(number), allocations=given, node_states=dict.fromkeys(states, "LIMITED"))


def numbers(found: Sequence[CycleRecord]) -> list[int]:
    return [one.number for one in found]


def test_a_page_is_the_newest_first_without_allocations_and_setpoints(place: Place) -> None:
    async def story(store: Store) -> None:
        for number in (1, 2, 3, 7, 8):
            await store.record_cycle("elizabeth", cycle(number))
        first = await store.cycle_page("elizabeth", limit=2)
        assert list(first) == [replace(cycle(number), allocations=(), setpoints=()) for number in (8, 7)]
        assert numbers(await store.cycle_page("elizabeth", before=7, limit=2)) == [3, 2]
        assert numbers(await store.cycle_page("elizabeth", before=2, limit=2)) == [1]
        assert numbers(await store.cycle_page("elizabeth", before=1)) == []
        assert numbers(await store.cycle_page("elizabeth", limit=0)) == []
        assert numbers(await store.cycle_page("elizabeth", limit=-1)) == []
        assert numbers(await store.cycle_page("nowhere")) == []

    in_depot(place, story)


def test_one_cycle_is_given_whole(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.record_cycle("elizabeth", cycle(3, allocations=5))
        assert await store.cycle("elizabeth", 3) == cycle(3, allocations=5)
        assert await store.cycle("elizabeth", 2) is None
        assert await store.cycle("nowhere", 3) is None
        assert cycle(3).inputs, "an example that has some"

    in_depot(place, story)


def test_a_page_of_some_outcomes_has_no_other(place: Place) -> None:
    async def story(store: Store) -> None:
        for number, outcome in enumerate((FAILED, APPLIED, CONSTRAINED, FAILED, APPLIED), start=1):
            await store.record_cycle("elizabeth", replace(cycle(number), outcome=outcome))
        assert numbers(await store.cycle_page("elizabeth", outcomes=[FAILED])) == [4, 1]
        assert numbers(await store.cycle_page("elizabeth", outcomes=[APPLIED, CONSTRAINED], before=5)) == [3, 2]
        assert numbers(await store.cycle_page("elizabeth", outcomes=[CycleOutcome.PARTIAL])) == []

    in_depot(place, story)


def test_a_page_of_a_node_has_the_cycles_in_which_it_was_not_ok_or_was_given_something(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.import_depot(EVERYTHING, at=NOON)
        for one in (
            about(1, "CP1/1"),
            about(2, "CP1/1", "CP2/1", states=["C1"]),
            about(3, "CP2/1", states=["C1"]),
            about(4, "CP1/1", states=["CP1/1"]),
            about(9),
            about(10, "CP1/1", states=["C1"]),
        ):
            await store.record_cycle("elizabeth", one)
            await store.record_cycle("everything", about(one.number, "CP9/9", states=["C1"]))
        page = store.cycle_page
        assert numbers(await page("elizabeth", node="CP1/1")) == [10, 4, 2, 1]
        assert numbers(await page("elizabeth", node="CP2/1")) == [3, 2]
        assert numbers(await page("elizabeth", node="C1")) == [10, 3, 2]
        assert numbers(await page("elizabeth", node="C1", before=10, limit=1)) == [3]
        assert numbers(await page("elizabeth", node="CP9/9")) == []
        assert numbers(await page("everything", node="CP9/9", outcomes=[FAILED])) == []
        assert numbers(await page("everything", node="C1", limit=2)) == [10, 9]

    in_depot(place, story)


def test_a_cycle_that_was_not_kept_is_of_no_node(place: Place) -> None:
    async def story(store: Store) -> None:
        await store.record_cycle("elizabeth", about(1, "CP1/1"))
        with pytest.raises(BusbarError, match="kept already"):
            await store.record_cycle("elizabeth", about(1, "CP2/1"))
        assert numbers(await store.cycle_page("elizabeth", node="CP2/1")) == []
        assert numbers(await store.cycle_page("elizabeth", node="CP1/1")) == [1]

    in_depot(place, story)


def test_what_was_forgotten_is_of_no_node_and_the_rest_is(place: Place) -> None:
    async def story(store: Store) -> None:
        for number in range(1, 7):
            await store.record_cycle("elizabeth", about(number, *(["CP1/1"] if number != 4 else ["CP2/1"])))
        assert await store.prune("elizabeth", before=NOON + timedelta(seconds=3)) == 2
        assert numbers(await store.cycle_page("elizabeth", node="CP1/1")) == [6, 5, 3]
        assert await store.prune("elizabeth", before=NOON + timedelta(seconds=6)) == 3
        assert numbers(await store.cycle_page("elizabeth", node="CP2/1")) == []
        await store.record_cycle("elizabeth", about(7, "CP2/1"))
        assert numbers(await store.cycle_page("elizabeth", node="CP1/1")) == [6]
        assert numbers(await store.cycle_page("elizabeth", node="CP2/1")) == [7]

    in_depot(place, story)


NODES = ("C1", "CP1/1", "quote ' \" \\ [1]", "größe ⚡")
LIVES = st.lists(
    st.tuples(st.sampled_from(["elizabeth", "everything"]), st.sets(st.sampled_from(NODES))), min_size=1, max_size=25
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=LIVES)
def test_every_node_is_found_in_exactly_its_cycles(place: Place, lives: list[tuple[str, set[str]]]) -> None:
    async def story(store: Store) -> None:
        # The place is the same for all examples: numbers go on.
        began = {depot: await store.last_cycle_number(depot) for depot in ("elizabeth", "everything")}
        for depot in (TWO_FEEDERS, EVERYTHING):
            await store.import_depot(depot, at=NOON)
        wanted: dict[tuple[str, str], list[int]] = {(depot, node): [] for depot in began for node in NODES}
        for depot_id, nodes in lives:
            number = await store.last_cycle_number(depot_id) + 1
            states = sorted(nodes)[::2]
            await store.record_cycle(depot_id, about(number, *sorted(nodes)[1::2], states=states))
            for node in nodes:
                wanted[depot_id, node].insert(0, number)
        for (depot_id, node), expected in wanted.items():
            found = numbers(await store.cycle_page(depot_id, node=node, limit=1000))
            assert [number for number in found if number > began[depot_id]] == expected, (depot_id, node)

    on(place, story)


MANY = 100_000
FILL = """
WITH COUNTED
INSERT INTO cycles (id, depot_id, number, at, "trigger", strategy, outcome, duration_us, node_states, violations,
    setpoints, inputs)
SELECT n, 'elizabeth', n, imported_at, 'tick', 'equal_share', 'APPLIED', 1, CAST('{}' AS JSON), CAST('[]' AS JSON),
    CAST('["PADDING"]' AS JSON), CAST('{}' AS JSON)
FROM counted CROSS JOIN depots
""".replace("PADDING", "x" * 1000)
RUNS = """
WITH COUNTED
INSERT INTO cycle_nodes (depot_id, node, first_cycle, last_cycle)
SELECT 'elizabeth', 'flickering', n, n FROM counted WHERE n % 2 = 0
"""
ONCE = """
INSERT INTO cycle_nodes (depot_id, node, first_cycle, last_cycle)
VALUES ('elizabeth', 'once', 7, 9), ('elizabeth', 'always', 1, 100000)
"""


def test_a_page_is_quick_with_a_hundred_thousand_cycles_kept(kept_many: str) -> None:
    async def story() -> dict[str, float]:
        took_s = {}
        async with Place(url=kept_many).store() as store:
            for node, expected in (("once", 3), ("flickering", 100), ("always", 100), ("never", 0)):
                began = time.perf_counter()
                assert len(await store.cycle_page("elizabeth", node=node)) == expected
                took_s[node] = time.perf_counter() - began
            began = time.perf_counter()
            assert numbers(await store.cycle_page("elizabeth", before=MANY, outcomes=[FAILED])) == []
            took_s["of an outcome"] = time.perf_counter() - began
        return took_s

    took_s = asyncio.run(story())
    # Tens to hundreds of milliseconds where little else runs.
    assert max(took_s.values()) < 3, took_s


@pytest.fixture
def kept_many(database_url: str) -> str:
    async def depot() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)

    asyncio.run(depot())
    is_sqlite = database_url.startswith("sqlite")
    counted = (
        f"RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {MANY})"
        if is_sqlite
        else f"counted(n) AS (SELECT * FROM generate_series(1, {MANY}))"
    )
    for statement in (FILL, RUNS, ONCE, "ANALYZE"):
        statement = statement.replace("COUNTED", counted)
        # SQLite keeps JSON as text, and would make a number of it.
        rows(database_url, statement.replace("AS JSON", "AS TEXT") if is_sqlite else statement)
    return database_url
