"""Calls to one charge point: one at a time, orders before anything else, every one with an end."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.frames import write_call
from busbar.adapters.ocpp.messages import Call
from busbar.adapters.ocpp.schemas import Validator, fault

MOST_WAITING = 16
"""Calls other than orders that may wait on a connection."""


class Fate(Enum):
    """How a call ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """With a CALLERROR."""
    NO_ANSWER = "no_answer"
    LOST = "lost"
    """The connection ended after it was written."""
    NOT_SENT = "not_sent"
    UNFIT = "unfit"
    """It breaks the schema of its action, which is a mistake of ours: it was not sent."""


class Outcome(NamedTuple):
    """What became of a call."""

    fate: Fate
    payload: Mapping[str, Any] = {}
    words: str = ""


OnOutcome = Callable[[Outcome], None]


class _Waiting(NamedTuple):
    call: Call
    on_outcome: OnOutcome
    within_s: float


class Calls:
    """The one call in flight, and what waits for its turn."""

    __slots__ = ("_counts", "_id", "_on_outcome", "_queue", "_until_s", "_validators", "_write")

    def __init__(self, *, write: Callable[[bytes], bool], validators: Mapping[str, Validator], counts: Counts) -> None:
        self._write = write
        self._validators = validators
        self._counts = counts
        self._id: str | None = None
        self._on_outcome: OnOutcome | None = None
        self._until_s = 0.0
        self._queue: deque[_Waiting] | None = None

    @property
    def is_free(self) -> bool:
        """Nothing is in flight."""
        return self._id is None

    @property
    def has_waiting(self) -> bool:
        """Something else than orders waits."""
        return bool(self._queue)

    def enqueue(self, call: Call, on_outcome: OnOutcome, within_s: float) -> None:
        """Send it when its turn comes; from then on it has so long to be answered."""
        if self._queue is None:
            self._queue = deque()
        if len(self._queue) >= MOST_WAITING:
            self._counts.add("call dropped: too many wait")
            on_outcome(Outcome(Fate.NOT_SENT, words="too many calls wait"))
            return
        self._queue.append(_Waiting(call, on_outcome, within_s))

    def send_waiting(self, message_id: str, now_s: float) -> None:
        """Send the one that waits longest; only when free and something waits."""
        assert self._queue
        call, on_outcome, within_s = self._queue.popleft()
        if not self._queue:
            self._queue = None
        self.send(message_id, call, now_s + within_s, on_outcome)

    def send(self, message_id: str, call: Call, until_s: float, on_outcome: OnOutcome) -> None:
        """Send it now; only when free. What breaks the schema of its action is a mistake of ours and not sent."""
        assert self._id is None
        validator = self._validators.get(call.action)
        if validator is None or not validator.is_valid(call.payload):
            self._counts.add("call not sent: breaks its schema")
            wrong = "no such action" if validator is None else fault(validator, call.payload)
            on_outcome(Outcome(Fate.UNFIT, words=f"{call.action} breaks its schema: {wrong}"))
            return
        if not self._write(write_call(message_id, call.action, call.payload)):
            on_outcome(Outcome(Fate.NOT_SENT, words="not connected"))
            return
        self._id = message_id
        self._on_outcome = on_outcome
        self._until_s = until_s

    def answered(self, message_id: Any, outcome: Outcome) -> bool:
        """An answer came; False (counted): to nothing that is in flight."""
        if message_id != self._id or self._id is None:
            self._counts.add("late answer")
            return False
        self._settle(outcome)
        return True

    def expire(self, now_s: float) -> bool:
        """End the call in flight where its time is over; whether it was."""
        if self._id is None or now_s < self._until_s:
            return False
        self._counts.add("no answer")
        self._settle(Outcome(Fate.NO_ANSWER, words="no answer"))
        return True

    def end(self) -> None:
        """The connection is gone."""
        queue, self._queue = self._queue, None
        if self._id is not None:
            self._settle(Outcome(Fate.LOST, words="the connection ended before the answer"))
        for waiting in queue or ():
            waiting.on_outcome(Outcome(Fate.NOT_SENT, words="not connected"))

    def _settle(self, outcome: Outcome) -> None:
        on_outcome = self._on_outcome
        assert on_outcome is not None
        self._id = None
        self._on_outcome = None
        on_outcome(outcome)


def into(future: asyncio.Future[Outcome]) -> OnOutcome:
    """What hands an outcome to whoever awaits it."""

    def settle(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    return settle
