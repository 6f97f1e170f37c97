"""Many rows in one statement, whatever else the process is busy with.

Drivers run a batch row by row, and between two rows they hand the interpreter back to whoever wants it. With an event
loop under load, ten thousand rows may take seconds that way, and tens of milliseconds as one JSON text that the
database takes apart.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Column, Dialect, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.column_types import UtcTime


async def write_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Sequence[Any]], *, columns: str, replace: bool = False
) -> None:
    """Insert rows of these columns; with `replace`, the row with the same key becomes this one.

    `columns` are names with spaces between. Values are text, whole numbers, floats, booleans, times and JSON; None is
    NULL. Raises ValueError for a value that cannot be kept: text that is none, a number beyond 53 bits, a time without
    a zone.
    """
    if not rows:
        return
    chosen = [table.c[name] for name in columns.split()]
    dialect = connection.dialect
    packed = _packed(rows, chosen, dialect)
    statement = _statement(table, chosen, dialect, replace=replace)
    await connection.execute(text(statement), {"rows": packed})


def _packed(rows: Sequence[Sequence[Any]], columns: Sequence[Column[Any]], dialect: Dialect) -> str:
    at = [position for position, column in enumerate(columns) if isinstance(column.type, UtcTime)]
    if at:
        rows = [list(row) for row in rows]
        for position in at:
            _write_times(rows, position, columns[position], dialect)
    try:
        # Strict: a number that a JSON reader might round is refused.
        return orjson.dumps(rows, option=orjson.OPT_STRICT_INTEGER).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(f"a row of {columns[0].table.name} cannot be kept: {error}") from error


def _write_times(rows: Sequence[Any], position: int, column: Column[Any], dialect: Dialect) -> None:
    """In place, as the column keeps them; most rows of a batch share their time."""
    to_kept = column.type.dialect_impl(dialect).bind_processor(dialect)
    assert to_kept is not None
    kept: dict[datetime | None, Any] = {}
    for row in rows:
        when = row[position]
        if when not in kept:
            kept[when] = to_kept(when)
        row[position] = kept[when]


def _statement(table: Table, columns: Sequence[Column[Any]], dialect: Dialect, *, replace: bool) -> str:
    quote = dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    if dialect.name == "sqlite":
        values = ", ".join(f"json_extract(value, '$[{position}]')" for position in range(len(columns)))
        source = "json_each(:rows)"
    else:
        values = ", ".join(
            f"CAST(value ->> {position} AS {column.type.compile(dialect)})" for position, column in enumerate(columns)
        )
        source = "json_array_elements(CAST(:rows AS json)) AS given(value)"
    # Without the condition SQLite would take ON CONFLICT for the condition of a join.
    statement = f"INSERT INTO {quote(table.name)} ({names}) SELECT {values} FROM {source} WHERE true"
    if not replace:
        return statement
    key = ", ".join(quote(column.name) for column in table.primary_key)
    others = [quote(column.name) for column in columns if not column.primary_key]
    return f"{statement} ON CONFLICT ({key}) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in others)
