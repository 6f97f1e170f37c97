"""What happens to the WA-PTA-style depot in the end-to-end tests: real processes, real sockets, short timings.

Each story is played once; the tests look at what was seen. Nothing here says how it has to end.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from served import Server
from watched_depot import Watched

from busbar.adapters.files.depot_file import load_depot
from busbar.adapters.store.store import open_store
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Session
from busbar.core.units import ActivePower, Amount
from busbar.engine.ports import CycleRecord, Evidence, Override, TrustLevel
from busbar.simulator.stations.behaviours import BEHAVIOURS, Behaviour
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.meter_push import MeterPush
from busbar.simulator.stations.meters import CircuitMeters
from busbar.simulator.stations.simulated_depot import SimulatedDepot

SCENARIO = Path(__file__).parents[2] / "scenarios" / "wa_pta_depot.yaml"
DEPOT = "wa_pta"
METERED = ("GC1", "GC2")

CYCLE_S, LEASE_S, SKEW_S, RAMP_S, SAMPLE_S, STALE_S, SILENT_S = 0.5, 6, 1, 1, 1, 3, 6
EXPIRY_S = LEASE_S + SKEW_S + RAMP_S
"""Lease, skew and ramp: then nothing that was ever sent has an effect."""
OPTIONS = (
    *("--proof", "nothing", "--log-json"),
    *("--cycle", f"{CYCLE_S}", "--lease", f"{LEASE_S}", "--skew", f"{SKEW_S}", "--ramp", f"{RAMP_S}"),
    *("--sample", f"{SAMPLE_S}", "--stale", f"{STALE_S}", "--silent", f"{SILENT_S}", "--safe", "4"),
)
SAG_PERMILLE = 940
"""The true voltage: as low as the depot's margin allows, where power takes the most current."""
PATIENCE_S = 60.0
"""For what has to happen at some time, on a machine that has other things to do."""

SLOW = replace(BEHAVIOURS["slow"], answers_after_s=0.15)
FLAPPING = replace(BEHAVIOURS["flapping"], drops_every_s=6.0)
REPLAYING = replace(BEHAVIOURS["replaying"], drops_every_s=8.0)
HALF_OPEN = replace(BEHAVIOURS["half_open"], falls_silent_every_s=15.0)
TO_FULL = replace(BEHAVIOURS["reboot_to_full"], reboots_every_s=12.0)
DEAF, REFUSING, NO_ZERO, WHOLE = (BEHAVIOURS[name] for name in ("deaf", "refusing", "no_zero", "whole_amperes"))

ENERGETIC = ("PU7", "PU8", "PU12", "PU13", "PU14")
"""Units that go on with 10 kW on each connector when they are left alone; all others with nothing."""
WELL_MEANING: Mapping[str, Behaviour] = {
    "PU2": SLOW,
    "PU3": FLAPPING,
    "PU8": WHOLE,
    "PU9": HALF_OPEN,
    "PU12": REPLAYING,
    "PU14": NO_ZERO,
}
HARDLY_CONTROLLED: Mapping[str, Behaviour] = {"PU4": NO_ZERO, "PU7": REFUSING, "PU12": SLOW}


