"""Full collections are rare while the service runs, and as before when it ends."""

import asyncio
import gc

from busbar.adapters.collector import YOUNG, calm_collector


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
