"""What came of one scenario of an acceptance run, heavy (with its trail) and light (what is told of it)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from shlex import quote
from typing import Any

from busbar.simulator.acceptance.observed import Observed
from busbar.simulator.played import Played
from busbar.simulator.results import Verdict
from busbar.simulator.scenario import Scenario
from busbar.simulator.trail import Trail


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One scenario to be accepted. Crosses to worker processes."""

    file: str
    """As the caller named it, or as it was found in the folder."""
    seed: int | None
    """None: the scenario's own."""
    live: "Live | None" = None
    """None: in made-up time."""
    size: int = 0
    """About how long it takes, in any unit: what takes longest begins first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """How to run against real processes."""

    from_s: int = 0
    """Where in the scenario it begins."""
    speed: int = 1
    """Vehicles, timetable, events and faults run so many times as fast; control runs in real time."""
    for_s: float = 120.0
    """It ends after so many real seconds, wherever the scenario is by then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """A goal that was missed."""

    goal: str
    at_s: float
    text: str


class How(Enum):
    """How a scenario was played."""

    TRIAL = "trial"
    """By the engine, the OCPP layer and the store, second by second in made-up time."""
    CYCLES = "cycles"
    """By the engine alone, cycle by cycle: nothing goes wrong in it, and nothing is asked between cycles."""
    LIVE = "live"
    """Against real processes, in real time."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run, as it was recorded."""

    how: How

    scenario: Scenario
    seed: int
    trail: Trail
    observed: Observed
    missed: tuple[Missed, ...] = ()
    digest: str = ""
    """Of everything that was said and done, or of what came of it; empty: a live run is not repeated byte for byte."""
    figures: Mapping[str, float]
    """Counts (cycles, frames, lives, ...) and what goals measured."""
    skipped: tuple[str, ...] = ()
    """What the scenario asks for and was not done, and why."""
    looked_until_s: int
    """How far into the scenario it came."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A run, and what is to be said of it."""

    job: Job
    ran: Ran
    played: Played
    verdicts: tuple[Verdict, ...]
    wall_s: float
    replay: str
    """The command that runs it again."""

    @property
    def is_met(self) -> bool:
        """Everything expected came true, and no goal was missed."""
        return not self.ran.missed and all(verdict.is_met for verdict in self.verdicts)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What is told of a scenario. Small: crosses back from worker processes."""

    file: str
    id: str
    name: str
    how: How
    is_met: bool
    expected: int
    met: int
    goals_missed: int
    faults: int
    skipped: int
    wall_s: float
    replay: str
    """The command that runs it again."""
    document: Mapping[str, Any]
    section: str
    """Its part of the page, HTML."""
    failure: str = ""
    """It could not be played to its end, and why."""


def replay_command(job: Job, seed: int) -> str:
    """The one command that runs a scenario again, as it ran."""
    command = f"busbar accept {quote(job.file)} --seed {seed}"
    if job.live is None:
        return command
    minutes, seconds = divmod(job.live.from_s, 60)
    begin = f" --from {minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if job.live.from_s else ""
    return f"{command} --live{begin} --speed {job.live.speed} --for {job.live.for_s:g}"
