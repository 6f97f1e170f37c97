"""One scenario, or a part of it, against real processes; what was recorded is judged as in made-up time."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from busbar.adapters.secrets import hash_secret, make_secret
from busbar.adapters.store.store import SqlStore, open_store
from busbar.adapters.tokens import make_token_secret
from busbar.core.depot import Depot
from busbar.engine.access import Role
from busbar.engine.breach_record import BreachRecord
from busbar.engine.ports import Credential
from busbar.simulator.acceptance.accepted import How, Job, Live, Ran
from busbar.simulator.acceptance.excerpt import excerpt
from busbar.simulator.acceptance.live.cannot import cannot_be_done
from busbar.simulator.acceptance.live.server import Server
from busbar.simulator.acceptance.live.site import LiveSite
from busbar.simulator.acceptance.live.talk import Shown, Talk
from busbar.simulator.acceptance.made import Progress
from busbar.simulator.acceptance.observed import Held, Observed
from busbar.simulator.fault import FaultEvent
from busbar.simulator.scenario import Event, Scenario, Vehicle
from busbar.simulator.times import FOREVER_S, Span
from busbar.simulator.trail import CycleSeen, Trail
from busbar.simulator.trials.happening import Happenings
from busbar.simulator.trials.notes import Notes
from busbar.simulator.trials.visits import Visit, Visits
from busbar.simulator.trials.yard import Sight

READY_WITHIN_S = 60
LATE_S = 75
"""What reacts in real time (a silent meter, a lease) takes so long at most: speed makes it longer in the scenario."""
SAMPLE_S = 5
_FASTEST_CYCLE_S, _SLOWEST_CYCLE_S = 1.0, 300.0


def run_live(scenario: Scenario, job: Job, seed: int, progress: Progress) -> Ran:
    """Run it in real time. Raises BusbarError where the processes do not start."""
    assert job.live is not None
    how = job.live
    from_s = how.from_s
    until_s = from_s + round(how.for_s) * how.speed
    part = excerpt(scenario, seed=seed, from_s=from_s, until_s=until_s, late_s=(how.speed - 1) * LATE_S)
    skipped = [reason for fault in part.scenario.faults if (reason := cannot_be_done(fault)) is not None]
    done = tuple(fault for fault in part.scenario.faults if cannot_be_done(fault) is None)
    depot = replace(scenario.depot, strategy=scenario.strategy, fair_in=scenario.fair_in)
    played = replace(part.scenario, depot=depot, faults=done)
    with TemporaryDirectory(prefix="busbar-accept-") as folder:
        return asyncio.run(_Run(played, how, seed, Path(folder), (*skipped, *part.not_judged)).run(progress))


@dataclass
class _Seen:
    """What is written down second by second."""

    sights: list[Sight] = field(default_factory=list)
    cycles: list[CycleSeen] = field(default_factory=list)
    held: list[tuple[int, Held]] = field(default_factory=list)
    joined: dict[str, tuple[str, int]] = field(default_factory=dict)
    soc: dict[str, list[float]] = field(default_factory=dict)
    late_s: float = 0.0
    """How far the worst second was behind."""
    unanswered: int = 0
    """Seconds in which the server said nothing."""


class _Run:
    """One run."""

    def __init__(self, scenario: Scenario, how: Live, seed: int, folder: Path, skipped: tuple[str, ...]) -> None:
        self._scenario, self._speed, self._seed, self._skipped = scenario, how.speed, seed, skipped
        self._database = f"sqlite:///{folder / 'accept.db'}"
        cycle_s = min(max(scenario.cycle_s / how.speed, _FASTEST_CYCLE_S), _SLOWEST_CYCLE_S)
        self._server = Server(
            database=self._database,
            log=folder / "serve.log",
            cycle_s=cycle_s,
            lease_s=scenario.lease_s,
            sample_s=SAMPLE_S,
        )
        self._seen = _Seen()
        self._last: tuple[str, int] | None = None

    async def run(self, progress: Progress) -> Ran:
        """From start to end; whatever happens, nothing of it stays behind."""
        store = await open_store(self._database)
        try:
            secret, token = await _let_in(store, self._scenario.depot)
            await self._server.start()
            site = LiveSite(
                self._scenario,
                seed=self._seed,
                speed=self._speed,
                store=store,
                server=self._server,
                sample_s=SAMPLE_S,
            )
            talk = Talk(site.yard.projection, meter_secret=secret, token=token)
            try:
                return await self._play(site, talk, progress)
            finally:
                await site.stop()
                talk.close()
        finally:
            self._server.end()
            await store.close()

    async def _play(self, site: LiveSite, talk: Talk, progress: Progress) -> Ran:
        site.yard.start()
        await self._warm_up(site, talk)
        began_s, began = time.monotonic(), datetime.now(UTC)
        visits = Visits(site.yard.projection, self._vehicles(), start=began)
        self._seen.soc |= {visit.vehicle.id: [] for visit in visits.all}
        notes = Notes(site.clock.now_s)
        happenings = Happenings(site, notes, Random(f"{self._seed}/happenings"))
        waiting = self._agenda()
        for real_s in range(self._scenario.duration_s // self._speed):
            at_s = real_s * self._speed
            while waiting and waiting[0][0] <= at_s:
                _, is_begin, number, event = waiting.pop(0)
                await (happenings.begin if is_begin else happenings.end)(number, event)
            await self._move(site, visits, real_s, at_s)
            sight = await site.look(at_s)
            self._seen.sights.append(sight)
            talk.at(self._server.http_port)
            self._note(await asyncio.to_thread(talk.exchange, site.said(real_s, sight), at_s), at_s)
            progress(real_s, self._scenario.duration_s // self._speed)
            left_s = began_s + real_s + 1 - time.monotonic()
            self._seen.late_s = max(self._seen.late_s, -left_s)
            await asyncio.sleep(max(0.0, left_s))
        breaches = await site.people.breaches(site.depot_id, limit=10_000)
        return self._ran(site, [self._in_scenario(each, began) for each in breaches])

    async def _warm_up(self, site: LiveSite, talk: Talk) -> None:
        """Until everybody is connected and every meter has been heard; no vehicle is there yet."""
        for real_s in range(-READY_WITHIN_S, 0):
            sight = await site.look(0)
            talk.at(self._server.http_port)
            shown = await asyncio.to_thread(talk.exchange, site.said(real_s, sight), 0)
            is_seen = shown is not None and all(mode.value == "NORMAL" for mode in shown.cycle.modes.values())
            if is_seen and site.are_ready:
                return
            await asyncio.sleep(1.0)

    def _vehicles(self) -> list[Vehicle]:
        """In real seconds."""
        return [
            replace(each, arrives_s=each.arrives_s // self._speed, departs_s=max(1, each.departs_s // self._speed))
            for each in self._scenario.vehicles
        ]

    def _agenda(self) -> list[tuple[int, bool, int, Event | FaultEvent]]:
        """When (in the scenario), whether it begins, its number, and it itself with its span in real seconds."""
        found: list[tuple[int, bool, int, Event | FaultEvent]] = []
        for number, event in enumerate([*self._scenario.events, *self._scenario.faults]):
            span, speed = event.span, self._speed
            until_s = (
                span.until_s if span.until_s >= FOREVER_S else max(span.from_s // speed + 1, span.until_s // speed)
            )
            real = replace(event, span=Span(from_s=span.from_s // speed, until_s=until_s))
            found.append((span.from_s, True, number, real))
            if span.until_s < FOREVER_S:
                found.append((span.until_s, False, number, real))
        return sorted(found, key=lambda each: each[:3])

    async def _move(self, site: LiveSite, visits: Visits, real_s: int, at_s: int) -> None:
        yard, true_s = site.yard, site.clock.true_s
        for leaf in visits.leaving(real_s):
            unit = yard.unit_of[leaf]
            assert unit is not None
            unit.link.station.unplug(leaf - unit.leaves.start, true_s)
            unit.link.poke()
        for visit in visits.coming(real_s, yard.outlets, lambda: true_s):
            await self._plug_in(site, visits, visit, at_s)
        for visit in visits.all:
            is_there = visit.leaf is not None and visit.plugged is not None
            self._seen.soc[visit.vehicle.id].append(visit.plugged.soc if is_there and visit.plugged else np.nan)

    async def _plug_in(self, site: LiveSite, visits: Visits, visit: Visit, at_s: int) -> None:
        assert visit.leaf is not None
        assert visit.plugged is not None
        unit = site.yard.unit_of[visit.leaf]
        assert unit is not None
        await site.people.save_plan(site.depot_id, visits.plan(visit, site.clock.now()))
        unit.link.station.plug_in(visit.leaf - unit.leaves.start, visit.plugged, site.clock.true_s)
        unit.link.poke()
        self._seen.joined.setdefault(visit.vehicle.id, (site.yard.projection.leaf_ids[visit.leaf], at_s))

    def _note(self, shown: Shown | None, at_s: int) -> None:
        if shown is None:
            self._seen.unanswered += 1
        elif shown.key != self._last:
            self._last = shown.key
            self._seen.cycles.append(shown.cycle)
            self._seen.held.append((at_s, shown.held))

    def _in_scenario(self, breach: BreachRecord, began: datetime) -> BreachRecord:
        """Its times as the scenario counts them."""

        def moved(at: datetime) -> datetime:
            return self._scenario.start + timedelta(seconds=(at - began).total_seconds() * self._speed)

        return replace(
            breach,
            started_at=moved(breach.started_at),
            opened_at=moved(breach.opened_at),
            ended_at=None if breach.ended_at is None else moved(breach.ended_at),
            peak_at=moved(breach.peak_at),
        )

    def _ran(self, site: LiveSite, breaches: list[BreachRecord]) -> Ran:
        seen, scenario = self._seen, self._scenario
        sights = seen.sights
        trail = Trail(
            scenario=scenario,
            seed=self._seed,
            start=scenario.start,
            duration_s=scenario.duration_s,
            projection=site.yard.projection,
            at_s=np.array([sight.at_s for sight in sights], dtype=np.int64),
            flow=np.array([sight.flow_rows for sight in sights]),
            base=np.array([sight.base_rows for sight in sights]),
            limit=np.array([sight.limit for sight in sights]),
            draw=np.array([sight.draw for sight in sights]),
            soc={name: np.array(values) for name, values in seen.soc.items()},
            cycles=tuple(seen.cycles),
            breaches=tuple(breaches),
        )
        return Ran(
            how=How.LIVE,
            scenario=scenario,
            seed=self._seed,
            trail=trail,
            observed=Observed(joined=seen.joined, held=seen.held),
            figures={
                "cycles seen": float(len(seen.cycles)),
                "connections": float(site.connections),
                "lives of Busbar": float(self._server.lives),
                "seconds without an answer": float(seen.unanswered),
                "latest look, s": seen.late_s,
            },
            skipped=self._skipped,
            looked_until_s=scenario.duration_s,
        )


async def _let_in(store: SqlStore, depot: Depot) -> tuple[str, str]:
    """Import the depot; the secrets of its meters, and of whoever looks at the status."""
    now = datetime.now(UTC)
    await store.import_depot(depot, at=now)
    secret, (token, token_hash) = make_secret(), make_token_secret()
    meter_hash = hash_secret(secret)
    for circuit in depot.circuits:
        if circuit.meter:
            kept = Credential(kind="meter", depot_id=depot.id, subject=circuit.id, secret_hash=meter_hash)
            await store.records().save_credential(kept, at=now)
    await store.access().add_token(
        name="acceptance",
        role=Role.VIEWER,
        secret_hash=token_hash,
        depot_id=depot.id,
        nodes=(),
        at=now,
        expires_at=now + timedelta(days=2),
    )
    return secret, token
