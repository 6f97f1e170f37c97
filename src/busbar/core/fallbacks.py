"""Whether fallbacks fit the wiring (design section 6): below every circuit, within its safe operating capacity."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.flows import loads, sum_below
from busbar.core.projection import Projection


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


def fallbacks_that_do_not_fit(projection: Projection) -> list[Excess]:
    """Where the fallbacks below a circuit add up to more than its safe operating capacity, and by how much."""
    frame = projection.frame
    reserved = np.where(projection.in_service, projection.fallback, 0)
    found: list[Excess] = []
    if not reserved.any():
        return found
    for inner, node in enumerate(frame.nodes.tolist()):
        if not isinstance(projection.subjects[node], Circuit):
            continue
        flow = loads(projection, sum_below(projection, reserved, node), node)
        for row, safe in enumerate(frame.limits[inner].safe):
            per_unit = frame.scale.per_unit(row)
            if safe is not None and flow[row] * per_unit > safe:
                name = projection.node_ids[node]
                found.append(Excess(node=name, row=row, reserved=ceil(flow[row]), available=safe // per_unit))
    return found
