"""`busbar simulate --faults`, and scenarios in which something goes wrong: trials of the engine in made-up time."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.entrypoints.options import BROKEN, FINE
from busbar.entrypoints.progress import progress_bar
from busbar.entrypoints.render_trials import replay_command, totals_text, trial_text
from busbar.entrypoints.screen import print_document, say, show
from busbar.simulator.acceptance.accepted import Job
from busbar.simulator.acceptance.made import ran_of, replay_observed
from busbar.simulator.acceptance.run import judged_of
from busbar.simulator.acceptance.trial_report import write_trial_report
from busbar.simulator.commit import commit_of_checkout
from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario
from busbar.simulator.trials.drawn_upon import SHORTEST_S
from busbar.simulator.trials.many import run_many
from busbar.simulator.trials.replay import Replayed, replay
from busbar.simulator.trials.replay import as_document as trial_document
from busbar.simulator.trials.shrink import shrink, write_shrunk
from busbar.simulator.trials.source import Source, drawn_from, run_from
from busbar.simulator.trials.totals import (
    Failing,
    Totals,
    added,
    as_document,
    of_one,
    read_totals,
    refuse_another,
    run_again,
    write_totals,
)

SEEDS = "0:20"
"""Which run where nobody says."""
_MOST_SHRUNK = 3
_KEPT_EVERY_S = 30.0
_RANGE = re.compile(r"([0-9]{1,12}):([0-9]{1,12})")


def play_with_faults(
    scenario: Scenario, *, file: str, again: str, seed: int | None, folder: Path | None, as_json: bool
) -> int:
    """Play a scenario file under every goal. `again`: the command that does so, without its seed."""
    began_s = perf_counter()
    with progress_bar(f"Playing {scenario.id}") as step:
        replayed, observed = replay_observed(scenario, seed=seed, progress=step)
    _show_trial(replayed, as_json=as_json)
    is_met = replayed.is_met
    if folder is not None:
        job, command = Job(file=file, seed=seed), f"{again} --seed {replayed.seed}"
        judged = judged_of(job, ran_of(replayed, observed), began_s=began_s, replay=command)
        say(f"Report: {write_trial_report(replayed, judged, folder)}")
        is_met = judged.is_met
    return FINE if is_met else BROKEN


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the trials of a command are drawn upon, and the words that ask for it again."""

    source: Source
    options: str


def asked_for(scenario: str | None, hours: int | None) -> Asked:
    """A scenario file, for so long; None: every seed draws its own depot. Raises RefusedError."""
    if scenario is None:
        return Asked(source=Source(), options="")
    found = load_scenario(scenario)
    if hours is None and found.duration_s < SHORTEST_S:
        rule = f"Nothing is drawn upon a scenario that is shorter than {SHORTEST_S // 60} minutes."
        raise RefusedError((Problem(path="--hours", rule=rule, fix="Give `--hours 1`, or more."),))
    source = Source(upon=found, duration_s=None if hours is None else 3600 * hours)
    return Asked(source=source, options=scenario if hours is None else f"{scenario} --hours {hours}")


def one_seed(seed: int, asked: Asked, *, shrunk: str, as_json: bool) -> int:
    """Run the trial that a seed draws; where it misses a goal, write it smaller."""
    with progress_bar(f"Playing trial {seed}") as step:
        replayed = replay(drawn_from(asked.source, seed), keeps_trail=False, progress=step)
    _show_trial(replayed, as_json=as_json)
    if replayed.is_met:
        return FINE
    _write_smaller(seed, asked, Path(shrunk))
    return BROKEN


def many_seeds(seeds: str, asked: Asked, *, workers: int | None, into: str | None, shrunk: str, as_json: bool) -> int:
    """Run the trials of a range of seeds. What is in the file already is not run again."""
    first, until = _range(seeds)
    file = None if into is None else Path(into)
    totals = known = Totals() if file is None else read_totals(file)
    # What does not add up is said before hours have been spent on it.
    refuse_another(known, asked.source.name)
    left = (seed for seed in range(first, until) if not known.has(seed))
    count = sum(not known.has(seed) for seed in range(first, until))
    with progress_bar(f"Trials {seeds}") as step:
        for totals in _summed(known, left, asked, workers, file):
            step(totals.trials - known.trials, count)
    _show_totals(totals, asked, as_json=as_json)
    for failing in _to_make_smaller(totals, known):
        _write_smaller(failing.seed, asked, Path(shrunk))
    return BROKEN if totals.failed else FINE


