"""What happens, told to whoever listens: in order, resumed, and never more kept than a bound."""

import asyncio
from collections.abc import AsyncIterator

from busbar.engine.broadcast import MOST_WEIGHT, Broadcast, Happening


async def _next(listening: AsyncIterator[Happening | None]) -> Happening | None:
    return await asyncio.wait_for(anext(listening), 5)


def test_a_listener_hears_of_its_depot_alone_and_in_order() -> None:
    async def story() -> list[object]:
        broadcast = Broadcast("e")
        listening = broadcast.listen("yard")
        first = asyncio.create_task(_next(listening))
        await asyncio.sleep(0.05)
        broadcast.tell("elsewhere", "mode", 0)
        broadcast.tell("yard", "mode", 1)
        broadcast.tell("yard", "mode", 2)
        heard = [await first, await _next(listening)]
        return [happening and happening.document for happening in heard]

    assert asyncio.run(story()) == [1, 2]


def test_a_listener_resumes_after_what_it_heard_last() -> None:
    async def story() -> object:
        broadcast = Broadcast("e")
        for number in range(3):
            broadcast.tell("yard", "mode", number)
        happening = await _next(broadcast.listen("yard", after=2))
        return happening and happening.document

    assert asyncio.run(story()) == 2


def test_what_is_gone_is_a_reset_and_what_weighs_much_goes_first() -> None:
    async def story() -> tuple[str, str]:
        broadcast = Broadcast("e")
        broadcast.tell("yard", "cycle", "heavy", weight=MOST_WEIGHT)
        broadcast.tell("yard", "mode", "light")
        gone = await _next(broadcast.listen("yard", after=0))
        kept = await _next(broadcast.listen("yard", after=1))
        assert gone is not None
        assert kept is not None
        return gone.kind, kept.document

    assert asyncio.run(story()) == ("reset", "light")


def test_a_number_that_has_not_been_yet_is_a_reset() -> None:
    async def story() -> str:
        happening = await _next(Broadcast("e").listen("yard", after=7))
        assert happening is not None
        return happening.kind

    assert asyncio.run(story()) == "reset"


def test_while_nothing_happens_a_listener_is_told_that_it_is_still_heard() -> None:
    async def story() -> Happening | None:
        return await _next(Broadcast("e").listen("yard", idle_s=0.05))

    assert asyncio.run(story()) is None
