"""Whether fallbacks fit the wiring (design section 6): below every circuit, within its safe operating capacity.

Adds up by itself instead of asking `flows`, which needs the compiled kernels: `busbar validate` does without them.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL


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
        leaves = slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
        by_class = [
            int(reserved[leaves][projection.leaf_class[leaves] == load].sum())
            for load in range(len(projection.classes))
        ]
        for row, safe in enumerate(frame.limits[inner].safe):
            if safe is None:
                continue
            load = _load(projection, by_class, row, is_phasor=row < TOTAL and frame.bounded_as_phasor[inner][row])
            if load * frame.scale.per_unit(row) > safe:
                available = safe // frame.scale.per_unit(row)
                name = projection.node_ids[node]
                found.append(Excess(node=name, row=row, reserved=ceil(load), available=available))
    return found


def _load(projection: Projection, by_class: list[int], row: int, *, is_phasor: bool) -> Fraction:
    """mA or W on one of the four rows; where line-to-line loads hang on a line, the bound on their phasor sum."""
    label = projection.rows[row].label
    rows = [
        index
        for index, each in enumerate(projection.rows)
        if (each.label == label and each.direction_deg is not None if is_phasor else index == row)
    ]
    return max(
        sum((weight * value for weight, value in zip(projection.weights[index], by_class, strict=True)), Fraction(0))
        / projection.rows[index].shrink
        for index in rows
    )
