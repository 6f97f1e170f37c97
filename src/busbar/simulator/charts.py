"""The report's pictures as SVG text: stacked flow against a limit, who held whom, every vehicle's charge.

Colours are CSS classes of the page, so that they follow light and dark. Numbers are written with one decimal, always.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10, sqrt

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from busbar.core.depot import Depot
from busbar.core.rows import TOTAL
from busbar.core.units import Current
from busbar.simulator.physics import NO_LIMIT, Ints
from busbar.simulator.played import NOT_HELD, ROWS, Outing, Played
from busbar.simulator.results import Holding, calendar_of, minutes, node_names
from busbar.simulator.times import Calendar

Floats = npt.NDArray[np.float64]

WIDTH = 1120
LEFT, RIGHT = 64, 20
MOST_POINTS = 700
"""More cycles than this are drawn in groups, each by its highest flow."""
COLOURS = 8
LIMIT_WORDS = {
    "default_operating_capacity": "capacity",
    "safe_operating_capacity": "safe capacity, not seen",
    "envelope": "envelope from outside",
    "rating": "rating",
    "max_rating": "charge point's rating",
    "out_of_service": "out of reach",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Seconds of the scenario to pixels."""

    calendar: Calendar
    end_s: int
    left: float = LEFT
    right: float = WIDTH - RIGHT

    def x(self, at_s: float) -> float:
        """Where a second lies."""
        return self.left + (self.right - self.left) * min(max(at_s, 0), self.end_s) / self.end_s

    def ticks(self) -> list[int]:
        """Full hours, or minutes of a short scenario; a dozen or so."""
        distances = [60 * minutes for minutes in (1, 2, 5, 10, 15, 30)]
        distances += [3600 * hours for hours in (1, 2, 3, 4, 6, 12, 24, 48, 168)]
        every = next(distance for distance in distances if self.end_s / distance <= 14)
        first = -self.calendar.second_of_day(0) % every
        return list(range(first, self.end_s + 1, every))


def axis_of(played: Played, *, left: float = LEFT, right: float = WIDTH - RIGHT) -> Axis:
    """The whole scenario from left to right."""
    return Axis(calendar=calendar_of(played), end_s=played.scenario.duration_s, left=left, right=right)


def _n(value: float) -> str:
    return f"{value:.1f}"


def _path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points) + ("Z" if closed else "")


def _text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    body = "\n".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {_n(height)}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>')


def _time_grid(axis: Axis, top: float, bottom: float) -> list[str]:
    parts = []
    for at_s in axis.ticks():
        x = axis.x(at_s)
        parts.append(f'<line class="grid" x1="{_n(x)}" x2="{_n(x)}" y1="{_n(top)}" y2="{_n(bottom)}"/>')
        parts.append(_text(x, bottom + 16, axis.calendar.label(at_s), kind="tick", anchor="middle"))
    return parts


# Flow against limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """What flows at one node, part by part."""

    node: str
    unit: str
    """A or kVA on a line, as the limit is given; kW in total."""
    line: str | None
    """L1, L2 or L3 where the lines differ; None: the most loaded one, or the total."""
    parts: tuple[str, ...]
    """Base load first, then what hangs below."""
    values: Floats
    """[T, parts]; their sum is what flows."""
    limit: Floats
    """[T] NaN where there is none."""


def stacks_of(played: Played, inner: int) -> tuple[Stack, ...]:
    """What to draw of a node: its lines where A or kVA limit it (one by one if they differ), its total where kW do."""
    limited = (played.limit[:, inner, :] != NO_LIMIT).any(axis=0)
    found = []
    if limited[:TOTAL].any():
        per_line, unit = _line_unit(played, inner)
        lines = [line for line in range(TOTAL) if limited[line]]
        if _lines_differ(played.flow[:, inner, :TOTAL]):
            found = [_stack(played, inner, [line], unit, per_line, ROWS[line]) for line in lines]
        else:
            found = [_stack(played, inner, lines, unit, per_line, None)]
    if limited[TOTAL]:
        found.append(_stack(played, inner, [TOTAL], "kW", 1e-3, None))
    return tuple(found)


def _line_unit(played: Played, inner: int) -> tuple[float, str]:
    """What a mA on a line is shown as: A where the node's capacity is given in A, kVA otherwise."""
    subject = played.projection.subjects[int(played.projection.frame.nodes[inner])]
    given = subject.limit if isinstance(subject, Depot) else getattr(subject, "default_operating_capacity", None)
    return (1e-3, "A") if isinstance(given, Current) else (sqrt(3) * played.scenario.depot.voltage_v / 1e6, "kVA")


