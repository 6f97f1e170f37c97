"""What every connector may still draw, and why its fallback is believed."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import refuse_repeated
from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.tables import evidence, setpoints
from busbar.engine.ports import Evidence, StoredSetpoint, TrustLevel


async def write_setpoints(connection: AsyncConnection, depot_id: str, given: Sequence[StoredSetpoint]) -> None:
    """In place of what was kept of these connectors. Raises BusbarError for a connector that is there twice."""
    refuse_repeated(one.connector for one in given)
    rows = [(depot_id, one.connector, one.value, one.expiry_s, one.order_id, one.at, one.fallback) for one in given]
    columns = "depot_id connector value expiry_s order_id at fallback"
    await write_rows(connection, setpoints, rows, columns=columns, replace=True)


async def read_setpoints(connection: AsyncConnection, depot_id: str) -> tuple[StoredSetpoint, ...]:
    """By connector."""
    found = await connection.execute(select(setpoints).where(setpoints.c.depot_id == depot_id))
    kept = [
        StoredSetpoint(
            connector=row["connector"],
            value=row["value"],
            expiry_s=row["expiry_s"],
            order_id=row["order_id"],
            at=row["at"],
            fallback=row["fallback"],
        )
        for row in found.mappings()
    ]
    # Sorted here, because databases sort text by the customs of their country.
    return tuple(sorted(kept, key=lambda one: one.connector))


async def write_evidence(connection: AsyncConnection, depot_id: str, given: Sequence[Evidence]) -> None:
    """In place of what was kept of these connectors. Raises BusbarError for a connector that is there twice."""
    refuse_repeated(one.connector for one in given)
    rows = [(depot_id, one.connector, one.trust.value, one.fallback, one.at, one.detail) for one in given]
    await write_rows(connection, evidence, rows, columns="depot_id connector trust fallback at detail", replace=True)


async def read_evidence(connection: AsyncConnection, depot_id: str) -> tuple[Evidence, ...]:
    """By connector."""
    found = await connection.execute(select(evidence).where(evidence.c.depot_id == depot_id))
    kept = [
        Evidence(
            connector=row["connector"],
            trust=TrustLevel(row["trust"]),
            fallback=row["fallback"],
            at=row["at"],
            detail=row["detail"],
        )
        for row in found.mappings()
    ]
    return tuple(sorted(kept, key=lambda one: one.connector))
