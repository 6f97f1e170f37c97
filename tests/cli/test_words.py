"""Figures and names as people read them."""

from io import StringIO

import pytest
from rich.text import Text

from busbar.entrypoints.render_layout import Bar, Line, TreeLines, bar_text
from busbar.entrypoints.screen import console_on
from busbar.entrypoints.words import counts, listed, number, on_rows


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [(0, "0"), (40, "0"), (-40, "0"), (60, "0.1"), (19526, "19.5"), (32000, "32"), (-5500, "-5.5"), (639058, "639")],
)
def test_decimals_stop_where_nobody_reads_them(thousandths: int, text: str) -> None:
    assert number(thousandths) == text


def test_what_fits_never_looks_as_if_it_did_not() -> None:
    values = range(0, 200_000, 37)
    shown = [float(number(value)) for value in values]
    assert shown == sorted(shown)


def test_neighbours_are_drawn_together_and_nobody_between_is_left_out() -> None:
    names = [f"CP{each}/1" for each in range(1, 8)]
    assert listed(names, range(7)) == "CP1/1 to CP7/1"
    assert listed(names[:2], range(2)) == "CP1/1 and CP2/1"
    assert listed(names[:4], [0, 1, 2, 5]) == "CP1/1 to CP3/1 and CP4/1"
    assert listed(names, range(0, 14, 2), most=3) == "CP1/1, CP2/1 and 5 more"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["L1"], "on L1"),
        (["L3", "L1"], "on L1 and L3"),
        (["L1", "L2", "L3"], "on all phases"),
        (["total"], "in total"),
        (["L2", "total"], "on L2 and in total"),
        ([None], ""),
    ],
)
def test_rows_in_words(rows: list[str | None], text: str) -> None:
    assert on_rows(rows) == text


def test_nodes_are_counted_by_kind() -> None:
    kinds = ["MICROGRID", "GRID_CONNECTION", "CHARGE_POINT", "CONNECTOR", "CONNECTOR"]
    assert counts(kinds) == "1 grid connection, no circuits, 1 charge point and 2 connectors"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    deep = Line(
        guide="│  └─ ",
        below="│     ",
        name="a long name of a node",
        remark="and a remark that is longer still",
        cells=("L1", "1600 A"),
        bar=Bar(base=0.2, charging=0.5, held=0.1),
        tail=Text("1200 kVA, safe 600 kVA, rating 1500 kVA, metered"),
        notes=("1, 2: 91 of 150 kW (C1)", "3: 40 kW", "4: free"),
    )
    stream = StringIO()
    console_on(stream).print(TreeLines(headings=("Node", "On", "Limit", "Used", "As given"), lines=[deep]))
    lines = stream.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert "metered" in stream.getvalue()


@pytest.mark.parametrize(
    ("bar", "shapes"),
    [
        (Bar(base=0, charging=0, held=0), "····"),
        (Bar(base=0.25, charging=0.25, held=0.25), "▒█░·"),
        (Bar(base=0.001, charging=0, held=0), "▒···"),
        (Bar(base=0, charging=0.98, held=0), "███·"),
        (Bar(base=0, charging=1, held=0), "████"),
        (Bar(base=1.2, charging=0, held=0), "▒▒▒▶"),
        (Bar(base=-0.5, charging=1, held=0), "██··"),
    ],
)
def test_a_bar_shows_something_as_something_and_full_only_when_it_is(bar: Bar, shapes: str) -> None:
    assert bar_text(bar, 4).plain == shapes