def _lines_differ(flow: Ints) -> bool:
    """Whether the lines carry different currents, by more than a twentieth of the largest."""
    return bool((flow.max(axis=1) - flow.min(axis=1)).max() * 20 > flow.max())


def _stack(played: Played, inner: int, rows: list[int], unit: str, factor: float, line: str | None) -> Stack:
    """The given rows at every cycle: of several the one nearest to its limit."""
    limit, flow = played.limit[:, inner, :][:, rows], played.flow[:, inner, :][:, rows]
    use = np.where(limit != NO_LIMIT, flow / np.maximum(limit, 1), -1.0)
    worst, steps = np.array(rows)[np.argmax(use, axis=1)], np.arange(len(played.at_s))
    children = _parts_below(played, inner)
    columns = [played.base[steps, inner, worst]]
    columns += [played.charging[steps, child, worst] for child in children]
    values = np.stack(columns, axis=1).astype(np.float64)
    # Currents of different angle add up to a little less than their sum: the parts share that little.
    total = values.sum(axis=1)
    values *= (played.flow[steps, inner, worst] / np.where(total > 0, total, 1))[:, None] * factor
    bound, names = played.limit[steps, inner, worst], node_names(played)
    return Stack(
        node=names[inner],
        unit=unit,
        line=line,
        parts=("base load", *(name_of(played, names[child]) for child in children)),
        values=values,
        limit=np.where(bound == NO_LIMIT, np.nan, bound * factor),
    )


def _parts_below(played: Played, inner: int) -> list[int]:
    """The node's children, or the first ones down the tree where it branches; at most as many as there are colours."""
    parent = played.projection.frame.parent
    children = np.flatnonzero(parent == inner).tolist()
    while len(children) == 1 and (parent == children[0]).any():
        children = np.flatnonzero(parent == children[0]).tolist()
    return children if len(children) < COLOURS * 2 else [inner]


def name_of(played: Played, node: str) -> str:
    """The id, and the name where there is one; the microgrid is the whole site."""
    index = played.projection.node_index[node]
    if index == 0:
        return "Whole site"
    name = getattr(played.projection.subjects[index], "name", None)
    return f"{node} {name}" if name else node


def _picked(stack: Stack) -> Ints:
    """The cycles that are drawn: all, or of each group the one with the highest flow."""
    count = len(stack.limit)
    group = ceil(count / MOST_POINTS)
    total = stack.values.sum(axis=1)
    return np.array(
        [first + int(np.argmax(total[first : first + group])) for first in range(0, count, group)], dtype=np.int64
    )


def stack_chart(played: Played, stack: Stack) -> Markup:
    """Areas from the base load up, and the limit in force as steps."""
    height, top, bottom = (232.0 if stack.line else 312.0), 28.0, (200.0 if stack.line else 280.0)
    axis, steps = axis_of(played), _picked(stack)
    values, limit = stack.values[steps], stack.limit[steps]
    most = max(float(values.sum(axis=1).max()), float(np.nanmax(limit)))
    tick, count = _nice(most * 1.06)
    highest = tick * count

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    parts = [*_unseen_bands(played, stack.node, axis, top, bottom)]
    for index in range(count + 1):
        at = y(tick * index)
        parts.append(f'<line class="grid" x1="{_n(axis.left)}" x2="{_n(axis.right)}" y1="{_n(at)}" y2="{_n(at)}"/>')
        parts.append(_text(axis.left - 8, at + 4, f"{tick * index:,.0f}", kind="tick", anchor="end"))
    parts.append(_text(axis.left - 8, top - 16, stack.unit, kind="tick", anchor="end"))
    parts += _time_grid(axis, top, bottom)
    edges = [axis.x(float(played.at_s[step])) for step in steps]
    edges.append(axis.x(played.scenario.duration_s))
    level = np.cumsum(np.column_stack([np.zeros(len(steps)), values]), axis=1)
    for part in range(values.shape[1]):
        lower = _as_steps(edges, [y(value) for value in level[:, part].tolist()])
        upper = _as_steps(edges, [y(value) for value in level[:, part + 1].tolist()])
        colour = "base" if part == 0 else f"c{(part - 1) % COLOURS}"
        shape = _path([*upper, *reversed(lower)], closed=True)
        parts.append(f'<path class="area {colour}" d="{shape}"><title>{escape(stack.parts[part])}</title></path>')
    for run in _runs([None if value != value else value for value in limit.tolist()]):
        line = _as_steps(edges[run.start : run.stop + 1], [y(float(limit[step])) for step in run])
        parts.append(f'<path class="limit" d="{_path(line)}"/>')
    parts += _peak_mark(stack, played, axis, y, top)
    return _svg(height, parts, f"{stack.node}: flow and limit in {stack.unit}")


