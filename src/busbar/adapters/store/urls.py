"""Which database: from the URL a person writes to the one the async drivers take."""

from pathlib import Path

import platformdirs
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from busbar.core.errors import BusbarError

_EXAMPLES = "Write `sqlite:////var/lib/busbar/busbar.db` or `postgresql://user@host/database`."
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def default_database_url() -> str:
    """A SQLite file in the place this system keeps a user's application data."""
    path = Path(platformdirs.user_data_dir("busbar", appauthor=False)) / "busbar.db"
    return URL.create("sqlite", database=str(path)).render_as_string()


def driver_url(url: str) -> URL:
    """`sqlite:///path` and `postgresql://...` with the async driver added; the driver may be named already.

    Raises BusbarError for a text that is no URL, another kind of database or driver, and SQLite without a
    file.
    """
    try:
        given = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text itself is not repeated: it may hold a password.
        raise BusbarError(f"The database URL cannot be read. {_EXAMPLES}") from error
    kind, _, _ = given.drivername.partition("+")
    if kind not in _DRIVERS:
        raise BusbarError(f"Busbar does not keep its data in {kind!r}, only in SQLite or PostgreSQL. {_EXAMPLES}")
    driver = _DRIVERS[kind]
    if given.drivername not in (kind, driver):
        raise BusbarError(f"Busbar reaches {kind} by {driver!r}, not by {given.drivername!r}. {_EXAMPLES}")
    if kind == "sqlite":
        return _file_url(given).set(drivername=driver)
    return given.set(drivername=driver)


def _file_url(given: URL) -> URL:
    path = given.database
    if not path or path == ":memory:" or path.startswith("file:") or given.query or given.host:
        raise BusbarError(f"A SQLite database is one file, named by its path and nothing else. {_EXAMPLES}")
    return given.set(database=str(Path(path).expanduser()))


def place(url: URL) -> str:
    """What to call the database in a message: the file, or the server without any password."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    plain = url.set(drivername=url.get_backend_name(), query={})
    return f"PostgreSQL database {plain.render_as_string(hide_password=True)}"
