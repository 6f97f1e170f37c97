"""`busbar balance` and `busbar explain`: who gets what, and why not more.

Each command imports what it works with, because the fill's compiler takes a while to load.
"""

import os
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from busbar.core.depot import FairIn, Leaves
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Snapshot
from busbar.entrypoints.options import (
    BROKEN,
    FINE,
    DepotArgument,
    DepthOption,
    FairInOption,
    JsonOption,
    LeavesOption,
    SnapshotArgument,
    StrategyOption,
    known_strategy,
)
from busbar.entrypoints.screen import print_document, say, show

SMALL = 150
"""Connectors up to which one balance is sooner done in plain Python than the compiled kernels are loaded."""


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is to be balanced, and how."""

    projection: Projection
    snapshot: Snapshot
    strategy: str
    fair_in: FairIn


def _question(
    depot: str, snapshot: str, strategy: str | None, leaves: Leaves | None, fair_in: FairIn | None
) -> _Question:
    from busbar.adapters.files.depot_file import load_depot
    from busbar.adapters.files.snapshot_file import load_snapshot

    found = load_depot(depot)
    chosen = found.strategy if strategy is None else known_strategy(strategy)
    projection = project(found, leaves=leaves or found.leaves)
    _spare_the_compiler(len(projection.connectors.leaf_ids))
    return _Question(
        projection=projection,
        snapshot=load_snapshot(snapshot, projection),
        strategy=chosen,
        fair_in=fair_in or found.fair_in,
    )


def _spare_the_compiler(connectors: int) -> None:
    """Let one balance of a small depot run the kernels as plain Python: loading them compiled takes longer than that.

    The kernels are the same functions, and the audit follows in any case. Without effect once the compiler is loaded.
    """
    if connectors <= SMALL and "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


def balance(
    depot: DepotArgument,
    snapshot: SnapshotArgument,
    strategy: StrategyOption = None,
    leaves: LeavesOption = None,
    fair_in: FairInOption = None,
    depth: DepthOption = None,
    as_json: JsonOption = False,
) -> int:
    """Share what the wiring can carry, once; sends nothing."""
    asked = _question(depot, snapshot, strategy, leaves, fair_in)
    from busbar.core.audit import audit
    from busbar.core.balance import as_failed
    from busbar.core.balance import balance as balance_once
    from busbar.core.describe import allocation_document
    from busbar.entrypoints.render_allocation import allocation_text, balanced, breaches

    allocation = balance_once(asked.projection, asked.snapshot, strategy=asked.strategy, fair_in=asked.fair_in)
    violations = audit(asked.projection, asked.snapshot, allocation)
    if violations:
        allocation = as_failed(allocation)
    result = balanced(asked.projection, asked.snapshot, allocation)
    if as_json:
        print_document(allocation_document(asked.projection, asked.snapshot, allocation))
    else:
        show(allocation_text(result, depth=depth))
    over = breaches(result)
    if violations:
        say("The audit found this allocation wrong; that is our fault, and nothing of it may be sent:")
        say(*(f"  {violation}" for violation in violations))
    say(*over)
    return BROKEN if violations or over else FINE


def explain(
    depot: DepotArgument,
    snapshot: SnapshotArgument,
    connector: Annotated[
        str, typer.Argument(metavar="CONNECTOR", help="Which connector: CP1/1; with charger-based leaves also CP1.")
    ],
    strategy: StrategyOption = None,
    leaves: LeavesOption = None,
    fair_in: FairInOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say why a connector gets what it gets."""
    asked = _question(depot, snapshot, strategy, leaves, fair_in)

    _refuse_unknown(asked.projection, connector)
    from busbar.core.explain import explain as explain_one
    from busbar.entrypoints.render_explanation import explanation_text

    explanation = explain_one(
        asked.projection, asked.snapshot, connector, strategy=asked.strategy, fair_in=asked.fair_in
    )
    if as_json:
        print_document(explanation.document())
    else:
        show(explanation_text(asked.projection, explanation))
    return FINE


def _refuse_unknown(projection: Projection, connector: str) -> None:
    if connector in projection.leaf_index:
        return
    projection = projection.connectors
    if connector in projection.leaf_index:
        return
    node = projection.node_index.get(connector)
    rule = f"There is no connector {connector!r} in depot {projection.depot.id!r}."
    fix = suggestion(connector, known_names(projection.leaf_ids))
    if node is not None:
        kind = projection.kinds[node].value.lower().replace("_", " ")
        rule = f"{connector!r} is a {kind}, not a connector."
        below = projection.leaf_ids[projection.first_leaf[node] : projection.last_leaf[node]]
        fix = f"Name a connector, for example `{below[0]}`." if below else fix
    raise RefusedError((Problem(path="CONNECTOR", value=connector, rule=rule, fix=fix),))