def failing_seeds(asked: Asked, *, workers: int | None, into: str, as_json: bool) -> int:
    """Run again what a file names as failing; what misses nothing now counts as mended."""
    file, commit = Path(into), commit_of_checkout() or ""
    totals = read_totals(file)
    refuse_another(totals, asked.source.name)
    seeds, run = [each.seed for each in totals.failing], partial(run_from, asked.source)
    with (
        progress_bar(f"Trials of {file.name} that failed") as step,
        closing(run_many(seeds, run=run, workers=workers)) as runs,
    ):
        for number, summary in enumerate(runs, start=1):
            totals = run_again(totals, summary, commit=commit)
            write_totals(totals, file)
            step(number, len(seeds))
    _show_totals(totals, asked, as_json=as_json)
    return BROKEN if totals.failed else FINE


def _summed(
    totals: Totals, seeds: Iterator[int], asked: Asked, workers: int | None, file: Path | None
) -> Iterator[Totals]:
    """The sum after every trial; written now and then, and at the end however it comes."""
    written_s, commit = monotonic(), commit_of_checkout() or ""
    run = partial(run_from, asked.source)
    try:
        with closing(run_many(seeds, run=run, workers=workers)) as summaries:
            for summary in summaries:
                totals = added(totals, of_one(summary, upon=asked.source.name, commit=commit))
                if summary.missed:
                    goals = ", ".join(sorted(summary.missed))
                    again = replay_command(summary.seed, asked.options)
                    say(f"✖ Seed {summary.seed} missed {goals}. To see it again: {again}")
                if file is not None and monotonic() - written_s > _KEPT_EVERY_S:
                    write_totals(totals, file)
                    written_s = monotonic()
                yield totals
    finally:
        if file is not None:
            write_totals(totals, file)


def _to_make_smaller(totals: Totals, known: Totals) -> list[Failing]:
    """One new one for each set of goals that was missed, and not many: each takes as long as dozens of trials."""
    found: dict[tuple[str, ...], Failing] = {}
    for failing in totals.failing:
        if not known.has(failing.seed):
            found.setdefault(failing.goals, failing)
    return list(found.values())[:_MOST_SHRUNK]


def _write_smaller(seed: int, asked: Asked, folder: Path) -> None:
    try:
        with progress_bar(f"Making trial {seed} smaller") as step:
            found = shrink(drawn_from(asked.source, seed), tell=step)
    except BusbarError as error:
        # Without a smaller scenario there is still the seed.
        again = replay_command(seed, asked.options)
        say(f"Trial {seed} was not made smaller: {error}. To see it again: {again}")
        return
    path = write_shrunk(found, folder)
    left = found.scenario
    say(
        f"{path}: {found.goal} is missed with {len(left.faults)} faults and {len(left.vehicles)} vehicles "
        f"in {left.duration_s} s ({found.runs} runs). To see it again: busbar simulate {path}"
    )


def _show_totals(totals: Totals, asked: Asked, *, as_json: bool) -> None:
    if as_json:
        print_document(as_document(totals))
    else:
        show(totals_text(totals, asked.options))


def _show_trial(replayed: Replayed, *, as_json: bool) -> None:
    if as_json:
        print_document(trial_document(replayed))
    else:
        show(trial_text(replayed))


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) >= int(match[2]):
        problem = Problem(
            path="--seeds",
            value=text,
            rule="Not a range of seeds: the first, and the one after the last.",
            fix="Write for example `0:100`.",
        )
        raise RefusedError((problem,))
    return int(match[1]), int(match[2])


def refuse_options(given: dict[str, bool], rule: str) -> None:
    """Options that do not go with what is played. Raises RefusedError naming all of them."""
    problems = tuple(
        Problem(path=option, rule=rule, fix="Leave it out.") for option, is_given in given.items() if is_given
    )
    if problems:
        raise RefusedError(problems)
