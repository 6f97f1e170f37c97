"""The power nodes as lines: guides, figures on the tightest row, neighbours that read the same drawn together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from busbar.core.depot import ChargePoint, CurrentKind
from busbar.core.describe import NodeFigures, NodeState
from busbar.core.projection import NodeKind, Projection
from busbar.entrypoints.render_layout import Bar, Line
from busbar.entrypoints.words import ROWS, at_vehicle, display_name, figure, number, plural, setpoint

_TOTAL = ROWS.index("total")

STATE_LOOKS = {
    NodeState.BREACHED: ("✖", "bold red"),
    NodeState.UNKNOWN: ("?", "magenta"),
    NodeState.SAFE: ("◆", "magenta"),
    NodeState.CONSTRAINED: ("▲", "yellow"),
    NodeState.OK: ("●", "green"),
}
"""A shape and a colour for every state; the word stands beside them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What is said of a node beside its figures."""

    tail: Text
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A projection with what is known of its nodes, as far as it is to be shown."""

    projection: Projection
    figures: Sequence[NodeFigures]
    columns: tuple[str, ...]
    """Which figures, in this order: limit, base_load, reserved, flow, headroom."""
    depth: int | None = None
    """How many levels below the microgrid; None: all of them."""


def node_lines(shown: Shown, say: Callable[[int], Said]) -> list[Line]:
    """Microgrid, grid connections, circuits and charge points, parents first; connectors are left to `say`."""
    projection = shown.projection
    children: list[list[int]] = [[] for _ in projection.node_ids]
    for node, kind in enumerate(projection.kinds):
        if node > 0 and kind is not NodeKind.CONNECTOR:
            children[projection.parent[node]].append(node)
    lines: list[Line] = []
    # Depth first with a stack of our own: circuits nest to any depth.
    waiting: list[tuple[list[int], int, str, bool]] = [([0], 0, "", True)]
    while waiting:
        alike, depth, guide, is_last = waiting.pop()
        node = alike[0]
        own = "" if node == 0 else guide + ("└─ " if is_last else "├─ ")
        below = "" if node == 0 else guide + ("   " if is_last else "│  ")
        is_cut = depth == shown.depth and bool(children[node])
        inner = [] if is_cut else _runs(shown, children[node], say)
        said = say(node)
        notes = (*_phases(shown, node), *said.notes, *([_hidden(shown, node)] if is_cut else []))
        line = _line(shown, node, guide=own, below=below + ("│  " if inner else "   "), said=replace(said, notes=notes))
        if len(alike) > 1:
            last = projection.node_ids[alike[-1]]
            line = replace(line, name=f"{line.name} to {last}", remark=f"{line.remark}, {len(alike)} alike")
        lines.append(line)
        waiting += [
            (run, depth + 1, below, run is inner[-1]) for run in reversed(inner)
        ]  # The last one in is the first one out.
    return lines


def _runs(shown: Shown, nodes: Sequence[int], say: Callable[[int], Said]) -> list[list[int]]:
    """Neighbouring charge points that read the same, three or more, drawn together."""
    runs: list[list[int]] = []
    before = None
    for node in nodes:
        look = _look(shown, node, say)
        if look is not None and look == before:
            runs[-1].append(node)
        else:
            runs.append([node])
        before = look
    return [part for run in runs for part in ([run] if len(run) >= 3 else [[node] for node in run])]


def _look(shown: Shown, node: int, say: Callable[[int], Said]) -> object:
    if shown.projection.kinds[node] is not NodeKind.CHARGE_POINT or display_name(shown.projection.subjects[node]):
        return None
    said = say(node)
    return (cells(shown, node), said.tail.plain, said.notes, _phases(shown, node))


def _line(shown: Shown, node: int, *, guide: str, below: str, said: Said) -> Line:
    return Line(
        guide=guide,
        below=below,
        name=shown.projection.node_ids[node],
        remark=_remark(shown.projection, node),
        cells=cells(shown, node),
        bar=_bar(shown, node),
        tail=said.tail,
        notes=said.notes,
    )


def _remark(projection: Projection, node: int) -> str:
    subject = projection.subjects[node]
    if node == 0:
        return ""  # The depot's name stands above everything.
    kind = subject.current.value if isinstance(subject, ChargePoint) else ""
    return " ".join(part for part in (kind, display_name(subject)) if part)


def tightest_row(figures: NodeFigures) -> int | None:
    """The row whose limit is used most; None where nothing is limited."""
    used = [
        (-(flow / limit if limit else float(flow > 0) * 1e9), row)
        for row, (flow, limit) in enumerate(zip(figures.flow, figures.limit, strict=True))
        if limit is not None
    ]
    return min(used)[1] if used else None


