"""Where every power node stands in the single-line diagram: grid connections on top, what they feed below.

Circuits of one level stand side by side; the charge points of a circuit hang on taps below it, one under the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from busbar.core.projection import NodeKind, Projection

CARD_HEIGHT = 80
"""Of the microgrid, a grid connection or a circuit."""
GAP = 18
DROP = 54
"""From a card to what hangs on its bus."""
BUS = 30
"""From a card down to its bus."""
TAP = 18
"""From the line of a column to its charge points."""
MOST_IN_A_COLUMN = 14
CELLS_IN_A_ROW = 4
CELL_WIDTH, CELL_HEIGHT = 52, 28
MARK_WIDTH, MARK_HEIGHT, MARK_PITCH = 10, 14, 13


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A node as a rectangle."""

    node: int
    x: int
    y: int
    width: int
    height: int
    level: int
    """In the tree, from 1."""
    hidden: int = 0
    """How many nodes below it are folded away."""
    is_foldable: bool = False
    is_compact: bool = False
    """A charge point whose connectors are marks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """A line; a bus is what many hang on."""

    x: int
    y: int
    to_x: int
    to_y: int
    kind: str
    """`bus`, `feeder`, `tap`, or `sum` between the depot and its grid connections: no power moves there."""
    breaker: bool = False
    """Whether a breaker sits on it."""


@dataclass(slots=True)
class Layout:
    """Everything that is drawn, in tree order."""

    width: int = 0
    height: int = 0
    places: list[Place] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """How much of the tree is drawn."""

    folded: frozenset[str] = frozenset()
    """Nodes with nothing below them."""
    opened: frozenset[str] = frozenset()
    """Charge points with their connectors drawn in full although the others' are marks."""
    is_compact: bool = False


@dataclass(frozen=True, slots=True)
class _Measure:
    projection: Projection
    wanted: Wanted
    children: tuple[tuple[int, ...], ...]
    column: int
    """Width of a column of charge points with its taps."""

    @property
    def card(self) -> int:
        return self.column - TAP

    def is_folded(self, node: int) -> bool:
        return self.projection.node_ids[node] in self.wanted.folded

    def circuits(self, node: int) -> list[int]:
        kinds = self.projection.kinds
        return [child for child in self.children[node] if kinds[child] is not NodeKind.CHARGE_POINT]

    def columns(self, node: int) -> list[Sequence[int]]:
        """The charge points right below a node, in as few columns as are not too long, and even."""
        kinds = self.projection.kinds
        all_of_them = [child for child in self.children[node] if kinds[child] is NodeKind.CHARGE_POINT]
        count = ceil(len(all_of_them) / MOST_IN_A_COLUMN)
        length = ceil(len(all_of_them) / count) if count else 1
        return [all_of_them[first : first + length] for first in range(0, len(all_of_them), length)]

    def is_compact(self, charge_point: int) -> bool:
        return self.wanted.is_compact and self.projection.node_ids[charge_point] not in self.wanted.opened

    def height(self, charge_point: int) -> int:
        count = len(self.children[charge_point])
        if self.is_compact(charge_point):
            in_a_row = (self.card - 20) // MARK_PITCH
            return 32 + ceil(count / in_a_row) * (MARK_HEIGHT + 3) + 4
        return 38 + ceil(count / self.cells_in_a_row) * (CELL_HEIGHT + 3) + 5

    @property
    def cells_in_a_row(self) -> int:
        return (self.card - 8) // (CELL_WIDTH + 2)

    def below(self, node: int) -> int:
        """How many nodes there are below one."""
        return sum(1 + self.below(child) for child in self.children[node])

    def width(self, node: int) -> int:
        """Of a node and everything below it."""
        if self.is_folded(node):
            return self.card
        parts = [self.column] * len(self.columns(node)) + [self.width(child) for child in self.circuits(node)]
        return max(self.card, sum(parts) + GAP * (len(parts) - 1)) if parts else self.card


def lay_out(projection: Projection, wanted: Wanted) -> Layout:
    """Places for all nodes that are not folded away. Pure; time linear in the nodes times the depth."""
    children: list[list[int]] = [[] for _ in projection.node_ids]
    for node, parent in enumerate(projection.parent):
        if parent >= 0:
            children[parent].append(node)
    column = TAP + (190 if wanted.is_compact else 4 * (CELL_WIDTH + 2) + 12)
    measure = _Measure(projection, wanted, tuple(tuple(each) for each in children), column)
    layout = Layout()
    _place(layout, measure, node=0, x=GAP, y=GAP, level=1)
    layout.width = max(place.x + place.width for place in layout.places) + GAP
    layout.height = max(place.y + place.height for place in layout.places) + GAP
    return layout


