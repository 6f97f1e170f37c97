"""A trial: a scenario with its faults, played by the real engine and the real OCPP layer in made-up time."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Protocol

import numpy as np

from busbar.adapters.memory import MemoryStore
from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.quirks import load_quirks
from busbar.core.depot import Depot
from busbar.core.units import Amount
from busbar.engine.envelopes import amount_at
from busbar.engine.moment import Moment
from busbar.engine.orders import Order
from busbar.engine.ports import ChargePointRecords, Envelope, Store
from busbar.engine.status import node_states_now
from busbar.engine.timing import Timing
from busbar.simulator.draw import draw_vehicles
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import Event, Scenario
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.station import Station
from busbar.simulator.trail import CycleSeen, Ints, Trail
from busbar.simulator.trials.happening import Happenings
from busbar.simulator.trials.links import Link, Wire
from busbar.simulator.trials.made_time import BEGIN_S, MadeClock, MadeTimeLoop
from busbar.simulator.trials.meters import Meter, meters_of
from busbar.simulator.trials.notes import Notes
from busbar.simulator.trials.process import Process
from busbar.simulator.trials.store import Disk
from busbar.simulator.trials.visits import Visits
from busbar.simulator.trials.yard import Sight, Yard

RESTARTED_S = 3.0
"""Whoever supervises Busbar starts it again after so long, where it ended by itself."""
MOST_LIVES = 50
"""In an hour, on average: one that is started again and again is left dead in the end."""
SIGHTS_S = 600
"""So many of the last seconds are kept for goals to look back at."""
KEPT_DAYS = 0.25
"""Busbar forgets cycles that are older."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A goal that was missed."""

    goal: str
    """`R1` to `R9`."""
    at_s: float
    """Since the start."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What survives every process: the database of the depot, and of its charge points. Neither ever waits."""

    store: Store
    records: ChargePointRecords


class Goal(Protocol):
    """Watches a trial. Reads everything, changes nothing. Whoever inherits it says what it looks at."""

    def looked(self, trial: "Trial", sight: Sight) -> Iterable[Violation]:
        """Once a second."""
        return ()

    def ordered(self, trial: "Trial", order: Order) -> Iterable[Violation]:
        """An order is about to leave."""
        return ()

    def cycled(self, trial: "Trial", moment: Moment) -> Iterable[Violation]:
        """A cycle has ended."""
        return ()

    def ended(self, trial: "Trial", trail: Trail) -> Iterable[Violation]:
        """The trial is over."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a trial."""

    trail: Trail
    violations: tuple[Violation, ...]
    digest: str
    """Of everything that was said and done."""
    last_lines: tuple[str, ...]
    cycles: int
    frames: int
    lives: int
    struck: int
    """Frames that fared badly."""
    figures: Mapping[str, float]
    """What goals measured: the worst reaction times, in seconds."""


_Second = tuple[Ints, Ints, Ints, Ints]
"""Flow, base load, limit and draw."""


