"""One size of `live.py`: the service as it is served, measured from inside; charge points in a process beside it."""

import asyncio
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import busbar.engine.cycle
import busbar.engine.loop
from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.store.store import open_store
from busbar.core.units import ActivePower
from busbar.engine.loop import DepotLoop
from busbar.engine.ports import Envelope
from busbar.engine.timing import Timing
from busbar.service import Service, Settings, running
from live_depot import DEPOT_ID, cut_to, live_depot
from live_gauges import Collections, Orders, Stopwatch, Ticker, children, cpu_s, quantile, resident_kb, until

CONNECT_PER_S = 300.0
START_PER_S = 150.0
CUTS_W = (16_000, 14_500, 13_000, 12_000, 11_000)
OVERLOAD_CUTS_W = (10_000, 9_000, 8_200, 7_500, 6_900)
ROUND_WITHIN_S = 60.0
PATIENCE_S = 60.0
SATURATED_CPU = 0.9
"""Of one core: the event loop has no time left."""
STEPS = ("reread", "look", "balance", "audit", "think", "conclude", "release", "store", "keep", "whole release")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large, and how long."""

    count: int = 1_000
    interval_s: float = 10.0
    """Every charge point says what it draws so often."""
    timing: Timing = field(default_factory=Timing)
    steady_s: float = 30.0
    step_s: float = 4.0
    """How long each step of the search for saturation takes."""
    cuts: int = 5
    overload_cuts: int = 3
    with_overload: bool = True
    first_per_s: float = 1_000.0
    """Meter values a second where the search for saturation begins."""
    most_per_s: float = 30_000.0
    """Where it ends in any case."""


class Stations:
    """The process with the charge points."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def do(self, what: str, **facts: float) -> dict[str, Any]:
        """A command, and the counts after it. Raises RuntimeError where it was not done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **facts}).encode() + b"\n")
        async with asyncio.timeout(facts.get("within_s", 0.0) + PATIENCE_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{what}: the process with the charge points is gone")
        found: dict[str, Any] = json.loads(line)
        if "fault" in found:
            raise RuntimeError(f"{what}: {found['fault']}")
        return found


@asynccontextmanager
async def stations_at(port: int) -> AsyncIterator[Stations]:
    """Charge points in a process of their own, which ends with this."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("lean_stations.py")), "127.0.0.1", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Stations(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass
class Site:
    """What is running, and what watches it."""

    plan: Plan
    service: Service
    loop: DepotLoop
    stations: Stations
    ticker: Ticker = field(default_factory=Ticker)
    steps: Stopwatch = field(default_factory=Stopwatch)
    orders: Orders = field(default_factory=Orders)
    collections: Collections = field(default_factory=Collections)

    def watch(self) -> None:
        """Begin to measure."""
        loop, control = self.loop, self.loop.control
        self.steps.wrap(loop, "_reread", "reread")
        self.steps.wrap(control, "look", "look")
        self.steps.wrap(busbar.engine.loop, "run_cycle_to_connectors", "think")
        self.steps.wrap(busbar.engine.cycle, "balance", "balance")
        self.steps.wrap(busbar.engine.cycle, "audit", "audit")
        self.steps.wrap(control, "conclude", "conclude")
        self.steps.wrap(control, "release", "release")
        self.steps.wrap(loop, "_release", "whole release")
        self.steps.wrap(loop._store, "save_setpoints", "store")
        self.steps.wrap(loop.keeping, "_keep", "keep")
        self.orders.listen(loop, self.service.ocpp)
        self.collections.start()
        self.ticker.start()

    def unwatch(self) -> None:
        """Measure no more."""
        self.ticker.stop()
        self.collections.stop()

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far: the service, its store where that is a process of its own, the charge points."""
        own = os.getpid()
        store = sum(cpu_s(child) for child in children(own) if child != self.stations.pid)
        return {"service": time.process_time(), "store": store, "stations": cpu_s(self.stations.pid)}


async def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Everything about one size."""
    database = f"sqlite:///{folder / 'live.sqlite'}"
    store = await open_store(database)
    await store.import_depot(live_depot(plan.count), at=datetime.now(UTC))
    await store.close()
    listening = Listening(port=0, proof=Proof.NOTHING)
    settings = Settings(database=database, listening=listening, timing=plan.timing)
    async with running(settings) as service, stations_at(service.ocpp.port) as stations:
        site = Site(plan=plan, service=service, loop=service.loops[DEPOT_ID], stations=stations)
        site.watch()
        task = asyncio.create_task(service.run())
        try:
            return await _phases(site)
        finally:
            site.unwatch()
            service.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(task, 60)


