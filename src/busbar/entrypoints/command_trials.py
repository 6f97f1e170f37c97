"""`busbar simulate --faults`, and scenarios in which something goes wrong: trials of the engine in made-up time."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.entrypoints.options import BROKEN, FINE
from busbar.entrypoints.progress import progress_bar
from busbar.entrypoints.render_trials import replay_command, totals_text, trial_text
from busbar.entrypoints.screen import print_document, say, show
from busbar.simulator.scenario import Scenario
from busbar.simulator.trials.drawn import drawn_scenario
from busbar.simulator.trials.many import run_many
from busbar.simulator.trials.replay import Replayed, replay
from busbar.simulator.trials.replay import as_document as trial_document
from busbar.simulator.trials.shrink import shrink, write_shrunk
from busbar.simulator.trials.totals import (
    Failing,
    Totals,
    added,
    as_document,
    of_one,
    read_totals,
    write_totals,
)

SEEDS = "0:20"
"""Which run where nobody says."""
_MOST_SHRUNK = 3
_KEPT_EVERY_S = 30.0
_RANGE = re.compile(r"([0-9]{1,12}):([0-9]{1,12})")


def play_with_faults(scenario: Scenario, *, seed: int | None, as_json: bool) -> int:
    """Play a scenario file under every goal."""
    with progress_bar(f"Playing {scenario.id}") as step:
        replayed = replay(scenario, seed=seed, progress=step)
    _show_trial(replayed, as_json=as_json)
    return FINE if replayed.is_met else BROKEN


def one_seed(seed: int, *, shrunk: str, as_json: bool) -> int:
    """Run the trial that a seed draws; where it misses a goal, write it smaller."""
    with progress_bar(f"Playing trial {seed}") as step:
        replayed = replay(drawn_scenario(seed), progress=step)
    _show_trial(replayed, as_json=as_json)
    if replayed.is_met:
        return FINE
    _write_smaller(seed, Path(shrunk))
    return BROKEN


def many_seeds(seeds: str, *, workers: int | None, into: str | None, shrunk: str, as_json: bool) -> int:
    """Run the trials of a range of seeds. What is in the file already is not run again."""
    first, until = _range(seeds)
    file = None if into is None else Path(into)
    totals = known = Totals() if file is None else read_totals(file)
    left = (seed for seed in range(first, until) if not known.has(seed))
    count = sum(not known.has(seed) for seed in range(first, until))
    with progress_bar(f"Trials {seeds}") as step:
        for totals in _summed(known, left, workers, file):
            step(totals.trials - known.trials, count)
    if as_json:
        print_document(as_document(totals))
    else:
        show(totals_text(totals))
    for failing in _to_make_smaller(totals, known):
        _write_smaller(failing.seed, Path(shrunk))
    return BROKEN if totals.failed else FINE


def _summed(totals: Totals, seeds: Iterator[int], workers: int | None, file: Path | None) -> Iterator[Totals]:
    """The sum after every trial; written now and then, and at the end however it comes."""
    written_s = monotonic()
    try:
        with closing(run_many(seeds, workers=workers)) as summaries:
            for summary in summaries:
                totals = added(totals, of_one(summary))
                if summary.missed:
                    goals = ", ".join(sorted(summary.missed))
                    say(f"✖ Seed {summary.seed} missed {goals}. To see it again: {replay_command(summary.seed)}")
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


def _write_smaller(seed: int, folder: Path) -> None:
    try:
        with progress_bar(f"Making trial {seed} smaller") as step:
            found = shrink(drawn_scenario(seed), tell=step)
    except BusbarError as error:
        # Without a smaller scenario there is still the seed.
        say(f"Trial {seed} was not made smaller: {error}. To see it again: {replay_command(seed)}")
        return
    path = write_shrunk(found, folder)
    left = found.scenario
    say(
        f"{path}: {found.goal} is missed with {len(left.faults)} faults and {len(left.vehicles)} vehicles "
        f"in {left.duration_s} s ({found.runs} runs). To see it again: busbar simulate {path}"
    )


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