class Trial:
    """One run. What goals look at is here; nothing outside changes it."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        goals: Sequence[Goal] = (),
        timing: Timing | None = None,
        with_states: bool = False,
        keeps_trail: bool = True,
        kept: Kept | None = None,
        change: Callable[["Trial"], None] = lambda trial: None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`with_states`: node states are worked out each cycle; `keeps_trail`: every second and cycle is in the result,
        which grows with the time that passes; `kept`: where Busbar keeps what it keeps (None: in memory); `change`:
        spoils Busbar when it is born (tests)."""
        self.scenario, self.seed, self.goals = scenario, seed, tuple(goals)
        self.timing = timing or Timing(cycle_s=float(scenario.cycle_s), lease_s=scenario.lease_s)
        self.depot_id, self.lease_s = scenario.depot.id, self.timing.lease_s
        self.violations: list[Violation] = []
        self.figures: dict[str, float] = {}
        self.lives = 0
        self.process: Process | None = None
        """None: it is dead, and has not been started again."""
        self.died_s: float | None = None
        self.in_force: dict[int, Event | FaultEvent] = {}
        """Events and faults whose span holds now, by their numbers."""
        self.depot: Depot = scenario.depot
        self.revision = 0
        self.cycles = 0
        """How many have been seen."""
        self.meters_lied_s = -1e9
        """When a meter was not to be believed last."""
        self._with_states, self._change, self._progress = with_states, change, progress
        self._keeps_trail = keeps_trail
        self._kept = kept or Kept(store=MemoryStore(), records=MemoryRecords())
        self._envelopes: Sequence[Envelope] = ()
        self._sights: deque[Sight] = deque(maxlen=SIGHTS_S)
        self._seconds: list[_Second] = []
        self._cycles: list[CycleSeen] = []
        self._seen: tuple[str, int] = ("", 0)
        self._truth: list[tuple[int, Ints]] = []
        self._most_lives = MOST_LIVES * max(1, ceil(scenario.duration_s / 3600))
        self._random = Random(f"{seed}/trial")

    # Running

    def run(self) -> Result:
        """From start to end. The same scenario and seed give the same bytes."""
        loop = MadeTimeLoop()
        try:
            asyncio.set_event_loop(loop)
            return loop.run_until_complete(self._run(loop))
        finally:
            _end_all(loop)
            asyncio.set_event_loop(None)
            loop.close()

    async def _run(self, loop: asyncio.AbstractEventLoop) -> Result:
        scenario = self.scenario
        self.clock = MadeClock(loop, scenario.start)
        self.notes = Notes(self.clock.now_s)
        self.people, self.records = self._kept.store, self._kept.records
        self.disk = Disk(Random(f"{self.seed}/disk"))
        self._quirks = load_quirks()
        await self.people.import_depot(scenario.depot, at=scenario.start)
        self.yard = Yard(
            scenario, seed=self.seed, make_line=self._link, clock=self.clock, sample_s=self.timing.sample_s
        )
        self.meters: dict[str, Meter] = dict(meters_of(self.yard.projection, self._random))
        self._meter_random = Random(f"{self.seed}/meters")
        self._visits = Visits(self.yard.projection, draw_vehicles(scenario, self.seed), start=scenario.start)
        visits = self._visits.all if self._keeps_trail else ()
        self._soc = {visit.vehicle.id: np.full(scenario.duration_s, np.nan) for visit in visits}
        self._happenings = Happenings(self, self.notes, Random(f"{self.seed}/happenings"))
        self._agenda = _agenda([*scenario.events, *scenario.faults], scenario.duration_s)
        self._born()
        self.yard.start()
        for at_s in range(scenario.duration_s):
            await self._second(at_s)
            wait_s = BEGIN_S + at_s + 1 - loop.time()
            await asyncio.sleep(max(0.0, wait_s))
            if self._progress is not None and not at_s % 60:
                self._progress(at_s, scenario.duration_s)
        return await self._finish()

    async def _second(self, at_s: int) -> None:
        agenda = self._agenda.get(at_s, ())
        for number, event, is_begin in agenda:
            if is_begin:
                self.in_force[number] = event
                await self._happenings.begin(number, event)
            else:
                self.in_force.pop(number, None)
                await self._happenings.end(number, event)
        await self._move_vehicles(at_s)
        if agenda or not at_s:
            # Nothing but the agenda edits depots and gives envelopes.
            await self._reread()
        sight = self.yard.look(at_s, self.depot, self.revision, self._amounts())
        self._keep(sight)
        if self.process is not None:
            for meter in self.meters.values():
                said = meter.say(at_s, self.clock.now_s(), sight.flow, self._meter_random)
                if said is not None:
                    self.process.put(said)
        if any(meter.faults for meter in self.meters.values()):
            self.meters_lied_s = sight.now_s
        self._see_cycle(at_s)
        for goal in self.goals:
            self._missed(goal.looked(self, sight))

    def _keep(self, sight: Sight) -> None:
        self._sights.append(sight)
        if self._keeps_trail:
            self._seconds.append((sight.flow_rows, sight.base_rows, sight.limit, sight.draw))
        # Two hundred looks at the truth are part of the digest.
        if not sight.at_s % max(1, self.scenario.duration_s // 200):
            self._truth.append((sight.at_s, sight.draw))

    def sight_at(self, at_s: int) -> Sight:
        """What was true at one of the last seconds; of the oldest one that is kept, where it was longer ago."""
        return self._sights[max(0, at_s - self._sights[0].at_s)]

    async def _reread(self) -> None:
        self.revision = await self.people.depot_revision(self.depot_id)
        if (depot := await self.people.load_depot(self.depot_id)) is not None:
            self.depot = depot
        self._envelopes = await self.people.envelopes(self.depot_id)

    def _amounts(self) -> dict[str, list[Amount]]:
        found: dict[str, list[Amount]] = {}
        now = self.clock.now()
        for envelope in self._envelopes:
            if (amount := amount_at(envelope, now)) is not None:
                found.setdefault(envelope.node, []).append(amount)
        return found

    async def _move_vehicles(self, at_s: int) -> None:
        yard, true_s = self.yard, self.clock.true_s
        for leaf in self._visits.leaving(at_s):
            unit = yard.unit_of[leaf]
            assert unit is not None
            unit.link.station.unplug(leaf - unit.leaves.start, true_s)
            unit.link.poke()
        for visit in self._visits.coming(at_s, yard.outlets, lambda: true_s):
            assert visit.leaf is not None
            assert visit.plugged is not None
            unit = yard.unit_of[visit.leaf]
            assert unit is not None
            await self.people.save_plan(self.depot_id, self._visits.plan(visit, self.clock.now()))
            unit.link.station.plug_in(visit.leaf - unit.leaves.start, visit.plugged, true_s)
            unit.link.poke()
        for visit in self._visits.there if self._keeps_trail else ():
            if visit.leaf is not None and visit.plugged is not None:
                self._soc[visit.vehicle.id][at_s] = visit.plugged.soc

    def _see_cycle(self, at_s: int) -> None:
        process = self.process
        moment = None if process is None else process.loop.moment
        if moment is None or (moment.epoch + str(self.lives), moment.sequence) == self._seen:
            return
        self._seen = (moment.epoch + str(self.lives), moment.sequence)
        self.cycles += 1
        if self._keeps_trail:
            self._cycles.append(self._cycle_seen(at_s, moment))
        self.notes.line("cycle", f"{moment.record.number} {moment.record.outcome.value} {moment.setpoint.tolist()}")
        for goal in self.goals:
            self._missed(goal.cycled(self, moment))

    def _cycle_seen(self, at_s: int, moment: Moment) -> CycleSeen:
        states = {node: state.value for node, state in node_states_now(moment).items()} if self._with_states else {}
        return CycleSeen(
            at_s=at_s,
            number=moment.record.number,
            outcome=moment.record.outcome.value,
            modes={node: condition.mode for node, condition in moment.conditions.items()},
            states=states,
            setpoint=moment.setpoint,
            reachable=moment.reachable,
        )

    async def _finish(self) -> Result:
        for at_s, draw in self._truth:
            self.notes.line("truth", f"{at_s} {draw.tolist()}")
        trail = await self._trail()
        for goal in self.goals:
            self._missed(goal.ended(self, trail))
        if self.process is not None:
            self.process.kill()
        await asyncio.sleep(0.1)
        links = [unit.link for unit in self.yard.units.values()]
        return Result(
            trail=trail,
            violations=tuple(self.violations),
            digest=self.notes.digest,
            last_lines=tuple(self.notes.last),
            cycles=self.cycles,
            frames=sum(link.carried for link in links),
            lives=self.lives,
            struck=sum(link.weather.struck for link in links),
            figures=dict(self.figures),
        )

    async def _trail(self) -> Trail:
        """Of every second, where they are kept; of none otherwise."""
        projection = self.yard.projection
        inner, leaves = len(projection.frame.nodes), len(projection.leaf_ids)
        shapes = ((inner, 4), (inner, 4), (inner, 4), (leaves,))
        flow, base, limit, draw = (
            np.array([second[index] for second in self._seconds], dtype=np.int64).reshape(-1, *shape)
            for index, shape in enumerate(shapes)
        )
        return Trail(
            scenario=self.scenario,
            seed=self.seed,
            start=self.scenario.start,
            duration_s=self.scenario.duration_s,
            projection=projection,
            at_s=np.arange(len(self._seconds), dtype=np.int64),
            flow=flow,
            base=base,
            limit=limit,
            draw=draw,
            soc=self._soc,
            cycles=tuple(self._cycles),
            breaches=tuple(await self.people.breaches(self.depot_id, limit=10_000)),
        )

    def _missed(self, found: Iterable[Violation]) -> None:
        for violation in found:
            self.notes.line("MISSED", f"{violation.goal} {violation.text}")
            self.violations.append(violation)

    def in_force_kinds(self) -> frozenset[FaultKind]:
        """Kinds of faults in force now."""
        return frozenset(event.kind for event in self.in_force.values() if isinstance(event, FaultEvent))

    def worst(self, figure: str, value: float) -> None:
        """A goal has measured something: the largest is kept."""
        self.figures[figure] = max(self.figures.get(figure, value), value)

    # Busbar's process

    def _born(self) -> None:
        if self.lives >= self._most_lives:
            return
        self.lives += 1
        self._restarts_s = RESTARTED_S
        # A supervisor starts it with the depot as it is stored.
        process = self.process = Process(
            self.depot,
            life=self.lives,
            store=self.people,
            records=self.records,
            disk=self.disk,
            clock=self.clock,
            timing=self.timing,
            keep_days=KEPT_DAYS,
            quirks=self._quirks,
            random=Random(f"{self.seed}/process/{self.lives}"),
            notes=self.notes,
            watcher=self,
        )
        process.on_killed = self._died
        self.notes.line("process", f"life {self.lives}")
        self._change(self)
        process.start()

    def _died(self) -> None:
        self.process, self.died_s = None, self.clock.now_s()
        self.notes.line("process", "dead")
        asyncio.get_running_loop().call_later(self._restarts_s, self._born)

    def kill_at(self, nth: int, restart_s: float) -> None:
        """Busbar dies at the nth thing it does or hears from now on, and is started again so long after."""
        if self.process is not None:
            self._restarts_s = max(1.0, restart_s)
            self.process.dies_at = self.process.events + nth

    def ordered(self, order: Order) -> None:
        """An order is about to leave."""
        self.notes.line("order", f"{order.connector} {order.kind.value} {order.limit} {order.ends_at:%H:%M:%S}")
        for goal in self.goals:
            self._missed(goal.ordered(self, order))

    # The door that charge points knock at

    def _link(self, station: Station, conditions: Conditions, random: Random) -> Link:
        return Link(station, door=self, clock=self.clock, conditions=conditions, random=random)

    def let_in(self, link: Link, wire: Wire) -> bool:
        """Take a new connection, or turn it away."""
        return self.process is not None and self.process.let_in(link, wire)

    def heard(self) -> bool:
        """A frame arrives; whether there is a process to hear it."""
        return self.process is not None and self.process.touched()

    def gone(self, wire: Wire) -> None:
        """That wire carries nothing any more."""
        if self.process is not None:
            self.process.forget(wire)


def _end_all(loop: asyncio.AbstractEventLoop) -> None:
    """Nothing of one trial is left for the next, whatever became of it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


Agenda = Mapping[int, Sequence[tuple[int, Event | FaultEvent, bool]]]


def _agenda(events: Sequence[Event | FaultEvent], duration_s: int) -> Agenda:
    """What begins (True) and ends at each second; ends first."""
    found: dict[int, list[tuple[int, Event | FaultEvent, bool]]] = {}
    for number, event in enumerate(events):
        if event.span.until_s < duration_s:
            found.setdefault(event.span.until_s, []).insert(0, (number, event, False))
    for number, event in enumerate(events):
        found.setdefault(max(0, event.span.from_s), []).append((number, event, True))
    return found