def cells(shown: Shown, node: int) -> tuple[str, ...]:
    """The tightest row and the figures on it; of a DC charge point at the vehicle, as it is rated."""
    figures = shown.figures[node]
    row = tightest_row(figures)
    if row is None:
        # Nothing is limited here, so all that can be said is how much flows.
        return ("", *(_unlimited(figures, column) for column in shown.columns))
    label = ROWS[row] if row < _TOTAL and _differs(figures) else ""
    values = [_value(shown, node, column, row) for column in shown.columns]
    return (label, *(figure(row, value) for value in values))


def _value(shown: Shown, node: int, column: str, row: int) -> int | None:
    unit = shown.projection.subjects[node]
    value: int | None = getattr(shown.figures[node], column)[row]
    if not isinstance(unit, ChargePoint):
        return value
    if column == "base_load" or value is None:
        return None  # What it draws by itself is its circuit's to carry.
    return at_vehicle(unit, value) if row == _TOTAL and unit.current is CurrentKind.DC else value


def _unlimited(figures: NodeFigures, column: str) -> str:
    if column == "limit":
        return "none"
    return "" if column == "headroom" else figure(_TOTAL, getattr(figures, column)[_TOTAL])


def _differs(figures: NodeFigures) -> bool:
    """Whether a person would see a difference between the phases."""
    pairs = {(number(flow), limit) for flow, limit in zip(figures.flow[:3], figures.limit[:3], strict=True)}
    return len(pairs) > 1


def _phases(shown: Shown, node: int) -> tuple[str, ...]:
    """Every phase by itself, where they differ and more than one is limited."""
    figures = shown.figures[node]
    limited = [row for row in range(3) if figures.limit[row] is not None]
    is_circuit = shown.projection.kinds[node] is not NodeKind.CHARGE_POINT
    if len(limited) < 2 or not is_circuit or not any(figures.flow) or not _differs(figures):
        return ()
    if len({figures.limit[row] for row in limited}) == 1:
        return (", ".join(f"{ROWS[row]} {number(figures.flow[row])} A" for row in limited),)
    parts = [f"{ROWS[row]} {number(figures.flow[row])} of {number(figures.limit[row] or 0)} A" for row in limited]
    return (", ".join(parts),)


def _bar(shown: Shown, node: int) -> Bar | None:
    figures = shown.figures[node]
    row = tightest_row(figures)
    if row is None:
        return None
    limit = max(1, figures.limit[row] or 0)
    given, counted = figures.allocated[row], figures.reserved[row]
    return Bar(base=figures.base_load[row] / limit, charging=given / limit, held=(counted - given) / limit)


def _hidden(shown: Shown, node: int) -> str:
    projection = shown.projection
    below = [NodeKind.CIRCUIT, NodeKind.CHARGE_POINT]
    counts = dict.fromkeys(below, 0)
    for other in range(node + 1, len(projection.node_ids)):
        if node not in projection.path(other):
            break
        if projection.kinds[other] in counts:
            counts[projection.kinds[other]] += 1
    connectors = sum(
        len(projection.connectors_of(leaf)) for leaf in range(projection.first_leaf[node], projection.last_leaf[node])
    )
    parts = [plural(counts[kind], kind.value.lower().replace("_", " ")) for kind in below if counts[kind]]
    return f"below it: {', '.join([*parts, plural(connectors, 'connector')])}"


def connector_notes(projection: Projection, node: int, text_of: Callable[[int], str]) -> tuple[str, ...]:
    """The connectors of a charge point: one by one, neighbours that read the same drawn together."""
    leaves = range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
    runs: list[tuple[list[str], str]] = []
    for leaf in leaves:
        text = text_of(leaf)
        own_id = projection.leaf_ids[leaf].rsplit("/", 1)[1]
        if runs and runs[-1][1] == text:
            runs[-1][0].append(own_id)
        else:
            runs.append(([own_id], text))
    if len(leaves) == 1:
        return (runs[0][1],)
    return tuple(f"{_span(ids)}: {text}" for ids, text in runs)


def _span(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]}, {ids[1]}" if len(ids) == 2 else f"{ids[0]} to {ids[-1]}"


def rated(projection: Projection, leaf: int) -> str:
    """A connector's maximum rating."""
    return setpoint(int(projection.max_rating[leaf]), is_ac=bool(projection.is_ac[leaf]))


def state_text(figures: NodeFigures) -> Text:
    """Mode and state in words, with the state's shape and colour."""
    shape, style = STATE_LOOKS[figures.state]
    mode = "" if figures.kind is NodeKind.MICROGRID else figures.mode.value
    return Text(f"{mode:<6}  ").append(f"{shape} {figures.state.value}", style=style)
