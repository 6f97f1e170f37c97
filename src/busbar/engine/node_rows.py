"""Every node's limits and loads on the four rows, as `describe.node_figures` gives them, fast enough to show live."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np

from busbar.core.depot import ChargePoint
from busbar.core.describe import limit_in_force
from busbar.core.flows import ByClass, loads, sums_by_class
from busbar.core.headroom import Headroom, Rooms, headroom
from busbar.core.limits import NO_LIMIT, NO_LOAD, NodeLimits, OpenTicks, rating_limits
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Bools, Floats, Ints
from busbar.engine.envelopes import ROWS

Whole = tuple[int, int, int, int]
"""L1, L2, L3 in mA referred, and W in total."""
OpenWhole = tuple[int | None, int | None, int | None, int | None]
_Exact = tuple[tuple[int, int], ...]
"""Per row: numerator and denominator of a load."""
_Load = tuple[_Exact, Whole]
"""Exactly, and rounded up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRows:
    """One node's figures. Limits are rounded down, loads up; None: not limited."""

    limit: OpenWhole
    limit_names: tuple[str | None, ...]
    """Which limit decides on each row, as `bound_by.limit` names them."""
    available: OpenWhole
    base_load: Whole
    allocated: Whole
    reserved: Whole
    committed: Whole
    headroom: OpenWhole
    is_safe: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """What one node's limits come to: alike nodes share it."""

    available_ticks: OpenTicks
    limit: OpenWhole
    names: tuple[str | None, ...]
    available: OpenWhole
    base_load: Whole
    is_safe: bool


def node_rows(
    projection: Projection, found: Rooms, *, allocated: Ints, reserved: Ints, committed: Ints
) -> list[NodeRows]:
    """[N] for every node; the arrays are [n] in setpoint units."""
    exact = _ExactLoads(projection)
    sums = [sums_by_class(projection, values) for values in (allocated, reserved, committed)]
    known: dict[tuple[object, ...], NodeRows] = {}
    rows = []
    for node, (here, given, kept, may_draw) in enumerate(zip(_limits(projection, found), *sums, strict=True)):
        is_phasor = exact.is_phasor(node)
        # Thousands of connectors are alike: of the same kind, and given the same.
        key = (id(here), *given.items(), None, *kept.items(), None, *may_draw.items())
        shared = None if is_phasor else known.get(key)
        if shared is None:
            shared = known[key] = _one(projection, here, *(exact.of(each, node) for each in (given, kept, may_draw)))
        rows.append(shared)
    return rows


def _one(projection: Projection, here: _Limits, allocated: _Load, reserved: _Load, committed: _Load) -> NodeRows:
    return NodeRows(
        limit=here.limit,
        limit_names=here.names,
        available=here.available,
        base_load=here.base_load,
        allocated=allocated[1],
        reserved=reserved[1],
        committed=committed[1],
        headroom=_left(projection, here.available_ticks, reserved[0]),
        is_safe=here.is_safe,
    )


