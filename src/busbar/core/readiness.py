"""Readiness: whether a vehicle has what it needs when it departs, if it goes on being given what it is given now."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, isfinite

from busbar.core.demand import FULL_SOC
from busbar.core.projection import Projection
from busbar.core.units import SQRT3

_PER_LINE = float(1 / SQRT3)
"""Line to neutral, of line to line."""
_NARROW = 10
"""Being ready within the last tenth of the time left, or lacking less than a tenth, is being at risk."""


class Ready(StrEnum):
    """How it looks; the better first."""

    READY = "ready"
    """It needs nothing more."""
    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    """It will be ready in the last tenth of the time left, or lack less than a tenth of what it needs."""
    LATE = "late"
    """It will lack more than that."""
    UNKNOWN = "unknown"
    """What it needs or when it departs is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """How one vehicle stands."""

    state: Ready
    ready_in_s: float | None
    """When it has what it needs, at this pace; None: never, or not known."""
    missing_wh: int | None
    """What it will lack when it departs, at the vehicle, rounded up; None: not known."""
    text: str


def readiness(
    *, energy_needed_wh: float | None, power_w: float, departs_in_s: float | None, soc: float | None = None
) -> Readiness:
    """How a vehicle stands that is given `power_w` at the vehicle. None, or NaN: not known. Pure.

    What a vehicle still needs is what counts; only where that is not known, one that is full by its own word is ready.
    """
    needed_wh, left_s, charge = _known(energy_needed_wh), _known(departs_in_s), _known(soc)
    if (needed_wh is not None and needed_wh <= 0) or (needed_wh is None and charge is not None and charge >= FULL_SOC):
        return Readiness(state=Ready.READY, ready_in_s=0.0, missing_wh=0, text="It has what it needs.")
    if needed_wh is None:
        return _unknown(None, "How much energy it needs is not known.")
    ready_in_s = needed_wh * 3600 / power_w if power_w > 0 else None
    if left_s is None:
        when = "It is given nothing now" if ready_in_s is None else f"Ready in {_span(ready_in_s)} at this pace"
        return _unknown(ready_in_s, f"{when}; when it departs is not known.")
    missing_wh = ceil(max(0.0, needed_wh - max(0.0, power_w) * max(0.0, left_s) / 3600))
    state = _state(needed_wh, missing_wh, ready_in_s, left_s)
    return Readiness(
        state=state, ready_in_s=ready_in_s, missing_wh=missing_wh, text=_text(needed_wh, missing_wh, ready_in_s, left_s)
    )


def power_at_vehicle_w(projection: Projection, leaf: int, value: int) -> int:
    """W at the vehicle for a setpoint in the leaf's unit, rounded down; an AC one at the nominal voltage."""
    if not projection.is_ac[leaf]:
        return value
    load = projection.classes[int(projection.leaf_class[leaf])]
    # Between two lines it is one load at the full voltage; else one on every line, to neutral.
    volts = load.voltage_v if load.line_to_line else len(load.phases) * load.voltage_v * _PER_LINE
    return int(value * volts * load.power_factor_permille / 1_000_000)


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _unknown(ready_in_s: float | None, text: str) -> Readiness:
    return Readiness(state=Ready.UNKNOWN, ready_in_s=ready_in_s, missing_wh=None, text=text)


def _state(needed_wh: float, missing_wh: int, ready_in_s: float | None, left_s: float) -> Ready:
    if missing_wh > 0 or ready_in_s is None:
        return Ready.AT_RISK if missing_wh * _NARROW < needed_wh and ready_in_s is not None else Ready.LATE
    return Ready.AT_RISK if ready_in_s * _NARROW > left_s * (_NARROW - 1) else Ready.ON_TRACK


def _text(needed_wh: float, missing_wh: int, ready_in_s: float | None, left_s: float) -> str:
    if left_s <= 0:
        return f"It was to depart {_span(-left_s)} ago and lacks {_energy(needed_wh)}."
    if ready_in_s is None:
        return f"It is given nothing now: it would lack {_energy(missing_wh)} when it departs in {_span(left_s)}."
    if missing_wh:
        return f"At this pace it lacks {_energy(missing_wh)} when it departs in {_span(left_s)}."
    return f"Ready in {_span(ready_in_s)}, {_span(left_s - ready_in_s)} before it departs."


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _energy(wh: float) -> str:
    return f"{wh / 1000:.1f} kWh" if wh < 10_000 else f"{round(wh / 1000)} kWh"
