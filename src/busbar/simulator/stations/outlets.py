"""Outlets: connectors as they are now, with vehicle, transaction and what they draw; and how that moves on.

An outlet's draw is in its connector's unit: mA per phase (AC) or W at the vehicle (DC).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, inf

from busbar.core.depot import Connector
from busbar.simulator.battery import acceptable_w, full_ws
from busbar.simulator.scenario import VehicleType
from busbar.simulator.stations.profiles import Electrics, Limit

_SHARE_OF_BATTERY = 0.01
"""Within one step a battery takes at most this share of what it holds, so that its taper is followed."""
_SHORTEST_S = 0.05


@dataclass(slots=True)
class Plugged:
    """A vehicle on an outlet. (Mutable: it charges.)"""

    id: str
    kind: VehicleType
    stored_ws: float
    since_s: float
    leaves_s: float = inf

    @property
    def soc(self) -> float:
        """State of charge, 0 to 1."""
        return self.stored_ws / (self.kind.battery_wh * 3600)


class Draw(Enum):
    """Why a transaction draws what it draws."""

    CHARGING = "charging"
    HELD_BY_VEHICLE = "held_by_vehicle"
    HELD_BY_STATION = "held_by_station"


@dataclass(slots=True)
class Transaction:
    """One charge, in the charge point's own terms."""

    began_s: float
    id_tag: str
    id: str | None
    """OCPP 1.6: what the central system calls it, None until it has said; 2.0.1: our own name for it."""
    messages: int = 0
    """OCPP 2.0.1: how many of it were made."""
    remote_start: int | None = None
    """OCPP 2.0.1: the id of the request that began it."""
    told: Draw | None = None
    """What was reported last of how it draws; None: nothing."""


class Stage(Enum):
    """How far a vehicle has come on an outlet."""

    FREE = "free"
    PLUGGED = "plugged"
    """Somebody has to say that it may charge."""
    ASKED = "asked"
    """The central system was asked whether it may."""
    CHARGING = "charging"
    """A transaction runs, whether or not anything is drawn."""
    ENDED = "ended"
    """The transaction is over, the vehicle is still there."""


