"""A tree of power nodes as aligned lines: name, figures, a bar, a remark. Adapts to the width it is given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

_GAP = "  "
_BARS = (20, 12, 8, 6)
_LOOKS_FULL = 0.995
_NARROWEST_NAME = 14
_NARROWEST_TAIL = 21
"""A mode and a state."""
_SHORTEST_REMARK = 4
_FOLDED_TAIL = 30
"""A tail is folded to this width before remarks are cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What a limit is used for, as shares of it."""

    base: float
    """Base load."""
    charging: float
    """What leaves were given."""
    held: float
    """Reserved beyond that: fallbacks, and what is out of reach."""

    @property
    def full(self) -> float:
        """All of it; above 1 the limit is passed."""
        return self.base + self.charging + self.held


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One power node, or several that read the same."""

    guide: str
    """Where it hangs: `│  ├─ `."""
    below: str
    """The guide of what is written underneath."""
    name: str
    remark: str = ""
    """After the name, dim; the first to go where it is narrow."""
    cells: tuple[str, ...] = ()
    bar: Bar | None = None
    tail: Text = field(default_factory=Text)
    notes: tuple[str, ...] = ()
    """Written underneath, folded to the width, broken only between these."""


@dataclass(frozen=True, kw_only=True)
class TreeLines:
    """Lines under a heading; renders itself at the width there is."""

    headings: tuple[str, ...]
    """Of the name, the cells, the bar and the tail."""
    lines: Sequence[Line]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One text per line, none wider than the console."""
        for text in self._texts(options.max_width):
            yield from text.render(console)
            yield Segment.line()

    def _texts(self, width: int) -> Iterator[Text]:
        columns = self._columns(width)
        yield self._heading(columns)
        for line in self.lines:
            yield from _line_texts(line, columns, width)

    def _columns(self, width: int) -> "_Columns":
        """What is short of room gives way in this order: the bar, the tail (folded), remarks, the tail's place."""
        cells = [
            max([len(heading), *(len(line.cells[at]) for line in self.lines if line.cells)])
            for at, heading in enumerate(self.headings[1:-2])
        ]
        names = max([len(self.headings[0]), *(len(line.guide) + len(line.name) for line in self.lines)])
        remarks = max([names, *(len(f"{line.guide}{line.name}  {line.remark}") for line in self.lines)])
        tail = max([len(self.headings[-1]), *(len(line.tail) for line in self.lines)])
        beside = width - sum(cells) - (len(cells) + 2) * len(_GAP)
        for bar in _BARS:
            if remarks + min(tail, _FOLDED_TAIL) <= beside - bar:
                return _Columns(name=remarks, cells=cells, bar=bar, tail=beside - bar - remarks)
        for bar in _BARS[1:]:
            if names + min(tail, _NARROWEST_TAIL) <= beside - bar:
                name = min(remarks, beside - bar - min(tail, _NARROWEST_TAIL))
                return _Columns(name=name, cells=cells, bar=bar, tail=beside - bar - name)
        bar = _BARS[-1]
        name = max(_NARROWEST_NAME, min(remarks, beside - bar + len(_GAP)))
        return _Columns(name=name, cells=cells, bar=bar, tail=None)

    def _heading(self, columns: "_Columns") -> Text:
        first, *middle, used, last = self.headings
        figures = [heading.rjust(width) for heading, width in zip(middle, columns.cells, strict=True)]
        parts = [first.ljust(columns.name), *figures, used.ljust(columns.bar)]
        heading = _GAP.join([*parts, last] if columns.tail is not None else parts)
        return Text().append(heading.rstrip(), style="bold")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Columns:
    """How wide everything is."""

    name: int
    cells: Sequence[int]
    bar: int
    tail: int | None
    """None: there is no room beside, and tails are written underneath."""

    @property
    def before_tail(self) -> int:
        """Where tails begin."""
        return self.name + sum(self.cells) + self.bar + (len(self.cells) + 2) * len(_GAP)


def _line_texts(line: Line, columns: _Columns, width: int) -> Iterator[Text]:
    tails = [Text()] if columns.tail is None else _folded(line.tail, columns.tail)
    text = _named(line, columns.name)
    for value, size in zip(line.cells or ("",) * len(columns.cells), columns.cells, strict=True):
        text.append(_GAP + value.rjust(size))
    text.append(_GAP)
    text.append_text(bar_text(line.bar, columns.bar) if line.bar else Text(" " * columns.bar))
    text.append(_GAP)
    text.append_text(tails[0])
    text.rstrip()
    yield text
    for rest in tails[1:]:
        yield Text().append(line.below.ljust(columns.before_tail), style="dim").append_text(rest)
    if columns.tail is None and line.tail:
        indent = f"{line.below}  "
        for part in _folded(line.tail, width - len(indent)):
            yield Text().append(indent, style="dim").append_text(part)
    yield from _notes(line, width)


def _named(line: Line, width: int) -> Text:
    text = Text().append(line.guide, style="dim").append(line.name)
    left = width - len(text) - len(_GAP)
    if line.remark and left >= min(len(line.remark), _SHORTEST_REMARK):
        remark = line.remark if len(line.remark) <= left else line.remark[: left - 1] + "…"
        text.append(f"{_GAP}{remark}", style="dim")
    if len(text) > width:
        text.truncate(width - 1)
        text.append("…")
    text.append(" " * (width - len(text)))
    return text


def _folded(tail: Text, room: int) -> list[Text]:
    """In lines no longer than `room`, broken after commas; what has none is broken between words."""
    if len(tail) <= room:
        return [tail]
    lines: list[Text] = []
    for part in tail.split(", ", include_separator=True):
        if lines and len(lines[-1]) + len(part.plain.rstrip()) <= room:
            lines[-1].append_text(part)
        else:
            lines.append(part.copy())
    folded = [piece for line in lines for piece in line.wrap(Console(width=max(1, room)), max(1, room))]
    for piece in folded:
        piece.rstrip()
    return folded


def _notes(line: Line, width: int) -> Iterator[Text]:
    indent = f"{line.below}  "
    row = ""
    for note in line.notes:
        joined = f"{row}   {note}" if row else note
        if row and len(indent) + len(joined) > width:
            yield Text().append(indent, style="dim").append(row)
            joined = note
        row = joined
    if row:
        yield Text().append(indent, style="dim").append(row)


def bar_text(bar: Bar, width: int) -> Text:
    """Base load ▒, charging █, reserved ░, free ·; an arrow at its end where the limit is passed."""
    # What is generated here needs no room: only what is drawn beyond it is shown.
    parts = [max(0.0, bar.base), max(0.0, bar.charging + min(0.0, bar.base)), bar.held]
    edges = [min(width, round(sum(parts[: at + 1]) * width)) for at in range(3)]
    counts = [edges[0], edges[1] - edges[0], edges[2] - edges[1]]
    if bar.full > 0 and not any(counts):
        counts[parts.index(max(parts))] = 1  # Something is shown as something,
    elif sum(counts) == width and bar.full < _LOOKS_FULL:
        counts[counts.index(max(counts))] -= 1  # and what is not full as not full.
    text = Text().append("▒" * counts[0], style="magenta")
    text.append("█" * counts[1], style="green" if bar.full < _LOOKS_FULL else "yellow")
    text.append("░" * counts[2], style="cyan")
    text.append("·" * (width - sum(counts)), style="dim")
    if bar.full > 1:
        text = Text().append(text.plain[:-1], style="red").append("▶", style="bold red")
    return text
