"""Microgrids and their grid connections, the only power nodes that are stored."""

from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.tables import microgrids, power_nodes
from busbar.engine.ports import GridConnection, Microgrid
from busbar.engine.provisioning import Provisioning


async def read_microgrid(connection: AsyncConnection, depot_id: str) -> Microgrid | None:
    """The depot's microgrid with its grid connections, retired ones included; None where there is none."""
    found = await connection.execute(select(microgrids.c.id).where(microgrids.c.depot_id == depot_id))
    row_id = found.scalar_one_or_none()
    if row_id is None:
        return None
    nodes = await connection.execute(
        select(power_nodes).where(power_nodes.c.depot_id == depot_id).order_by(power_nodes.c.id)
    )
    return Microgrid(
        id=row_id,
        depot_id=depot_id,
        grid_connections=tuple(
            GridConnection(id=row["id"], circuit_id=row["circuit_id"], name=row["name"], retired_at=row["retired_at"])
            for row in nodes.mappings()
        ),
    )


async def add_microgrid(connection: AsyncConnection, depot_id: str) -> None:
    """An empty microgrid for a depot that has none."""
    await connection.execute(insert(microgrids), {"depot_id": depot_id})


async def apply_provisioning(connection: AsyncConnection, depot_id: str, wanted: Provisioning, *, at: datetime) -> None:
    """Add, rename, bring back and retire grid connections as asked; nothing is ever deleted."""
    new = [
        {"depot_id": depot_id, "circuit_id": circuit_id, "kind": "GRID_CONNECTION", "name": name}
        for circuit_id, name in wanted.add.items()
    ]
    named = [
        {"row_id": row_id, "name": name, "retired_at": None}
        for row_id, name in (*wanted.rename.items(), *wanted.bring_back.items())
    ]
    gone = [{"row_id": row_id, "retired_at": at} for row_id in wanted.retire]
    if new:
        await connection.execute(insert(power_nodes), new)
    for batch in (named, gone):
        if batch:
            await connection.execute(update(power_nodes).where(power_nodes.c.id == bindparam("row_id")), batch)
