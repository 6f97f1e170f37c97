"""What `soak.py` finds in the database at the end: what it is made of, and whether forgetting frees it."""

import asyncio
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from busbar.adapters.store.store import open_store
from soak_depot import DEPOT_ID
from soak_gauges import size_kb

OF_CYCLES = ("cycles", "allocations", "cycle_nodes")
"""Tables that grow with kept cycles."""


def examined(database: Path) -> dict[str, Any]:
    """The database as the server left it: kB by table, indexes counted with them; what a copy of it forgets."""
    with closing(sqlite3.connect(database)) as connection:
        (check,) = connection.execute("PRAGMA quick_check").fetchone()
        tables = _tables_kb(connection)
    return {
        "database": check,
        "database_kb": size_kb(database),
        "wal_left_kb": size_kb(database.with_name(f"{database.name}-wal")),
        "tables_kb": tables,
        "pruned": _pruned(database, tables),
    }


def _tables_kb(connection: sqlite3.Connection) -> dict[str, float]:
    rows = connection.execute(
        "SELECT s.tbl_name, sum(d.pgsize) / 1024.0 FROM dbstat d JOIN sqlite_schema s ON s.name = d.name"
        " WHERE d.aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC"
    )
    return {name: round(kb, 1) for name, kb in rows}


def _pruned(database: Path, tables_kb: Mapping[str, float]) -> dict[str, Any]:
    """Let a copy forget the older half of its cycles, as a depot forgets what is older than `keep_days`."""
    copy = database.with_name("pruned.sqlite")
    shutil.copy(database, copy)
    try:
        with closing(sqlite3.connect(copy)) as connection:
            count, middle = _middle(connection)
            free_before_kb = _free_kb(connection)
        asyncio.run(_forget(copy, middle))
        with closing(sqlite3.connect(copy)) as connection:
            (left,) = connection.execute("SELECT count(*) FROM cycles").fetchone()
            freed_kb = _free_kb(connection) - free_before_kb
        of_cycles_kb = sum(tables_kb.get(table, 0.0) for table in OF_CYCLES)
        return {"cycles": count - left, "of_cycles": count, "cycles_kb": of_cycles_kb, "freed_kb": freed_kb}
    finally:
        copy.unlink(missing_ok=True)


def _middle(connection: sqlite3.Connection) -> tuple[int, str]:
    """How many cycles there are, and when the middle one was."""
    (count,) = connection.execute("SELECT count(*) FROM cycles").fetchone()
    found = connection.execute("SELECT at FROM cycles ORDER BY at LIMIT 1 OFFSET ?", (count // 2,)).fetchone()
    return int(count), str(found[0])


def _free_kb(connection: sqlite3.Connection) -> float:
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return float(pages * size / 1024)


async def _forget(database: Path, before: str) -> None:
    store = await open_store(f"sqlite:///{database}")
    try:
        await store.prune(DEPOT_ID, before=datetime.fromisoformat(before).replace(tzinfo=UTC))
    finally:
        await store.close()
