"""Which cycles are about a node: kept as runs of cycles, so that a long life of a node takes few rows."""

from collections.abc import Collection

import orjson
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.tables import cycle_nodes, cycles

_ELEMENTS = {
    "sqlite": "SELECT value FROM json_each(:nodes)",
    "postgresql": "SELECT value FROM json_array_elements_text(CAST(:nodes AS json)) AS given(value)",
}
_END = """
UPDATE cycle_nodes SET last_cycle = :cycle - 1
WHERE depot_id = :depot_id AND last_cycle IS NULL AND node NOT IN ({elements})
"""
_BEGIN = """
INSERT INTO cycle_nodes (depot_id, node, first_cycle)
SELECT :depot_id, value, :cycle FROM ({elements}) AS named
WHERE NOT EXISTS (SELECT 1 FROM cycle_nodes WHERE depot_id = :depot_id AND node = value AND last_cycle IS NULL)
"""


async def note_nodes(connection: AsyncConnection, depot_id: str, cycle: int, nodes: Collection[str]) -> None:
    """The cycle with that row id, the depot's newest, is about these nodes: their runs go on or begin, others end."""
    elements = _ELEMENTS[connection.dialect.name]
    given = {"depot_id": depot_id, "cycle": cycle, "nodes": orjson.dumps(sorted(nodes)).decode()}
    for statement in (_END, _BEGIN):
        await connection.execute(text(statement.format(elements=elements)), given)


async def is_known(connection: AsyncConnection, depot_id: str, node: str) -> bool:
    """Whether any cycle was about it."""
    runs = select(cycle_nodes.c.id).where(cycle_nodes.c.depot_id == depot_id, cycle_nodes.c.node == node)
    return (await connection.execute(runs.limit(1))).first() is not None


def is_of_node(depot_id: str, node: str) -> ColumnElement[bool]:
    """Whether a cycle lies in the latest run that began before it: one look into an index."""
    latest = (
        select(func.coalesce(cycle_nodes.c.last_cycle, cycles.c.id))
        .where(
            cycle_nodes.c.depot_id == depot_id,
            cycle_nodes.c.node == node,
            cycle_nodes.c.first_cycle <= cycles.c.id,
        )
        .order_by(cycle_nodes.c.first_cycle.desc())
        .limit(1)
        .correlate(cycles)
        .scalar_subquery()
    )
    return latest >= cycles.c.id
