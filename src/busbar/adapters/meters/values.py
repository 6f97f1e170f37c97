"""What a meter said, in A and W, and the event made of it."""

from dataclasses import dataclass, replace
from math import copysign, isfinite

from busbar.engine.events import NodeMeasured

Three = tuple[float | None, float | None, float | None]
NOTHING: Three = (None, None, None)
MOST = 1e12
"""mA or W: beyond it a value is no measurement, whatever the node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """One sample as the meter gives it; None: it does not say."""

    current_a: Three = NOTHING
    phase_power_w: Three = NOTHING
    power_w: float | None = None
    """In total; where it does not say, the sum of the phases."""


def event_of(node: str, values: Values, *, received_s: float, age_s: float) -> NodeMeasured:
    """Whole mA and W. Import is positive: a current takes the sign of its phase's power, where the meter gives that.

    A value that is not finite or not possible makes the whole sample a fault: nobody knows what else is wrong in it.
    """
    total_w = values.power_w
    if total_w is None and all(value is not None for value in values.phase_power_w):
        total_w = sum(value for value in values.phase_power_w if value is not None)
    phases_ma = [
        None if current is None else 1000 * (current if power is None else copysign(current, power))
        for current, power in zip(values.current_a, values.phase_power_w, strict=True)
    ]
    given = [value for value in (*phases_ma, total_w) if value is not None]
    if not given:
        return fault(node, "the meter gives neither currents nor power", received_s=received_s)
    if not all(isfinite(value) and abs(value) <= MOST for value in given):
        return fault(node, "a value is not a number, or not a possible one", received_s=received_s)
    whole = [None if value is None else round(value) for value in phases_ma]
    has_phases = any(value is not None for value in whole)
    return NodeMeasured(
        node=node,
        received_s=received_s,
        age_s=max(0.0, age_s),
        phases_ma=(whole[0], whole[1], whole[2]) if has_phases else None,
        power_w=None if total_w is None else round(total_w),
    )


def fault(node: str, why: str, *, received_s: float) -> NodeMeasured:
    """No value, and why."""
    return NodeMeasured(node=node, received_s=received_s, fault=why)


def reversed_values(values: Values) -> Values:
    """The same from a meter that counts export as positive.

    Currents take their sign from the powers of their phases (`event_of`); where there are none, they count as import,
    because magnitudes turned round would be generation that is not there.
    """
    first, second, third = (None if value is None else -value for value in values.phase_power_w)
    currents = [None if value is None else abs(value) for value in values.current_a]
    return replace(
        values,
        current_a=(currents[0], currents[1], currents[2]),
        phase_power_w=(first, second, third),
        power_w=None if values.power_w is None else -values.power_w,
    )
