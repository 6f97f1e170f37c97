"""What circuits inherit along the wiring: their phases and their voltage."""

from collections.abc import Mapping
from typing import TypeVar

from busbar.core.depot import Circuit, Depot
from busbar.core.units import PHASES, Phase

Value = TypeVar("Value")


def circuit_phases(depot: Depot) -> dict[str, tuple[Phase, ...]]:
    """Circuit id -> the phases it has: its own, or else its parent's; all three at the top.

    Never fails: a circuit in or below a cycle, or below an unknown parent, inherits what the top has.
    """
    own = {circuit.id: circuit.phases for circuit in depot.circuits if circuit.phases is not None}
    return inherited(depot, own, at_the_top=PHASES)


def circuit_voltages(depot: Depot) -> dict[str, int]:
    """Circuit id -> its nominal voltage, line to line: its own, or else its parent's; the depot's at the top.

    As robust as `circuit_phases`.
    """
    own = {circuit.id: circuit.voltage_v for circuit in depot.circuits if circuit.voltage_v is not None}
    return inherited(depot, own, at_the_top=depot.voltage_v)


def inherited(depot: Depot, own: Mapping[str, Value], *, at_the_top: Value) -> dict[str, Value]:
    """Circuit id -> its own value, or the nearest one above it; in time linear in the number of circuits."""
    circuits: dict[str, Circuit] = {}
    for circuit in depot.circuits:
        circuits.setdefault(circuit.id, circuit)
    found = {circuit_id: own[circuit_id] for circuit_id in circuits if circuit_id in own}
    for circuit in depot.circuits:
        # Up to the first circuit whose value is known, then back down; an explicit chain, because circuits
        # nest deeper than Python recurses.
        chain: dict[str, None] = {}
        here: str | None = circuit.id
        while here is not None and here in circuits and here not in found and here not in chain:
            chain[here] = None
            here = circuits[here].parent
        value = found[here] if here is not None and here in found else at_the_top
        found.update(dict.fromkeys(chain, value))
    return found
