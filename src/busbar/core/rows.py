"""Rows: what a load puts on the tree per unit of setpoint, and which rows are one and the same.

Rows are data. The first four are what people read (L1, L2, L3 in referred mA, total in W); a line that carries
line-to-line loads adds a handful of directions in which its phasor sum is bounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import acos, ceil, cos, degrees, floor, gcd, lcm, radians

from busbar.core.units import PHASES, SQRT3, Phase

TOTAL = 3
"""Index of the row that counts W; 0, 1 and 2 are the lines."""
WIDEST_SECTOR_DEG = 17.0
"""Directions lie at most this far apart: the polygon then lies within 1.1 % of the circle."""
_COSINE_GRID = 10**6


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One number that limits may cap."""

    label: str
    """What a person calls it: L1, L2, L3 or total."""
    direction_deg: float | None = None
    """For a bound on the phasor sum of a line: the direction it is taken in, relative to the line's own voltage."""
    shrink: Fraction = Fraction(1)
    """What a limit in A is scaled by, so that the polygon lies inside the circle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadClass:
    """Everything that decides what one unit of setpoint puts on the tree. Connectors that agree share one."""

    is_ac: bool
    phases: tuple[Phase, ...]
    line_to_line: bool
    voltage_v: int
    """Of the circuit it hangs on, line to line."""
    efficiency_permille: int
    power_factor_permille: int
    turned_deg: int = 0
    """How far parts of it may be turned from star, each way: 30 for a charge point as one load whose connectors sit
    on the lines differently, line-to-line ones among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Rows on which every load weighs alike, up to one factor per row: for the fill they are one."""

    rows: tuple[int, ...]
    scales: tuple[Fraction, ...]
    """Per row: how much of it (mA or W) one unit of the group is."""
    weights: tuple[int, ...]
    """Per load class: units of the group per unit of setpoint, whole."""


def united(loads: Sequence[LoadClass]) -> LoadClass:
    """The load class of a charge point whose setpoint caps what its connectors put on every line together.

    On no row is it lighter than any division of that setpoint over the connectors, which are all at one voltage, of
    one power factor and all AC or all DC. Alike ones stay what they are. Otherwise every line that any of them sits
    on may carry the whole setpoint, driven by the voltage to neutral, which is more than half of that between lines.
    """
    first = loads[0]
    if all(load == first for load in loads):
        return first
    return replace(
        first,
        phases=tuple(phase for phase in PHASES if any(phase in load.phases for load in loads)),
        line_to_line=False,
        turned_deg=30 if any(load.line_to_line for load in loads) else 0,
    )


def rows_for(classes: Sequence[LoadClass]) -> tuple[Row, ...]:
    """The four rows, and the directions of every line that carries a line-to-line load."""
    rows = [*(Row(label=phase.value) for phase in PHASES), Row(label="total")]
    for phase in PHASES:
        on_line = [load for load in classes if phase in load.phases]
        if not any(load.line_to_line or load.turned_deg for load in on_line):
            continue
        widest = 30 + max(_swing_deg(load) for load in on_line)
        # Within a half plane every sum stays between its outermost parts; beyond it all directions are open.
        reach = widest if widest < 90 else 180.0
        sectors = ceil(2 * reach / WIDEST_SECTOR_DEG)
        half = reach / sectors
        shrink = Fraction(floor(cos(radians(half)) * _COSINE_GRID - 1), _COSINE_GRID)
        rows += [
            Row(label=phase.value, direction_deg=(2 * i + 1) * half - reach, shrink=shrink) for i in range(sectors)
        ]
    return tuple(rows)


def _swing_deg(load: LoadClass) -> float:
    """How far a load's current may lead or lag its connection angle: acos(power factor), sign unknown."""
    return degrees(acos(load.power_factor_permille / 1000))


