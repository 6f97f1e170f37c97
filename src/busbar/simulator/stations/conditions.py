"""What charge points are made of and run under, and what they tell about themselves."""

from dataclasses import dataclass
from enum import Enum
from random import Random

from busbar.simulator.stations.profiles import Profile
from busbar.simulator.stations.traffic import EVERYWHERE, Traffic


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How the charge points of a depot are made and run. Times in real seconds."""

    ramp_s: float = 2.0
    """From nothing to the rating."""
    speed: float = 1.0
    """How many times as fast as the clock batteries fill, and vehicles come and go."""
    sample_s: int = 10
    heartbeat_s: int = 300
    answer_s: float = 30.0
    """A call that is not answered for so long ends the connection."""
    reconnect_s: float = 0.5
    """The shortest wait before it connects again; about doubles with every failure."""
    longest_reconnect_s: float = 30.0
    reboot_s: float = 2.0
    """How long it is off when it reboots."""
    silent_s: float = 30.0
    """How long a half-open connection stays so before another one is opened."""
    patience_s: float = 10.0
    """How long a vehicle waits for a central system that does not answer before it charges all the same."""
    traffic: Traffic = EVERYWHERE
    voltage_permille: int = 1000
    """The true voltage, as a share of the nominal one."""

    def reconnect_wait_s(self, failures: int, random: Random) -> float:
        """How long to wait before connecting again: jittered, doubling, never shorter than the shortest."""
        shortest = self.reconnect_s
        longest = max(shortest, min(self.longest_reconnect_s, shortest * 2 ** min(failures, 16)))
        return random.uniform(shortest, max(longest, 1.5 * shortest))


class Parting(Enum):
    """What a charge point wants to happen to its connection."""

    CLOSE = "close"
    """Say goodbye and close."""
    CUT = "cut"
    """Gone without a word."""
    SILENCE = "silence"
    """Still open, and nobody there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderSeen:
    """An order as a charge point saw it."""

    at_s: float
    charge_point: str
    connector: str | None
    """`CP1/1`; None: it was for the whole unit."""
    action: str
    status: str
    """What was answered (`Accepted`); the error's code where it was an error; empty where the answer has none."""
    profile: Profile | None
    """The charging profile that it brought."""
