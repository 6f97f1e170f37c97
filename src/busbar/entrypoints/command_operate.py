"""People's orders in daily use: `hold`, `resume`, `stop`, `isolate`, `return`, `safe`, `normal`, `orders` and `plan`.

They are written into the store; the running service reads them every cycle, so they reach it within one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from busbar.entrypoints.options import FINE, DatabaseOption, JsonOption
from busbar.entrypoints.screen import print_document, say, show

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who orders it; kept on record.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept on record.")]
DepotOption = Annotated[
    str | None, typer.Option("--depot", metavar="ID", help="Which depot; by default the only one in the store.")
]
ConnectorArgument = Annotated[str, typer.Argument(metavar="CONNECTOR", help="Which connector: CP1/1.")]
ChargePointArgument = Annotated[str, typer.Argument(metavar="CHARGE_POINT", help="Which charge point: CP1.")]
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="Which circuit or grid connection: C1.")]

_SWITCH_OFF = "It counts nothing from now on, and others are given its power: it has to be switched off."


class Subject(StrEnum):
    """What an order is about."""

    CONNECTOR = "connector"
    CHARGE_POINT = "charge point"
    NODE = "circuit"


def hold(
    connector: ConnectorArgument,
    by: ByOption,
    reason: ReasonOption = "",
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Give a connector nothing until it is resumed."""
    return _order("hold", Subject.CONNECTOR, connector, by, reason, depot, database, as_json)


