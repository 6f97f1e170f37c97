"""What a charge point does again and again, and when it is due next."""

from enum import Enum
from math import inf
from random import Random

SHORTEST_S = 1.0
"""A central system that asks for reports more often gets them so often."""


class Beat(Enum):
    """Something that comes round."""

    BOOT = "boot"
    """Say again that it has booted: the central system has not accepted it yet."""
    HEARTBEAT = "heartbeat"
    SAMPLE = "sample"
    ALIGNED = "aligned"
    POWER = "power"
    """Power comes back."""
    RESET = "reset"
    """Told to reboot."""
    DROP = "drop"
    REBOOT = "reboot"
    SILENCE = "silence"


class Rhythm:
    """When each beat is due. (It goes on.)"""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due_s: dict[Beat, float] = {}
        self._every_s: dict[Beat, float] = {}

    @property
    def next_s(self) -> float:
        """The next one; infinite: none."""
        return min(self._due_s.values(), default=inf)

    def once(self, beat: Beat, at_s: float) -> None:
        """It is due then, and not again; infinite: never."""
        self.stop(beat)
        if at_s < inf:
            self._due_s[beat] = at_s

    def steadily(self, beat: Beat, every_s: float, now_s: float) -> None:
        """Every so many seconds; 0: never. The first one lies somewhere within the interval, so that charge points
        do not all speak at once. Asked for again, it goes on as it is."""
        if not every_s:
            self.stop(beat)
            return
        every_s = max(SHORTEST_S, every_s)
        if self._every_s.get(beat) != every_s:
            self._every_s[beat] = every_s
            self._due_s[beat] = now_s + every_s * self._random.random()

    def about(self, beat: Beat, mean_s: float | None, now_s: float) -> None:
        """Once, about so long from now: from half of it to half as much again; None: never."""
        self.once(beat, inf if mean_s is None else now_s + mean_s * self._random.uniform(0.5, 1.5))

    def stop(self, *beats: Beat) -> None:
        """They are not due any more."""
        for beat in beats:
            self._due_s.pop(beat, None)
            self._every_s.pop(beat, None)

    def take(self, beat: Beat, now_s: float) -> bool:
        """Whether it is due; if so it is due again after its interval, or not any more."""
        due_s = self._due_s.get(beat, inf)
        if due_s > now_s:
            return False
        every_s = self._every_s.get(beat)
        if every_s is None:
            del self._due_s[beat]
        else:
            # What was missed is not made up for.
            self._due_s[beat] = max(due_s + every_s, now_s + every_s / 2)
        return True
