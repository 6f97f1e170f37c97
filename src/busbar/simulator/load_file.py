"""A base load over time from a CSV file: `time`, and `kw` or the amperes of each line."""

from collections.abc import Callable
from pathlib import Path

from busbar.adapters.files import values
from busbar.adapters.files.tree import Node, clipped
from busbar.core.units import ActivePower, Amount, Current
from busbar.simulator.csv_rows import Cells, Row, read_rows, refused
from busbar.simulator.times import Calendar, moment

_KW = ("time", "kw")
_AMPERES = ("time", "l1_a", "l2_a", "l3_a")


def read_load(path: Path, calendar: Calendar) -> tuple[tuple[int, Amount], ...]:
    """Seconds from the start and values, ascending; each holds until the next. Raises RefusedError."""
    columns, rows = read_rows(path)
    read: Callable[[Cells, int, Row], Amount | None]
    if set(_KW) <= set(columns):
        read = _power
    elif set(_AMPERES) <= set(columns):
        read = _current
    else:
        rule = f"Its columns are {clipped(', '.join(columns))}."
        raise refused(path, rule, f"Give {', '.join(_KW)}, or {', '.join(_AMPERES)}.")
    cells, points = Cells(path), {}
    for line, row in rows:
        at_s, amount = cells.read(line, row, "time", moment(calendar)), read(cells, line, row)
        if at_s is not None and amount is not None:
            points[at_s] = amount
    cells.refuse_if_any()
    if not points:
        raise refused(path, "It has no rows.", "Give at least one time and value.")
    return tuple(sorted(points.items(), key=lambda point: point[0]))


def _power(cells: Cells, line: int, row: Row) -> Amount | None:
    kw = cells.read(line, row, "kw", _number)
    return None if kw is None else ActivePower(w=round(kw * 1000))


def _current(cells: Cells, line: int, row: Row) -> Amount | None:
    given = [cells.read(line, row, column, _number) for column in _AMPERES[1:]]
    each = [None if value is None else round(value * 1000) for value in given]
    return None if None in each else Current(l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])


def _number(node: Node) -> float:
    value = float(values.text(node))
    if not abs(value) < 1e6:
        raise ValueError
    return value