def connection_deg(load: LoadClass, phase: Phase) -> float:
    """The angle of a load's current on a line, relative to that line's voltage, at unity power factor.

    0 for star; a line-to-line current leads by 30 degrees on the line that comes first in the phase sequence and
    lags by 30 on the other.
    """
    if not load.line_to_line:
        return 0.0
    first, second = load.phases
    leads = (PHASES.index(second) - PHASES.index(first)) % 3 == 1
    return 30.0 if (phase == first) == leads else -30.0


def weight(load: LoadClass, row: int, rows: Sequence[Row], *, nominal_v: int, margin_permille: int) -> Fraction:
    """mA (referred) or W that one unit of setpoint, 1 mA or 1 W at the vehicle, puts on a row. Exact, never less."""
    if row == TOTAL:
        return _total_w(load, margin_permille)
    phase = Phase(rows[row].label)
    if phase not in load.phases:
        return Fraction(0)
    current = _current_ma(load, nominal_v, margin_permille)
    direction = rows[row].direction_deg
    if direction is None:
        return current
    return current * _largest_cosine(connection_deg(load, phase) - direction, _swing_deg(load) + load.turned_deg)


def _total_w(load: LoadClass, margin_permille: int) -> Fraction:
    if not load.is_ac:
        return Fraction(1000, load.efficiency_permille)
    highest_v = Fraction(load.voltage_v * (1000 + margin_permille), 1000)
    across_v = highest_v if load.line_to_line else len(load.phases) * highest_v / SQRT3
    return across_v * Fraction(load.power_factor_permille, 1000) / 1000


def _current_ma(load: LoadClass, nominal_v: int, margin_permille: int) -> Fraction:
    if load.is_ac:
        return Fraction(load.voltage_v, nominal_v)
    lowest_v = Fraction(nominal_v * (1000 - margin_permille), 1000)
    supply_w = Fraction(1000, load.efficiency_permille)
    return 1000 * supply_w / (Fraction(load.power_factor_permille, 1000) * SQRT3 * lowest_v)


def _largest_cosine(offset_deg: float, swing_deg: float) -> Fraction:
    """The largest cosine within `swing_deg` of `offset_deg`, rounded up to a millionth, never below 0."""
    away = abs((offset_deg + 180) % 360 - 180)
    nearest = max(0.0, away - swing_deg)
    return Fraction(min(_COSINE_GRID, max(0, ceil(cos(radians(nearest)) * _COSINE_GRID + 1))), _COSINE_GRID)


COARSEST = Fraction(1, 10**7)
"""mA or W: no group unit is larger."""


def group_rows(weights: Mapping[int, Sequence[Fraction]], rows: Sequence[Row]) -> tuple[RowGroup, ...]:
    """Rows whose weights are proportional over all load classes become one group; rows nothing loads fall away.

    `weights` maps a row's index to its weight per load class. Flow <= limit on a row is, exactly, whole group
    units <= floor(limit / scale). Units are so fine that 1 mA or 1 W of base load is a whole number of them too, and
    that what is left of a limit below one of them moves nobody's share by as much as a share is snapped to a step.
    """
    members: dict[tuple[bool, tuple[int, ...]], list[tuple[int, Fraction]]] = {}
    for row, column in weights.items():
        if not any(column):
            continue
        denominator = lcm(*(value.denominator for value in column))
        whole = [int(value * denominator) for value in column]
        divisor = gcd(*whole)
        key = tuple(value // divisor for value in whole)
        # mA and W stay apart: a unit that is a whole part of both would be needlessly fine.
        members.setdefault((row == TOTAL, key), []).append((row, Fraction(divisor, denominator)))
    groups: list[RowGroup] = []
    for (_, key), found in members.items():
        finer = lcm(*((scale / rows[row].shrink).numerator for row, scale in found))
        if max(scale for _, scale in found) > finer * COARSEST:
            finer *= COARSEST.denominator
        groups.append(
            RowGroup(
                rows=tuple(row for row, _ in found),
                scales=tuple(scale / finer for _, scale in found),
                weights=tuple(value * finer for value in key),
            )
        )
    return tuple(groups)
