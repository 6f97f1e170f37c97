"""CSV files to rows and cells; what is wrong is collected with its line."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from busbar.adapters.files.tree import Node, Scalar, clipped
from busbar.core.errors import Problem, RefusedError
from busbar.core.units import UnitError

Value = TypeVar("Value")
Row = dict[str, str]

MOST_ROWS = 200_000


def read_rows(path: Path) -> tuple[tuple[str, ...], list[tuple[int, Row]]]:
    """The names of the columns, and each row with its line; raises RefusedError where the file cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream)
            columns = tuple(table.fieldnames or ())
            return columns, [(table.line_num, row) for row, _ in zip(table, range(MOST_ROWS), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refused(path, f"The file cannot be read: {error}.", "Check its name and its encoding.") from error


def refused(path: Path, rule: str, fix: str) -> RefusedError:
    """A file that cannot be used as a whole."""
    return RefusedError((Problem(path="document", rule=rule, fix=fix, file=str(path), line=1),))


class Cells:
    """Reads cells and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def read(self, line: int, row: dict[str, str], column: str, reader: Callable[[Node], Value]) -> Value | None:
        """One cell; None where it did not parse."""
        word = row.get(column) or ""
        try:
            return reader(Scalar(word, line, True))
        except UnitError as error:
            rule, fix = error.rule, error.fix
        except ValueError:
            rule, fix = "Not a number.", "Write for example `12.5`."
        self.problems.append(
            Problem(path=column, rule=rule, fix=fix, value=clipped(word), file=str(self.path), line=line)
        )
        return None

    def refuse_if_any(self) -> None:
        """Raise RefusedError with everything collected."""
        if self.problems:
            raise RefusedError(tuple(self.problems))
