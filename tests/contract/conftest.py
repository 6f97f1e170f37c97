"""Empty places for the contract suites: memory, a SQLite file, a PostgreSQL schema of their own."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from store_places import Place

POSTGRES_URL = os.environ.get("BUSBAR_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


SQLITE = pytest.param("sqlite")
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.fixture(params=[pytest.param("memory"), SQLITE, POSTGRESQL])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Every place a store can be in."""
    if request.param == "memory":
        yield Place(url=None)
    else:
        with_url = "sqlite_url" if request.param == "sqlite" else "postgresql_url"
        yield Place(url=request.getfixturevalue(with_url))


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet, in a folder that is not there either."""
    return f"sqlite:///{tmp_path / 'new' / 'busbar.db'}"


@pytest.fixture
def postgresql_url(postgresql_database: str) -> Iterator[str]:
    """A schema of its own in this run's database."""
    schema = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql_database, autocommit=True) as server:
        server.execute(f"CREATE SCHEMA {schema}".encode())
        try:
            url = make_url(postgresql_database).update_query_dict({"options": f"-csearch_path={schema}"})
            yield url.render_as_string(hide_password=False)
        finally:
            server.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[str]:
    """A new database for this run, dropped afterwards.

    Without a server that answers a user's run skips these tests, and CI fails.
    """
    try:
        server = psycopg.connect(POSTGRES_URL, connect_timeout=5, autocommit=True)
    except psycopg.OperationalError as error:
        first_line = str(error).partition("\n")[0]
        message = f"no PostgreSQL server to test with ({first_line}); name one in BUSBAR_TEST_POSTGRES"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    name = f"busbar_test_{uuid4().hex}"
    with server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