def say(site: Site, what: str) -> None:
    """Where it is, for whoever waits."""
    print(f"{site.plan.count}: {what}", file=sys.stderr, flush=True)


async def _phases(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = {"charge_points": site.plan.count}
    await until(lambda: site.loop.counts.cycles > 0, 60)
    say(site, "connect")
    found["connect"] = await _connect(site)
    say(site, "start")
    await site.stations.do("meter", per_s=site.plan.count / site.plan.interval_s)
    found["start"] = await _start(site)
    say(site, "steady")
    found["steady"] = await _steady(site)
    say(site, "cuts")
    found["cuts"] = [await _cut(site, watts) for watts in CUTS_W[: site.plan.cuts]]
    if site.plan.with_overload:
        say(site, "overload")
        found["overload"] = await _overload(site)
    counts = await site.stations.do("counts")
    found["lost"] = counts["lost"]
    found["answers"] = {answer.value: times for answer, times in site.orders.answers.items()}
    found["overruns"], found["failures"] = site.loop.counts.overruns, site.loop.counts.failures
    found["collections_s"] = {
        generation: {"times": len(took), "median": median(took), "longest": max(took)}
        for generation, took in site.collections.took_s.items()
    }
    return found


async def _connect(site: Site) -> dict[str, Any]:
    plan, dispatch = site.plan, site.loop.control.dispatch
    gc.collect()
    before_kb, began_s = resident_kb(os.getpid()), time.monotonic()
    within_s = 60 + plan.count / 25
    counts = await site.stations.do("connect", count=plan.count, per_s=CONNECT_PER_S, within_s=within_s)
    if not await until(lambda: dispatch.connected() == plan.count, within_s, 0.2):
        raise RuntimeError(f"only {dispatch.connected()} of {plan.count} are ready")
    took_s = time.monotonic() - began_s
    gc.collect()
    return {
        "took_s": took_s,
        "turned_away": counts["turned_away"],
        "kb_each": (resident_kb(os.getpid()) - before_kb) / plan.count,
        **_stalls(site),
    }


async def _start(site: Site) -> dict[str, Any]:
    plan, began_s = site.plan, time.monotonic()
    before_kb = resident_kb(os.getpid())
    within_s = 60 + plan.count / 20
    await site.stations.do("start", per_s=START_PER_S, within_s=within_s)
    started_s = time.monotonic() - began_s
    if not await until(lambda: _shared(site) == plan.count, within_s, 0.5):
        raise RuntimeError(f"only {_shared(site)} of {plan.count} have what they were given")
    gc.collect()
    return {
        "took_s": started_s,
        "shared_s": time.monotonic() - began_s,
        "kb_each": (resident_kb(os.getpid()) - before_kb) / plan.count,
        **_stalls(site),
    }


def _shared(site: Site) -> int:
    """How many charge points were told what the last cycle gave them: the first have made room for all others."""
    last = site.loop.last_cycle
    if last is None:
        return 0
    given = zip(site.loop.control.projection.leaf_ids, last.setpoint.tolist(), strict=True)
    return sum(0 < value == site.orders.limits.get(connector) for connector, value in given)


async def _steady(site: Site) -> dict[str, Any]:
    """Meter values and renewals, nothing else."""
    site.ticker.take()
    site.steps.take()
    cycles, began_s, before = site.loop.counts.cycles, time.monotonic(), site.cpu()
    measured, shed = site.orders.measured, site.service.ocpp.shed
    counts_before = await site.stations.do("counts")
    await asyncio.sleep(site.plan.steady_s)
    took_s, after = time.monotonic() - began_s, site.cpu()
    counts = await site.stations.do("counts")
    return {
        "seconds": took_s,
        "load": os.getloadavg()[0],
        "cpu": {name: (after[name] - before[name]) / took_s for name in after},
        "samples_per_s": (counts["samples_sent"] - counts_before["samples_sent"]) / took_s,
        "measured_per_s": (site.orders.measured - measured) / took_s,
        "shed": site.service.ocpp.shed - shed,
        "cycles": site.loop.counts.cycles - cycles,
        "resident_kb": resident_kb(os.getpid()),
        **_stalls(site),
    }


def _stalls(site: Site) -> dict[str, Any]:
    late, steps = site.ticker.take(), site.steps.take()
    return {
        "stall_longest_s": max(late, default=0.0),
        "stall_p99_s": quantile(late, 0.99),
        "steps_s": {step: median(steps[step]) for step in STEPS if steps.get(step)},
        "steps_longest_s": {step: max(steps[step]) for step in STEPS if steps.get(step)},
    }


def _envelope(limit: ActivePower) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(id=0, node=DEPOT_ID, amount=limit, starts_at=now, ends_at=None, by="benchmark", at=now)


async def _cut(site: Site, watts: int, *, within_s: float = ROUND_WITHIN_S) -> dict[str, Any]:
    """Lower everybody by a limit at the top; how long until each charge point has said yes.

    From when the loop first looked at the world with the new limit, and from when it began to release: what is to be
    sent is worked out, stored and synced to disk, sent and answered.
    """
    plan, orders = site.plan, site.orders
    # Everybody has come down from the round before, and has said so.
    await asyncio.sleep(1.5 * plan.interval_s)
    site.ticker.take()
    site.steps.take()
    orders.forget()
    set_s = time.monotonic()
    await site.service.store.add_envelope(DEPOT_ID, _envelope(cut_to(plan.count, watts)))
    site.loop.wake()
    is_all = await until(lambda: len(_lowered(orders)) == plan.count, within_s, 0.1)
    lowered = _lowered(orders)
    noticed = site.steps.first("look", after_s=set_s)
    first_sent_s = min((sent.sent_s for sent in orders.sent.values() if sent.is_decrease), default=set_s)
    released = site.steps.last("release", before_s=first_sent_s)
    noticed_s = noticed.began_s if noticed else set_s
    released_s = released.began_s if released else set_s
    return {
        "watts": watts,
        "answered": len(lowered),
        "is_all": is_all,
        "since_release_s": _spread([answered_s - released_s for answered_s in lowered.values()]),
        "since_noticed_s": _spread([answered_s - noticed_s for answered_s in lowered.values()]),
        **_stalls(site),
    }


def _lowered(orders: Orders) -> dict[str, float]:
    """By charge point, when its first decrease was answered."""
    found: dict[str, float] = {}
    for sent in orders.sent.values():
        if sent.is_decrease and sent.answered_s is not None:
            found.setdefault(sent.charge_point, sent.answered_s)
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": quantile(values, 0.5),
        "p99": quantile(values, 0.99),
        "last": max(values, default=float("nan")),
    }


