"""Every time that delivery keeps, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds. The defaults are what the docs promise; tests play with shorter ones."""

    cycle_s: float = 5.0
    """From the start of one cycle to the start of the next."""
    lease_s: int = 120
    """How long a setpoint holds without being renewed."""
    renew_s: float = 40.0
    """A setpoint is renewed when it is this old: well before its lease ends, with time for two tries more."""
    skew_s: float = 15.0
    """The largest clock skew of a charge point that is trusted with leases."""
    ramp_s: float = 10.0
    """The longest that a vehicle takes to follow a setpoint (ISO 15118 and IEC 61851 ask for 5 s)."""
    answer_s: float = 10.0
    """How long an order may stay unanswered."""
    raise_s: float = 5.0
    """The shortest time between two raises of one connector."""
    stale_s: float = 15.0
    """A node whose meter has been silent so long is not raised below."""
    silent_s: float = 60.0
    """A node whose meter has been silent so long is SAFE."""
    safe_s: float = 60.0
    """A node that became SAFE stays so at least so long."""
    sample_s: int = 10
    """How often charge points are asked to report what they draw."""

    @property
    def expiry_s(self) -> float:
        """Lease, skew and ramp: after it a value that was sent has no effect any more."""
        return self.lease_s + self.skew_s + self.ramp_s
