"""`busbar simulate`, `compare` and `demo --report`: the engine in a made-up depot with made-up time.

Each command imports what it works with, because the simulator and the fill's compiler take a while to load.
"""

from collections.abc import Callable
from enum import StrEnum
from itertools import product
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from busbar.core.depot import STRATEGY_NAMES, Leaves
from busbar.core.errors import Problem, RefusedError
from busbar.entrypoints.options import (
    BROKEN,
    FINE,
    DatabaseOption,
    JsonOption,
    LeavesOption,
    known_strategy,
)
from busbar.entrypoints.screen import print_document, print_text, say, show

SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, metavar="N", help="In place of the scenario's own seed.")
]
ReportOption = Annotated[str | None, typer.Option("--report", metavar="DIR", help="Write a report into this folder.")]

NIGHT = "wa_pta_night"
"""The shipped scenario that `busbar demo --report` plays."""


class ComparedLeaves(StrEnum):
    """What the strategies of a comparison share among."""

    CONNECTOR = "connector"
    CHARGE_POINT = "charge_point"
    BOTH = "both"


def simulate(
    scenario: Annotated[
        str | None,
        typer.Argument(metavar="SCENARIO", help="Scenario file (YAML or JSON).", show_default=False),
    ] = None,
    leaves: LeavesOption = None,
    seed: SeedOption = None,
    report: ReportOption = None,
    database: DatabaseOption = None,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults",
            help="Trials drawn at random in which everything goes wrong, under every goal; "
            "in small depots drawn too, or in that of SCENARIO.",
        ),
    ] = False,
    hours: Annotated[
        int | None,
        typer.Option(
            "--hours",
            min=1,
            max=240,
            metavar="H",
            help="With --faults and SCENARIO: how long; it begins again. Its own length by default.",
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="A:B", help="With --faults: which seeds; 0:20 by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="With --faults: processes; one per core.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into", metavar="FILE", help="With --faults: add to the sum in this file; what is in it is kept."
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="With --into: run what failed there again; what misses nothing now is mended."),
    ] = False,
    shrunk: Annotated[
        str,
        typer.Option("--shrunk", metavar="DIR", help="With --faults: where failing trials are written, made small."),
    ] = "failing",
    as_json: JsonOption = False,
) -> int:
    """Play a scenario and check what is expected of it; or, with --faults, many in which everything goes wrong."""
    not_of_trials = {"--database": database is not None}
    if faults or scenario is None:
        from busbar.entrypoints.command_trials import (
            SEEDS,
            asked_for,
            failing_seeds,
            many_seeds,
            one_seed,
            refuse_options,
        )

        if not faults:
            raise RefusedError((_one_of_two(scenario),))
        not_of_trials |= {"--report": report is not None, "--leaves": leaves is not None}
        refuse_options(not_of_trials, "Does not go together with --faults.")
        refuse_options({"--hours": hours is not None and scenario is None}, "Only together with a scenario file.")
        refuse_options({"--again": again and into is None}, "Which trials failed stands in the file of --into.")
        refuse_options({"--seed": seed is not None and seeds is not None}, "Does not go together with --seeds.")
        both = {"--seed": seed is not None and again, "--seeds": seeds is not None and again}
        refuse_options(both, "Does not go together with --again.")
        asked = asked_for(scenario, hours)
        if again and into is not None:
            return failing_seeds(asked, workers=workers, into=into, as_json=as_json)
        if seed is not None:
            return one_seed(seed, asked, shrunk=shrunk, as_json=as_json)
        return many_seeds(seeds or SEEDS, asked, workers=workers, into=into, shrunk=shrunk, as_json=as_json)
    from busbar.bootstrap import play_scenario
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_simulation import simulation_text
    from busbar.simulator.results import all_met, summary
    from busbar.simulator.scenario import sharing_among
    from busbar.simulator.scenario_file import load_scenario
    from busbar.simulator.trials.replay import needs_trial

    found = sharing_among(load_scenario(scenario), leaves)
    if needs_trial(found):
        from busbar.entrypoints.command_trials import play_with_faults, refuse_options

        refuse_options(not_of_trials, "Not for a scenario in which something goes wrong.")
        anew = f"busbar simulate {quote(scenario)}" + ("" if leaves is None else f" --leaves {leaves.value}")
        folder = None if report is None else _folder(report, "--report")
        return play_with_faults(found, file=scenario, again=anew, seed=seed, folder=folder, as_json=as_json)
    folder = None if report is None else _folder(report, "--report")
    with progress_bar(f"Playing {found.id}") as step:
        played = play_scenario(found, seed=seed, database=database, progress=step)
    if as_json:
        print_document(summary(played))
    else:
        show(simulation_text(played))
    if folder is not None:
        from busbar.simulator.report import write_report

        say(f"Report: {write_report(played, folder)}")
    return FINE if all_met(played) else BROKEN


