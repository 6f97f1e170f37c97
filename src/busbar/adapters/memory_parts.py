"""All parts that a depot ever had, as the store in memory keeps them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.provisioning import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """All parts of one kind that a depot ever had."""

    known: Mapping[str, Any]
    retired: frozenset[str]


NOTHING = Parts(known={}, retired=frozenset())


def wanted_parts(depot: Depot) -> tuple[list[tuple[str, Any]], ...]:
    """Id and content of the depot's own values, its circuits, its charge points and its connectors."""
    return (
        [(depot.id, replace(depot, circuits=(), charge_points=()))],
        [(circuit.id, circuit) for circuit in depot.circuits],
        [(charge_point.id, replace(charge_point, connectors=())) for charge_point in depot.charge_points],
        [
            (f"{charge_point.id}/{connector.id}", connector)
            for charge_point in depot.charge_points
            for connector in charge_point.connectors
        ],
    )


def merge(known: Parts, wanted: Iterable[tuple[str, Any]], result: Difference) -> Parts:
    """What is known after an import."""
    in_use = dict(wanted)
    return Parts(known={**known.known, **in_use}, retired=(known.retired | set(result.retired)).difference(in_use))


def refuse_dangling(depot: Depot) -> None:
    """What foreign keys do in a database. Raises BusbarError for a circuit that is named and not there."""
    there = {circuit.id for circuit in depot.circuits}
    named = {circuit.parent for circuit in depot.circuits if circuit.parent is not None}
    named |= {charge_point.circuit for charge_point in depot.charge_points}
    if named - there:
        raise BusbarError(f"Depot {depot.id} has no circuit {', '.join(sorted(named - there))}.")
