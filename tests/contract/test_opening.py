"""Which database is opened, and what a person is told when that fails."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from store_examples import NOON, TWO_FEEDERS
from store_places import Place

from busbar.adapters.store.store import open_store
from busbar.adapters.store.urls import default_database_url, driver_url
from busbar.bootstrap import open_served_store, open_store_and_records, with_access
from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords, Role
from busbar.engine.ports import ChargePointRecords, Store


@pytest.mark.parametrize(
    ("url", "driver", "database"),
    [
        ("sqlite:////var/lib/busbar/busbar.db", "sqlite+aiosqlite", "/var/lib/busbar/busbar.db"),
        ("sqlite:///busbar.db", "sqlite+aiosqlite", "busbar.db"),
        ("sqlite+aiosqlite:///busbar.db", "sqlite+aiosqlite", "busbar.db"),
        ("postgresql://me@host/busbar", "postgresql+psycopg", "busbar"),
        ("postgres://me@host/busbar", "postgresql+psycopg", "busbar"),
        ("postgresql+psycopg://me@host:5433/busbar?sslmode=require", "postgresql+psycopg", "busbar"),
    ],
)
def test_plain_urls_find_their_driver(url: str, driver: str, database: str) -> None:
    found = driver_url(url)
    assert (found.drivername, found.database) == (driver, database)
    assert found.query == make_url(url).query


def test_a_home_directory_is_found() -> None:
    assert driver_url("sqlite:///~/busbar.db").database == str(Path.home() / "busbar.db")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "cannot be read"),
        ("busbar.db", "cannot be read"),
        ("postgresql://me:secret@host:port/busbar", "cannot be read"),
        ("mysql://me:secret@host/busbar", "'mysql'"),
        ("postgresql+asyncpg://me:secret@host/busbar", "postgresql\\+asyncpg"),
        ("sqlite://", "one file"),
        ("sqlite:///:memory:", "one file"),
        ("sqlite:///file:busbar.db?uri=true", "one file"),
        ("sqlite:///busbar.db?mode=ro", "one file"),
        ("sqlite://busbar.db", "one file"),
    ],
)
def test_other_urls_are_refused_with_an_example(url: str, why: str) -> None:
    with pytest.raises(BusbarError, match=why) as refused:
        asyncio.run(open_store(url))
    assert "sqlite:////var/lib/busbar/busbar.db" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_default_database_is_a_file_among_the_users_data() -> None:
    database = driver_url(default_database_url()).database
    assert database is not None
    assert Path(database).is_absolute()
    assert Path(database).name == "busbar.db"
    assert "busbar" in Path(database).parent.name


@pytest.mark.parametrize("name", ["with space.db", "50%.db", "a?b#c.db", "größe.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    url = make_url("sqlite://").set(database=str(tmp_path / name)).render_as_string()

    async def story() -> None:
        async with Place(url=url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)

    asyncio.run(story())
    assert (tmp_path / name).is_file()


# What goes wrong


def refusal(url: str) -> str:
    with pytest.raises(BusbarError) as refused:
        asyncio.run(open_store(url))
    return str(refused.value)


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear depot, " * 100)
    message = refusal(f"sqlite:///{letter}")
    assert str(letter) in message
    assert "not a database" in message
    assert letter.read_text() == "Dear depot, " * 100


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    message = refusal(f"sqlite:///{tmp_path}")
    assert "unable to open" in message
    assert str(tmp_path) in message


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refusal(f"sqlite:///{tmp_path / 'file' / 'busbar.db'}")


def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert "in a folder this user may write to" in refusal(f"sqlite:///{tmp_path / 'busbar.db'}")
    assert "Permission denied" in refusal(f"sqlite:///{tmp_path / 'new' / 'busbar.db'}")


def test_a_file_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "busbar.db"
    path.touch(mode=0o400)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert "Check that this user may write" in refusal(f"sqlite:///{path}")


def test_tables_of_another_program_are_left_alone(sqlite_url: str) -> None:
    path = Path(driver_url(sqlite_url).database or "")
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE sessions (theirs TEXT)")
    other.close()
    assert "sessions already exists" in refusal(sqlite_url)
    with sqlite3.connect(path) as other:
        tables = other.execute("SELECT name FROM sqlite_master").fetchall()
    other.close()
    assert tables == [("sessions",)]


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    message = refusal("postgresql://me:secret@127.0.0.1:1/busbar?connect_timeout=3")
    assert "127.0.0.1:1/busbar" in message
    assert "Check that the server runs" in message
    assert "secret" not in message


@pytest.mark.postgres
def test_a_missing_postgresql_database_is_named(postgresql_database: str) -> None:
    missing = make_url(postgresql_database).set(database="busbar_nowhere")
    message = refusal(missing.render_as_string(hide_password=False))
    assert 'database "busbar_nowhere" does not exist' in message


@pytest.mark.postgres
def test_a_user_who_may_not_create_tables_is_told(postgresql_database: str) -> None:
    name = f"busbar_test_{uuid4().hex}"
    with psycopg.connect(postgresql_database, autocommit=True) as server:
        server.execute(f"CREATE ROLE {name}".encode())
        server.execute(f"CREATE SCHEMA {name}".encode())
        server.execute(f"GRANT USAGE ON SCHEMA {name} TO {name}".encode())
        try:
            options = {"options": f"-crole={name} -csearch_path={name}"}
            url = make_url(postgresql_database).update_query_dict(options)
            message = refusal(url.render_as_string(hide_password=False))
        finally:
            server.execute(f"DROP SCHEMA {name} CASCADE".encode())
            server.execute(f"DROP ROLE {name}".encode())
    assert "permission denied" in message
    assert "Give this user the right" in message


def test_commands_find_the_store_with_its_access_and_close_it(database_url: str) -> None:
    async def act(store: Store, access: AccessRecords) -> str:
        await store.import_depot(TWO_FEEDERS, at=NOON)
        made = await access.add_token(
            name="Ann", role=Role.VIEWER, secret_hash="x", depot_id="elizabeth", nodes=(), at=NOON, expires_at=None
        )
        return made.name

    assert with_access(act, database=database_url) == "Ann"
    with pytest.raises(BusbarError, match="named Ann already"):
        with_access(act, database=database_url)


@pytest.mark.parametrize("opened", [open_store_and_records, open_served_store])
def test_the_service_gets_store_records_and_access_of_one_database(
    sqlite_url: str, opened: Callable[[str], Awaitable[tuple[Store, ChargePointRecords, AccessRecords]]]
) -> None:
    async def story() -> None:
        store, records, access = await opened(sqlite_url)
        try:
            await store.import_depot(TWO_FEEDERS, at=NOON)
            assert await records.facts("elizabeth") == {}
            await access.add_webhook(url="http://x", secret="s", depot_id="elizabeth", kinds=(), at=NOON)
            assert len(await access.webhooks()) == 1
        finally:
            await store.close()

    asyncio.run(story())
