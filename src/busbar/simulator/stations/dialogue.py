"""OCPP-J from the charge point's side, without a network: frames in, frames out.

One call at a time is under way, as the specification asks; the others wait in a bounded line. What belongs to a
transaction is kept while there is no connection.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from busbar.simulator.stations.schemas import fault_in
from busbar.simulator.stations.speech import KEPT, Call, CallKind, Done, Fault, Payload

MOST_WAITING = 60
MOST_SAMPLES_WAITING = 20
MOST_ATTEMPTS = 3
LONGEST_FRAME = 262_144


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A call of the central system."""

    id: str
    action: str
    payload: Payload


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a call of ours. `payload` None: it was refused with an error, or will never be answered."""

    call: Call
    payload: Payload | None


class Dialogue:
    """One charge point's side of the conversation."""

    def __init__(self, version: str, *, answer_s: float) -> None:
        self._version = version
        self._answer_s = answer_s
        self._waiting: deque[Call] = deque()
        self._held_back: deque[Call] = deque()
        self._is_old_due = False
        self._pending: Call | None = None
        self._pending_id = ""
        self._number = 0
        self.deadline_s: float | None = None
        """When the call under way counts as unanswered."""
        self.sent = 0
        """Calls, ours."""
        self.dropped = 0
        """Calls that found no room in the line."""
        self.errors = 0
        """CALLERRORs that we got, and answers to nothing we asked."""

    # Ours to say

    def say(self, call: Call) -> None:
        """Put it in the line. Where that is full, the oldest sample goes, or else the oldest of all."""
        if call.kind is CallKind.SAMPLE and self._samples() >= MOST_SAMPLES_WAITING:
            self._drop_oldest(only_samples=True)
        elif len(self._waiting) >= MOST_WAITING:
            self._drop_oldest(only_samples=self._samples() > 0)
        if call.kind is CallKind.BOOT:
            self._waiting.appendleft(call)
        else:
            self._waiting.append(call)

    def is_waiting(self, kind: CallKind) -> bool:
        """Whether such a call is under way or in the line."""
        is_pending = self._pending is not None and self._pending.kind is kind
        return is_pending or any(call.kind is kind for call in self._waiting)

    def next_frame(self, at_s: float, *, only_boot: bool) -> bytes | None:
        """The next call to send, if it is time for one; before the boot is accepted nothing else is said."""
        if self._pending is not None:
            return None
        call = self._next_call(only_boot)
        if call is None:
            return None
        self._number += 1
        self.sent += 1
        call.attempts += 1
        self._pending, self._pending_id = call, str(self._number)
        self.deadline_s = at_s + self._answer_s
        return orjson.dumps([2, self._pending_id, call.action, call.make()])

    def _next_call(self, only_boot: bool) -> Call | None:
        if only_boot:
            if self._waiting and self._waiting[0].kind is CallKind.BOOT:
                return self._waiting.popleft()
            return None
        if self._held_back and self._is_old_due:
            self._is_old_due = False
            return self._held_back.popleft()
        if not self._waiting:
            return None
        call = self._waiting.popleft()
        self._is_old_due = call.kind is CallKind.SAMPLE
        return call

    def _samples(self) -> int:
        return sum(call.kind is CallKind.SAMPLE for call in self._waiting)

    def _drop_oldest(self, *, only_samples: bool) -> None:
        for call in self._waiting:
            if not only_samples or call.kind is CallKind.SAMPLE:
                self._waiting.remove(call)
                self.dropped += 1
                return

    # The connection

    def lost(self) -> list[Call]:
        """The connection is gone. What is kept stays in the line; returned is what will never be answered."""
        if self._pending is not None and self._pending.kind in KEPT and self._pending.attempts < MOST_ATTEMPTS:
            self._waiting.appendleft(self._pending)
            gone = []
        else:
            gone = [] if self._pending is None else [self._pending]
        self._pending, self.deadline_s = None, None
        gone += [call for call in self._waiting if call.kind not in KEPT]
        self._waiting = deque(call for call in self._waiting if call.kind in KEPT)
        return gone

    def hold_samples_back(self) -> None:
        """Samples that wait now are sent one by one, each after a newer one."""
        old = [call for call in self._waiting if call.kind is CallKind.SAMPLE]
        self._waiting = deque(call for call in self._waiting if call.kind is not CallKind.SAMPLE)
        self._held_back.extend(old)
        while len(self._held_back) > MOST_SAMPLES_WAITING:
            self._held_back.popleft()
        self._is_old_due = False

    def forget(self) -> None:
        """The charge point lost its memory, too."""
        self._waiting.clear()
        self._held_back.clear()
        self._pending, self.deadline_s = None, None

    # Theirs to say

    def understand(self, frame: str | bytes) -> Order | Answer | bytes | None:
        """An order, an answer to our call, a frame that answers nonsense, or nothing at all."""
        try:
            message: Any = orjson.loads(frame) if len(frame) <= LONGEST_FRAME else None
        except orjson.JSONDecodeError:
            message = None
        match message:
            case [2, str(id), str(action), dict(payload)]:
                fault = fault_in(self._version, action, payload)
                return Order(id=id, action=action, payload=payload) if fault is None else error_frame(id, fault)
            case [2, str(id), *_]:
                return error_frame(id, Fault(code="FormationViolation", description="Not a call of OCPP-J."))
            case [3, str(id), dict(payload)] if self._pending is not None and id == self._pending_id:
                return self._answered(payload)
            case [4, str(id), *_] if self._pending is not None and id == self._pending_id:
                self.errors += 1
                return self._answered(None)
            case _:
                self.errors += 1
                return None

    def _answered(self, payload: Payload | None) -> Answer:
        assert self._pending is not None
        answer = Answer(call=self._pending, payload=payload)
        self._pending, self.deadline_s = None, None
        return answer


def result_frame(order: Order, done: Done | Fault) -> bytes:
    """Our answer to an order."""
    if isinstance(done, Fault):
        return error_frame(order.id, done)
    return orjson.dumps([3, order.id, done.payload])


def error_frame(id: str, fault: Fault) -> bytes:
    """A CALLERROR."""
    return orjson.dumps([4, id, fault.code, fault.description, {}])