@dataclass
class Seen:
    """What a story left behind. (Mutable while it is played.)"""

    server: Server
    watched: Watched
    base_load: dict[str, Amount]
    facts: dict[str, Any] = field(default_factory=dict)

    # What the store has

    async def cycles(self, *, after: int = 0) -> list[CycleRecord]:
        """All cycles that were kept, in order."""
        found: list[CycleRecord] = []
        store = await open_store(self.server.database)
        try:
            while more := await store.cycles(DEPOT, after=found[-1].number if found else after):
                found += more
            return found
        finally:
            await store.close()

    async def sessions(self) -> dict[str, Session]:
        """Vehicles as they are written down, by connector."""
        store = await open_store(self.server.database)
        try:
            return {session.connector: session for session in await store.open_sessions(DEPOT)}
        finally:
            await store.close()

    async def evidence(self) -> dict[str, Evidence]:
        """What is believed of fallbacks, by connector."""
        store = await open_store(self.server.database)
        try:
            return {each.connector: each for each in await store.evidence(DEPOT)}
        finally:
            await store.close()

    async def overrides(self) -> list[Override]:
        """What people have ordered, what was lifted included."""
        store = await open_store(self.server.database)
        try:
            return list(await store.overrides(DEPOT, ended=True))
        finally:
            await store.close()

    async def until_believed(self, count: int) -> None:
        """Wait until so many fallbacks are believed."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            believed = [each for each in (await self.evidence()).values() if each.trust is TrustLevel.ACCEPTED]
            if len(believed) >= count:
                return
            assert time.monotonic() < until_s, f"{len(believed)} of {count} fallbacks are believed"
            await asyncio.sleep(0.3)


def written_depot(folder: Path, *, is_cramped: bool) -> Path:
    """The shipped depot, with fallbacks here and there, and less that is safe behind the second grid connection.

    `is_cramped`: one circuit has room for half of its vehicles.
    """
    head, word, units = SCENARIO.read_text(encoding="utf-8").partition("charge_points:\n")
    roomy = "id: C6, name: Articulated buses, parent: SB2, rating: 400 A, default_operating_capacity: 320 A"
    assert roomy in head
    assert head.count("safe_operating_capacity: 600 kVA") == 1
    head = head.replace("safe_operating_capacity: 600 kVA", "safe_operating_capacity: 400 kVA")
    if is_cramped:
        head = head.replace(roomy, roomy.replace("320 A", "80 A"))
    blocks = units.split("  - id: ")
    for place, block in enumerate(blocks):
        if block.partition("\n")[0] in ENERGETIC:
            assert "step: 1 kW}" in block
            blocks[place] = block.replace("step: 1 kW}", "step: 1 kW, fallback: 10 kW}")
    path = folder / "depot.yaml"
    path.write_text(head + word + "  - id: ".join(blocks), encoding="utf-8")
    return path


@asynccontextmanager
async def at_work(
    folder: Path,
    database: str,
    behaviours: Mapping[str, Behaviour],
    *,
    rogues: Sequence[str] = (),
    is_metered: bool = True,
    is_cramped: bool = True,
) -> AsyncIterator[Seen]:
    """A server, all charge points with a vehicle on every connector, meters, and somebody who watches."""
    file = written_depot(folder, is_cramped=is_cramped)
    projection = project(load_depot(file))
    server = Server(database=database, log=folder / "log", options=OPTIONS)
    try:
        await server.start(file)
        seen = await _world(server, projection, behaviours, rogues, is_metered=is_metered)
        async with seen.watched.depot:
            tasks = [asyncio.create_task(seen.watched.watch()), asyncio.create_task(seen.watched.push())]
            try:
                yield seen
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if not isinstance(end, asyncio.CancelledError):
                raise AssertionError("nobody watched any more") from end
    finally:
        server.clean_up()


async def _world(
    server: Server,
    projection: Projection,
    behaviours: Mapping[str, Behaviour],
    rogues: Sequence[str],
    *,
    is_metered: bool,
) -> Seen:
    base_load: dict[str, Amount] = {"GC1": ActivePower(w=85_000), "GC2": ActivePower(w=30_000)}
    secrets = {}
    for node in METERED if is_metered else ():
        code, out, err = await server.command("credential", "meter", node)
        assert code == 0, err
        secrets[node] = out.strip()
    conditions = Conditions(
        ramp_s=0.2,
        sample_s=SAMPLE_S,
        reconnect_s=0.3,
        longest_reconnect_s=2.0,
        silent_s=4.0,
        reboot_s=1.0,
        voltage_permille=SAG_PERMILLE,
    )
    watched = Watched(
        projection=projection,
        depot=SimulatedDepot(
            projection, url=server.url, cast=Cast(seed=1, behaviours=behaviours), conditions=conditions
        ),
        meters=CircuitMeters(projection, base_load, voltage_permille=SAG_PERMILLE),
        pushes={node: MeterPush(server.meters_url, depot=DEPOT, secret=secret) for node, secret in secrets.items()},
        voltage_permille=SAG_PERMILLE,
        rogues=rogues,
    )
    return Seen(server=server, watched=watched, base_load=base_load)


# The stories


async def yard(folder: Path) -> Seen:
    """A night of charge points that mean well, in which the server is killed, and people and meters have their say."""
    async with at_work(folder, f"sqlite:///{folder / 'busbar.db'}", WELL_MEANING) as seen:
        watched = seen.watched
        await seen.until_believed(64)
        watched.mark("believed")
        await watched.until_steady(charging=50, for_s=3.0, within_s=PATIENCE_S)
        watched.mark("steady")
        await _people(seen)
        await _base_load(seen)
        await _killed(seen)
        await _silence(seen)
        seen.facts["count"] = watched.depot.count()
        seen.facts["health"] = await _health(seen.server)
        watched.mark("ending")
        seen.facts["end"] = await seen.server.end()
        return seen


async def _health(server: Server) -> dict[str, Any]:
    """What the server tells whoever watches over it, with a token that lets them."""
    code, out, err = await server.command("token", "create", "watch", "--role", "viewer", "--json")
    assert code == 0, err
    request = Request(f"{server.meters_url}/health", headers={"Authorization": f"Bearer {json.loads(out)['secret']}"})

    def ask() -> dict[str, Any]:
        with urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    return await asyncio.to_thread(ask)


async def _people(seen: Seen) -> None:
    """Ann holds a connector and puts a grid connection into SAFE; Bob switches a unit off and isolates it."""
    watched, server = seen.watched, seen.server
    watched.depot.kill("PU6")
    seen.facts["ordered"] = await asyncio.gather(
        server.command("hold", "PU5/1", "--by", "Ann", "--reason", "a cable is hot"),
        server.command("safe", "GC2", "--by", "Ann", "--reason", "the meter is being changed"),
        server.command("isolate", "PU6", "--by", "Bob"),
    )
    watched.mark("ordered")
    await watched.until(lambda: watched.draw_of("PU5/1") == 0, "what is held draws nothing", within_s=PATIENCE_S)
    await asyncio.sleep(3.0)
    watched.mark("obeyed")
    await asyncio.sleep(1.0)
    seen.facts["while ordered"] = await server.command("orders", "--json")
    watched.mark("lifting")
    seen.facts["lifted"] = await asyncio.gather(
        server.command("resume", "PU5/1", "--by", "Ann"),
        server.command("normal", "GC2", "--by", "Ann"),
        server.command("return", "PU6", "--by", "Bob"),
    )
    watched.depot.connect("PU6")
    await watched.until(
        lambda: watched.draw_of("PU5/1") > 0 and watched.draw_of("PU6/1") > 0,
        "what was held and what was isolated charges again",
        within_s=PATIENCE_S,
    )
    await watched.until_steady(charging=50, for_s=2.0, within_s=PATIENCE_S)
    watched.mark("lifted")


async def _base_load(seen: Seen) -> None:
    """Something large is switched on behind the first grid connection's meter, and off again."""
    watched = seen.watched
    before_w = watched.power_w
    seen.base_load["GC1"] = ActivePower(w=700_000)
    watched.mark("stepped up")
    await _is_within_limits(watched)
    watched.mark("made good")
    seen.base_load["GC1"] = ActivePower(w=85_000)
    await watched.until(lambda: watched.power_w >= 0.85 * before_w, "the room is used again", within_s=PATIENCE_S)
    await watched.until_steady(charging=50, for_s=2.0, within_s=PATIENCE_S)


