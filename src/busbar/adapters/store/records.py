"""What the OCPP adapter keeps across restarts, in the store's database."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, overload

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import in_utc
from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.connecting import Database
from busbar.adapters.store.depots import refuse_unknown
from busbar.adapters.store.tables import charge_point_facts, credentials, pending_identities
from busbar.adapters.store.transactions import begin, end, read_open
from busbar.engine.events import ChargePointFacts
from busbar.engine.ports import Credential, OpenTransaction, PendingIdentity

MOST_PENDING = 1000
LONGEST_TEXT = 255
"""Characters that are kept of what strangers and charge points say of themselves."""

_FACT_NAMES = tuple(field.name for field in fields(ChargePointFacts))
_CREDENTIAL_NAMES = tuple(field.name for field in fields(Credential))
_PENDING_NAMES = tuple(field.name for field in fields(PendingIdentity))
"""Fields are columns of the same names."""


class SqlRecords:
    """Keeps what charge points are and what they began (the port `ChargePointRecords`).

    What they say is kept as text that every database takes: no longer than 255 characters, and what is no character
    is replaced.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credential(self, kind: str, depot_id: str, subject: str) -> Credential | None:
        """How that charge point or meter proves who it is; None: it was given nothing yet."""
        wanted = select(credentials).where(
            credentials.c.kind == kind, credentials.c.depot_id == depot_id, credentials.c.subject == subject
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        return None if row is None else Credential(**{name: row[name] for name in _CREDENTIAL_NAMES})

    async def save_credential(self, credential: Credential, *, at: datetime) -> None:
        """In place of what was there. Raises BusbarError for a depot that is not known, and another kind."""
        row = (*(getattr(credential, name) for name in _CREDENTIAL_NAMES), at)
        async with self._database.writing(f"depot {credential.depot_id}") as connection:
            await refuse_unknown(connection, credential.depot_id)
            await _replace(connection, credentials, row, (*_CREDENTIAL_NAMES, "at"))

    async def note_pending(self, identity: str, *, address: str, reason: str, at: datetime) -> None:
        """Somebody was turned away. The oldest are forgotten beyond a thousand."""
        name, at = _clean(identity), in_utc(at)
        async with self._database.writing("pending identities") as connection:
            found = await connection.execute(select(pending_identities).where(pending_identities.c.identity == name))
            before = found.mappings().one_or_none()
            first_at, attempts = (at, 0) if before is None else (before["first_at"], before["attempts"])
            row = (name, _clean(address), _clean(reason), first_at, at, attempts + 1)
            await _replace(connection, pending_identities, row, _PENDING_NAMES)
            latest = _latest_first().offset(MOST_PENDING).with_only_columns(pending_identities.c.identity)
            if oldest := (await connection.execute(latest)).scalars().all():
                await connection.execute(delete(pending_identities).where(pending_identities.c.identity.in_(oldest)))

    async def pending_identities(self) -> Sequence[PendingIdentity]:
        """Who was turned away, the latest first."""
        async with self._database.reading() as connection:
            found = await connection.execute(_latest_first())
            return tuple(PendingIdentity(**{name: row[name] for name in _PENDING_NAMES}) for row in found.mappings())

    async def save_facts(self, depot_id: str, charge_point: str, facts: ChargePointFacts, *, at: datetime) -> None:
        """What a charge point said it is. Raises BusbarError for a depot that is not known."""
        said = {name: getattr(facts, name) for name in _FACT_NAMES}
        said = {name: _clean(value) if isinstance(value, str) else value for name, value in said.items()}
        said["rate_units"] = [_clean(unit) for unit in facts.rate_units]
        at = in_utc(at)
        async with self._database.reading() as connection:
            known = (await connection.execute(_facts_of(depot_id, charge_point))).mappings().one_or_none()
        if known is not None and all(known[name] == value for name, value in said.items()):
            # Thousands come back at once after a break and say what they always say: that costs no write.
            return
        async with self._database.writing(f"depot {depot_id}") as connection:
            await refuse_unknown(connection, depot_id)
            row = (depot_id, charge_point, *said.values(), at)
            await _replace(connection, charge_point_facts, row, ("depot_id", "charge_point", *_FACT_NAMES, "at"))

    async def facts(self, depot_id: str) -> Mapping[str, ChargePointFacts]:
        """By charge point."""
        async with self._database.reading() as connection:
            found = await connection.execute(
                select(charge_point_facts).where(charge_point_facts.c.depot_id == depot_id)
            )
            return {row["charge_point"]: _facts(row) for row in found.mappings()}

    async def begin_transaction(
        self,
        depot_id: str,
        *,
        charge_point: str,
        connector: str,
        reference: str | None,
        id_tag: str | None,
        vehicle: str | None,
        started_at: datetime,
        meter_start_wh: int | None,
    ) -> OpenTransaction:
        """Begins one, or gives back the open one that was reported before; another of the same connector ends."""
        told = {
            "charge_point": charge_point,
            "connector": connector,
            "reference": _clean(reference),
            "id_tag": _clean(id_tag),
            "vehicle": _clean(vehicle),
            "started_at": in_utc(started_at),
            "meter_start_wh": meter_start_wh,
        }
        async with self._database.writing(f"depot {depot_id}") as connection:
            await refuse_unknown(connection, depot_id)
            return await begin(connection, depot_id, told)

    async def end_transaction(self, depot_id: str, transaction_id: int, *, at: datetime, reason: str) -> None:
        """Ends one; nothing where it has ended, or there is none."""
        async with self._database.writing(f"depot {depot_id}") as connection:
            await end(connection, depot_id, transaction_id, at=at, reason=_clean(reason))

    async def open_transactions(self, depot_id: str) -> Sequence[OpenTransaction]:
        """All that have not ended, by connector."""
        async with self._database.reading() as connection:
            return await read_open(connection, depot_id)


async def _replace(connection: AsyncConnection, table: Table, row: Sequence[Any], columns: Sequence[str]) -> None:
    await write_rows(connection, table, [row], columns=" ".join(columns), replace=True)


def _latest_first() -> Any:
    return select(pending_identities).order_by(pending_identities.c.last_at.desc(), pending_identities.c.identity)


def _facts_of(depot_id: str, charge_point: str) -> Any:
    return select(charge_point_facts).where(
        charge_point_facts.c.depot_id == depot_id, charge_point_facts.c.charge_point == charge_point
    )


def _facts(row: Mapping[Any, Any]) -> ChargePointFacts:
    said = {name: row[name] for name in _FACT_NAMES}
    return ChargePointFacts(**{**said, "rate_units": tuple(said["rate_units"])})


@overload
def _clean(said: str) -> str: ...


@overload
def _clean(said: None) -> None: ...


def _clean(said: str | None) -> str | None:
    """Text that every database takes: PostgreSQL knows no NUL, and half a surrogate pair is no character."""
    if said is None:
        return None
    return said.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_TEXT]
