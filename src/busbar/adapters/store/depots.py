"""Depots: circuits, charge points and connectors, as rows and back."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import unknown_depot, with_settings
from busbar.adapters.store.tables import charge_points, circuits, connectors, depots
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Leaves, Sharing, Trust
from busbar.engine.provisioning import Difference, difference

Row = Mapping[Any, Any]
"""Column -> value."""

_OWN = {"id", "position", "retired_at", "imported_at", "revision"}
"""Columns that say something of the row and nothing of the depot."""


async def write_depot(connection: AsyncConnection, depot: Depot, *, at: datetime) -> tuple[Difference, ...]:
    """Store the depot's own values and its parts; what each kind of part became.

    Raises BusbarError for an id that is there twice.
    """
    return (
        await _write_settings(connection, depot, at=at),
        await _write_parts(connection, circuits, depot.id, _circuit_label, circuit_rows(depot), at=at),
        await _write_parts(connection, charge_points, depot.id, _charge_point_label, charge_point_rows(depot), at=at),
        await _write_parts(connection, connectors, depot.id, _connector_label, connector_rows(depot), at=at),
    )


async def read_depot(connection: AsyncConnection, depot_id: str) -> Depot | None:
    """The depot without what is retired, in the order last imported; None where there is none."""
    found = await connection.execute(select(depots).where(depots.c.depot_id == depot_id))
    settings = found.mappings().one_or_none()
    if settings is None:
        return None
    parts = []
    for table in (circuits, charge_points, connectors):
        in_use = select(table).where(table.c.depot_id == depot_id, table.c.retired_at.is_(None))
        parts.append((await connection.execute(in_use.order_by(table.c.position))).mappings().all())
    return depot_from_rows(settings, *parts)


async def change_settings(
    connection: AsyncConnection,
    depot_id: str,
    *,
    strategy: str | None,
    leaves: str | None,
    fair_in: str | None,
    at: datetime,
) -> int:
    """Change what is given of the depot's own values; its new revision.

    Raises BusbarError where there is no such depot, RefusedError for a value that there is not.
    """
    found = await connection.execute(select(depots).where(depots.c.depot_id == depot_id))
    stored = found.mappings().one_or_none()
    if stored is None:
        raise unknown_depot(depot_id)
    own = with_settings(depot_from_rows(stored, (), (), ()), strategy=strategy, leaves=leaves, fair_in=fair_in)
    kept = {**depot_row(own), "imported_at": at, "revision": stored["revision"] + 1}
    await connection.execute(update(depots).where(depots.c.id == stored["id"]), kept)
    return int(kept["revision"])


async def read_revision(connection: AsyncConnection, depot_id: str) -> int:
    """How often the depot was imported or its settings changed; 0 where there is none."""
    found = await connection.execute(select(depots.c.revision).where(depots.c.depot_id == depot_id))
    return found.scalar_one_or_none() or 0


async def refuse_unknown(connection: AsyncConnection, depot_id: str) -> None:
    """Raises BusbarError where there is no such depot."""
    if not await read_revision(connection, depot_id):
        raise unknown_depot(depot_id)


async def _write_settings(connection: AsyncConnection, depot: Depot, *, at: datetime) -> Difference:
    row = depot_row(depot)
    found = await connection.execute(select(depots).where(depots.c.depot_id == depot.id))
    stored = found.mappings().one_or_none()
    if stored is None:
        await connection.execute(insert(depots), {**row, "imported_at": at, "revision": 1})
    else:
        kept = {**row, "imported_at": at, "revision": stored["revision"] + 1}
        await connection.execute(update(depots).where(depots.c.id == stored["id"]), kept)
    known = {} if stored is None else {depot.id: _content(stored)}
    return difference(known=known, retired=(), wanted=[(depot.id, row)])


async def _write_parts(
    connection: AsyncConnection,
    table: Table,
    depot_id: str,
    label: Callable[[Row], str],
    rows: Sequence[Row],
    *,
    at: datetime,
) -> Difference:
    """Make the rows in use of one table be these, in this order; three batches at most."""
    found = await connection.execute(select(table).where(table.c.depot_id == depot_id).order_by(table.c.id))
    stored = {label(row): row for row in found.mappings()}
    result = difference(
        known={part: _content(row) for part, row in stored.items()},
        retired={part for part, row in stored.items() if row["retired_at"] is not None},
        wanted=[(label(row), row) for row in rows],
    )
    changed = set(result.changed)
    new, other = [], []
    for position, row in enumerate(rows):
        before = stored.get(label(row))
        placed = {**row, "position": position, "retired_at": None}
        if before is None:
            new.append(placed)
        elif label(row) in changed or before["position"] != position:
            other.append({**placed, "row_id": before["id"]})
    gone = [{"row_id": stored[part]["id"], "retired_at": at} for part in result.retired]
    if new:
        await connection.execute(insert(table), new)
    for batch in (other, gone):
        if batch:
            await connection.execute(update(table).where(table.c.id == bindparam("row_id")), batch)
    return result


def _content(row: Row) -> Row:
    return {column: value for column, value in row.items() if column not in _OWN}


def _circuit_label(row: Row) -> str:
    return str(row["circuit_id"])


def _charge_point_label(row: Row) -> str:
    return str(row["charge_point_id"])


def _connector_label(row: Row) -> str:
    return f"{row['charge_point_id']}/{row['connector_id']}"


def depot_row(depot: Depot) -> Row:
    """The depot's own values."""
    return {
        "depot_id": depot.id,
        "name": depot.name,
        "timezone": depot.timezone,
        "voltage_v": depot.voltage_v,
        "voltage_margin_permille": depot.voltage_margin_permille,
        "base_power_factor_permille": depot.base_power_factor_permille,
        "limit": depot.limit,
        "strategy": depot.strategy,
        "leaves": depot.leaves.value,
        "fair_in": depot.fair_in.value,
        "require": depot.require.value,
    }


