"""Live, over real sockets, among connectors and among charge points: a limit is shared, cut, and kept when one is lost.

Both stories are played once, at the same time; every test looks at what was seen in one of them.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from depot_stories import EXPIRY_S, OPTIONS, PATIENCE_S, SAMPLE_S
from served import Server
from watched_depot import Watched

from busbar.adapters.files.depot_file import load_depot
from busbar.adapters.store.store import open_store
from busbar.core.depot import Leaves
from busbar.core.projection import project
from busbar.engine.ports import CycleRecord
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.meters import CircuitMeters
from busbar.simulator.stations.simulated_depot import SimulatedDepot

DEPOT = """\
schema: busbar/depot/1
depot: {{id: yard, timezone: Australia/Perth, voltage: 400 V, strategy: equal_share, leaves: {leaves}}}
circuits:
  - {{id: GC1, default_operating_capacity: {limit} kW}}
charge_points:
  - {{id: CP1, circuit: GC1, current: DC, max_rating: 100 kW, efficiency: 1, sharing: parallel,
     connectors: [{{id: 1, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW}},
                  {{id: 2, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW}}]}}
  - {{id: CP2, circuit: GC1, current: DC, max_rating: 100 kW, efficiency: 1,
     connectors: [{{id: 1, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW}}]}}
  - {{id: CP3, circuit: GC1, current: DC, max_rating: 100 kW, efficiency: 1,
     connectors: [{{id: 1, max_rating: 80 kW, min: 5 kW, step: 1 kW, fallback: 0 kW}}]}}
"""
LIMIT_KW, CUT_KW = 120, 60
REACTION_S = 15.0
STEADY_S = 1.0
SHARES_KW = {
    Leaves.CONNECTOR: {LIMIT_KW: [30, 30, 30, 30], CUT_KW: [15, 15, 15, 15]},
    Leaves.CHARGE_POINT: {LIMIT_KW: [20, 20, 40, 40], CUT_KW: [10, 10, 20, 20]},
}
"""By limit: what CP1/1, CP1/2, CP2/1 and CP3/1 get."""
ALONE_KW = [0, 0, 30, 30]
"""The same once CP1 has been lost for longer than its lease."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What was seen."""

    watched: Watched
    cycles: list[CycleRecord]


def written(folder: Path, leaves: Leaves, limit_kw: int) -> Path:
    path = folder / f"depot_{limit_kw}.yaml"
    path.write_text(DEPOT.format(leaves=leaves.value, limit=limit_kw), encoding="utf-8")
    return path


async def until_shared(watched: Watched, shares_kw: list[int]) -> None:
    """Wait until every connector has drawn just that for a while."""

    def is_shared() -> bool:
        lately = [look for look in watched.looks if look.at_s >= time.time() - STEADY_S]
        return bool(lately) and all(
            [round(draw / 1000) for draw in look.draws.tolist()] == shares_kw for look in lately
        )

    await watched.until(is_shared, f"{shares_kw} kW", within_s=PATIENCE_S)


async def told(folder: Path, leaves: Leaves) -> Story:
    """Sharing under a limit; half of the limit; one charge point out of reach for longer than its lease."""
    server = Server(database=f"sqlite:///{folder / 'busbar.db'}", log=folder / "log", options=OPTIONS)
    file = written(folder, leaves, LIMIT_KW)
    projection = project(load_depot(file))
    try:
        await server.start(file)
        conditions = Conditions(ramp_s=0.2, sample_s=SAMPLE_S, reconnect_s=0.3)
        watched = Watched(
            projection=projection,
            depot=SimulatedDepot(projection, url=server.url, cast=Cast(seed=1), conditions=conditions),
            meters=CircuitMeters(projection, {}),
            pushes={},
            voltage_permille=1000,
        )
        async with watched.depot:
            looking = asyncio.create_task(watched.watch())
            watched.mark("begun")
            await until_shared(watched, SHARES_KW[leaves][LIMIT_KW])
            code, _, err = await server.command("import", str(written(folder, leaves, CUT_KW)))
            assert code == 0, err
            watched.mark("cut")
            await watched.until(lambda: watched.power_w <= CUT_KW * 1000, "it is obeyed", within_s=PATIENCE_S)
            watched.mark("obeyed")
            await until_shared(watched, SHARES_KW[leaves][CUT_KW])
            watched.depot.disconnect("CP1")
            watched.mark("lost")
            await until_shared(watched, ALONE_KW)
            watched.mark("without it")
            looking.cancel()
        store = await open_store(server.database)
        try:
            cycles = await store.cycles("yard")
        finally:
            await store.close()
        return Story(watched=watched, cycles=list(cycles))
    finally:
        server.clean_up()


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[Leaves, Story | BaseException]:
    async def play() -> list[Story | BaseException]:
        both = (told(tmp_path_factory.mktemp(leaves.value), leaves) for leaves in Leaves)
        return await asyncio.gather(*both, return_exceptions=True)

    return dict(zip(Leaves, asyncio.run(play()), strict=True))


@pytest.fixture(scope="module", params=Leaves)
def leaves(request: pytest.FixtureRequest) -> Leaves:
    return Leaves(request.param)


@pytest.fixture(scope="module")
def story(stories: dict[Leaves, Story | BaseException], leaves: Leaves) -> Story:
    found = stories[leaves]
    if isinstance(found, BaseException):
        raise found
    return found


def most_w(watched: Watched, first: str, last: str | None = None) -> int:
    return max(look.power_w for look in watched.between(first, last))


def test_the_limit_is_used_and_never_more(story: Story) -> None:
    assert LIMIT_KW * 990 <= most_w(story.watched, "begun", "cut") <= LIMIT_KW * 1000


def test_a_limit_that_is_cut_is_kept_in_time_and_used(story: Story) -> None:
    watched = story.watched
    assert watched.marks["obeyed"] - watched.marks["cut"] <= REACTION_S
    assert CUT_KW * 990 <= most_w(watched, "obeyed", "lost") <= CUT_KW * 1000


def test_who_is_lost_keeps_its_part_until_its_lease_is_over_and_nobody_has_it_meanwhile(
    story: Story, leaves: Leaves
) -> None:
    watched = story.watched
    assert most_w(watched, "lost") <= CUT_KW * 1000
    others_w = [int(look.draws[2:].sum()) for look in watched.between("lost") if look.draws[:2].any()]
    assert max(others_w) <= 1000 * sum(SHARES_KW[leaves][CUT_KW][2:])
    assert watched.marks["without it"] - watched.marks["lost"] <= EXPIRY_S + REACTION_S


def test_every_cycle_on_record_says_among_what_it_was_shared(story: Story, leaves: Leaves) -> None:
    assert len(story.cycles) >= 3
    assert {(cycle.strategy, cycle.inputs["leaves"]) for cycle in story.cycles} == {("equal_share", leaves.value)}