def stop(
    connector: ConnectorArgument,
    by: ByOption,
    reason: ReasonOption = "",
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Stop the vehicle on a connector for good; the next one may charge."""
    return _order("stop", Subject.CONNECTOR, connector, by, reason, depot, database, as_json)


def resume(
    connector: ConnectorArgument,
    by: ByOption,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Lift the hold of a connector, and a stop that still waits for its vehicle to leave."""
    return _lift(("hold", "stop"), Subject.CONNECTOR, connector, by, depot, database, as_json)


def isolate(
    charge_point: ChargePointArgument,
    by: ByOption,
    reason: ReasonOption = "",
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take a charge point out of service: it is isolated, counts nothing and is sent nothing.

    Its power is given to others, so it has to be switched off before.
    """
    return _order("out_of_service", Subject.CHARGE_POINT, charge_point, by, reason, depot, database, as_json)


def return_(
    charge_point: ChargePointArgument,
    by: ByOption,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take a charge point back into service."""
    return _lift(("out_of_service",), Subject.CHARGE_POINT, charge_point, by, depot, database, as_json)


def safe(
    node: NodeArgument,
    by: ByOption,
    reason: ReasonOption = "",
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Put a circuit into SAFE, whatever its meter says: its safe operating capacity applies."""
    return _order("safe", Subject.NODE, node, by, reason, depot, database, as_json)


def normal(
    node: NodeArgument,
    by: ByOption,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Lift the order that keeps a circuit in SAFE; it is NORMAL again when its meter is good for it."""
    return _lift(("safe",), Subject.NODE, node, by, depot, database, as_json)


def _order(
    kind: str,
    subject: Subject,
    name: str,
    by: str,
    reason: str,
    depot: str | None,
    database: str | None,
    as_json: bool,
) -> int:
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, Override, OverrideKind, Store
    from busbar.entrypoints.render_orders import order_document, ordered_text
    from busbar.entrypoints.stored_depot import chosen_depot, named_person, refuse_unknown

    at = datetime.now(UTC)
    person = named_person(by)

    async def act(store: Store, _: ChargePointRecords) -> tuple[str, str, Override]:
        here = await chosen_depot(store, depot, database)
        refuse_unknown(here, subject.value, name)
        override = await store.add_override(
            here.id, kind=OverrideKind(kind), subject=name, by=person, reason=reason.strip(), at=at
        )
        return here.id, here.timezone, override

    depot_id, zone, override = with_store(act, database=database)
    is_new = override.at == at
    if as_json:
        print_document(order_document(depot_id, [override], changed=is_new))
    else:
        show(ordered_text(override, zone, is_new=is_new))
        if is_new:
            say("The running service follows within one cycle.", *([_SWITCH_OFF] if kind == "out_of_service" else []))
    return FINE


def _lift(
    kinds: Sequence[str],
    subject: Subject,
    name: str,
    by: str,
    depot: str | None,
    database: str | None,
    as_json: bool,
) -> int:
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, Override, OverrideKind, Store
    from busbar.entrypoints.render_orders import lifted_text, not_in_force_text, order_document
    from busbar.entrypoints.stored_depot import chosen_depot, named_person, refuse_unknown

    at = datetime.now(UTC)
    person = named_person(by)
    wanted = [OverrideKind(kind) for kind in kinds]

    async def act(store: Store, _: ChargePointRecords) -> tuple[str, str, list[Override]]:
        here = await chosen_depot(store, depot, database)
        # What is in force can be lifted, whether or not its subject is still in the depot.
        if not any(one.subject == name and one.kind in wanted for one in await store.overrides(here.id)):
            refuse_unknown(here, subject.value, name)
        ended = [await store.end_override(here.id, kind=kind, subject=name, by=person, at=at) for kind in wanted]
        return here.id, here.timezone, [one for one in ended if one is not None]

    depot_id, zone, ended = with_store(act, database=database)
    if as_json:
        print_document(order_document(depot_id, ended, changed=bool(ended)))
    elif ended:
        show(*(lifted_text(one, zone) for one in ended))
        say("The running service follows within one cycle.")
    else:
        show(not_in_force_text(name, wanted[0]))
    return FINE


def orders(
    all_: Annotated[bool, typer.Option("--all", help="What was lifted, too.")] = False,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the orders that are in force, and the plans."""
    from busbar.bootstrap import with_store
    from busbar.core.depot import Depot
    from busbar.engine.ports import ChargePointRecords, Override, Plan, Store
    from busbar.entrypoints.render_orders import is_empty, orders_document, orders_text
    from busbar.entrypoints.stored_depot import chosen_depot

    async def act(store: Store, _: ChargePointRecords) -> tuple[Depot, Sequence[Override], Sequence[Plan]]:
        here = await chosen_depot(store, depot, database)
        plans = [one for one in await store.plans(here.id) if not is_empty(one)]
        return here, await store.overrides(here.id, ended=all_), plans

    here, found, plans = with_store(act, database=database)
    if as_json:
        print_document(orders_document(here.id, found, plans))
    else:
        show(orders_text(here, found, plans))
    return FINE


def plan(
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="Which vehicle: connector:CP1/1, id_tag:04A2 or vehicle:BUS17."),
    ],
    by: ByOption,
    departs: Annotated[
        str | None, typer.Option("--departs", metavar="TIME", help="When it leaves: 2026-11-23T05:10:00+08:00.")
    ] = None,
    energy: Annotated[
        str | None, typer.Option("--energy", metavar="ENERGY", help="What it needs by then: 210 kWh.")
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option("--priority", metavar="N", min=-(10**6), max=10**6, help="The higher, the sooner; 0 by default."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Nothing is known of it any more.")] = False,
    depot: DepotOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what is known of a vehicle beforehand; replaces the plan with the same key."""
    from busbar.bootstrap import with_store
    from busbar.engine.ports import ChargePointRecords, Plan, Store
    from busbar.entrypoints.plan_values import planned, refuse_empty_plan
    from busbar.entrypoints.render_orders import is_over, plan_document, plan_text
    from busbar.entrypoints.stored_depot import chosen_depot, named_person

    refuse_empty_plan(departs, energy, priority, clear=clear)
    at, person = datetime.now(UTC), named_person(by)

    async def act(store: Store, _: ChargePointRecords) -> tuple[str, str, Plan]:
        here = await chosen_depot(store, depot, database)
        wanted = planned(here, key, departs=departs, energy=energy, priority=priority, by=person, at=at)
        await store.save_plan(here.id, wanted)
        return here.id, here.timezone, wanted

    depot_id, zone, wanted = with_store(act, database=database)
    if as_json:
        print_document(plan_document(depot_id, wanted))
        return FINE
    show(plan_text(wanted, zone))
    if is_over(wanted, at):
        say("Warning: that time has passed.")
    say("The running service follows within one cycle.")
    return FINE