def _left(projection: Projection, available: OpenTicks, reserved: _Exact) -> OpenWhole:
    scale = projection.frame.scale
    left: list[int | None] = []
    for row, ticks in enumerate(available):
        per_unit, (numerator, denominator) = scale.per_unit(row), reserved[row]
        left.append(None if ticks is None else (ticks * denominator - numerator * per_unit) // (per_unit * denominator))
    return (left[0], left[1], left[2], left[3])


class _ExactLoads:
    """Sums by load class on the four rows, in whole numbers. (Mutable: it remembers what it was asked.)"""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._of_class: list[tuple[tuple[int, ...], int]] = []
        for weights in projection.weights[: TOTAL + 1]:
            denominator = lcm(1, *(weight.denominator for weight in weights))
            self._of_class.append((tuple(int(weight * denominator) for weight in weights), denominator))
        self._known: dict[tuple[tuple[int, int], ...], _Load] = {}
        self._as_phasor = [any(lines) for lines in projection.frame.bounded_as_phasor]
        self._inner_of: list[int] = projection.frame.inner_of.tolist()

    def is_phasor(self, node: int) -> bool:
        """Whether some line of the node is bounded as the phasor sum of what hangs there."""
        inner = self._inner_of[node]
        return inner >= 0 and self._as_phasor[inner]

    def of(self, sums: ByClass, node: int) -> _Load:
        """Exactly, and rounded up."""
        if self.is_phasor(node):
            return _rounded([(load.numerator, load.denominator) for load in loads(self._projection, sums, node)])
        key = tuple(sums.items())
        found = self._known.get(key)
        if found is None:
            found = _rounded(
                [
                    (sum(weights[load] * value for load, value in key), denominator)
                    for weights, denominator in self._of_class
                ]
            )
            self._known[key] = found
        return found


def _rounded(rows: Sequence[tuple[int, int]]) -> _Load:
    up = [-(-numerator // denominator) for numerator, denominator in rows]
    return tuple(rows), (up[0], up[1], up[2], up[3])


def _limits(projection: Projection, found: Rooms) -> list[_Limits]:
    frame = projection.frame
    inner_of, max_rating = frame.inner_of.tolist(), projection.max_rating.tolist()
    base = (found.base != 0).any(axis=1).tolist()
    of_charge_points: dict[NodeLimits, _Limits] = {}
    of_leaves: dict[tuple[object, ...], _Limits] = {}
    limits, leaf = [], 0
    for node, inner in enumerate(inner_of):
        if inner < 0:
            key = _leaf_key(projection, node, max_rating[leaf])
            if key not in of_leaves:
                of_leaves[key] = _of_leaf(projection, node, max_rating[leaf])
            limits.append(of_leaves[key])
            leaf += 1
        elif base[inner] or inner in found.safe or inner in found.envelopes or inner in found.lifted:
            limits.append(_of_inner(projection, headroom(projection, found, inner), inner))
        else:
            stored = frame.limits[inner]
            if stored not in of_charge_points:
                of_charge_points[stored] = _of_inner(projection, headroom(projection, found, inner), inner)
            limits.append(of_charge_points[stored])
    return limits


def _of_inner(projection: Projection, here: Headroom, inner: int) -> _Limits:
    return _written(
        projection,
        here,
        tuple(
            None
            if here.limit[row] is None and here.available[row] is None
            else limit_in_force(projection, here, inner, row)
            for row in range(TOTAL + 1)
        ),
    )


def _unit_of(projection: Projection, node: int) -> ChargePoint:
    unit = projection.subjects[int(projection.parent[node])]
    assert isinstance(unit, ChargePoint)
    return unit


def _leaf_key(projection: Projection, node: int, max_rating: int) -> tuple[object, ...]:
    unit = _unit_of(projection, node)
    return (
        unit.current,
        unit.efficiency_permille,
        max_rating,
        int(projection.voltage_v[node]),
        projection.phases[node],
    )


def _of_leaf(projection: Projection, node: int, max_rating: int) -> _Limits:
    ticks = rating_limits(
        _unit_of(projection, node),
        max_rating,
        projection.frame.scale,
        voltage_v=int(projection.voltage_v[node]),
        phases=projection.phases[node],
    ).default
    here = Headroom(limit=ticks, base=NO_LOAD, available=ticks, envelope=NO_LIMIT, is_safe=False)
    return _written(projection, here, tuple(None if value is None else "max_rating" for value in ticks))


def _written(projection: Projection, here: Headroom, names: tuple[str | None, ...]) -> _Limits:
    per_unit = [projection.frame.scale.per_unit(row) for row in range(TOTAL + 1)]
    base = [-(-value // per) for value, per in zip(here.base, per_unit, strict=True)]
    return _Limits(
        available_ticks=here.available,
        limit=_down(here.limit, per_unit),
        names=names,
        available=_down(here.available, per_unit),
        base_load=(base[0], base[1], base[2], base[3]),
        is_safe=here.is_safe,
    )


def _down(ticks: OpenTicks, per_unit: Sequence[int]) -> OpenWhole:
    row = [None if value is None else value // per for value, per in zip(ticks, per_unit, strict=True)]
    return (row[0], row[1], row[2], row[3])


def named(names: Sequence[str | None]) -> dict[str, str]:
    """Row -> name, without the rows that are not limited."""
    return {row: name for row, name in zip(ROWS, names, strict=True) if name is not None}


def whole_flows(rows: Floats) -> list[tuple[int | None, ...] | None]:
    """[N] flows rounded up; None where nothing is known. Less than a thousandth is noise of the sums."""
    known: Bools = np.isfinite(rows)
    up = np.ceil(np.round(np.where(known, rows, 0.0), 3)).astype(np.int64).astype(object)
    up[~known] = None
    return [tuple(row) if some else None for row, some in zip(up.tolist(), np.any(known, axis=1).tolist(), strict=True)]
