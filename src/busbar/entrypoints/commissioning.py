"""Asking the running service for a fallback proof, and telling a person how it goes."""

import asyncio
from datetime import UTC, datetime

from busbar.bootstrap import with_store
from busbar.core.errors import BusbarError
from busbar.engine.ports import ChargePointRecords, CommissioningRequest, Store
from busbar.entrypoints.options import BROKEN, FINE
from busbar.entrypoints.screen import print_document, say, show

POLL_S = 1.0
ANSWER_WITHIN_S = 30.0
"""The running service takes up a wish within a cycle."""
LONGEST_S = 3600.0


def commission_and_wait(charge_point: str, *, by: str, depot_id: str | None, database: str, as_json: bool) -> int:
    """The exit code: 0 where a fallback was proven. Raises BusbarError where nobody takes it up."""

    async def ask(store: Store, _records: ChargePointRecords) -> CommissioningRequest:
        return await _commission(store, charge_point, by=by, depot_id=depot_id)

    request = with_store(ask, database=database)
    if as_json:
        print_document(
            {
                "schema": "busbar/commissioning/1",
                "charge_point": charge_point,
                "by": by,
                "state": request.state,
                "result": request.result,
            }
        )
    else:
        show(f"{charge_point}: {request.state}.", *_lines(request))
    return FINE if request.state == "passed" else BROKEN


def _lines(request: CommissioningRequest) -> list[str]:
    if "reason" in request.result:
        return [str(request.result["reason"])]
    lines = []
    for connector, row in request.result.get("connectors", {}).items():
        seen = [f"{name} {row[name]}" for name in ("before", "alone", "again") if row.get(name) is not None]
        lines.append(f"  {connector}: {row['verdict']}" + (f" ({', '.join(seen)})" if seen else ""))
    return lines


async def _commission(store: Store, charge_point: str, *, by: str, depot_id: str | None) -> CommissioningRequest:
    chosen = await _depot_of(store, charge_point, depot_id)
    asked = await store.ask_commissioning(chosen, charge_point=charge_point, by=by, at=datetime.now(UTC))
    say(f"Asked for; waiting for the running service (depot {chosen}).")
    waited_s, before = 0.0, "asked"
    while waited_s < LONGEST_S:
        await asyncio.sleep(POLL_S)
        waited_s += POLL_S
        found = await store.commissioning_requests(chosen, is_open=False)
        request = next(each for each in found if each.id == asked)
        if request.state in ("passed", "failed"):
            return request
        phase = str(request.result.get("phase", request.state))
        if phase != before:
            say(f"  {phase.replace('_', ' ')}")
            before = phase
        if request.state == "asked" and waited_s >= ANSWER_WITHIN_S:
            reason = "no running service took it up"
            await store.update_commissioning(chosen, asked, state="failed", result={"reason": reason})
            raise BusbarError(f"No `busbar serve` took it up within {ANSWER_WITHIN_S:.0f} s: is it running?")
    raise BusbarError(f"The proof did not end within {LONGEST_S / 60:.0f} min.")


async def _depot_of(store: Store, charge_point: str, depot_id: str | None) -> str:
    known = await store.depot_ids()
    if depot_id is not None and depot_id not in known:
        raise BusbarError(f"There is no depot {depot_id} in the store; it has {', '.join(known) or 'none'}.")
    for each in [depot_id] if depot_id is not None else known:
        depot = await store.load_depot(each)
        if depot is not None and any(unit.id == charge_point for unit in depot.charge_points):
            return each
    raise BusbarError(f"No depot in the store has a charge point {charge_point}.")
