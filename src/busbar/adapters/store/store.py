"""The store on SQLAlchemy: one transaction per method, the same on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import in_utc, refuse_envelope, refuse_nobody, refuse_other_depot
from busbar.adapters.store.access import SqlAccess
from busbar.adapters.store.audit_log import note_write
from busbar.adapters.store.breaches import acknowledge, read_breach, read_breaches, read_open, write_breaches
from busbar.adapters.store.commissioning import add_request, read_requests, update_request
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.cycles import read_cycle, read_cycles, read_last_number, read_page, write_cycle
from busbar.adapters.store.deliveries import fan_out
from busbar.adapters.store.depots import change_settings, read_depot, read_revision, refuse_unknown, write_depot
from busbar.adapters.store.envelopes import read_envelopes, withdraw, write_envelope
from busbar.adapters.store.microgrids import add_microgrid, apply_provisioning, read_microgrid
from busbar.adapters.store.migrate import migrate
from busbar.adapters.store.overrides import lift, put_in_force, read_overrides, read_plans, write_plan
from busbar.adapters.store.pruning import prune
from busbar.adapters.store.records import SqlRecords
from busbar.adapters.store.sessions import read_open_sessions, write_sessions
from busbar.adapters.store.setpoints import read_evidence, read_setpoints, write_evidence, write_setpoints
from busbar.adapters.store.tables import depots
from busbar.adapters.store.urls import driver_url
from busbar.core.depot import Depot
from busbar.core.snapshot import Session
from busbar.engine.access import Notice, WriteRecord
from busbar.engine.breach_record import BreachRecord
from busbar.engine.ports import (
    CommissioningRequest,
    CycleOutcome,
    CycleRecord,
    Envelope,
    Evidence,
    ImportResult,
    Microgrid,
    Override,
    OverrideKind,
    Plan,
    StoredSetpoint,
)
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
    """Keeps depots and all that happens in them in a database (the port `Store`).

    Every method raises BusbarError where the database refuses or does not answer; nothing of it is kept then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(self) -> SqlRecords:
        """What the OCPP adapter keeps, in the same database; it closes with this store."""
        return SqlRecords(self._database)

    def access(self) -> SqlAccess:
        """What the HTTP interface and the webhooks keep, in the same database; it closes with this store."""
        return SqlAccess(self._database)

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

    async def change_settings(
        self,
        depot_id: str,
        *,
        strategy: str | None = None,
        leaves: str | None = None,
        fair_in: str | None = None,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> int:
        """Change what is given of a depot's own settings as an import would; its new revision."""
        async with self._of_depot(depot_id, write) as connection:
            revision = await change_settings(
                connection, depot_id, strategy=strategy, leaves=leaves, fair_in=fair_in, at=at
            )
            await note_write(connection, write)
            return revision

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
        async with self._of_depot(depot_id) as connection:
            await write_sessions(connection, depot_id, sessions, at=at)

    async def open_sessions(self, depot_id: str) -> Sequence[Session]:
        """The vehicles there as last saved, by connector."""
        async with self._database.reading() as connection:
            return await read_open_sessions(connection, depot_id)

    async def record_cycle(self, depot_id: str, cycle: CycleRecord) -> None:
        """Keep a cycle with its allocations. Raises BusbarError where the number was kept already."""
        async with self._of_depot(depot_id) as connection:
            await write_cycle(connection, depot_id, cycle)

    async def last_cycle_number(self, depot_id: str) -> int:
        """The largest number kept for the depot; 0 where there is none."""
        async with self._database.reading() as connection:
            return await read_last_number(connection, depot_id)

    async def cycles(self, depot_id: str, *, after: int = 0, limit: int = 100) -> Sequence[CycleRecord]:
        """Kept cycles with a number above `after`, ascending, at most `limit`."""
        async with self._database.reading() as connection:
            return await read_cycles(connection, depot_id, after=after, limit=max(limit, 0))

    async def cycle_page(
        self,
        depot_id: str,
        *,
        before: int | None = None,
        outcomes: Sequence[CycleOutcome] = (),
        node: str | None = None,
        limit: int = 100,
    ) -> Sequence[CycleRecord]:
        """Kept cycles with a number below `before`, the newest first, without allocations and setpoints."""
        async with self._database.reading() as connection:
            return await read_page(
                connection, depot_id, before=before, outcomes=outcomes, node=node, limit=max(limit, 0)
            )

    async def cycle(self, depot_id: str, number: int) -> CycleRecord | None:
        """One, whole; None where that number was not kept."""
        async with self._database.reading() as connection:
            return await read_cycle(connection, depot_id, number)

    async def add_envelope(self, depot_id: str, envelope: Envelope, *, write: WriteRecord | None = None) -> Envelope:
        """Keep it; as kept, with its id."""
        refuse_envelope(envelope)
        async with self._of_depot(depot_id, write) as connection:
            kept = await write_envelope(connection, depot_id, envelope)
            await note_write(connection, write)
            return kept

    async def withdraw_envelope(
        self, depot_id: str, envelope_id: int, *, by: str, at: datetime, write: WriteRecord | None = None
    ) -> Envelope | None:
        """It holds no more; None where there is none. Twice is fine, and the first withdrawal stands."""
        refuse_nobody(by)
        async with self._of_depot(depot_id, write) as connection:
            envelope, is_new = await withdraw(connection, depot_id, envelope_id, by=by, at=at)
            await note_write(connection, write if is_new else None)
            return envelope

    async def envelopes(self, depot_id: str, *, now: datetime | None = None) -> Sequence[Envelope]:
        """Oldest first. With `now`: only those that hold then or later."""
        async with self._database.reading() as connection:
            return await read_envelopes(connection, depot_id, now=now)

    async def save_breaches(
        self, depot_id: str, breaches: Sequence[BreachRecord], *, notices: Sequence[Notice] = ()
    ) -> None:
        """Keep them by id, but for the acknowledgement, which stays; the notices go to the webhooks."""
        async with self._of_depot(depot_id) as connection:
            await write_breaches(connection, depot_id, breaches)
            await fan_out(connection, depot_id, notices)

    async def open_breaches(self, depot_id: str) -> Sequence[BreachRecord]:
        """Those that go on, oldest first."""
        async with self._database.reading() as connection:
            return await read_open(connection, depot_id)

    async def breaches(
        self,
        depot_id: str,
        *,
        is_open: bool | None = None,
        node: str | None = None,
        before: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[BreachRecord]:
        """Open ones first, then the newest first, without series; `before`: started before then."""
        async with self._database.reading() as connection:
            return await read_breaches(
                connection, depot_id, is_open=is_open, node=node, before=before, limit=max(limit, 0)
            )

    async def breach(self, depot_id: str, breach_id: str) -> BreachRecord | None:
        """One, whole."""
        async with self._database.reading() as connection:
            return await read_breach(connection, depot_id, breach_id)

    async def acknowledge_breach(
        self, depot_id: str, breach_id: str, *, by: str, note: str, at: datetime, write: WriteRecord | None = None
    ) -> BreachRecord | None:
        """A named person has seen it; again replaces the note. None where there is none."""
        refuse_nobody(by)
        async with self._of_depot(depot_id, write) as connection:
            breach = await acknowledge(connection, depot_id, breach_id, by=by, note=note, at=at)
            await note_write(connection, None if breach is None else write)
            return breach

    async def depot_revision(self, depot_id: str) -> int:
        """How often the depot was imported or its settings changed; 0 where there is none."""
        async with self._database.reading() as connection:
            return await read_revision(connection, depot_id)

    async def save_setpoints(self, depot_id: str, setpoints: Sequence[StoredSetpoint]) -> None:
        """Keep what is about to be sent, in place of what was kept of these connectors; on the disk when it returns."""
        async with self._of_depot(depot_id) as connection:
            await write_setpoints(connection, depot_id, setpoints)

    async def stored_setpoints(self, depot_id: str) -> Sequence[StoredSetpoint]:
        """By connector."""
        async with self._database.reading() as connection:
            return await read_setpoints(connection, depot_id)

    async def save_evidence(self, depot_id: str, evidence: Sequence[Evidence]) -> None:
        """In place of what was kept of these connectors."""
        async with self._of_depot(depot_id) as connection:
            await write_evidence(connection, depot_id, evidence)

    async def evidence(self, depot_id: str) -> Sequence[Evidence]:
        """By connector."""
        async with self._database.reading() as connection:
            return await read_evidence(connection, depot_id)

    async def add_override(
        self,
        depot_id: str,
        *,
        kind: OverrideKind,
        subject: str,
        by: str,
        reason: str,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> Override:
        """Put one in force. Where the same is in force already, that one is given back, and nothing is written."""
        refuse_nobody(by)
        async with self._of_depot(depot_id, write) as connection:
            override, is_new = await put_in_force(
                connection, depot_id, kind=kind, subject=subject, by=by, reason=reason, at=at
            )
            await note_write(connection, write if is_new else None)
            return override

    async def end_override(
        self,
        depot_id: str,
        *,
        kind: OverrideKind,
        subject: str,
        by: str,
        at: datetime,
        write: WriteRecord | None = None,
    ) -> Override | None:
        """Lift it; None where there was none, and nothing is written."""
        refuse_nobody(by)
        async with self._of_depot(depot_id, write) as connection:
            ended = await lift(connection, depot_id, kind=kind, subject=subject, by=by, at=at)
            await note_write(connection, None if ended is None else write)
            return ended

    async def overrides(self, depot_id: str, *, ended: bool = False) -> Sequence[Override]:
        """Those in force, oldest first; with `ended`, the others too."""
        async with self._database.reading() as connection:
            return await read_overrides(connection, depot_id, ended=ended)

    async def save_plan(self, depot_id: str, plan: Plan, *, write: WriteRecord | None = None) -> None:
        """In place of the plan with the same key."""
        refuse_nobody(plan.by)
        async with self._of_depot(depot_id, write) as connection:
            await write_plan(connection, depot_id, plan)
            await note_write(connection, write)

    async def plans(self, depot_id: str) -> Sequence[Plan]:
        """By key."""
        async with self._database.reading() as connection:
            return await read_plans(connection, depot_id)

    async def ask_commissioning(self, depot_id: str, *, charge_point: str, by: str, at: datetime) -> int:
        """Write down a wish; its id. Raises BusbarError where one of the same charge point is open."""
        refuse_nobody(by)
        async with self._of_depot(depot_id) as connection:
            return (await add_request(connection, depot_id, charge_point=charge_point, by=by, at=at)).id

    async def commissioning_requests(self, depot_id: str, *, is_open: bool = True) -> Sequence[CommissioningRequest]:
        """Oldest first; with `is_open` those asked or running."""
        async with self._database.reading() as connection:
            return await read_requests(connection, depot_id, is_open=is_open)

    async def update_commissioning(self, depot_id: str, request_id: int, *, state: str, result: dict[str, Any]) -> None:
        """What became of it so far. Raises BusbarError where there is none, and where it would open again."""
        async with self._of_depot(depot_id) as connection:
            await update_request(connection, depot_id, request_id, state=state, result=result)

    async def prune(self, depot_id: str, *, before: datetime) -> int:
        """Forget cycles and what ended before that; how many rows.

        The last cycle stays; breaches and audit entries do for 275 days longer. In small transactions, so that
        nothing waits for it; stopped half way, nothing is lost.
        """
        return await prune(self._database, depot_id, before=in_utc(before))

    async def close(self) -> None:
        """Give back connections and files."""
        await self._database.close()

    @asynccontextmanager
    async def _of_depot(self, depot_id: str, write: WriteRecord | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes to a depot. Raises BusbarError where it is not known, or `write` is of another."""
        refuse_other_depot(write, depot_id)
        async with self._database.writing(f"depot {depot_id}") as connection:
            await refuse_unknown(connection, depot_id)
            yield connection
