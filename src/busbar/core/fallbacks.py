"""Whether fallbacks fit the wiring (design section 6): below every circuit, within its safe operating capacity."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.flows import loads, sum_below
from busbar.core.projection import Projection
from busbar.core.release import within_ratings
from busbar.core.snapshot import Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class Excess:
    """A row of a circuit on which the fallbacks alone do not fit."""

    node: str
    row: int
    """0 to 2: the lines; 3: the total."""
    reserved: int
    """In mA or W, rounded up."""
    available: int
    """In mA or W, rounded down."""


def fallbacks_that_do_not_fit(projection: Projection, counted: Ints | None = None) -> list[Excess]:
    """Where the fallbacks below a circuit add up to more than its safe operating capacity, and by how much.

    `counted` [n]: what each connector counts for when it is left alone, in its unit: its fallback where that is
    believed, its rating where not. None: the fallbacks of the depot file, all of them believed. No charge point counts
    for more than its rating, and one that is out of service for nothing.
    """
    frame = projection.frame
    each = projection.fallback if counted is None else counted
    reserved = within_ratings(projection, np.where(projection.in_service, each, 0))
    found: list[Excess] = []
    if not reserved.any():
        return found
    for inner, node in enumerate(frame.nodes.tolist()):
        if not isinstance(projection.subjects[node], Circuit):
            continue
        flows = loads(projection, sum_below(projection, reserved, node), node)
        for row, (flow, safe) in enumerate(zip(flows, frame.limits[inner].safe, strict=True)):
            per_unit = frame.scale.per_unit(row)
            if safe is not None and flow * per_unit > safe:
                found.append(
                    Excess(node=projection.node_ids[node], row=row, reserved=ceil(flow), available=safe // per_unit)
                )
    return found