async def _killed(seen: Seen) -> None:
    """`kill -9` at full power; the depot is left alone for a while; then it is started again."""
    watched, depot = seen.watched, seen.watched.depot
    seen.facts["power before"] = watched.power_w
    await seen.server.kill()
    killed_s = watched.mark("killed")
    seen.facts["told before"] = watched.setpoints()
    seen.facts["cycles before"] = await seen.cycles()
    seen.facts["sessions before"] = await seen.sessions()
    await asyncio.sleep(max(0.0, killed_s + EXPIRY_S + 2.5 - time.time()))
    watched.mark("starting")
    await seen.server.start()
    watched.mark("restarted")
    ready = len(depot.charge_points) - 2
    await watched.until(lambda: depot.count().ready >= ready, "charge points are back", within_s=PATIENCE_S)
    await watched.until(
        lambda: watched.power_w >= 0.85 * seen.facts["power before"], "charging resumes", within_s=PATIENCE_S
    )
    watched.mark("resumed")
    await asyncio.sleep(1.0)
    seen.facts["told after"] = watched.setpoints()
    seen.facts["cycles after"] = await seen.cycles()
    seen.facts["sessions after"] = await seen.sessions()


async def _silence(seen: Seen) -> None:
    """The second grid connection's meter says nothing any more."""
    watched = seen.watched
    watched.silent.add("GC2")
    watched.mark("silent")
    await asyncio.sleep(SILENT_S + 17.0)


