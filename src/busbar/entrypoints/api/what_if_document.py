"""`POST depots/{id}/what-if`: the question as it is asked, and both balances (`models.WhatIfAnswer`)."""

from collections.abc import Callable
from typing import Any, TypeVar

from busbar.core.allocation import Stop
from busbar.core.depot import FairIn, Leaves
from busbar.core.describe import node_figures, supply_w
from busbar.core.errors import Problem, RefusedError
from busbar.core.projection import NodeKind
from busbar.engine.connector_status import first_binding
from busbar.engine.moment import Moment
from busbar.engine.what_if import Compared, Side, Vehicle, WhatIf, ask
from busbar.entrypoints.api import models
from busbar.entrypoints.api.quantities import energy_wh_of, limit_of
from busbar.entrypoints.api.refusals import NotServedError
from busbar.entrypoints.api.rows import utc, value

Parsed = TypeVar("Parsed")


def what_if_document(moment: Moment, wanted: models.WhatIf) -> dict[str, Any]:
    """`models.WhatIfAnswer`. Raises RefusedError with every offender. Seconds for 10 000 connectors."""
    compared = ask(moment, question_of(wanted))
    return {
        "cycle": moment.record.number,
        "at": utc(moment.at),
        "before": _side(compared.before),
        "after": _side(compared.after),
        "changes": _changes(compared),
    }


def question_of(wanted: models.WhatIf) -> WhatIf:
    """The texts read. Raises RefusedError with every one that is no quantity."""
    problems: list[Problem] = []

    def read(text: str | None, path: str, reader: Callable[[str, str], Parsed]) -> Parsed | None:
        if text is None:
            return None
        try:
            return reader(text, path)
        except NotServedError as error:
            problems.extend(error.problems)
            return None

    limits = {node: read(text, f"limits.{node}", limit_of) for node, text in wanted.limits.items()}
    vehicles = tuple(
        Vehicle(
            connector=each.connector,
            request=read(each.request, f"add[{place}].request", limit_of),
            departs=each.departs,
            energy_needed_wh=read(each.energy_needed, f"add[{place}].energy_needed", energy_wh_of),
            soc=each.soc,
            priority=each.priority,
        )
        for place, each in enumerate(wanted.add)
    )
    problems += [
        Problem(
            path=f"add[{place}].departs",
            value=each.departs.isoformat(),
            rule="The time has no zone.",
            fix="Write it with a zone, for example `2026-11-23T05:10:00+08:00`.",
        )
        for place, each in enumerate(wanted.add)
        if each.departs is not None and each.departs.utcoffset() is None
    ]
    if problems:
        raise RefusedError(tuple(problems))
    return WhatIf(
        limits={node: amount for node, amount in limits.items() if amount is not None},
        strategy=wanted.strategy,
        leaves=None if wanted.leaves is None else Leaves(wanted.leaves),
        fair_in=None if wanted.fair_in is None else FairIn(wanted.fair_in),
        add=vehicles,
        remove=tuple(wanted.remove),
    )


def _side(side: Side) -> dict[str, Any]:
    projection, snapshot, allocation = side.projection, side.snapshot, side.allocation
    bound_by = first_binding(projection, snapshot, allocation, side.found)
    figures = node_figures(projection, snapshot, allocation, found=side.found)
    is_ac, request, setpoint = projection.is_ac.tolist(), snapshot.request.tolist(), allocation.setpoint.tolist()
    stopped_by = allocation.stopped_by.tolist()
    return {
        "outcome": allocation.outcome.value,
        "strategy": allocation.strategy,
        "leaves": allocation.leaves.value,
        "fair_in": allocation.fair_in.value,
        "total_w": side.total_w,
        "limited": side.limited,
        "at_risk": side.at_risk,
        # A connector's own figures are its allocation.
        "nodes": [figure.document() for figure in figures if figure.kind is not NodeKind.CONNECTOR],
        "allocations": [
            {
                "leaf": projection.leaf_ids[leaf],
                "request": value(request[leaf], is_ac=is_ac[leaf]),
                "setpoint": value(setpoint[leaf], is_ac=is_ac[leaf]),
                "power_w": supply_w(projection, leaf, setpoint[leaf]),
                "bound_by": None if found is None else found.document(),
            }
            for leaf in snapshot.present.nonzero()[0].tolist()
            for found in (bound_by(leaf) if stopped_by[leaf] != Stop.NOTHING else None,)
        ],
    }


def _changes(compared: Compared) -> list[dict[str, Any]]:
    before, after = compared.before, compared.after
    bound_by = first_binding(after.projection, after.snapshot, after.allocation, after.found)
    changes = []
    for leaf in compared.changes.tolist():
        is_ac = bool(after.projection.is_ac[leaf])
        was, will_be = int(before.allocation.setpoint[leaf]), int(after.allocation.setpoint[leaf])
        bound = bound_by(leaf) if after.allocation.stopped_by[leaf] != Stop.NOTHING else None
        changes.append(
            {
                "leaf": after.projection.leaf_ids[leaf],
                "before": value(was, is_ac=is_ac),
                "after": value(will_be, is_ac=is_ac),
                "before_w": supply_w(before.projection, leaf, was),
                "after_w": supply_w(after.projection, leaf, will_be),
                "bound_by": None if bound is None else bound.document(),
            }
        )
    return changes
