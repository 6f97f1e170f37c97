"""Meter values: what a charge point reports, in whatever form, as readings in the connector's own unit. Pure.

Takes the `meterValue` of OCPP 1.6 and of 2.0.1 alike. Whatever makes no sense is left out and counted, never raised.
Rounding goes up: a reading is a load. Where one instant is told twice, the larger load (and the lower voltage) counts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum
from typing import Any

from busbar.core.units import SQRT3

MOST_MA = 5_000_000
MOST_W = 5_000_000
"""No vehicle takes more (the Megawatt Charging System ends at 3 kA and 3.75 MW): beyond it a value is a mistake."""
MOST_WH = 10**13
MOST_V = 2_000
SLOPE_LONGEST_S = 960
"""A register's slope over more than a quarter of an hour says nothing about now."""
SLOPE_ERROR_W = 500
"""A slope is taken once the register's resolution weighs no more than this: for 1 Wh after 7.2 s."""

_SQRT3 = Decimal(SQRT3.numerator) / Decimal(SQRT3.denominator)
_LEAST_OF_NOMINAL, _MOST_OF_NOMINAL = Decimal("0.5"), Decimal("1.35")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d*)?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE
)
_LONGEST = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """What has to be known of a connector to turn amperes into watts and back."""

    is_ac: bool
    phase_count: int
    """How many wires it has (AC)."""
    line_to_line: bool
    voltage_v: int
    """Nominal at its circuit, line to line."""
    power_factor_permille: int
    efficiency_permille: int = 1000
    """DC: W at the vehicle per 1000 W of supply, for units that only measure their supply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterMark:
    """Where the next slope of the register starts."""

    at: datetime
    energy_wh: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a connector reported about one instant; None: it did not say."""

    sampled_at: datetime
    """By the charge point's clock (aware UTC)."""
    draw: int | None
    """In the connector's unit: mA on its most loaded phase (AC) or W at the vehicle (DC), rounded up, at least 0."""
    power_w: int | None
    """At the socket (AC) or at the vehicle (DC), rounded up, at least 0."""
    phases_ma: tuple[int | None, int | None, int | None] | None
    """AC: on the connector's own wires, in order."""
    energy_wh: int | None
    """Its register, rounded down."""
    soc: float | None
    """0 to 1."""
    mark: RegisterMark | None = None
    """For the slope of the next reading: hand this reading on as `before`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """The readings of one message, and what in it made no sense."""

    readings: list[Reading]
    """By sample time; one per instant."""
    oddities: dict[str, int]
    """What was left out, per kind."""


def readings(meter_value: Any, wiring: Wiring, before: Reading | None) -> list[Reading]:
    """`readings_and_oddities` without the oddities."""
    return readings_and_oddities(meter_value, wiring, before).readings


def readings_and_oddities(meter_value: Any, wiring: Wiring, before: Reading | None) -> Readings:
    """The readings in a `meterValue`, by sample time. `before` is the connector's last reading, for a register's slope.

    Power is Power.Active.Import, else voltage x current x power factor, else the register's slope. An AC draw is the
    largest Current.Import of a line, else the current that the power needs. Never raises.
    """
    odd: dict[str, int] = {}
    instants: dict[datetime, _Found] = {}
    for element in _elements(meter_value, odd):
        at = _instant(element.get("timestamp"))
        if at is None:
            _count(odd, "no timestamp")
            continue
        # Some charge points send every measurand in an element of its own: one instant is one reading.
        found = instants.setdefault(at, _Found())
        for sampled in _elements(element.get("sampledValue"), odd):
            oddity = _add(found, sampled, wiring)
            if oddity is not None:
                _count(odd, oddity)
    told = []
    for at in sorted(instants):
        before = _reading(at, instants[at], wiring, before, odd)
        told.append(before)
    return Readings(readings=told, oddities=odd)


# From JSON to samples


class _Kind(Enum):
    CURRENT = "mA"
    POWER = "W"
    VOLTAGE = "V"
    ENERGY = "Wh"
    SOC = "0 to 1"


_KINDS = {
    "current.import": _Kind.CURRENT,
    "power.active.import": _Kind.POWER,
    "voltage": _Kind.VOLTAGE,
    "energy.active.import.register": _Kind.ENERGY,
    "soc": _Kind.SOC,
}
"""What is used; other measurands (offered, export, temperature ...) are no oddities."""

_FACTORS: dict[_Kind, dict[str, Decimal]] = {
    _Kind.CURRENT: {"": Decimal(1000), "a": Decimal(1000), "ma": Decimal(1), "ka": Decimal(10**6)},
    _Kind.POWER: {
        "": Decimal(1),
        "w": Decimal(1),
        "kw": Decimal(1000),
        "MW": Decimal(10**6),
        "mW": Decimal("0.001"),
        "va": Decimal(1),
        "kva": Decimal(1000),
    },
    _Kind.VOLTAGE: {"": Decimal(1), "v": Decimal(1), "kv": Decimal(1000), "mV": Decimal("0.001")},
    _Kind.ENERGY: {"": Decimal(1), "wh": Decimal(1), "kwh": Decimal(1000), "MWh": Decimal(10**6)},
    _Kind.SOC: {"": Decimal("0.01"), "percent": Decimal("0.01"), "%": Decimal("0.01")},
}
"""Units in small letters; those where only the capital tells milli from mega, as they are. `""`: none given."""

_MOST = {_Kind.CURRENT: MOST_MA, _Kind.POWER: MOST_W, _Kind.VOLTAGE: MOST_V, _Kind.ENERGY: MOST_WH, _Kind.SOC: 1}

_PLACES = {"outlet": 0, "cable": 1, "ev": 2, "body": 3, "inlet": 4}
_SUPPLY_PLACE = _PLACES["inlet"]
"""Before the unit; all others lie behind it, or are taken to, which makes the larger load."""
_LINES = ("L1", "L2", "L3")
_PHASES = {
    "": "",
    "N": "N",
    **{spelt: line for line in _LINES for spelt in (line, f"{line}-N")},
    **dict.fromkeys(("L1-L2", "L2-L3", "L3-L1", "L2-L1", "L3-L2", "L1-L3"), "LL"),
}
"""How a phase may be spelt; what is measured between lines is kept together."""


class _Found:
    """The samples of one instant: per kind and place, by phase (`""`: of all together)."""

    __slots__ = ("resolution_wh", "samples")

    def __init__(self) -> None:
        self.samples: dict[_Kind, dict[int, dict[str, Decimal]]] = {}
        self.resolution_wh = Decimal(1)

    def add(self, kind: _Kind, place: int, phase: str, value: Decimal) -> None:
        by_phase = self.samples.setdefault(kind, {}).setdefault(place, {})
        known = by_phase.get(phase)
        if known is not None:
            # The lower voltage makes the larger current; the lower state of charge gives up later.
            value = min(known, value) if kind in (_Kind.VOLTAGE, _Kind.SOC) else max(known, value)
        by_phase[phase] = value

    def nearest(self, kind: _Kind) -> dict[str, Decimal]:
        """By phase, where it was measured nearest to the vehicle."""
        places = self.samples.get(kind)
        return places[min(places)] if places else {}


def _elements(given: Any, odd: dict[str, int]) -> Iterable[dict[str, Any]]:
    """The objects in a list, or the one object in its place."""
    if isinstance(given, dict):
        return (given,)
    if not isinstance(given, list):
        _count(odd, "no list")
        return ()
    objects = [element for element in given if isinstance(element, dict)]
    if len(objects) < len(given):
        _count(odd, "no object", len(given) - len(objects))
    return objects


def _count(odd: dict[str, int], kind: str, times: int = 1) -> None:
    odd[kind] = odd.get(kind, 0) + times


def _instant(stamp: Any) -> datetime | None:
    """An ISO 8601 date and time; without a zone it is UTC, which is what charge points mean."""
    if not isinstance(stamp, str) or len(stamp) > _LONGEST:
        return None
    stamp = stamp.strip().upper()
    if _STAMP.fullmatch(stamp) is None:
        return None
    try:
        at = datetime.fromisoformat(stamp)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _add(found: _Found, sampled: dict[str, Any], wiring: Wiring) -> str | None:
    """Take one sampled value in; gives back why it was left out, where it makes no sense."""
    measurand = sampled.get("measurand") or "Energy.Active.Import.Register"
    kind = _KINDS.get(measurand.strip().lower()) if isinstance(measurand, str) else None
    if kind is None or sampled.get("format") == "SignedData":
        return None
    phase = _PHASES.get(_text(sampled.get("phase")).upper())
    if phase is None:
        return "unknown phase"
    unit, multiplier = _unit(sampled)
    factors = _FACTORS[kind]
    factor = factors.get(unit, factors.get(unit.lower()))
    if factor is None or multiplier is None:
        return "unknown unit"
    number = _number(sampled.get("value"))
    if number is None:
        return "no number"
    value = (number * factor).scaleb(multiplier)
    if kind is _Kind.POWER and wiring.is_ac and unit.lower().endswith("va"):
        value = value * wiring.power_factor_permille / 1000
    if kind in (_Kind.CURRENT, _Kind.POWER):
        # What a vehicle feeds back is no draw.
        value = max(value, Decimal(0))
    if not 0 <= value <= _MOST[kind]:
        return "beyond belief"
    place = _PLACES.get(_text(sampled.get("location")).lower(), 0)
    found.add(kind, place, phase, value)
    if kind is _Kind.ENERGY:
        found.resolution_wh = max(found.resolution_wh, factor.scaleb(multiplier + int(number.as_tuple().exponent)))
    return None


def _text(given: Any) -> str:
    return given.strip() if isinstance(given, str) else ""


def _unit(sampled: Mapping[str, Any]) -> tuple[str, int | None]:
    """Unit and multiplier, as 1.6 (`unit`) or 2.0.1 (`unitOfMeasure`) give them; None: no multiplier we believe."""
    of_measure = sampled.get("unitOfMeasure")
    if not isinstance(of_measure, dict):
        return _text(of_measure or sampled.get("unit")), 0
    multiplier = of_measure.get("multiplier") or 0
    # 2.0 and 2 are the same number in JSON.
    if not isinstance(multiplier, int | float) or multiplier not in range(-12, 13):
        return "", None
    return _text(of_measure.get("unit")), int(multiplier)


def _number(value: Any) -> Decimal | None:
    """A JSON number, or one in a text: with spaces in it, with a decimal comma. None: not one, or not finite."""
    if isinstance(value, bool) or (isinstance(value, int | float) and not -1e15 < value < 1e15):
        return None
    if isinstance(value, int | float):
        return Decimal(str(value))
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = "".join(value.split())
    return Decimal(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


# From samples to readings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Load:
    """What flows, before rounding."""

    draw: Decimal | None = None
    power_w: Decimal | None = None
    phases_ma: tuple[Decimal | None, Decimal | None, Decimal | None] | None = None


def _reading(at: datetime, found: _Found, wiring: Wiring, before: Reading | None, odd: dict[str, int]) -> Reading:
    energy_wh = _total(found.nearest(_Kind.ENERGY))
    slope_w, mark = _slope(at, energy_wh, found.resolution_wh, before, odd)
    if slope_w is not None and not wiring.is_ac and min(found.samples[_Kind.ENERGY]) >= _SUPPLY_PLACE:
        slope_w = _behind(slope_w, wiring)
    load = _ac_load(found, wiring, slope_w) if wiring.is_ac else _dc_load(found, wiring, slope_w)
    soc = found.nearest(_Kind.SOC)
    return Reading(
        sampled_at=at,
        draw=_up(load.draw),
        power_w=_up(load.power_w),
        phases_ma=None if load.phases_ma is None else _each_up(load.phases_ma),
        energy_wh=None if energy_wh is None else int(energy_wh.to_integral_value(ROUND_FLOOR)),
        soc=float(min(soc.values())) if soc else None,
        mark=mark,
    )


def _up(value: Decimal | None) -> int | None:
    return None if value is None else int(value.to_integral_value(ROUND_CEILING))


def _each_up(
    values: tuple[Decimal | None, Decimal | None, Decimal | None],
) -> tuple[int | None, int | None, int | None]:
    return _up(values[0]), _up(values[1]), _up(values[2])


def _total(by_phase: Mapping[str, Decimal]) -> Decimal | None:
    """Of all phases together: as told, else the sum over the lines, else over what is measured between lines."""
    if "" in by_phase:
        return by_phase[""]
    lines = [by_phase[line] for line in _LINES if line in by_phase]
    return sum(lines, Decimal(0)) if lines else by_phase.get("LL")


def _slope(
    at: datetime, energy_wh: Decimal | None, resolution_wh: Decimal, before: Reading | None, odd: dict[str, int]
) -> tuple[Decimal | None, RegisterMark | None]:
    """W since the mark that `before` carries, and the mark for the next one."""
    mark = before.mark if before is not None else None
    if mark is None and before is not None and before.energy_wh is not None:
        mark = RegisterMark(at=before.sampled_at, energy_wh=Decimal(before.energy_wh))
    if energy_wh is None:
        return None, mark
    here = RegisterMark(at=at, energy_wh=energy_wh)
    if mark is None or not 0 <= (elapsed_s := (at - mark.at).total_seconds()) <= SLOPE_LONGEST_S:
        return None, here
    if elapsed_s * SLOPE_ERROR_W < resolution_wh * 3600:
        # A coarse register moves in jumps: wait until a jump weighs little.
        return None, mark
    slope_w = (energy_wh - mark.energy_wh) * 3600 / Decimal(str(elapsed_s))
    if not 0 <= slope_w <= MOST_W:
        _count(odd, "register jumped")
        return None, here
    return slope_w, here


def _dc_load(found: _Found, wiring: Wiring, slope_w: Decimal | None) -> _Load:
    """At the vehicle; what was measured at the supply is brought there by the unit's efficiency.

    A DC outlet has no phases: what names more than one line was measured at the supply, whatever its location says.
    """
    vehicle: dict[_Kind, dict[str, Decimal]] = {}
    supply: dict[_Kind, dict[str, Decimal]] = {}
    for kind, places in found.samples.items():
        for place in sorted(places):
            is_supply = place >= _SUPPLY_PLACE or sum(line in places[place] for line in _LINES) > 1
            (supply if is_supply else vehicle).setdefault(kind, places[place])
    power_w = _total(vehicle.get(_Kind.POWER, {}))
    current_ma, voltage_v = _total(vehicle.get(_Kind.CURRENT, {})), _total(vehicle.get(_Kind.VOLTAGE, {}))
    if power_w is None and current_ma is not None and voltage_v is not None:
        power_w = current_ma * voltage_v / 1000
    if power_w is None and (supply_w := _total(supply.get(_Kind.POWER, {}))) is not None:
        power_w = _behind(supply_w, wiring)
    if power_w is None:
        power_w = slope_w
    return _Load(draw=power_w, power_w=power_w)


def _behind(supply_w: Decimal, wiring: Wiring) -> Decimal:
    return supply_w * wiring.efficiency_permille / 1000


def _ac_load(found: _Found, wiring: Wiring, slope_w: Decimal | None) -> _Load:
    current, power = found.nearest(_Kind.CURRENT), found.nearest(_Kind.POWER)
    volts = _line_to_neutral(found.nearest(_Kind.VOLTAGE), wiring)
    lines = _line_currents(current, wiring)
    overall = max((current[phase] for phase in ("", "LL") if phase in current), default=None)
    by_current = max([*lines.values(), *([] if overall is None or lines else [overall])], default=None)
    power_w = _total(power)
    if power_w is None and by_current is not None:
        power_w = _power_of(lines, by_current, volts, wiring)
    if power_w is None:
        power_w = slope_w
    if not by_current and power_w:
        # None was told, or one of 0 that is not measured. Never less than in the neutral, which carries what the
        # lines do not share out among themselves.
        needed = max(_current_of(power_w, power, volts, wiring), current.get("N", Decimal(0)))
        return _Load(draw=needed, power_w=power_w)
    draw = Decimal(0) if by_current is None and power_w is not None else by_current
    return _Load(draw=draw, power_w=power_w, phases_ma=_on_wires(lines, by_current, wiring))


def _line_currents(current: Mapping[str, Decimal], wiring: Wiring) -> dict[str, Decimal]:
    """mA by line. A current of all together beside lines two and three is line one's; without lines it says only how
    much the most loaded one carries at most. On a single wire the neutral carries the same as the line."""
    lines = {line: current[line] for line in _LINES if line in current}
    if lines and "L1" not in lines and "" in current:
        lines["L1"] = current[""]
    if not lines and wiring.phase_count == 1 and "" not in current and "N" in current:
        lines["L1"] = current["N"]
    return lines


def _on_wires(
    lines: Mapping[str, Decimal], by_current: Decimal | None, wiring: Wiring
) -> tuple[Decimal | None, Decimal | None, Decimal | None] | None:
    """mA on the connector's own wires; a charge point may name its only wire by the grid's line it sits on."""
    if by_current is None:
        return None
    if wiring.phase_count == 1:
        return by_current, None, None
    if wiring.line_to_line:
        return by_current, by_current, None
    wires: list[Decimal | None] = [lines.get(line) for line in _LINES[: wiring.phase_count]]
    for line in _LINES[wiring.phase_count :]:
        if line in lines and None in wires:
            wires[wires.index(None)] = lines[line]
    if all(wire is None for wire in wires):
        return None
    wires += [None] * (3 - len(wires))
    return wires[0], wires[1], wires[2]


def _line_to_neutral(voltage: Mapping[str, Decimal], wiring: Wiring) -> dict[str, Decimal]:
    """Line to neutral voltages, by phase as they were told; empty: none that can be.

    The size says whether a voltage is between lines, because labels often do not. One far below nominal is a line
    that is not connected.
    """
    nominal_v = wiring.voltage_v / _SQRT3
    between_v = nominal_v * (1 + _SQRT3) / 2
    found = {}
    for phase, value in voltage.items():
        neutral_v = value / _SQRT3 if value > between_v else value
        if phase != "N" and _LEAST_OF_NOMINAL * nominal_v <= neutral_v <= _MOST_OF_NOMINAL * nominal_v:
            found[phase] = neutral_v
    return found


def _lowest_v(volts: Mapping[str, Decimal], wiring: Wiring) -> Decimal:
    return min(volts.values(), default=wiring.voltage_v / _SQRT3)


def _power_of(
    lines: Mapping[str, Decimal], by_current: Decimal, volts: Mapping[str, Decimal], wiring: Wiring
) -> Decimal:
    """Voltage x current x power factor, in W; a line without a voltage of its own takes the lowest there is."""
    lowest_v = _lowest_v(volts, wiring)
    if wiring.line_to_line:
        volt_ma = by_current * lowest_v * _SQRT3
    elif lines:
        volt_ma = sum((value * volts.get(line, lowest_v) for line, value in lines.items()), Decimal(0))
    else:
        volt_ma = by_current * lowest_v * wiring.phase_count
    return volt_ma * wiring.power_factor_permille / 1_000_000


def _current_of(
    power_w: Decimal, by_phase: Mapping[str, Decimal], volts: Mapping[str, Decimal], wiring: Wiring
) -> Decimal:
    """mA on the most loaded line that this power needs. By the lowest voltage: the same power needs more current there.

    Told by phase, only the phases that carry it count, so that a vehicle on one phase is seen as one. A total alone
    is taken to be even over the connector's wires: of a vehicle that uses fewer it shows too little, and only a unit
    that reports its currents or its circuit's meter shows more.
    """
    lowest_v = _lowest_v(volts, wiring)
    per_va = Decimal(1_000_000) / wiring.power_factor_permille
    if wiring.line_to_line:
        return power_w * per_va / (lowest_v * _SQRT3)
    lines = {line: by_phase[line] for line in _LINES if line in by_phase}
    if lines:
        return max(value * per_va / volts.get(line, lowest_v) for line, value in lines.items())
    return power_w * per_va / (lowest_v * wiring.phase_count)
