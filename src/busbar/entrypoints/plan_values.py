"""What a person writes of a vehicle beforehand, as a plan."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from typing import TypeVar

from busbar.adapters.files import values
from busbar.adapters.files.tree import Scalar
from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.units import UnitError, parse_quantity
from busbar.engine.ports import Plan
from busbar.entrypoints.stored_depot import refuse_unknown

KEY_KINDS = ("connector", "id_tag", "vehicle")

Value = TypeVar("Value")


def refuse_empty_plan(departs: str | None, energy: str | None, priority: int | None, *, clear: bool) -> None:
    """Raises RefusedError for a plan that says nothing, or something and nothing at once."""
    says_something = (departs, energy, priority) != (None, None, None)
    if says_something and not clear:
        return
    if clear and not says_something:
        return
    rule = "A plan that is cleared says nothing." if clear else "This says nothing of the vehicle."
    fix = "Give --departs, --energy or --priority" + (", or --clear alone." if clear else "; or --clear to forget it.")
    raise RefusedError((Problem(path="plan", rule=rule, fix=fix),))


def planned(
    depot: Depot, key: str, *, departs: str | None, energy: str | None, priority: int | None, by: str, at: datetime
) -> Plan:
    """The plan. Raises RefusedError for a key, a time or an energy that is none."""
    return Plan(
        key=known_key(depot, key),
        departs=None if departs is None else _read(_instant(depot.timezone), "--departs", departs),
        energy_needed_wh=None if energy is None else _read(_energy_wh, "--energy", energy),
        priority=priority,
        by=by,
        at=at,
    )


def known_key(depot: Depot, key: str) -> str:
    """The key as it is kept. Raises RefusedError for no key, and for a connector that is not there."""
    kind, colon, name = key.partition(":")
    name = name.strip()
    if kind not in KEY_KINDS or not colon or not name:
        example = "Write connector:CP1/1, id_tag:04A2 or vehicle:BUS17."
        fix = example if kind in KEY_KINDS or not colon else f"{suggestion(kind, known_names(KEY_KINDS))} {example}"
        raise RefusedError((Problem(path="KEY", value=key, rule="This names no vehicle.", fix=fix),))
    if kind == "connector":
        refuse_unknown(depot, "connector", name, path="KEY")
    return f"{kind}:{name}"


def _instant(zone: str) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        return values.instant(zone)(Scalar(text, 1, plain=False)).astimezone(UTC)

    return read


def _energy_wh(text: str) -> int:
    """Rounded up: a vehicle that needs a little more does not leave with a little less."""
    return ceil(parse_quantity(text, dimensions=("energy",))[1])


def _read(reader: Callable[[str], Value], option: str, text: str) -> Value:
    try:
        return reader(text)
    except UnitError as error:
        raise RefusedError((Problem(path=option, value=text, rule=error.rule, fix=error.fix),)) from None
