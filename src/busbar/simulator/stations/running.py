"""Running a depot's charge points until somebody stops them, and saying now and then how they are."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from busbar.core.projection import Projection
from busbar.core.units import Amount
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.meter_push import MeterPush
from busbar.simulator.stations.meters import CircuitMeters
from busbar.simulator.stations.simulated_depot import Count, SimulatedDepot

TELL_S, LOOK_S, PUSH_S = 10.0, 1.0, 1.0
MOST_TROUBLES = 3


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is to be run, and for how long."""

    url: str
    cast: Cast
    conditions: Conditions
    base_load: Mapping[str, Amount]
    meters_url: str | None = None
    """Where the circuits' meters are pushed; None: nowhere."""
    meter_secret: str | None = None
    for_s: float | None = None
    """None: until SIGINT or SIGTERM."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """How things stand at a moment."""

    depot: str
    ran_s: float
    count: Count
    peak_w: int
    """The most that all charge points drew at a time so far."""
    troubles: tuple[tuple[str, str], ...]
    """Charge points that cannot connect and why; the first few."""
    not_connected: int
    readings_pushed: int
    readings_failed: int
    meter_trouble: str


def run_charge_points(projection: Projection, run: Run, *, tell: Callable[[Seen], None]) -> Seen:
    """Run them in an event loop of their own; how things stood at the end."""
    return asyncio.run(_run(projection, run, tell))


async def _run(projection: Projection, run: Run, tell: Callable[[Seen], None]) -> Seen:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError, ValueError):
            # Not every platform or thread has signals; then there is KeyboardInterrupt.
            loop.add_signal_handler(number, stopped.set)
    depot = SimulatedDepot(projection, url=run.url, cast=run.cast, conditions=run.conditions)
    meters = CircuitMeters(projection, run.base_load, voltage_permille=run.conditions.voltage_permille)
    push = MeterPush(run.meters_url, depot=projection.depot.id, secret=run.meter_secret) if run.meters_url else None
    began_s, peak_w = time.monotonic(), 0

    def seen() -> Seen:
        count = depot.count()
        troubles = sorted(depot.trouble().items())
        return Seen(
            depot=projection.depot.id,
            ran_s=time.monotonic() - began_s,
            count=count,
            peak_w=max(peak_w, count.power_w),
            troubles=tuple(troubles[:MOST_TROUBLES]),
            not_connected=count.charge_points - count.connected,
            readings_pushed=push.pushed if push else 0,
            readings_failed=push.failed if push else 0,
            meter_trouble=push.trouble if push else "",
        )

    async with depot:
        pushing = asyncio.create_task(_push(depot, meters, push)) if push else None
        told_s = began_s
        while not stopped.is_set():
            left_s = LOOK_S if run.for_s is None else min(LOOK_S, began_s + run.for_s - time.monotonic())
            if left_s <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), left_s)
            peak_w = max(peak_w, round(float(depot.flow().total_w[0])))
            if time.monotonic() >= told_s + TELL_S:
                told_s = time.monotonic()
                tell(seen())
        ended = seen()
        if pushing is not None:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
    if push is not None:
        push.close()
    return ended


async def _push(depot: SimulatedDepot, meters: CircuitMeters, push: MeterPush) -> None:
    """Every second; one round at a time, each in a thread, because it waits for the server."""
    while True:
        began_s = time.monotonic()
        await asyncio.to_thread(push.push, meters.readings(depot.draws(), depot.wires(), time.time()))
        await asyncio.sleep(max(0.05, began_s + PUSH_S - time.monotonic()))
