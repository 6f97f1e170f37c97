"""What cannot be done to real processes, and why."""

from collections.abc import Mapping
from types import MappingProxyType

from busbar.simulator.fault import FaultEvent, FaultKind

_FRAMES = "frames are in the hands of the operating system's sockets"
_DISK = "the disk is the machine's own"

WHY: Mapping[FaultKind, str] = MappingProxyType(
    {
        FaultKind.MESSAGE_LOST: _FRAMES,
        FaultKind.MESSAGE_DELAYED: _FRAMES,
        FaultKind.MESSAGE_DUPLICATED: _FRAMES,
        FaultKind.MESSAGE_REORDERED: _FRAMES,
        FaultKind.ANSWER_LATE: _FRAMES,
        FaultKind.ANSWER_NEVER: _FRAMES,
        # That of a charge point is its own.
        FaultKind.CLOCK_STEP: "the clock is the machine's own",
        FaultKind.STORE_FAILS: _DISK,
        FaultKind.STORE_SLOW: _DISK,
    }
)


def cannot_be_done(fault: FaultEvent) -> str | None:
    """In words; None: it can."""
    reason = WHY.get(fault.kind)
    if reason is None or (fault.kind is FaultKind.CLOCK_STEP and fault.node is not None):
        return None
    where = "" if fault.node is None else f" at {fault.node}"
    return f"not done to real processes: {fault.kind.value.replace('_', ' ')}{where} ({reason})"
