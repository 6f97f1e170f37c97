"""How far a charge point's clock is off, by the stamps on its messages."""

from busbar.adapters.ocpp.counts import Counts

KEPT = 10
"""The freshest of so many stamped messages counts."""
DOUBT_S = 60.0
"""How long an earlier reading holds against later ones that make the clock look slow."""
SURE_S = 300.0
"""A clock that has looked slow by the same for so long is slow; before, its messages may just be late."""


class StationClock:
    """Reads a clock from stamps that arrive late: the one that was under way the shortest tells the most.

    A message says `stamp - arrival`, which is the clock's lead less the time under way. `ahead_s` is the largest of the
    last ten. A charge point that comes back sends what it kept, old stamps one after the other, and ten of those look
    like a slow clock: so what samples are corrected by falls only when that has held for a minute. It starts at 0 for
    one that is not known, so that old values are never taken for live ones.
    """

    __slots__ = ("_held_s", "_held_until_s", "_moved_s", "_offsets_s", "_read_s", "_shifted_s")

    def __init__(self) -> None:
        self._offsets_s: list[float] = []
        self._held_s = 0.0
        self._held_until_s = float("-inf")
        self._moved_s = float("-inf")
        self._read_s: float | None = None
        self._shifted_s = 0.0

    def shift(self, by_s: float) -> None:
        """Our own wall clock was put forward by so much: that is known at once, and nothing to be doubted."""
        self._offsets_s = [offset_s - by_s for offset_s in self._offsets_s]
        self._held_s -= by_s
        self._shifted_s -= by_s

    def connect(self, now_s: float) -> None:
        """A new connection: the clock is where it was, until a minute of stamps says otherwise."""
        self._held_until_s = now_s + DOUBT_S
        self._offsets_s.clear()
        self._read_s = None

    def observe(self, offset_s: float, now_s: float) -> None:
        """A message arrived now whose stamp is so far ahead of our clock."""
        self._offsets_s.append(offset_s)
        if len(self._offsets_s) > KEPT:
            del self._offsets_s[0]
        freshest_s = max(self._offsets_s)
        if freshest_s >= self._held_s or now_s >= self._held_until_s:
            if abs(freshest_s - self._held_s) > 1.0:
                self._moved_s = now_s
            self._held_s = freshest_s
            self._held_until_s = now_s + DOUBT_S

    @property
    def ahead_s(self) -> float | None:
        """The freshest reading of late; None: no message was stamped yet."""
        return max(self._offsets_s) if self._offsets_s else None

    @property
    def correction_s(self) -> float:
        """What to take off a stamp of its to have our time."""
        return self._held_s

    def doubt_s(self, now_s: float) -> float:
        """How much older than by `correction_s` a sample may be: what looks like a slow clock may be late messages.

        The clock itself goes by ours, as it is or as it was before it was put forward or back.
        """
        if now_s - self._moved_s >= SURE_S:
            return 0.0
        return min((lead_s - self._held_s for lead_s in (0.0, self._shifted_s) if lead_s >= self._held_s), default=0.0)

    def news_s(self) -> float | None:
        """`ahead_s`, where it is more than a second from what was told last; None: nothing new."""
        ahead_s = self.ahead_s
        if ahead_s is None or (self._read_s is not None and abs(ahead_s - self._read_s) <= 1.0):
            return None
        self._read_s = ahead_s
        return ahead_s


REPLAY_S = 60.0
"""A sample that is older than this when it arrives was kept back."""


class Newest:
    """Tells live samples of one connector from replayed ones."""

    __slots__ = ("_at_s", "_received_s")

    def __init__(self) -> None:
        self._at_s = float("-inf")
        self._received_s = float("-inf")

    def admit(self, at_s: float, age_s: float, received_s: float, counts: Counts) -> bool:
        """Whether a sample taken at `at_s` (corrected, any epoch) is live; those that are not are counted.

        A clock that was set back makes every sample look old: after a minute without a live one it starts anew.
        """
        if age_s > REPLAY_S:
            counts.add("replayed sample: too old")
            return False
        if at_s < self._at_s and received_s - self._received_s < REPLAY_S:
            counts.add("replayed sample: older than the newest")
            return False
        self._at_s = at_s
        self._received_s = received_s
        return True
