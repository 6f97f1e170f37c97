"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from busbar.core.depot import STRATEGY_NAMES, FairIn, Leaves
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion

FINE, BROKEN, REFUSED, OUR_FAULT = 0, 1, 2, 3
"""Exit codes: fine; a limit or an expectation broken; bad input or not available; our fault."""

DepotArgument = Annotated[str, typer.Argument(metavar="DEPOT", help="Depot file (YAML or JSON).")]
SnapshotArgument = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Snapshot file (YAML or JSON).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
DepthOption = Annotated[
    int | None, typer.Option("--depth", min=0, metavar="N", help="Show N levels below the microgrid; all by default.")
]
StrategyOption = Annotated[
    str | None,
    typer.Option("--strategy", metavar="NAME", help=f"One of {', '.join(STRATEGY_NAMES)}; the depot's own by default."),
]
LeavesOption = Annotated[
    Leaves | None,
    typer.Option("--leaves", help="What strategies share among; the depot's own by default."),
]
FairInOption = Annotated[
    FairIn | None,
    typer.Option("--fair-in", help="What shares are compared in; the depot's own by default."),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///PATH or postgresql://...; by default BUSBAR_DATABASE, or a file among your data.",
    ),
]


def known_strategy(name: str) -> str:
    """The name of a strategy. Raises RefusedError where there is no such strategy."""
    if name in STRATEGY_NAMES:
        return name
    fix = suggestion(name, known_names(STRATEGY_NAMES))
    raise RefusedError((Problem(path="--strategy", value=name, rule="There is no such strategy.", fix=fix),))
