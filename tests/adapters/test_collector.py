"""Full collections come at a pace of their own while the service runs, and as before when it ends."""

import asyncio
import gc
import weakref

import pytest

from busbar.adapters.collector import LATEST_S, SOONEST_S, YOUNG, calm_collector, rest_after_s


class Link:
    """Holds another one."""

    other: "Link"


def old_circle() -> weakref.ref[Link]:
    """Two that hold each other, and nobody else holds them any more; the young ones are looked at without them."""
    one, other = Link(), Link()
    one.other, other.other = other, one
    gc.collect(0), gc.collect(1)
    return weakref.ref(one)


def test_full_collections_do_not_come_by_themselves_and_everything_is_as_before_in_the_end() -> None:
    full: list[int] = []

    def note(phase: str, facts: dict[str, int]) -> None:
        if phase == "stop" and facts["generation"] == 2:
            full.append(facts["collected"])

    async def story() -> None:
        async with calm_collector():
            assert gc.get_threshold()[:2] == YOUNG
            gc.callbacks.append(note)
            kept = [[each] for each in range(3_000_000)]
            assert len(kept) == 3_000_000
            gc.callbacks.remove(note)

    before = gc.get_threshold()
    asyncio.run(story())
    assert full == []
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_it_is_calm_until_the_last_one_that_asked_for_it_ends() -> None:
    async def story() -> None:
        async with calm_collector():
            async with calm_collector():
                pass
            assert gc.get_threshold()[:2] == YOUNG

    before = gc.get_threshold()
    asyncio.run(story())
    assert gc.get_threshold() == before


def test_what_hangs_together_in_circles_is_found_however_old_it_has_become() -> None:
    async def story() -> None:
        async with calm_collector(soonest_s=0.05), asyncio.timeout(10):
            found = old_circle()
            gc.collect(1)
            assert found() is not None
            while found() is not None:
                await asyncio.sleep(0.01)

    asyncio.run(story())


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.0, SOONEST_S), (0.06, 300.0), (0.2, 1000.0), (5.0, LATEST_S)])
def test_the_longer_a_collection_takes_the_rarer_it_is(took_s: float, rest_s: float) -> None:
    assert rest_after_s(took_s) == pytest.approx(rest_s)
