"""What happens to frames on their way: faults that are in force, and what they do to one frame."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from busbar.simulator.fault import FaultEvent, FaultKind

SHORTEST_S, LONGEST_S = 0.005, 0.05
"""How long a frame is under way."""
HELD_BACK_S = 4.0
"""The most that a frame is held back for others to overtake it."""


class Direction(Enum):
    """Where a frame goes."""

    TO_STATION = "to_station"
    TO_PROCESS = "to_process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """How a frame fares: when its copies arrive (empty: never), and whether others may overtake it."""

    after_s: tuple[float, ...]
    keeps_order: bool = True


@dataclass(slots=True)
class Weather:
    """What holds on one charge point's way to Busbar."""

    faults: dict[int, FaultEvent] = field(default_factory=dict)
    """In force, by a number of their own."""
    struck: int = 0
    """Frames that fared otherwise than in fair weather."""

    def passage(self, frame: bytes, direction: Direction, random: Random) -> Passage:
        """Draw how one frame fares. A connection keeps the order of what Busbar says (it is one TCP stream); what a
        charge point says may be overtaken, because units send from several tasks of their own."""
        after_s = random.uniform(SHORTEST_S, LONGEST_S)
        copies, keeps_order = 1, True
        is_answer = direction is Direction.TO_PROCESS and frame[:2] in (b"[3", b"[4")
        for fault in self._striking(random):
            match fault.kind:
                case FaultKind.MESSAGE_LOST:
                    copies = 0
                case FaultKind.MESSAGE_DELAYED:
                    after_s += fault.delay_s
                case FaultKind.MESSAGE_DUPLICATED:
                    copies = max(copies, 2) if copies else 0
                case FaultKind.MESSAGE_REORDERED if direction is Direction.TO_PROCESS:
                    after_s, keeps_order = after_s + random.uniform(0.0, HELD_BACK_S), False
                case FaultKind.ANSWER_NEVER if is_answer:
                    copies = 0
                case FaultKind.ANSWER_LATE if is_answer:
                    after_s, keeps_order = after_s + fault.delay_s, False
                case _:
                    continue
            self.struck += 1
        return Passage(after_s=tuple(after_s + 0.02 * copy for copy in range(copies)), keeps_order=keeps_order)

    def _striking(self, random: Random) -> Iterable[FaultEvent]:
        # Where nothing is in force nothing is drawn: fair weather costs nothing.
        return [fault for fault in self.faults.values() if fault.share >= 1.0 or random.random() < fault.share]
