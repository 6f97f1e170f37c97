"""Connections to the database: how they are opened, how transactions begin, and what their faults mean."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from sqlalchemy import URL, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from busbar.adapters.store.urls import place
from busbar.core.errors import BusbarError

TRANSACTION_TIMEOUT_S = 60
"""The longest any transaction may take, waiting for others included."""
CONNECT_TIMEOUT_S = 10
BUSY_TIMEOUT_S = 15
"""How long SQLite waits for another writer."""

_BEGIN = "busbar_begin"


class Database:
    """One database and its pool of connections; hands out transactions and says what went wrong in them."""

    def __init__(self, url: URL) -> None:
        self.name = place(url)
        self._url = url
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(url) if self._is_sqlite else _postgresql_engine(url)
        if self._is_sqlite:
            self._reader = self._engine
            # A transaction that reads first and writes later cannot wait for another writer in SQLite: it
            # fails at once. So one that will write takes its place in the queue when it begins.
            self._writer = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            # Another process is waited for by looking again and again, with pauses; inside this one there is a queue.
            self._turn: AbstractAsyncContextManager[None] = asyncio.Lock()
        else:
            # Reads that belong together see one instant, a writer what was there once it got its lock.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ")
            self._writer = self._engine.execution_options(isolation_level="READ COMMITTED")
            self._turn = nullcontext()

    async def prepare(self) -> None:
        """Create a SQLite file with its folder, or look at the one there. Raises BusbarError."""
        if not self._is_sqlite:
            return
        try:
            await asyncio.to_thread(_prepare_file, Path(self._url.database or ""))
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one instant. Raises BusbarError for whatever the database refuses."""
        async with self._transaction(self._reader, nullcontext()) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self, subject: str) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, one at a time per subject over all processes; all or nothing.

        Raises BusbarError for whatever the database refuses.
        """
        async with self._transaction(self._writer, self._turn) as connection:
            await take_turn(connection, subject)
            yield connection

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, turn: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT_S), turn, engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, psycopg.Error, OSError, OverflowError, ValueError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> BusbarError:
        if isinstance(error, TimeoutError):
            return BusbarError(f"{self.name} did not answer in time; the transaction was given up.")
        reason = _reason(error)
        stop = "" if reason.endswith("?") else "."
        return BusbarError(f"{self.name}: {reason}{stop}{_advice(error, reason)}")

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


async def take_turn(connection: AsyncConnection, subject: str) -> None:
    """Wait until no other transaction writes about that, in any process; it is ours until this one ends.

    A transaction that takes two turns takes that of its depot first, so that no two wait for each other.
    """
    if connection.dialect.name != "sqlite":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))")
        await connection.execute(lock, {"subject": f"busbar {subject}"})


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    cause = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return ("; ".join(lines) or type(cause).__name__).rstrip(".")


_ADVICE = {
    "file is not a database": " Name another file, or move this one away.",
    "unable to open database file": " Check that it is a file in a folder this user may write to.",
    "readonly database": " Check that this user may write to the file and its folder.",
    "no such file": " Check that its folder can be created.",
    "not a directory": " Check that its folder can be created.",
    "permission denied": " Give this user the right to create and write there.",
    "database is locked": " Another process has been writing for too long; find it, or try again.",
    "disk": " Check the disk and the space left on it.",
}


def _advice(error: Exception, reason: str) -> str:
    for symptom, advice in _ADVICE.items():
        if symptom in reason.lower():
            return advice
    if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.OperationalError):
        return " Check that the server runs, and the host, port, user and database in the URL."
    return ""


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # Python's driver would begin transactions by itself, late and never before DDL; we begin them below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        # What is committed has reached the disk and survives a power cut; with NORMAL and WAL it need not.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _postgresql_engine(url: URL) -> AsyncEngine:
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_S}
    # The ping finds connections that a restart of the server has cut, and replaces them.
    return create_async_engine(url, connect_args=timeout, pool_pre_ping=True)


def _prepare_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as file:
        # The one statement that does not wait by itself when another process does the same just now.
        give_up_at = monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                # Readers and a writer do not hinder each other. This stays with the file.
                file.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or monotonic() > give_up_at:
                    raise
            sleep(0.02)
