"""Answers that take long are made one at a time, and once for the same question."""

import asyncio
import gc
import threading
import weakref
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

        answers = await asyncio.gather(*(workshop.made("yard", 1, "question", make) for _ in range(5)))
        assert all(answer == {"answer": "42"} for answer in answers)
        await workshop.made("yard", 1, "another", make)

    asyncio.run(ask())
    assert made == ["once", "once"]


def test_who_comes_when_too_many_wait_is_asked_to_come_back() -> None:
    async def ask() -> None:
        workshop, go = Workshop(), threading.Event()

        def make() -> dict[str, bool]:
            go.wait(10)
            return {"done": True}

        waiting = [asyncio.create_task(workshop.made("yard", 1, number, make)) for number in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotServedError) as refusal:
            await workshop.made("yard", 1, "one more", make)
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
            await workshop.made("yard", 1, "question", refused)
        assert await workshop.made("yard", 1, "question", lambda: {"answer": "yes"}) == {"answer": "yes"}

    asyncio.run(ask())


def test_old_answers_are_forgotten() -> None:
    made: list[int] = []

    def answer(number: int) -> dict[str, int]:
        made.append(number)
        return {"number": number}

    async def ask() -> None:
        workshop = Workshop()
        for number in [*range(MOST_KEPT + 1), 0]:
            await workshop.made("yard", 1, number, partial(answer, number))

    asyncio.run(ask())
    assert made.count(0) == 2


def test_answers_about_an_older_cycle_are_forgotten_with_the_next() -> None:
    class Answer(dict[str, int]):
        """One whose end can be seen."""

    async def ask() -> None:
        workshop = Workshop()
        ended: list[str] = []
        for depot_id, cycle in (("yard", 1), ("harbour", 1), ("yard", 2)):
            answer = Answer(cycle=cycle)
            weakref.finalize(answer, ended.append, f"{depot_id} {cycle}")
            await workshop.made(depot_id, cycle, "question", partial(_self, answer))
            del answer
            gc.collect()
        assert ended == ["yard 1"]

    asyncio.run(ask())


def test_who_waits_about_an_older_cycle_still_gets_that_answer() -> None:
    async def ask() -> None:
        workshop, go = Workshop(), threading.Event()

        def make() -> dict[str, int]:
            go.wait(10)
            return {"cycle": 1}

        older = [asyncio.create_task(workshop.made("yard", 1, "question", make)) for _ in range(2)]
        await asyncio.sleep(0)
        newer = asyncio.create_task(workshop.made("yard", 2, "question", partial(_self, {"cycle": 2})))
        await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*older, newer) == [{"cycle": 1}, {"cycle": 1}, {"cycle": 2}]
        assert await workshop.made("yard", 2, "question", make) == {"cycle": 2}

    asyncio.run(ask())


def _self(answer: dict[str, int]) -> dict[str, int]:
    return answer