@dataclass(slots=True)
class Outlet:
    """One connector as it is now. (Mutable: the world moves.)"""

    id: str
    """As everywhere: `CP1/1`."""
    number: int
    """What OCPP calls it: the connector in 1.6, the EVSE in 2.0.1."""
    connector: Connector
    electrics: Electrics
    wire_w: float
    """AC: W of each wire per mA at the true voltage."""
    volts: float
    """AC: the true voltage that drives each wire's current."""
    stage: Stage = Stage.FREE
    stage_since_s: float = 0.0
    vehicle: Plugged | None = None
    transaction: Transaction | None = None
    draw: float = 0.0
    limit: Limit = None
    """What its profiles gave it last; None: nothing."""
    reason: Draw = Draw.CHARGING
    energy_wh: float = 0.0
    """Its register, at the outlet (DC: at the vehicle). It counts in real time, as what it draws does."""
    told: str | None = None
    """The last status it reported."""

    @property
    def drawn(self) -> int:
        """What it draws, whole, rounded up."""
        return ceil(round(self.draw, 6))

    @property
    def wires_used(self) -> int:
        """How many of its connector's wires the vehicle uses; 0: all of them."""
        if self.vehicle is None or not self.electrics.is_ac or self.connector.line_to_line:
            return 0
        return self.vehicle.kind.phases if self.vehicle.kind.phases < len(self.connector.phases) else 0

    @property
    def power_w(self) -> float:
        """What it draws in W: at its socket (AC) or at the vehicle (DC)."""
        if not self.electrics.is_ac:
            return self.draw
        return self.draw * self.wire_w * (self.wires_used or len(self.connector.phases))

    def acceptable(self) -> int:
        """The most its vehicle takes now within the connector's rating; 0 where nothing charges."""
        if self.vehicle is None or self.transaction is None:
            return 0
        kind = self.vehicle.kind
        battery_w = acceptable_w(kind, int(self.vehicle.stored_ws)) * kind.uses
        if not self.electrics.is_ac:
            return min(self.connector.max_rating, int(battery_w))
        wires = self.wires_used or len(self.connector.phases)
        return min(self.connector.max_rating, int(battery_w / (self.wire_w * wires * kind.onboard_efficiency)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What holds for a charge point's outlets until something changes."""

    each: tuple[Limit, ...]
    """Per outlet; None: nothing but the rating."""
    together: int
    """What all may draw together: the unit's rating or its station maximum."""
    until_s: float


def advance(
    outlets: Sequence[Outlet],
    limits_at: Callable[[float], Limits],
    *,
    from_s: float,
    to_s: float,
    ramp_s: float,
    speed: float,
) -> None:
    """Move the outlets on. Batteries fill `speed` times as fast as the clock runs."""
    if not any(outlet.draw or outlet.transaction is not None for outlet in outlets):
        # Nothing moves on.
        _targets(outlets, limits_at(to_s))
        return
    at_s = from_s
    while True:
        limits = limits_at(at_s)
        targets = _targets(outlets, limits)
        if at_s >= to_s:
            return
        step_s = max(_SHORTEST_S, min(to_s, limits.until_s) - at_s)
        for outlet, target in zip(outlets, targets, strict=True):
            step_s = min(step_s, max(_SHORTEST_S, _longest_step_s(outlet, target, speed)))
        step_s = min(step_s, to_s - at_s)
        # Down first: what all may draw together is kept to on the way, too.
        moves = list(zip(outlets, targets, strict=True))
        if len(moves) > 1:
            moves.sort(key=lambda move: move[1] > move[0].draw)
        for outlet, target in moves:
            left = limits.together - sum([each.draw for each in outlets])
            within = min(target, outlet.draw + max(0.0, left))
            _move(outlet, within, step_s, ramp_s=ramp_s, speed=speed)
        # Adding a very short step to a large number may change nothing.
        at_s = to_s if at_s + step_s <= at_s else at_s + step_s


def _targets(outlets: Sequence[Outlet], limits: Limits) -> list[int]:
    """What each outlet is heading for; notes why, where that is nothing."""
    targets = []
    for outlet, limit in zip(outlets, limits.each, strict=True):
        outlet.limit = limit
        wanted = outlet.acceptable()
        allowed = outlet.connector.max_rating if limit is None else limit
        if allowed < outlet.connector.minimum or allowed == 0:
            allowed = 0
        outlet.reason = Draw.CHARGING
        if wanted and not allowed:
            outlet.reason = Draw.HELD_BY_STATION
        elif not wanted:
            outlet.reason = Draw.HELD_BY_VEHICLE
        targets.append(min(wanted, allowed))
    total = sum(targets)
    if total <= limits.together:
        return targets
    for place, outlet in enumerate(outlets):
        share = targets[place] * limits.together // total
        # A share below the minimum is no share; what a battery takes by itself may lie below it.
        lowest = min(outlet.connector.minimum, targets[place])
        if targets[place] and (share < lowest or not share):
            share, outlet.reason = 0, Draw.HELD_BY_STATION
        targets[place] = share
    return targets


def _longest_step_s(outlet: Outlet, target: int, speed: float) -> float:
    if outlet.vehicle is None or not target:
        return inf
    most_w = max(1.0, outlet.vehicle.kind.max_power_w)
    return _SHARE_OF_BATTERY * outlet.vehicle.kind.battery_wh * 3600 / (most_w * speed)


def _move(outlet: Outlet, target: float, for_s: float, *, ramp_s: float, speed: float) -> None:
    """Towards the target in a straight line that crosses the whole rating in `ramp_s`."""
    before = outlet.draw
    distance = target - before
    ramping_s = abs(distance) * ramp_s / max(1, outlet.connector.max_rating)
    if ramping_s <= for_s:
        outlet.draw = float(target)
        mean = ((before + target) / 2 * ramping_s + target * (for_s - ramping_s)) / for_s
    else:
        outlet.draw = before + distance * for_s / ramping_s
        mean = (before + outlet.draw) / 2
    if not mean:
        return
    # `power_w` is linear in the draw.
    now, outlet.draw = outlet.draw, mean
    power_w, outlet.draw = outlet.power_w, now
    outlet.energy_wh += power_w * for_s / 3600
    if outlet.vehicle is not None:
        kind = outlet.vehicle.kind
        stored_ws = power_w * (kind.onboard_efficiency if outlet.electrics.is_ac else 1.0) * for_s * speed
        outlet.vehicle.stored_ws = min(float(full_ws(kind)), outlet.vehicle.stored_ws + stored_ws)


def cut_off(outlet: Outlet) -> None:
    """The contactor opens: nothing is drawn from now on."""
    outlet.draw = 0.0