def _as_steps(edges: Sequence[float], heights: Sequence[float]) -> list[tuple[float, float]]:
    """A value holds until the next cycle; runs of equal values become one step."""
    points: list[tuple[float, float]] = []
    for index, height in enumerate(heights):
        if not points or round(points[-1][1], 1) != round(height, 1):
            points.append((edges[index], points[-1][1] if points else height))
            points.append((edges[index], height))
    points.append((edges[len(heights)], heights[-1]))
    return points


def _runs(values: Sequence[float | None]) -> list[range]:
    """Ranges of indices whose values are given."""
    runs, start = [], None
    for index, value in enumerate([*values, None]):
        if value is not None and start is None:
            start = index
        elif value is None and start is not None:
            runs.append(range(start, index))
            start = None
    return runs


def _unseen_bands(played: Played, node: str, axis: Axis, top: float, bottom: float) -> list[str]:
    inner = node_names(played).index(node)
    parts = []
    for run in _runs([1.0 if safe else None for safe in played.safe[:, inner].tolist()]):
        begin = axis.x(float(played.at_s[run.start]))
        end = axis.x(float(played.at_s[run.stop - 1]) + played.cycle_s)
        size = f'width="{_n(end - begin)}" height="{_n(bottom - top)}"'
        parts.append(f'<rect class="unseen" x="{_n(begin)}" y="{_n(top)}" {size}/>')
        parts.append(_text((begin + end) / 2, top - 6, "not seen (SAFE)", kind="note", anchor="middle"))
    return parts


def _peak_mark(stack: Stack, played: Played, axis: Axis, y: Callable[[float], float], top: float) -> list[str]:
    total = stack.values.sum(axis=1)
    step = int(np.argmax(total))
    at_s, limit = int(played.at_s[step]), float(stack.limit[step])
    words = f"highest: {total[step]:,.0f} {stack.unit} at {axis.calendar.label(at_s)}"
    if limit > 0:
        words += f", {100 * total[step] / limit:.1f} % of the limit"
    return [
        f'<circle class="peak" cx="{_n(axis.x(at_s))}" cy="{_n(y(float(total[step])))}" r="4"/>',
        _text(axis.right, top - 16, words, kind="peak", anchor="end"),
    ]


def _nice(most: float) -> tuple[float, int]:
    """A round distance between ticks, and how many of them hold `most`."""
    rough = max(most, 1e-9) / 5
    power = 10.0 ** floor(log10(rough))
    tick = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return tick, ceil(most / tick)


# Who was held back by what


def holding_chart(played: Played, found: Sequence[Holding]) -> Markup:
    """A line per limit; the darker, the more vehicles it held back at that moment."""
    row, top, left = 26.0, 8.0, 330.0
    axis = axis_of(played, left=left, right=WIDTH - 176)
    bottom = top + row * len(found)
    parts = _time_grid(axis, top, bottom)
    index_of = {(one.node, one.limit): index for index, one in enumerate(played.constraints)}
    for line, one in enumerate(found):
        y = top + row * line
        words = f"{name_of(played, one.node)} · {LIMIT_WORDS.get(one.limit, one.limit)}"
        parts.append(_text(left - 10, y + 17, words, kind="label", anchor="end"))
        counts = (played.held == index_of[(one.node, one.limit)]).sum(axis=1)
        for begin_s, end_s, count in _spans(played, counts):
            begin, end = axis.x(begin_s), axis.x(end_s)
            parts.append(
                f'<rect class="held h{_shade(count)}" x="{_n(begin)}" y="{_n(y + 4)}" '
                f'width="{_n(max(1.0, end - begin))}" height="{_n(row - 8)}"/>'
            )
        vehicles = "1 vehicle" if one.vehicles == 1 else f"{one.vehicles} vehicles"
        parts.append(_text(axis.right + 12, y + 17, f"{minutes(one.seconds)}, {vehicles}", kind="value"))
    return _svg(bottom + 24, parts, "Which limits held vehicles back, and when")