async def rogues(folder: Path) -> Seen:
    """One takes setpoints and ignores them, one refuses them, one forgets them when it reboots, one cannot take a
    fallback of 0; and two are commissioned, of which one does not keep to its fallback."""
    database = f"sqlite:///{folder / 'busbar.db'}"
    rogue = ("PU1", "PU7", "PU10", "PU15")
    async with at_work(folder, database, HARDLY_CONTROLLED, rogues=rogue, is_cramped=False) as seen:
        watched, depot = seen.watched, seen.watched.depot
        # The circuit of the one that will fail its proof has room for all that it may do.
        for connector in ("PU15/2", "PU15/3", "PU15/4", *(f"PU16/{number}" for number in range(1, 5))):
            depot.unplug(connector)
        # All but those of the unit that refuses its fallback of 0.
        await seen.until_believed(60)
        watched.mark("believed")
        await watched.until_steady(charging=35, for_s=2.0, within_s=PATIENCE_S)
        # All that PU1 can draw is too much only where its neighbours draw something too.
        await watched.until(
            lambda: _drawn_w(watched, "PU2", "PU3") >= 130_000, "the north yard is busy", within_s=PATIENCE_S
        )
        depot.behave("PU1", DEAF)
        depot.behave("PU10", TO_FULL)
        watched.mark("deaf")
        await watched.until(
            lambda: bool(watched.above_limits(watched.between("deaf"))), "it draws too much", within_s=PATIENCE_S
        )
        await _is_within_limits(watched)
        watched.mark("made good")
        seen.facts["proven"], seen.facts["failed"] = await asyncio.gather(
            seen.server.command("commission", "PU13", "--by", "Eve", "--json"), _failing(seen)
        )
        seen.facts["evidence"] = await seen.evidence()
        watched.mark("ending")
        seen.facts["end"] = await seen.server.end()
        return seen


def _drawn_w(watched: Watched, *units: str) -> int:
    """What these units draw now, at the vehicle."""
    draws = watched.depot.draws().tolist()
    return sum(
        draw for name, draw in zip(watched.projection.leaf_ids, draws, strict=True) if name.rpartition("/")[0] in units
    )


async def _failing(seen: Seen) -> tuple[int, str, str]:
    """The proof of a unit that does what it likes as soon as it is left alone."""
    depot = seen.watched.depot
    proof = asyncio.create_task(seen.server.command("commission", "PU15", "--by", "Eve"))
    await seen.watched.until(lambda: not depot.station("PU15").is_open, "it is left alone", within_s=PATIENCE_S)
    depot.behave("PU15", DEAF)
    return await proof


async def _is_within_limits(watched: Watched) -> None:
    """Wait until nothing has been above a limit for a while."""
    since_s = time.time()

    def is_within() -> bool:
        lately = [look for look in watched.looks if look.at_s >= time.time() - 1.5]
        return time.time() >= since_s + 2.0 and not watched.above_limits(lately)

    await watched.until(is_within, "all is within the limits again", within_s=PATIENCE_S)


async def on_postgresql(folder: Path, database: str) -> Seen:
    """Killed and started again at once, while leases run; nobody misbehaves, no meter speaks."""
    async with at_work(folder, database, {}, is_metered=False) as seen:
        watched = seen.watched
        await seen.until_believed(64)
        watched.mark("believed")
        await watched.until_steady(charging=40, for_s=2.0, within_s=PATIENCE_S)
        seen.facts["power before"] = watched.power_w
        await seen.server.kill()
        watched.mark("killed")
        seen.facts["cycles before"] = await seen.cycles()
        seen.facts["sessions before"] = await seen.sessions()
        seen.facts["told before"] = watched.setpoints()
        await seen.server.start()
        watched.mark("restarted")
        await watched.until(
            lambda: watched.depot.count().ready == 16 and watched.power_w >= 0.9 * seen.facts["power before"],
            "charging resumes",
            within_s=PATIENCE_S,
        )
        watched.mark("resumed")
        await asyncio.sleep(2.0)
        seen.facts["cycles after"] = await seen.cycles()
        seen.facts["sessions after"] = await seen.sessions()
        seen.facts["told after"] = watched.setpoints()
        seen.facts["end"] = await seen.server.end()
        return seen
