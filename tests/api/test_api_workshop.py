"""Answers that take long are made one at a time, and once for the same question."""

import asyncio
import threading
from functools import partial

import pytest

from busbar.entrypoints.api.refusals import NotServedError
from busbar.entrypoints.api.workshop import MOST_KEPT, MOST_WAITING, Workshop


def test_the_same_question_is_worked_out_once() -> None:
    made: list[str] = []

    async def ask() -> None:
        workshop = Workshop()

        def make() -> dict[str, str]:
            made.append("once")
            return {"answer": "42"}

        answers = await asyncio.gather(*(workshop.made("question", make) for _ in range(5)))
        assert all(answer == {"answer": "42"} for answer in answers)
        await workshop.made("another", make)

    asyncio.run(ask())
    assert made == ["once", "once"]


def test_who_comes_when_too_many_wait_is_asked_to_come_back() -> None:
    async def ask() -> None:
        workshop, go = Workshop(), threading.Event()

        def make() -> dict[str, bool]:
            go.wait(10)
            return {"done": True}

        waiting = [asyncio.create_task(workshop.made(number, make)) for number in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotServedError) as refusal:
            await workshop.made("one more", make)
        assert refusal.value.status == 503
        go.set()
        assert len(await asyncio.gather(*waiting)) == MOST_WAITING

    asyncio.run(ask())


def test_a_question_that_is_refused_may_be_asked_again() -> None:
    async def ask() -> None:
        workshop = Workshop()

        def refused() -> dict[str, str]:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await workshop.made("question", refused)
        assert await workshop.made("question", lambda: {"answer": "yes"}) == {"answer": "yes"}

    asyncio.run(ask())


def test_old_answers_are_forgotten() -> None:
    made: list[int] = []

    def answer(number: int) -> dict[str, int]:
        made.append(number)
        return {"number": number}

    async def ask() -> None:
        workshop = Workshop()
        for number in [*range(MOST_KEPT + 1), 0]:
            await workshop.made(number, partial(answer, number))

    asyncio.run(ask())
    assert made.count(0) == 2
