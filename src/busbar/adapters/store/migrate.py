"""Bring a database to this Busbar's schema when it is opened.

A new revision goes into `migrations/versions`, numbered on from the last; `tests/contract` compares what the
revisions build with `tables.py` and lists what is missing.
"""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from busbar.adapters.store.connecting import Database
from busbar.core.errors import BusbarError

VERSION_TABLE = "busbar_version"
"""Holds the schema's revision; named so that another program's Alembic may live in the same database."""


async def migrate(database: Database) -> None:
    """Upgrade the schema to the newest revision, in one transaction; nothing where it is there already.

    Of several processes that open a database at the same moment one upgrades and the others wait for it.
    Raises BusbarError where a newer Busbar has been here.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    async with database.reading() as connection:
        if await connection.run_sync(revision) == scripts.get_current_head():
            return
    async with database.writing("migration") as connection:
        await connection.run_sync(_upgrade, config, scripts, database.name)


def revision(connection: Connection) -> str | None:
    """The revision of the schema there; None where there is no schema."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "busbar.adapters.store:migrations")
    return config


def _upgrade(connection: Connection, config: Config, scripts: ScriptDirectory, name: str) -> None:
    # Asked again: between the look without the lock and now another process may have upgraded it, and then
    # nothing is left to do.
    there, head = revision(connection), scripts.get_current_head()
    known = {script.revision for script in scripts.walk_revisions()}
    if there is not None and there not in known:
        raise BusbarError(
            f"{name} has schema {there}, from a newer Busbar; this one knows up to {head}. "
            "Use the newer Busbar, or another database."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