def _one_of_two(scenario: str | None) -> Problem:
    return Problem(
        path="SCENARIO",
        value=scenario,
        rule="Either a scenario file is played, or, with --faults, what seeds draw.",
        fix="Name a file, for example `busbar simulate scenarios/small_ac.yaml`, or write `--faults`.",
    )


def compare(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="Scenario files (YAML or JSON).", show_default=False)
    ],
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", metavar="NAME", help="Only this one; may be given several times. All by default."),
    ] = None,
    leaves: Annotated[
        ComparedLeaves | None,
        typer.Option("--leaves", help="What strategies share among; the depot's own by default."),
    ] = None,
    seed: SeedOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Play scenarios with every strategy, among connectors or charge points, side by side."""
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_simulation import comparison_text
    from busbar.simulator.compare import Line, as_document, as_markdown
    from busbar.simulator.compare import compare as compare_one
    from busbar.simulator.scenario_file import load_scenario

    strategies = [known_strategy(name) for name in strategy or STRATEGY_NAMES]
    # All are read before any is played: a mistake in the last should not cost the time of the others.
    found = [load_scenario(scenario) for scenario in scenarios]
    lines: list[Line] = []
    for one in found:
        among = _compared(leaves, one.depot.leaves)
        for name, leaf in product(strategies, among):
            title = f"Playing {one.id}, {name}" + (f" among {leaf.plural}" if len(among) > 1 else "")
            with progress_bar(title) as step:
                lines += compare_one(one, strategies=[name], leaves=[leaf], seed=seed, progress=_counting(step))
    if as_json:
        print_document(as_document(lines))
    elif markdown:
        print_text(as_markdown(lines))
    else:
        show(comparison_text(lines))
    return BROKEN if any(line.limits_broken for line in lines) else FINE


def report_night(folder: str, *, as_json: bool) -> int:
    """Play a night of a bus depot and write its report."""
    from busbar.bootstrap import play_scenario, shipped_scenario
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_simulation import demo_text
    from busbar.simulator.report import write_report
    from busbar.simulator.results import all_met, summary
    from busbar.simulator.scenario_file import load_scenario

    into = _folder(folder, "DIR")
    found = load_scenario(shipped_scenario(NIGHT))
    with progress_bar(f"Playing {found.id}") as step:
        played = play_scenario(found, seed=None, database=None, progress=step)
    page = write_report(played, into)
    if as_json:
        print_document(summary(played))
        say(f"Report: {page}")
    else:
        show(demo_text(played, page))
    return FINE if all_met(played) else BROKEN


def _compared(asked: ComparedLeaves | None, own: Leaves) -> tuple[Leaves, ...]:
    """What to play with: both, the one asked for, or the depot's own."""
    if asked is ComparedLeaves.BOTH:
        return tuple(Leaves)
    return (own if asked is None else Leaves(asked.value),)


def _counting(step: Callable[[int, int], None]) -> Callable[[str, str, int, int], None]:
    """Progress through one scenario with one strategy; which ones is said in the bar's title."""

    def advance(_scenario: str, _strategy: str, done: int, count: int) -> None:
        step(done, count)

    return advance


def _folder(name: str, option: str) -> Path:
    """A folder to write into, made if need be. Raises RefusedError where that cannot be."""
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"This folder cannot be made: {error.strerror}."
        problem = Problem(path=option, value=name, rule=rule, fix="Name a folder that you may write to.")
        raise RefusedError((problem,)) from error
    return folder
