"""`busbar simulate`, `compare` and `demo --report`: the engine in a made-up depot with made-up time.

Each command imports what it works with, because the simulator and the fill's compiler take a while to load.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from busbar.core.depot import STRATEGY_NAMES
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

ScenarioArgument = Annotated[str, typer.Argument(metavar="SCENARIO", help="Scenario file (YAML or JSON).")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, metavar="N", help="In place of the scenario's own seed.")
]
ReportOption = Annotated[str | None, typer.Option("--report", metavar="DIR", help="Write a report into this folder.")]

NIGHT = "wa_pta_night"
"""The shipped scenario that `busbar demo --report` plays."""


def simulate(
    scenario: ScenarioArgument,
    leaves: LeavesOption = None,
    seed: SeedOption = None,
    report: ReportOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Play a scenario and check what is expected of it."""
    from busbar.bootstrap import play_scenario
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_simulation import simulation_text
    from busbar.simulator.results import all_met, summary
    from busbar.simulator.scenario import sharing_among
    from busbar.simulator.scenario_file import load_scenario

    found = sharing_among(load_scenario(scenario), leaves)
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


def compare(
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="Scenario files (YAML or JSON).", show_default=False)
    ],
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", metavar="NAME", help="Only this one; may be given several times. All by default."),
    ] = None,
    leaves: LeavesOption = None,
    seed: SeedOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Play scenarios with every strategy, side by side."""
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_simulation import comparison_text
    from busbar.simulator.compare import Line, as_document, as_markdown
    from busbar.simulator.compare import compare as compare_one
    from busbar.simulator.scenario import sharing_among
    from busbar.simulator.scenario_file import load_scenario

    strategies = [known_strategy(name) for name in strategy or STRATEGY_NAMES]
    # All are read before any is played: a mistake in the last should not cost the time of the others.
    found = [sharing_among(load_scenario(scenario), leaves) for scenario in scenarios]
    lines: list[Line] = []
    for one in found:
        for name in strategies:
            with progress_bar(f"Playing {one.id}, {name}") as step:
                lines += compare_one(one, strategies=[name], seed=seed, progress=_counting(step))
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
