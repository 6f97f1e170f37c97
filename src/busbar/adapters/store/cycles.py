"""Cycles with their allocations, as rows and back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.store.batches import write_rows
from busbar.adapters.store.column_types import countable
from busbar.adapters.store.cycle_nodes import is_known, is_of_node, note_nodes
from busbar.adapters.store.tables import allocations, cycles
from busbar.core.errors import BusbarError
from busbar.engine.ports import AllocationRecord, CycleOutcome, CycleRecord


async def write_cycle(connection: AsyncConnection, depot_id: str, cycle: CycleRecord) -> None:
    """Keep a cycle, its allocations in one batch. Raises BusbarError where the number was kept already."""
    same = select(cycles.c.id).where(cycles.c.depot_id == depot_id, cycles.c.number == cycle.number)
    if (await connection.execute(same)).first() is not None:
        raise BusbarError(f"Cycle {cycle.number} of depot {depot_id} was kept already; a number is used once.")
    kept = await connection.execute(
        insert(cycles).returning(cycles.c.id),
        {
            "depot_id": depot_id,
            "number": cycle.number,
            "at": cycle.at,
            "trigger": cycle.trigger,
            "strategy": cycle.strategy,
            "outcome": cycle.outcome.value,
            "duration_us": cycle.duration_us,
            "node_states": cycle.node_states,
            "violations": list(cycle.violations),
            "setpoints": list(cycle.setpoints),
            "inputs": cycle.inputs,
        },
    )
    row_id = kept.scalar_one()
    rows = [
        (row_id, position, one.leaf, one.request, one.setpoint, one.unit, one.power_w, one.bound_by)
        for position, one in enumerate(cycle.allocations)
    ]
    columns = "cycle position leaf request setpoint unit power_w bound_by"
    await write_rows(connection, allocations, rows, columns=columns)
    await note_nodes(connection, depot_id, row_id, {*cycle.node_states, *(one.leaf for one in cycle.allocations)})


async def read_last_number(connection: AsyncConnection, depot_id: str) -> int:
    """The largest number kept; 0 where there is none."""
    found = await connection.execute(select(func.max(cycles.c.number)).where(cycles.c.depot_id == depot_id))
    return found.scalar_one() or 0


async def read_cycles(connection: AsyncConnection, depot_id: str, *, after: int, limit: int) -> tuple[CycleRecord, ...]:
    """Cycles with a number above `after`, ascending, at most `limit`."""
    page = select(cycles).where(cycles.c.depot_id == depot_id, cycles.c.number > countable(after))
    return await _whole(connection, page.order_by(cycles.c.number).limit(countable(limit)))


async def read_cycle(connection: AsyncConnection, depot_id: str, number: int) -> CycleRecord | None:
    """One, whole; None where that number was not kept."""
    wanted = select(cycles).where(cycles.c.depot_id == depot_id, cycles.c.number == countable(number))
    return next(iter(await _whole(connection, wanted)), None)


async def read_page(
    connection: AsyncConnection,
    depot_id: str,
    *,
    before: int | None,
    outcomes: Sequence[CycleOutcome],
    node: str | None,
    limit: int,
) -> tuple[CycleRecord, ...]:
    """Cycles with a number below `before`, the newest first, without allocations and setpoints."""
    page = select(*(column for column in cycles.c if column.name != "setpoints")).where(cycles.c.depot_id == depot_id)
    if before is not None:
        page = page.where(cycles.c.number < countable(before))
    if outcomes:
        page = page.where(cycles.c.outcome.in_([outcome.value for outcome in outcomes]))
    if node is not None:
        if not await is_known(connection, depot_id, node):
            return ()
        page = page.where(is_of_node(depot_id, node))
    found = await connection.execute(page.order_by(cycles.c.number.desc()).limit(countable(limit)))
    return tuple(_cycle(row, ()) for row in found.mappings())


async def _whole(connection: AsyncConnection, page: Select[Any]) -> tuple[CycleRecord, ...]:
    rows = (await connection.execute(page)).mappings().all()
    given: dict[int, list[AllocationRecord]] = defaultdict(list)
    ids = page.with_only_columns(cycles.c.id).subquery()
    of_page = select(allocations).join(ids, allocations.c.cycle == ids.c.id)
    found = await connection.execute(of_page.order_by(allocations.c.cycle, allocations.c.position))
    for row in found.mappings():
        given[row["cycle"]].append(_allocation(row))
    return tuple(_cycle(row, tuple(given[row["id"]])) for row in rows)


def _cycle(row: Mapping[Any, Any], its_allocations: tuple[AllocationRecord, ...]) -> CycleRecord:
    return CycleRecord(
        number=row["number"],
        at=row["at"],
        trigger=row["trigger"],
        strategy=row["strategy"],
        outcome=CycleOutcome(row["outcome"]),
        duration_us=row["duration_us"],
        allocations=its_allocations,
        node_states=row["node_states"],
        violations=tuple(row["violations"]),
        setpoints=tuple(row.get("setpoints", ())),
        inputs=row["inputs"],
    )


def _allocation(row: Mapping[Any, Any]) -> AllocationRecord:
    return AllocationRecord(
        leaf=row["leaf"],
        request=row["request"],
        setpoint=row["setpoint"],
        unit=row["unit"],
        power_w=row["power_w"],
        bound_by=row["bound_by"],
    )
