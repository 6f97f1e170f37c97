"""Acceptance of many scenarios: each in a process of its own, so that one that fails takes no other with it."""

import traceback
from collections.abc import Callable, Generator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter

from busbar.simulator.acceptance.accepted import Accepted, How, Job, Judged, Ran, replay_command
from busbar.simulator.acceptance.as_played import played_of
from busbar.simulator.acceptance.cycles import run_cycles
from busbar.simulator.acceptance.document import failure_document, scenario_document
from busbar.simulator.acceptance.live.run import run_live
from busbar.simulator.acceptance.made import Progress, run_made
from busbar.simulator.acceptance.page import failure_section, section_of
from busbar.simulator.acceptance.verdicts import verdicts_of
from busbar.simulator.results import verdicts
from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.trials.replay import needs_trial

Step = Callable[[int, int, int], None]
"""Called with a job's place, how many of its seconds are played, and how many there are."""


def accept_one(job: Job, *, progress: Progress) -> Accepted:
    """Run one scenario and say what came of it."""
    began = perf_counter()
    scenario = load_scenario(job.file)
    seed = scenario.seed if job.seed is None else job.seed
    try:
        return accepted_of(_judged(job, scenario, seed, progress, began))
    except Exception as error:
        # Whatever it is, the other scenarios are worth their report, and this one is red.
        return _failed(job, scenario, seed, _where(error), perf_counter() - began)


def how_to_play(scenario: Scenario, *, is_live: bool) -> How:
    """Cycle by cycle only where nothing goes wrong and nothing is expected between cycles."""
    if is_live:
        return How.LIVE
    return How.TRIAL if needs_trial(scenario) else How.CYCLES


def size_of(scenario: Scenario) -> int:
    """About how long it takes to play, in made-up time, in any unit."""
    steps = scenario.duration_s if needs_trial(scenario) else scenario.duration_s // scenario.cycle_s
    return steps * len(scenario.depot.charge_points)


def _judged(job: Job, scenario: Scenario, seed: int, progress: Progress, began_s: float) -> Judged:
    replay = replay_command(job, seed)
    match how_to_play(scenario, is_live=job.live is not None):
        case How.CYCLES:
            ran, played = run_cycles(scenario, seed=seed, progress=progress)
            wall_s = perf_counter() - began_s
            return Judged(job=job, ran=ran, played=played, verdicts=verdicts(played), wall_s=wall_s, replay=replay)
        case How.TRIAL:
            ran = run_made(scenario, seed=seed, progress=progress)
        case How.LIVE:
            ran = run_live(scenario, job, seed, progress)
    return judged_of(job, ran, began_s=began_s, replay=replay)


def judged_of(job: Job, ran: Ran, *, began_s: float, replay: str) -> Judged:
    """What is to be said of a run that was looked at every second."""
    played = played_of(ran.trail, ran.observed, speed=1 if job.live is None else job.live.speed)
    found = verdicts_of(ran.trail, played)
    wall_s = perf_counter() - began_s
    return Judged(job=job, ran=ran, played=played, verdicts=found, wall_s=wall_s, replay=replay)


def accepted_of(judged: Judged) -> Accepted:
    """What is told of it."""
    scenario, ran = judged.ran.scenario, judged.ran
    return Accepted(
        file=judged.job.file,
        id=scenario.id,
        name=scenario.name,
        how=ran.how,
        is_met=judged.is_met,
        expected=len(judged.verdicts),
        met=sum(verdict.is_met for verdict in judged.verdicts),
        goals_missed=len(ran.missed),
        faults=len(scenario.faults),
        skipped=len(ran.skipped),
        wall_s=judged.wall_s,
        replay=judged.replay,
        document=scenario_document(judged),
        section=section_of(judged),
    )


def _failed(job: Job, scenario: Scenario, seed: int, failure: str, wall_s: float) -> Accepted:
    replay, how = replay_command(job, seed), how_to_play(scenario, is_live=job.live is not None)
    return Accepted(
        file=job.file,
        id=scenario.id,
        name=scenario.name,
        how=how,
        is_met=False,
        expected=len(scenario.expectations),
        met=0,
        goals_missed=0,
        faults=len(scenario.faults),
        skipped=0,
        wall_s=wall_s,
        replay=replay,
        document=failure_document(job, scenario, seed, how, failure, wall_s),
        section=failure_section(job, scenario, failure, replay),
        failure=failure,
    )


def _where(error: Exception) -> str:
    """The error, and the place in our own code that it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "busbar" in frame.filename]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def accept_all(jobs: Sequence[Job], *, workers: int, step: Step) -> Generator[tuple[int, Accepted], None, None]:
    """Each job's place and what came of it, in the order in which they end. `workers` 1: in this process."""
    if workers == 1:
        for place, job in enumerate(jobs):
            yield place, accept_one(job, progress=_of(step, place))
        return
    # Started afresh, not forked: a worker has its own event loops and no threads of ours.
    context = get_context("spawn")
    left = sorted(enumerate(jobs), key=lambda each: -each[1].size)
    running: dict[Connection, tuple[int, Job, BaseProcess]] = {}
    try:
        while left or running:
            while left and len(running) < workers:
                place, job = left.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_work, args=(job, theirs), daemon=job.live is None)
                process.start()
                theirs.close()
                running[ours] = (place, job, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                place, job, process = running[ready]
                said = _said(ready, job, process)
                if isinstance(said, Accepted):
                    del running[ready]
                    process.join()
                    yield place, said
                else:
                    step(place, *said)
    finally:
        for _, _, process in running.values():
            process.terminate()


def _of(step: Step, place: int) -> Progress:
    return lambda done, count: step(place, done, count)


def _work(job: Job, said: Connection) -> None:
    """In a process of its own."""
    said.send(accept_one(job, progress=lambda done, count: said.send((done, count))))


def _said(from_worker: Connection, job: Job, process: BaseProcess) -> Accepted | tuple[int, int]:
    """How far it is, or what came of it; a process that has died without a word has failed."""
    try:
        said: Accepted | tuple[int, int] = from_worker.recv()
    except EOFError:
        process.join()
        scenario = load_scenario(job.file)
        seed = scenario.seed if job.seed is None else job.seed
        return _failed(job, scenario, seed, f"its process ended with exit code {process.exitcode}", 0.0)
    return said
