"""Events waiting to be taken: charge points' samples are coalesced, everything else is kept in order."""

from collections import deque
from itertools import islice

from busbar.engine.events import ClockRead, Event, Measured, NodeMeasured

MOST_OF_A_METER = 64
"""Samples of one meter that may wait; beyond it the oldest are forgotten."""


class Inbox:
    """Of each connector only the newest sample waits, of each meter the newest few; everything else waits in order.

    So it is bounded by the depot's size: charge points answer one order at a time.
    """

    def __init__(self) -> None:
        self._control: deque[Event] = deque()
        self._telemetry: dict[tuple[str, str], Event] = {}
        self._metered: dict[str, deque[NodeMeasured]] = {}
        self.coalesced = 0
        """Samples that a newer one took the place of before they were looked at."""

    def put(self, event: Event) -> bool:
        """Keep it; whether it is one that something waits for (and no mere sample)."""
        match event:
            case Measured(connector=name):
                key = ("connector", name)
            case NodeMeasured(node=name):
                # Whether a meter is believed takes several samples; a fault says something too.
                self._metered.setdefault(name, deque(maxlen=MOST_OF_A_METER)).append(event)
                return True
            case ClockRead(charge_point=name):
                key = ("clock", name)
            case _:
                self._control.append(event)
                return True
        if key in self._telemetry:
            self.coalesced += 1
        self._telemetry[key] = event
        return False

    def take(self, *, most_samples: int) -> list[Event]:
        """What waits: control first, in order; then the meters; then so many charge points' samples, the oldest first.

        The others go on waiting, and newer ones take their places.
        """
        found: list[Event] = list(self._control)
        for samples in self._metered.values():
            found += samples
        oldest = list(islice(self._telemetry, most_samples))
        found += [self._telemetry.pop(key) for key in oldest]
        self._metered.clear()
        self._control.clear()
        return found

    def __len__(self) -> int:
        return len(self._control) + len(self._telemetry) + sum(len(samples) for samples in self._metered.values())
