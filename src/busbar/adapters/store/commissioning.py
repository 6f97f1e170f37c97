"""Wishes to prove the fallbacks of charge points, and what came of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from busbar.adapters.refusals import OPEN_STATES, refuse_request_change, refuse_second_request
from busbar.adapters.store.tables import commissioning_requests as requests
from busbar.engine.ports import CommissioningRequest


async def add_request(
    connection: AsyncConnection, depot_id: str, *, charge_point: str, by: str, at: datetime
) -> CommissioningRequest:
    """Write down a wish. Raises BusbarError where one of the same charge point is open."""
    same = requests.c.charge_point == charge_point
    found = await connection.execute(_requests(depot_id, is_open=True).where(same))
    before = found.mappings().one_or_none()
    refuse_second_request(None if before is None else _request(before))
    row = {"depot_id": depot_id, "charge_point": charge_point, "by": by, "at": at, "state": "asked", "result": {}}
    kept = await connection.execute(insert(requests).returning(requests), row)
    return _request(kept.mappings().one())


async def read_requests(
    connection: AsyncConnection, depot_id: str, *, is_open: bool
) -> tuple[CommissioningRequest, ...]:
    """Oldest first."""
    found = await connection.execute(_requests(depot_id, is_open=is_open).order_by(requests.c.at, requests.c.id))
    return tuple(_request(row) for row in found.mappings())


async def update_request(
    connection: AsyncConnection, depot_id: str, request_id: int, *, state: str, result: dict[str, Any]
) -> None:
    """What became of it so far. Raises BusbarError where there is none, and where it would open again."""
    found = await connection.execute(_requests(depot_id, is_open=False).where(requests.c.id == request_id))
    before = found.mappings().one_or_none()
    refuse_request_change(None if before is None else _request(before), request_id, state)
    changed = update(requests).where(requests.c.id == request_id)
    await connection.execute(changed, {"state": state, "result": result})


def _requests(depot_id: str, *, is_open: bool) -> Any:
    wanted = select(requests).where(requests.c.depot_id == depot_id)
    return wanted.where(requests.c.state.in_(OPEN_STATES)) if is_open else wanted


def _request(row: Mapping[Any, Any]) -> CommissioningRequest:
    return CommissioningRequest(
        id=row["id"],
        charge_point=row["charge_point"],
        by=row["by"],
        at=row["at"],
        state=row["state"],
        result=row["result"],
    )