def _place(layout: Layout, measure: _Measure, *, node: int, x: int, y: int, level: int) -> int:
    """Puts a node and everything below it; where its feeder enters it from above."""
    slot = len(layout.places)
    layout.places.append(Place(node=node, x=x, y=y, width=0, height=0, level=level))
    is_folded = measure.is_folded(node)
    anchors = [] if is_folded else list(_below(layout, measure, node=node, x=x, y=y, level=level))
    middle = (anchors[0] + anchors[-1]) // 2 if anchors else x + measure.card // 2
    left = max(x, middle - measure.card // 2)
    layout.places[slot] = Place(
        node=node,
        x=left,
        y=y,
        width=measure.card,
        height=CARD_HEIGHT,
        level=level,
        hidden=measure.below(node) if is_folded else 0,
        is_foldable=node > 0 and bool(measure.children[node]),
    )
    enters = left + measure.card // 2
    bus_y = y + CARD_HEIGHT + BUS
    if anchors:
        kind, over = ("bus", 7) if node else ("sum", 0)
        layout.wires.append(
            Wire(x=enters, y=y + CARD_HEIGHT, to_x=enters, to_y=bus_y, kind="feeder" if node else "sum")
        )
        ends = (min(*anchors, enters) - over, max(*anchors, enters) + over)
        layout.wires.append(Wire(x=ends[0], y=bus_y, to_x=ends[1], to_y=bus_y, kind=kind))
    return enters


def _below(layout: Layout, measure: _Measure, *, node: int, x: int, y: int, level: int) -> Iterator[int]:
    """Puts what hangs on a node's bus, from left to right; yields where each hangs."""
    top, bus_y = y + CARD_HEIGHT + DROP, y + CARD_HEIGHT + BUS
    for column in measure.columns(node):
        line = x + 7
        last = _hang(layout, measure, column, x=x, y=top, level=level + 1)
        layout.wires.append(Wire(x=line, y=bus_y, to_x=line, to_y=last, kind="tap"))
        yield line
        x += measure.column + GAP
    for child in measure.circuits(node):
        enters = _place(layout, measure, node=child, x=x, y=top, level=level + 1)
        # Room for the two circles of a grid connection's transformer.
        ends_y = top if node else top - 18
        kind = "feeder" if node else "sum"
        layout.wires.append(Wire(x=enters, y=bus_y, to_x=enters, to_y=ends_y, kind=kind, breaker=bool(node)))
        yield enters
        x += measure.width(child) + GAP


def _hang(layout: Layout, measure: _Measure, column: Sequence[int], *, x: int, y: int, level: int) -> int:
    """Puts charge points under one another; how far down their line goes."""
    last = y
    for charge_point in column:
        height = measure.height(charge_point)
        is_compact = measure.is_compact(charge_point)
        layout.places.append(
            Place(
                node=charge_point,
                x=x + TAP,
                y=y,
                width=measure.card,
                height=height,
                level=level,
                is_compact=is_compact,
                is_foldable=measure.wanted.is_compact,
            )
        )
        last = y + 16
        layout.wires.append(Wire(x=x + 7, y=last, to_x=x + TAP, to_y=last, kind="tap"))
        _fill(layout, measure, charge_point, x=x + TAP, y=y, level=level + 1, is_compact=is_compact)
        y += height + 8
    return last


def _fill(
    layout: Layout, measure: _Measure, charge_point: int, *, x: int, y: int, level: int, is_compact: bool
) -> None:
    """Puts a charge point's connectors into it: cells, or small marks."""
    in_a_row = (measure.card - 20) // MARK_PITCH if is_compact else measure.cells_in_a_row
    for number, connector in enumerate(measure.children[charge_point]):
        row, place = divmod(number, in_a_row)
        if is_compact:
            at = (x + 12 + place * MARK_PITCH, y + 30 + row * (MARK_HEIGHT + 3), MARK_WIDTH, MARK_HEIGHT)
        else:
            at = (x + 8 + place * (CELL_WIDTH + 2), y + 37 + row * (CELL_HEIGHT + 3), CELL_WIDTH, CELL_HEIGHT)
        layout.places.append(
            Place(node=connector, x=at[0], y=at[1], width=at[2], height=at[3], level=level, is_compact=is_compact)
        )
