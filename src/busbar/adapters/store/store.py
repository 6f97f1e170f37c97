"""The store on SQLAlchemy: one transaction per method, the same on SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.connecting import Database
from busbar.adapters.store.cycles import read_cycles, read_last_number, write_cycle
from busbar.adapters.store.depots import read_depot, write_depot
from busbar.adapters.store.microgrids import add_microgrid, apply_provisioning, read_microgrid
from busbar.adapters.store.migrate import migrate
from busbar.adapters.store.sessions import read_open_sessions, write_sessions
from busbar.adapters.store.tables import depots
from busbar.adapters.store.urls import driver_url
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Session
from busbar.engine.ports import CycleRecord, ImportResult, Microgrid
from busbar.engine.provisioning import import_result, provision


async def open_store(url: str) -> "SqlStore":
    """Open the database at `sqlite:///PATH` or `postgresql://...`, creating and upgrading what is missing.

    Raises BusbarError for a URL that names no such database, one that cannot be reached or written, a file
    that is no database, and a database that a newer Busbar has upgraded.
    """
    database = Database(driver_url(url))
    try:
        await database.prepare()
        await migrate(database)
    except BaseException:
        await database.close()
        raise
    return SqlStore(database)


class SqlStore:
    """Keeps depots, microgrids, sessions and cycles in a database (the port `Store`).

    Every method raises BusbarError where the database refuses or does not answer; nothing of it is kept then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def import_depot(self, depot: Depot, *, at: datetime) -> ImportResult:
        """Store a checked depot and provision its microgrid; all or nothing."""
        async with self._database.writing(f"depot {depot.id}") as connection:
            differences = await write_depot(connection, depot, at=at)
            microgrid = await read_microgrid(connection, depot.id)
            if microgrid is None:
                await add_microgrid(connection, depot.id)
            wanted = provision(depot, () if microgrid is None else microgrid.grid_connections)
            await apply_provisioning(connection, depot.id, wanted, at=at)
            microgrid = await read_microgrid(connection, depot.id)
            assert microgrid is not None
        return import_result(differences, microgrid)

    async def load_depot(self, depot_id: str) -> Depot | None:
        """The depot as last imported, without what is retired; None where there is none."""
        async with self._database.reading() as connection:
            return await read_depot(connection, depot_id)

    async def depot_ids(self) -> Sequence[str]:
        """All depots, sorted."""
        async with self._database.reading() as connection:
            return tuple(sorted((await connection.execute(select(depots.c.depot_id))).scalars()))

    async def microgrid(self, depot_id: str) -> Microgrid | None:
        """The depot's microgrid with its grid connections; None where there is none."""
        async with self._database.reading() as connection:
            return await read_microgrid(connection, depot_id)

    async def save_sessions(self, depot_id: str, sessions: Sequence[Session], *, at: datetime) -> None:
        """These are the vehicles there now; open sessions of other connectors end at `at`."""
        async with self._database.writing(f"depot {depot_id}") as connection:
            await _refuse_unknown(connection, depot_id)
            await write_sessions(connection, depot_id, sessions, at=at)

    async def open_sessions(self, depot_id: str) -> Sequence[Session]:
        """The vehicles there as last saved, by connector."""
        async with self._database.reading() as connection:
            return await read_open_sessions(connection, depot_id)

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        """Keep a cycle with its allocations. Raises BusbarError where the number was kept already."""
        async with self._database.writing(f"depot {depot_id}") as connection:
            await _refuse_unknown(connection, depot_id)
            await write_cycle(connection, depot_id, cycle)

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        async with self._database.reading() as connection:
            return await read_last_number(connection, depot_id)

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        async with self._database.reading() as connection:
            return await read_cycles(connection, depot_id, after=after, limit=max(limit, 0))

    async def close(self) -> None:
        """Give back connections and files."""
        await self._database.close()


async def _refuse_unknown(connection: AsyncConnection, depot_id: str) -> None:
    found = await connection.execute(select(depots.c.id).where(depots.c.depot_id == depot_id))
    if found.first() is None:
        raise BusbarError(f"There is no depot {depot_id} in the store; import it first.")
