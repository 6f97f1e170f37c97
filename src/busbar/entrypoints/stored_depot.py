"""Which stored depot a person means, what is in it, and who the person is."""

from busbar.bootstrap import database_name
from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.engine.ports import Store

_ORDERS = {
    "connector": ("CONNECTOR", "`busbar hold CP1/1`"),
    "charge point": ("CHARGE_POINT", "`busbar isolate CP1`"),
    "circuit": ("NODE", "`busbar safe C1`"),
}
"""By what an order is about: how its argument is called, and an example."""


async def chosen_depot(store: Store, wanted: str | None, database: str | None) -> Depot:
    """The depot of this id, or the only one there is. Raises RefusedError where that is none."""
    ids = await store.depot_ids()
    if wanted is None and len(ids) == 1:
        wanted = ids[0]
    found = None if wanted is None else await store.load_depot(wanted)
    if found is not None:
        return found
    if not ids:
        rule, fix = f"There is no depot in {database_name(database)}.", "Import one first: `busbar import DEPOT`."
    elif wanted is None:
        rule = f"There are {len(ids)} depots in {database_name(database)}."
        fix = f"Say which with --depot: {', '.join(ids[:8])}{' or another' if len(ids) > 8 else ''}."
    else:
        rule, fix = f"There is no such depot in {database_name(database)}.", suggestion(wanted, known_names(ids))
    raise RefusedError((Problem(path="--depot", value=wanted, rule=rule, fix=fix),))


def named_person(by: str) -> str:
    """The name without spaces around it. Raises RefusedError where there is none."""
    if by.strip():
        return by.strip()
    fix = "Write your name, for example --by 'Ann Lee'."
    raise RefusedError((Problem(path="--by", value=by, rule="An order is given by a named person.", fix=fix),))


def names_in(depot: Depot) -> dict[str, list[str]]:
    """Connectors, charge points and circuits, as they are called everywhere."""
    return {
        "connector": [f"{unit.id}/{connector.id}" for unit in depot.charge_points for connector in unit.connectors],
        "charge point": [unit.id for unit in depot.charge_points],
        "circuit": [circuit.id for circuit in depot.circuits],
    }


def refuse_unknown(depot: Depot, kind: str, name: str, *, path: str | None = None) -> None:
    """Raises RefusedError where the depot has no such connector, charge point or circuit."""
    names = names_in(depot)
    if name in names[kind]:
        return
    argument, _ = _ORDERS[kind]
    rule = f"There is no {kind} {name!r} in depot {depot.id!r}."
    fix = suggestion(name, known_names(names[kind]))
    for other, of_it in names.items():
        if name in of_it:
            rule = f"{name!r} is a {other}, not a {kind}."
            near = [each for each in names[kind] if each.startswith(f"{name}/") or name.startswith(f"{each}/")]
            fix = f"Name a {kind}, for example `{(near or names[kind])[0]}`." if names[kind] else "There is none."
            if not near:
                fix += f" What is ordered of a {other} is for example {_ORDERS[other][1]}."
    raise RefusedError((Problem(path=path or argument, value=name, rule=rule, fix=fix),))
