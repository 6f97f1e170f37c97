"""`busbar accept`: scenarios under everything that goes wrong in them, judged, and told on one page.

Imports what it works with when it runs, because the simulator and the fill's compiler take a while to load.
"""

import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from busbar.core.errors import Problem, RefusedError
from busbar.entrypoints.options import BROKEN, FINE, JsonOption
from busbar.entrypoints.screen import print_document, say, show

_HOW_FAR = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")
_SPEED, _FOR_S = 1, 120.0


def accept(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOLDER_OR_FILES...]",
            help="Folders or files of scenarios; those that come with Busbar by default.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="DIR", help="Write acceptance.html and acceptance.json there.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="In place of the scenarios' own seeds.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Processes; one per core by default.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Against `busbar serve` and charge points over sockets, in real time.")
    ] = False,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="With --live: begin so far into the scenario: `0:59:30`, hours first."
        ),
    ] = None,
    speed: Annotated[
        int | None,
        typer.Option(
            "--speed",
            metavar="X",
            min=1,
            max=600,
            help="With --live: vehicles, timetable, events and faults run X times as fast; control runs in real time.",
        ),
    ] = None,
    for_: Annotated[
        float | None,
        typer.Option(
            "--for", metavar="SECONDS", min=10, max=86_400, help="With --live: end each scenario after that; 120."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Run scenarios against Busbar itself, with all that goes wrong in them, and say whether all is as expected."""
    from busbar.bootstrap import shipped_library
    from busbar.entrypoints.progress import progress_bar
    from busbar.entrypoints.render_acceptance import acceptance_text
    from busbar.simulator.acceptance.accepted import Accepted, Job, Live
    from busbar.simulator.acceptance.document import acceptance_document
    from busbar.simulator.acceptance.finding import find_scenarios
    from busbar.simulator.acceptance.run import accept_all, size_of
    from busbar.simulator.acceptance.told import told_of
    from busbar.simulator.acceptance.writing import write_acceptance

    _refuse_live_options(live, {"--from": from_, "--speed": speed, "--for": for_})
    found = find_scenarios(places or [_from_here(shipped_library())])
    folder = None if report is None else _folder(report)
    how = (
        Live(
            from_s=_begin_s(from_, {file: each.duration_s for file, each in found.items()}),
            speed=speed or _SPEED,
            for_s=for_ or _FOR_S,
        )
        if live
        else None
    )
    jobs = [Job(file=file, seed=seed, live=how, size=size_of(each)) for file, each in found.items()]
    # Live ones run one by one: each wants real time to itself.
    count = min(len(jobs), 1 if live else workers or os.cpu_count() or 1)
    lengths = [scenario.duration_s for scenario in found.values()]
    done_s, ended = [0] * len(jobs), dict[int, Accepted]()
    with progress_bar(f"Accepting {len(jobs)} scenario{'' if len(jobs) == 1 else 's'}") as step:

        def advance(place: int, done: int, whole: int) -> None:
            done_s[place] = lengths[place] * done // max(1, whole)
            step(sum(done_s) // 60, sum(lengths) // 60)

        with closing(accept_all(jobs, workers=count, step=advance)) as accepted:
            for place, each in accepted:
                ended[place] = each
                advance(place, 1, 1)
                if not each.is_met:
                    say(f"✖ {each.id} is not as expected. To see it again: {each.replay}")
                elif len(jobs) > 1:
                    say(f"✔ {each.id} ({len(ended)} of {len(jobs)})")
    results = [ended[place] for place in range(len(jobs))]
    told = told_of()
    if as_json:
        print_document(acceptance_document(results, told))
    else:
        show(acceptance_text(results))
    if folder is not None:
        say(f"Report: {write_acceptance(results, told, folder)}")
    return FINE if all(each.is_met for each in results) else BROKEN


def _refuse_live_options(live: bool, options: dict[str, str | float | None]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given and not live:
        rule = "Only a live run has a speed and an end of its own; made-up time is not waited for."
        raise RefusedError(
            tuple(Problem(path=name, value=str(options[name]), rule=rule, fix="Add `--live`.") for name in given)
        )


def _begin_s(given: str | None, found: Mapping[str, int]) -> int:
    """How far into the scenarios; where any of them is over by then, it is refused."""
    if given is None:
        return 0
    match = _HOW_FAR.fullmatch(given)
    if match is None:
        fix = "Write for example `0:59:30`: hours, minutes, seconds."
        raise RefusedError((Problem(path="--from", value=given, rule="This is no time into a scenario.", fix=fix),))
    hours, minutes, seconds = (int(each) for each in match.groups())
    begin_s = 3600 * hours + 60 * minutes + seconds
    over = [file for file, duration_s in found.items() if duration_s <= begin_s]
    if over:
        rule, fix = "The scenario is over by then.", "Begin earlier, or leave it out."
        raise RefusedError(tuple(Problem(path="--from", value=given, rule=rule, fix=fix, file=file) for file in over))
    return begin_s


def _from_here(folder: Path) -> str:
    """As somebody who stands here would write it, where that is shorter."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _folder(name: str) -> Path:
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"This folder cannot be made: {error.strerror}."
        problem = Problem(path="--report", value=name, rule=rule, fix="Name a folder that you may write to.")
        raise RefusedError((problem,)) from error
    return folder
