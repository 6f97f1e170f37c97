"""What a running loop watches and tells: moments, envelopes, breaches; real time."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic

from made_charge_points import depot
from made_site import Site, site, tell

from busbar.adapters.memory import MemoryStore
from busbar.core.units import ActivePower
from busbar.engine.access import NoticeKind
from busbar.engine.breach_record import BreachCause
from busbar.engine.broadcast import Broadcast, Happening
from busbar.engine.events import NodeMeasured
from busbar.engine.moment import Moment
from busbar.engine.ports import Envelope, OverrideKind
from busbar.engine.watching import Seen


def envelope(limit_w: int, *, for_s: float | None = None, after_w: int | None = None) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=0,
        node="GC1",
        amount=ActivePower(w=limit_w),
        starts_at=now,
        ends_at=None if for_s is None else now + timedelta(seconds=for_s),
        after=None if after_w is None else ActivePower(w=after_w),
        by="a DERMS",
        at=now,
    )


def test_an_envelope_holds_from_when_it_is_given_until_it_ends_and_what_follows_it_after() -> None:
    async def story() -> None:
        async with site(depot(3, limit_w=200_000)) as here:
            for unit in ("CP1", "CP2", "CP3"):
                here.points.connect(unit)
                here.points.arrive(unit)
            await here.until(lambda: here.points.total_w() >= 195_000, "the room is used")
            await here.store.add_envelope("yard", envelope(90_000, for_s=4.0, after_w=120_000))
            here.loop.wake()
            await here.until(lambda: here.points.total_w() <= 90_000, "the envelope is kept to")
            kept = max([await _total_w_after(here.points.total_w, 0.2) for _ in range(5)])
            assert 80_000 <= kept <= 90_000
            await here.until(lambda: here.points.total_w() >= 115_000, "what holds after it is used")
            await asyncio.sleep(1.0)
            assert here.points.total_w() <= 120_000
            (given,) = await here.store.envelopes("yard")
            await here.store.withdraw_envelope("yard", given.id, by="Ann", at=datetime.now(UTC))
            await here.until(lambda: here.points.total_w() >= 195_000, "withdrawn, it holds no more")

    tell(story)


async def _total_w_after(total_w: object, wait_s: float) -> int:
    await asyncio.sleep(wait_s)
    assert callable(total_w)
    return int(total_w())


def test_whoever_listens_is_told_every_cycle_and_its_moment_is_whole() -> None:
    async def story() -> None:
        broadcast = Broadcast("now")
        async with site(depot(1, limit_w=200_000), broadcast=broadcast) as here:
            heard: list[Happening] = []

            async def listen() -> None:
                async for happening in broadcast.listen("yard"):
                    if happening is not None:
                        heard.append(happening)

            listening = asyncio.create_task(listen())
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 150_000, "it charges")
            await here.until(lambda: len([each for each in heard if each.kind == "moment"]) >= 5, "moments are told")
            assert any(each.kind == "cycle" for each in heard)
            moment = here.loop.moment
            assert moment is not None
            leaf = moment.projection.leaf_index["CP1/1"]
            assert (moment.setpoint[leaf], moment.acknowledged[leaf], moment.committed[leaf]) == (150_000,) * 3
            assert moment.reachable == {"CP1"}
            assert moment.flows.rows[moment.projection.node_index["GC1"], 3] == 150_000
            assert moment.plugged["CP1/1"].draw == 150_000
            listening.cancel()

    tell(story)


def test_a_node_that_a_person_puts_into_safe_is_told_of_as_a_mode() -> None:
    async def story() -> None:
        async with site(depot(1, limit_w=200_000)) as here:
            access = here.store.access()
            now = datetime.now(UTC)
            hook = await access.add_webhook(url="http://127.0.0.1:9", secret="s", depot_id=None, kinds=(), at=now)
            await here.until(lambda: here.loop.moment is not None, "it runs")
            order = {"kind": OverrideKind.SAFE, "subject": "GC1", "by": "Ann"}
            await here.store.add_override("yard", **order, reason="", at=datetime.now(UTC))  # type: ignore[arg-type]
            here.loop.wake()
            await here.until(lambda: "GC1" in (here.loop.moment or _nobody()).safe_since, "it is SAFE")
            await here.store.end_override("yard", **order, at=datetime.now(UTC))  # type: ignore[arg-type]
            here.loop.wake()
            await here.until(lambda: "GC1" not in (here.loop.moment or _nobody()).safe_since, "it is NORMAL")
            await asyncio.sleep(0.5)
            assert (await access.deliveries_waiting())[hook.id] >= 1
            (first,) = await access.due_deliveries(now=datetime.now(UTC))
            assert (first.notice.kind, first.notice.node) == (NoticeKind.MODE_CHANGED, "GC1")

    tell(story)


def _nobody() -> Moment:
    raise AssertionError("there is no moment")


def test_what_cannot_be_shown_costs_no_cycle() -> None:
    async def story() -> None:
        async with site(depot(1, limit_w=100_000)) as here:

            def fail(*_: object, **__: object) -> Seen:
                raise ValueError("a figure that nobody thought of")

            here.loop.control.watch = fail  # type: ignore[method-assign]
            here.points.connect("CP1")
            here.points.arrive("CP1")
            await here.until(lambda: here.points.total_w() == 100_000, "it charges all the same")
            await here.until(lambda: here.loop.counts.unwatched > 8, "that it could not look is counted")
            assert here.loop.counts.failures == 0
            assert await here.store.last_cycle_number("yard") > 0

    tell(story)


def test_base_load_above_the_limit_is_a_breach_that_survives_a_restart_and_ends_when_it_is_gone() -> None:
    """Real seconds: twenty until it is one, thirty until it is over."""

    async def meter(here: Site, base_w: list[int]) -> None:
        while True:
            here.loop.put(NodeMeasured(node="GC1", received_s=monotonic(), power_w=base_w[0]))
            await asyncio.sleep(0.3)

    async def story() -> None:
        store, base_w = MemoryStore(), [50_000]
        async with site(depot(1, limit_w=200_000, meter=True), store=store) as here:
            telling = asyncio.create_task(meter(here, base_w))
            await asyncio.sleep(2)
            base_w[0], begun = 251_000, datetime.now(UTC)
            await asyncio.sleep(15)
            assert await store.open_breaches("yard") == ()
            async with asyncio.timeout(20):
                while not await store.open_breaches("yard"):
                    await asyncio.sleep(0.2)
            (opened,) = await store.open_breaches("yard")
            assert (datetime.now(UTC) - begun).total_seconds() >= 20
            assert (opened.node, opened.row, opened.cause) == ("GC1", "total", BreachCause.BASE_LOAD)
            telling.cancel()
        async with site(depot(1, limit_w=200_000, meter=True), store=store) as here:
            base_w[0] = 60_000
            telling = asyncio.create_task(meter(here, base_w))
            await asyncio.sleep(25)
            assert [each.id for each in await store.open_breaches("yard")] == [opened.id]
            async with asyncio.timeout(30):
                while await store.open_breaches("yard"):
                    await asyncio.sleep(0.2)
            ended = await store.breach("yard", opened.id)
            assert ended is not None
            assert ended.ended_at is not None
            assert (ended.started_at, ended.peak) == (opened.started_at, 251_000)
            telling.cancel()

    tell(story)