def circuit_rows(depot: Depot) -> list[Row]:
    """One row per circuit, in the depot's order. A meter is two columns: whether there is one, and where."""
    return [
        {
            "depot_id": depot.id,
            "circuit_id": circuit.id,
            "parent_id": circuit.parent,
            "name": circuit.name,
            "default_operating_capacity": circuit.default_operating_capacity,
            "safe_operating_capacity": circuit.safe_operating_capacity,
            "rating": circuit.rating,
            "voltage_v": circuit.voltage_v,
            "phases": circuit.phases,
            "base_load": circuit.base_load,
            "metered": circuit.meter is not False,
            "meter_address": circuit.meter if isinstance(circuit.meter, str) else None,
        }
        for circuit in depot.circuits
    ]


def charge_point_rows(depot: Depot) -> list[Row]:
    """One row per charge point, in the depot's order."""
    return [
        {
            "depot_id": depot.id,
            "charge_point_id": charge_point.id,
            "circuit_id": charge_point.circuit,
            "name": charge_point.name,
            "current": charge_point.current.value,
            "max_rating": charge_point.max_rating,
            "efficiency_permille": charge_point.efficiency_permille,
            "power_factor_permille": charge_point.power_factor_permille,
            "idle_load_w": charge_point.idle_load_w,
            "in_service": charge_point.in_service,
            "sharing": None if charge_point.sharing is None else charge_point.sharing.value,
            "module_size": charge_point.module_size,
            "outputs": charge_point.outputs,
        }
        for charge_point in depot.charge_points
    ]


def connector_rows(depot: Depot) -> list[Row]:
    """One row per connector, charge point by charge point, in the depot's order."""
    return [
        {
            "depot_id": depot.id,
            "charge_point_id": charge_point.id,
            "connector_id": connector.id,
            "max_rating": connector.max_rating,
            "minimum": connector.minimum,
            "step": connector.step,
            "steps": list(connector.steps),
            "fallback": connector.fallback,
            "phases": connector.phases,
            "line_to_line": connector.line_to_line,
        }
        for charge_point in depot.charge_points
        for connector in charge_point.connectors
    ]


def depot_from_rows(
    settings: Row,
    circuit_rows: Sequence[Row],
    charge_point_rows: Sequence[Row],
    connector_rows: Sequence[Row],
) -> Depot:
    """The depot that these rows were made from; each table's rows by position."""
    plugs: dict[str, list[Connector]] = defaultdict(list)
    for row in connector_rows:
        plugs[row["charge_point_id"]].append(_connector(row))
    return Depot(
        id=settings["depot_id"],
        voltage_v=settings["voltage_v"],
        name=settings["name"],
        timezone=settings["timezone"],
        voltage_margin_permille=settings["voltage_margin_permille"],
        base_power_factor_permille=settings["base_power_factor_permille"],
        limit=settings["limit"],
        strategy=settings["strategy"],
        leaves=Leaves(settings["leaves"]),
        fair_in=FairIn(settings["fair_in"]),
        require=Trust(settings["require"]),
        circuits=tuple(_circuit(row) for row in circuit_rows),
        charge_points=tuple(_charge_point(row, tuple(plugs[row["charge_point_id"]])) for row in charge_point_rows),
    )


def _circuit(row: Row) -> Circuit:
    return Circuit(
        id=row["circuit_id"],
        default_operating_capacity=row["default_operating_capacity"],
        name=row["name"],
        parent=row["parent_id"],
        safe_operating_capacity=row["safe_operating_capacity"],
        rating=row["rating"],
        voltage_v=row["voltage_v"],
        phases=row["phases"],
        base_load=row["base_load"],
        meter=row["metered"] if row["meter_address"] is None else row["meter_address"],
    )


def _charge_point(row: Row, its_connectors: tuple[Connector, ...]) -> ChargePoint:
    return ChargePoint(
        id=row["charge_point_id"],
        circuit=row["circuit_id"],
        current=CurrentKind(row["current"]),
        max_rating=row["max_rating"],
        connectors=its_connectors,
        name=row["name"],
        efficiency_permille=row["efficiency_permille"],
        power_factor_permille=row["power_factor_permille"],
        idle_load_w=row["idle_load_w"],
        in_service=row["in_service"],
        sharing=None if row["sharing"] is None else Sharing(row["sharing"]),
        module_size=row["module_size"],
        outputs=row["outputs"],
    )


def _connector(row: Row) -> Connector:
    return Connector(
        id=row["connector_id"],
        max_rating=row["max_rating"],
        minimum=row["minimum"],
        step=row["step"],
        fallback=row["fallback"],
        steps=tuple(row["steps"]),
        phases=row["phases"],
        line_to_line=row["line_to_line"],
    )
