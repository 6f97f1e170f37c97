"""Which vehicles come to a charge point's outlets, and when they leave; drawn from a seed."""

from dataclasses import dataclass
from math import inf
from random import Random

from busbar.simulator.scenario import Spread, VehicleType
from busbar.simulator.stations.outlets import Plugged

AC_VEHICLES = (
    VehicleType(id="van", battery_wh=75_000, max_power_w=22_000),
    VehicleType(id="car", battery_wh=60_000, max_power_w=11_000),
    VehicleType(id="small", battery_wh=40_000, max_power_w=7_000, phases=1),
)
DC_VEHICLES = (
    VehicleType(id="bus", battery_wh=368_000, max_power_w=150_000),
    VehicleType(id="long_bus", battery_wh=520_000, max_power_w=200_000, taper_soc=0.85),
)


_HALF_EMPTY = Spread(mean=0.35, spread=0.15, lowest=0.05, highest=0.75)


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """How vehicles come and go. Times are simulated seconds: at speed 60 an hour passes in a minute."""

    share: float = 1.0
    """Of the outlets have a vehicle at the start; the same share goes on being used."""
    stays_s: Spread | None = None
    """How long a vehicle stays; None: for good."""
    gap_s: Spread | None = None
    """How long an outlet stays free then; None: for good."""
    soc: Spread = _HALF_EMPTY
    ac: tuple[VehicleType, ...] = AC_VEHICLES
    dc: tuple[VehicleType, ...] = DC_VEHICLES


EVERYWHERE = Traffic()
"""A vehicle at every outlet, for good."""

NOBODY = Traffic(share=0.0)
"""Vehicles come only where somebody plugs them in."""

DAY_AND_NIGHT = Traffic(
    stays_s=Spread(mean=6 * 3600, spread=2 * 3600, lowest=3600, highest=12 * 3600),
    gap_s=Spread(mean=1800, spread=900, lowest=300, highest=2 * 3600),
)
"""A yard in use."""


def one_of(spread: Spread, random: Random) -> float:
    """A value from a spread."""
    return min(spread.highest, max(spread.lowest, random.gauss(spread.mean, spread.spread)))


def next_vehicle(traffic: Traffic, random: Random, *, name: str, is_ac: bool, at_s: float, speed: float) -> Plugged:
    """A vehicle that is plugged in now."""
    kind = random.choice(traffic.ac if is_ac else traffic.dc)
    soc = one_of(traffic.soc, random)
    stays_s = inf if traffic.stays_s is None else one_of(traffic.stays_s, random) / speed
    return Plugged(id=name, kind=kind, stored_ws=kind.battery_wh * 3600 * soc, since_s=at_s, leaves_s=at_s + stays_s)


def free_for_s(traffic: Traffic, random: Random, speed: float) -> float:
    """How long until the next one comes, in real seconds; infinite where none does."""
    return inf if traffic.gap_s is None else one_of(traffic.gap_s, random) / speed
