"""What flows where: exact sums of reservations and setpoints at every node, and what is left on every row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from busbar.core.frame import row_rooms
from busbar.core.headroom import Headroom, Rooms, headroom
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.units import PHASES

Ints = npt.NDArray[np.int64]
ByClass = Mapping[int, int]
"""Load class -> sum of values in the unit of its leaves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowRoom:
    """One row of one inner node, in the whole units of its group."""

    inner: int
    row: int
    """Index in the projection's rows."""
    group: int
    left: int
    """Units not taken; negative where more is reserved than available."""


def sums_by_class(projection: Projection, values: Ints) -> list[ByClass]:
    """[N] per node, what its leaves' values add up to, load class by load class; `values` [n] are setpoint units."""
    sums: list[dict[int, int]] = [{} for _ in projection.node_ids]
    for node, load, value in zip(
        projection.leaf_node.tolist(), projection.leaf_class.tolist(), values.tolist(), strict=True
    ):
        if value:
            sums[node] = {load: value}
    parent = projection.parent.tolist()
    for node in range(len(parent) - 1, 0, -1):
        above = sums[parent[node]]
        for load, value in sums[node].items():
            above[load] = above.get(load, 0) + value
    return list(sums)


def sum_below(projection: Projection, values: Ints, node: int) -> ByClass:
    """The same for one node."""
    below = slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
    is_class = np.arange(len(projection.classes))[:, None] == projection.leaf_class[below]
    sums: Ints = is_class @ values[below]
    return {load: value for load, value in enumerate(sums.tolist()) if value}


def load_on_row(projection: Projection, sums: ByClass, row: int) -> Fraction:
    """mA or W that the sums put on a row. Exact."""
    weights = projection.whole_weights[row]
    return Fraction(sum(weights.of_class[load] * value for load, value in sums.items()), weights.scale)


def loads(projection: Projection, sums: ByClass, node: int) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """L1, L2, L3 in mA and total in W; on lines bounded as phasors, the bound on the phasor sum."""
    if not sums:
        return (Fraction(0), Fraction(0), Fraction(0), Fraction(0))
    inner = int(projection.frame.inner_of[node])
    found = [load_on_row(projection, sums, row) for row in range(4)]
    for line in range(TOTAL):
        if inner < 0 or not projection.frame.bounded_as_phasor[inner][line]:
            continue
        found[line] = max(
            load_on_row(projection, sums, index) / row.shrink
            for index, row in enumerate(projection.rows)
            if row.label == PHASES[line].value and row.direction_deg is not None
        )
    return (found[0], found[1], found[2], found[3])


def rows_left(projection: Projection, figures: Headroom, sums: ByClass, inner: int) -> Iterator[RowRoom]:
    """Every limited row of an inner node, in the order L1, L2, L3, total, with what is left of it."""
    frame = projection.frame
    units = row_rooms(figures.available, frame.bounded_as_phasor[inner], frame.units)
    found: list[RowRoom] = []
    for index, group in enumerate(projection.groups):
        limited = [(row, room) for row in group.rows if (room := units[row]) is not None]
        if limited:
            taken = sum(group.weights[load] * value for load, value in sums.items())
            found += [RowRoom(inner=inner, row=row, group=index, left=room - taken) for row, room in limited]
    return iter(sorted(found, key=lambda left: _place(projection, left.row)))


def refusing_rows(
    projection: Projection, found: Rooms, reserved: Ints, *, leaf: int, more: int
) -> Sequence[tuple[RowRoom, Headroom]]:
    """Going up from a leaf: every row on which `more` (setpoint units) does not fit; a charge point's own included."""
    load = int(projection.leaf_class[leaf])
    refusing: list[tuple[RowRoom, Headroom]] = []
    frame = projection.frame
    for node in projection.path(int(frame.nodes[frame.leaf_parent[leaf]])):
        inner = int(frame.inner_of[node])
        figures = headroom(projection, found, inner)
        sums = sum_below(projection, reserved, node)
        for left in rows_left(projection, figures, sums, inner):
            units = projection.groups[left.group].weights[load] * more
            if units > 0 and units > left.left:
                refusing.append((left, figures))
    return refusing


def _place(projection: Projection, row: int) -> tuple[int, int]:
    label = projection.rows[row].label
    return (TOTAL if label == "total" else int(label[1]) - 1, row)
