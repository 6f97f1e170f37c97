"""Thousands that talk all the time are heard in turns; between two turns there is time for everything else."""

import asyncio

from ocpp_peers import in_loop

from busbar.adapters.ocpp.turns import HEARD_IN_ONE_TURN, Turns


class Talker(asyncio.Transport):
    """A connection that has something to say whenever it is listened to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.is_gone = False
        self.heard = 0

    def pause_reading(self) -> None:
        assert self.is_read
        self.is_read = False

    def resume_reading(self) -> None:
        assert not self.is_read
        assert not self.is_gone
        self.is_read = True

    def is_closing(self) -> bool:
        return self.is_gone


@in_loop
async def test_everybody_is_heard_and_few_in_one_turn() -> None:
    turns, talkers = Turns(), [Talker() for _ in range(4 * HEARD_IN_ONE_TURN)]
    most = []
    for _ in range(20):
        here = [talker for talker in talkers if talker.is_read]
        most.append(len(here))
        for talker in here:
            talker.heard += 1
            turns.heard(talker)
        await asyncio.sleep(0)
    assert most[0] == len(talkers), "until then there was no reason not to"
    # Those that were heard within the measure, and as many whose turn it is.
    assert max(most[1:]) <= 2 * HEARD_IN_ONE_TURN
    times = [talker.heard for talker in talkers]
    assert min(times) >= 20 // 4 - 2, "nobody is forgotten"


@in_loop
async def test_few_are_never_held_up() -> None:
    turns, talkers = Turns(), [Talker() for _ in range(HEARD_IN_ONE_TURN)]
    for _ in range(5):
        for talker in talkers:
            assert talker.is_read
            turns.heard(talker)
        await asyncio.sleep(0)


@in_loop
async def test_who_is_gone_meanwhile_is_left_out() -> None:
    turns, talkers = Turns(), [Talker() for _ in range(HEARD_IN_ONE_TURN + 10)]
    for talker in talkers:
        turns.heard(talker)
    paused = [talker for talker in talkers if not talker.is_read]
    assert len(paused) == 10
    paused[0].is_gone = True
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not paused[0].is_read
    assert all(talker.is_read for talker in paused[1:])