def _shade(count: int) -> int:
    """1: one vehicle, 2: up to four, 3: up to nine, 4: ten or more."""
    return 1 if count <= 1 else 2 if count < 5 else 3 if count < 10 else 4


def _spans(played: Played, counts: Ints) -> list[tuple[int, int, int]]:
    """Begin, end and most vehicles of every time in which the shade stays the same."""
    spans: list[tuple[int, int, int]] = []
    for at_s, count in zip(played.at_s.tolist(), counts.tolist(), strict=True):
        if count == 0:
            continue
        end_s = at_s + played.cycle_s
        if spans and spans[-1][1] == at_s and _shade(spans[-1][2]) == _shade(count):
            spans[-1] = (spans[-1][0], end_s, max(spans[-1][2], count))
        else:
            spans.append((at_s, end_s, count))
    return spans


# Vehicles


def vehicle_chart(played: Played, chosen: Sequence[int]) -> Markup:
    """A lane per vehicle from plugging in to departure: its state of charge as an area, and when it was ready."""
    row, top, left = 23.0, 8.0, 178.0
    axis = axis_of(played, left=left, right=WIDTH - 320)
    bottom = top + row * len(chosen)
    parts = _time_grid(axis, top, bottom)
    for line, index in enumerate(chosen):
        parts += _lane(played, played.outings[index], index, axis, top + row * line, row)
    return _svg(bottom + 24, parts, "Every vehicle's state of charge until its departure")


def _lane(played: Played, outing: Outing, index: int, axis: Axis, y: float, row: float) -> list[str]:
    full, floor_y = row - 7, y + row - 4
    parts = [_text(8, y + 16, outing.vehicle.id, kind="label")]
    parts.append(_text(axis.left - 12, y + 16, outing.connector or "no connector", kind="tick", anchor="end"))
    soc = played.soc[:, index]
    there = np.flatnonzero(~np.isnan(soc))
    if len(there):
        every = max(1, len(there) // 90)
        picked = [*there[::every].tolist(), int(there[-1])]
        points = [(axis.x(float(played.at_s[step])), floor_y - full * float(soc[step])) for step in picked]
        end = axis.x(min(outing.vehicle.departs_s, played.scenario.duration_s))
        points.append((end, floor_y - full * outing.left_soc))
        shape = _path([(points[0][0], floor_y), *points, (end, floor_y)], closed=True)
        parts.append(f'<path class="soc {_tone(outing, axis)}" d="{shape}"/>')
        target = floor_y - full * outing.vehicle.type.target_soc
        parts.append(
            f'<line class="target" x1="{_n(points[0][0])}" x2="{_n(end)}" y1="{_n(target)}" y2="{_n(target)}"/>'
        )
        held = (played.held[:, index] != NOT_HELD).astype(np.int64)
        for begin_s, end_s, _ in _spans(played, held):
            parts.append(
                f'<line class="heldline" x1="{_n(axis.x(begin_s))}" x2="{_n(axis.x(end_s))}" '
                f'y1="{_n(floor_y + 1)}" y2="{_n(floor_y + 1)}"/>'
            )
        parts.append(
            f'<line class="leaves" x1="{_n(end)}" x2="{_n(end)}" y1="{_n(floor_y - full)}" y2="{_n(floor_y + 2)}"/>'
        )
    parts.append(
        _text(
            axis.right + 10,
            y + 16,
            _fate(outing, axis),
            kind="value bad" if _tone(outing, axis) == "short" else "value",
        )
    )
    return parts


def _tone(outing: Outing, axis: Axis) -> str:
    if outing.is_ready:
        return "ready"
    return "stays" if outing.vehicle.departs_s > axis.end_s else "short"


def _fate(outing: Outing, axis: Axis) -> str:
    leaves = axis.calendar.label(outing.vehicle.departs_s)
    socs = f"{100 * outing.vehicle.soc:.0f} → {100 * outing.left_soc:.0f} %"
    if outing.ready_s is not None:
        return f"✓ {socs}, ready {axis.calendar.label(outing.ready_s)}, leaves {leaves}"
    if _tone(outing, axis) == "stays":
        return f"… {socs}, stays until {leaves}"
    return f"✗ {socs}, leaves {leaves}, {outing.short_wh / 1000:.0f} kWh short"
