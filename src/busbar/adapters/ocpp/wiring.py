"""How each connector of a charge point is wired, from the depot."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from busbar.adapters.ocpp.meter_values import Wiring
from busbar.core.charger import fallback_as_a_whole, may_be_limited_as_a_whole
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.units import SQRT3


@dataclass(frozen=True, kw_only=True, slots=True)
class Wired:
    """What translating setpoints and meter values needs to know of a connector."""

    connector: str
    """As everywhere: `CP1/1`."""
    evse: int
    """Its number in OCPP: a connector of 1.6, an EVSE of 2.0.1."""
    fallback: int
    """mA per phase (AC) or W at the vehicle (DC)."""
    is_ac: bool
    phase_count: int
    """What OCPP calls numberPhases: 1 for a line-to-line connection."""
    lowest_v: Fraction
    """Across what a vehicle is connected to (phase to neutral, or line to line), when the voltage sags."""
    meter: Wiring


def wired_connectors(depot: Depot) -> dict[str, tuple[Wired, ...]]:
    """The connectors of every charge point, by charge point, in the depot's order.

    A connector whose id is a whole number above 0 has that number in OCPP. Where one of a charge point's ids is none,
    its connectors are counted from 1.
    """
    circuits = {circuit.id: circuit for circuit in depot.circuits}
    wired: dict[str, tuple[Wired, ...]] = {}
    for charge_point in depot.charge_points:
        voltage_v = _nominal_v(depot, circuits, charge_point.circuit)
        wired[charge_point.id] = tuple(
            _wired(depot, charge_point, connector, evse, voltage_v)
            for connector, evse in zip(charge_point.connectors, _numbers(charge_point), strict=True)
        )
    return wired


def whole_fallbacks(depot: Depot) -> dict[str, int]:
    """The fallbacks, as a whole, of the charge points that may be told one limit for all of their connectors."""
    return {
        unit.id: fallback_as_a_whole(unit) for unit in depot.charge_points if may_be_limited_as_a_whole(depot, unit)
    }


def _numbers(charge_point: ChargePoint) -> list[int]:
    ids = [connector.id for connector in charge_point.connectors]
    if all(text.isascii() and text.isdigit() and int(text) > 0 for text in ids):
        numbers = [int(text) for text in ids]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(ids) + 1))


def _wired(depot: Depot, charge_point: ChargePoint, connector: Connector, evse: int, voltage_v: int) -> Wired:
    is_ac = charge_point.current is CurrentKind.AC
    line_to_line = is_ac and connector.line_to_line
    lowest_v = Fraction(voltage_v * (1000 - depot.voltage_margin_permille), 1000)
    return Wired(
        connector=f"{charge_point.id}/{connector.id}",
        evse=evse,
        fallback=connector.fallback,
        is_ac=is_ac,
        phase_count=1 if line_to_line else len(connector.phases),
        lowest_v=lowest_v if line_to_line else lowest_v / SQRT3,
        meter=Wiring(
            is_ac=is_ac,
            phase_count=len(connector.phases) if is_ac else 3,
            line_to_line=line_to_line,
            voltage_v=voltage_v,
            power_factor_permille=charge_point.power_factor_permille,
            efficiency_permille=charge_point.efficiency_permille,
        ),
    )


def _nominal_v(depot: Depot, circuits: Mapping[str, Circuit], circuit_id: str) -> int:
    """Line to line at a circuit: its own, or the nearest one's above it, or the depot's."""
    here = circuits.get(circuit_id)
    while here is not None:
        if here.voltage_v is not None:
            return here.voltage_v
        here = circuits.get(here.parent) if here.parent is not None else None
    return depot.voltage_v