async def _overload(site: Site) -> dict[str, Any]:
    """The telemetry that saturates it, then twice as much: is control still heard?"""
    rate, tried = site.plan.first_per_s, list[dict[str, Any]]()
    while rate <= site.plan.most_per_s:
        step = await _load(site, rate)
        tried.append(step)
        say(site, f"{rate:.0f} meter values a second: {step['cpu']['service']:.0%} of a core, shed {step['shed']}")
        rate *= 1.4
        if step["shed"] or step["cpu"]["service"] >= SATURATED_CPU or step["behind"] > rate:
            break
    saturating = tried[-1]["sent_per_s"]
    await site.stations.do("meter", per_s=2 * saturating)
    await asyncio.sleep(2.0)
    flood = await _load(site, 2 * saturating)
    cuts = [await _cut(site, watts) for watts in OVERLOAD_CUTS_W[: site.plan.overload_cuts]]
    after = await _load(site, 2 * saturating)
    await site.stations.do("meter", per_s=site.plan.count / site.plan.interval_s)
    return {"search": tried, "saturating_per_s": saturating, "twice": flood, "cuts": cuts, "still": after}


async def _load(site: Site, per_s: float) -> dict[str, Any]:
    await site.stations.do("meter", per_s=per_s)
    before, cpu_before = await site.stations.do("counts"), site.cpu()
    began_s, measured, shed = time.monotonic(), site.orders.measured, site.service.ocpp.shed
    await asyncio.sleep(site.plan.step_s)
    after, cpu_after, took_s = await site.stations.do("counts"), site.cpu(), time.monotonic() - began_s
    sent = after["samples_sent"] - before["samples_sent"]
    answered = after["samples_answered"] - before["samples_answered"]
    return {
        "wanted_per_s": per_s,
        "sent_per_s": sent / took_s,
        "answered_per_s": answered / took_s,
        "measured_per_s": (site.orders.measured - measured) / took_s,
        "shed": site.service.ocpp.shed - shed,
        "behind": after["samples_sent"] - after["samples_answered"],
        "cpu": {name: (cpu_after[name] - cpu_before[name]) / took_s for name in cpu_after},
    }


def measured_site(plan: Plan, *, folder: Path | None = None) -> dict[str, Any]:
    """One size, in this process."""
    import uvloop

    with tempfile.TemporaryDirectory(dir=folder, prefix="busbar-live-") as place:
        return uvloop.run(measure(plan, Path(place)))
