"""A battery as a charger meets it: constant power, then constant voltage. Pure."""

from busbar.simulator.scenario import VehicleType

TAIL = 0.04
"""Near full a battery still takes this share of its most; below it the charger stops."""


def acceptable_w(kind: VehicleType, stored_ws: int) -> int:
    """The most the battery takes now, in W; 0 where it is as full as it gets.

    At constant voltage the current falls exponentially in time, and so in a straight line with what is stored.
    """
    if stored_ws >= full_ws(kind):
        return 0
    soc = stored_ws / (kind.battery_wh * 3600)
    if soc <= kind.taper_soc or kind.taper_soc >= 1:
        return kind.max_power_w
    left = max(TAIL, (1 - soc) / (1 - kind.taper_soc))
    return round(kind.max_power_w * min(1.0, left))


def full_ws(kind: VehicleType) -> int:
    """What is stored where it stops by itself."""
    return round(kind.battery_wh * 3600 * kind.end_soc)


def target_ws(kind: VehicleType) -> int:
    """What it needs to leave with."""
    return round(kind.battery_wh * 3600 * kind.target_soc)
