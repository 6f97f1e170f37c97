"""What a charge point measures at an outlet, before it is put into the words of a version of OCPP."""

from collections.abc import Sequence
from dataclasses import dataclass

from busbar.simulator.stations.outlets import Outlet

ENERGY, POWER, CURRENT = "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import"
VOLTAGE, SOC, OFFERED = "Voltage", "SoC", "Current.Offered"
POWER_OFFERED = "Power.Offered"
KNOWN_MEASURANDS = (ENERGY, POWER, CURRENT, VOLTAGE, SOC, OFFERED, POWER_OFFERED)
DEFAULT_MEASURANDS = (ENERGY, POWER, CURRENT, SOC)

_BATTERY_V = 700.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One measured value."""

    measurand: str
    value: float
    unit: str
    phase: str | None = None
    """On the outlet's own wires: `L1`, `L1-N`, `L1-L2`; None: of all of them."""


def measure(outlet: Outlet, measurands: Sequence[str]) -> tuple[Sample, ...]:
    """What it measures now; what does not apply (a state of charge behind an AC cable) is left out."""
    found: list[Sample] = []
    for measurand in measurands:
        found += _one(outlet, measurand)
    return tuple(found)


def _one(outlet: Outlet, measurand: str) -> list[Sample]:
    is_ac = outlet.electrics.is_ac
    match measurand:
        case "Energy.Active.Import.Register":
            return [Sample(measurand=ENERGY, value=float(int(outlet.energy_wh)), unit="Wh")]
        case "Power.Active.Import":
            return [Sample(measurand=POWER, value=round(outlet.power_w, 1), unit="W")]
        case "Current.Import" if is_ac:
            return [
                Sample(measurand=CURRENT, value=round(outlet.draw / 1000, 3), unit="A", phase=phase)
                for phase in _wires(outlet)
            ]
        case "Current.Import":
            return [Sample(measurand=CURRENT, value=round(outlet.draw / _BATTERY_V, 3), unit="A")]
        case "Voltage" if is_ac:
            volts, is_across = round(outlet.volts, 1), outlet.connector.line_to_line
            phases = ("L1-L2",) if is_across else tuple(f"{phase}-N" for phase in _wires(outlet))
            return [Sample(measurand=VOLTAGE, value=volts, unit="V", phase=phase) for phase in phases]
        case "Voltage":
            return [Sample(measurand=VOLTAGE, value=_BATTERY_V, unit="V")]
        case "SoC" if not is_ac and outlet.vehicle is not None:
            return [Sample(measurand=SOC, value=round(outlet.vehicle.soc * 100, 1), unit="Percent")]
        case "Current.Offered" if is_ac:
            return [Sample(measurand=OFFERED, value=round(_offered(outlet) / 1000, 3), unit="A")]
        case "Power.Offered" if not is_ac:
            return [Sample(measurand=POWER_OFFERED, value=float(_offered(outlet)), unit="W")]
        case _:
            return []


def _wires(outlet: Outlet) -> tuple[str, ...]:
    wires = outlet.wires_used or len(outlet.connector.phases)
    return ("L1", "L2", "L3")[:wires]


def _offered(outlet: Outlet) -> int:
    rating = outlet.connector.max_rating
    return rating if outlet.limit is None else min(rating, outlet.limit)
