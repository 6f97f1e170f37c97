"""What happens in a depot, as listeners are told it: status as patches, numbered, the last of it kept."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import orjson
import structlog

from busbar.core.errors import BusbarError
from busbar.engine.access import Notice
from busbar.engine.broadcast import Happening
from busbar.engine.history import History
from busbar.engine.moment import Moment
from busbar.engine.ports import CycleRecord
from busbar.entrypoints.api.documents import breach_document, cycle_summary, status_document
from busbar.entrypoints.api.served import Served

MOST_LISTENERS = 100
MOST_KEPT_BYTES = 8 * 2**20
"""Of one depot: what a listener may have missed and still gets."""
STALE_AFTER_S = 15.0
_LATE_MOMENTS = 3
_INTERESTING_FOR_S = 60.0
_REST = 20.0
"""While nobody looks, at most a twentieth of the time goes into it."""
_HEAD = ("nodes", "connectors", "alarms", "age_s", "stale_after_s", "last_event")


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One event, ready to be sent."""

    number: int
    text: bytes


class DepotFeed:
    """One depot's status, made once for everybody who asks, and what listeners are told of it."""

    def __init__(self, served: Served, depot_id: str) -> None:
        self._served, self.depot_id = served, depot_id
        self._history = History()
        self.listeners = 0
        self._kept: deque[Told] = deque()
        self._kept_bytes = 0
        self._forgotten = served.broadcast.number
        """The number of the last happening that is not kept."""
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._status: dict[str, Any] = {}
        self._changed: dict[str, set[str]] = {"nodes": set(), "connectors": set()}
        """What changed since listeners were told last."""
        self._told_of: dict[str, Any] = {}
        """The status that listeners were brought to last."""
        self._is_told_all = False
        self._asked_s = -_INTERESTING_FOR_S
        self._rests_until_s = 0.0
        self._gap_s = 0.0

    async def run(self) -> None:
        """Follow the broadcast until cancelled."""
        log = structlog.get_logger("busbar").bind(depot=self.depot_id)
        async for happening in self._served.broadcast.listen(self.depot_id, idle_s=60.0):
            if happening is None:
                continue
            try:
                await self._take(happening)
            except Exception:
                # A picture that cannot be made is a fault to mend; it must not end the others.
                log.exception("not told", kind=happening.kind, number=happening.number)
                self._keep(happening.number, "reset", {})

    async def status(self) -> tuple[Moment, dict[str, Any]] | None:
        """The newest moment and its status (`age_s` and `last_event` as of now); None before the first cycle."""
        self._asked_s = monotonic()
        async with self._turn:
            number, moment = self._served.broadcast.number, self._served.moment(self.depot_id)
            if moment is None:
                return None
            document = await self._of(moment)
        age_s = max(0.0, (datetime.now(UTC) - moment.at).total_seconds())
        last_event = event_id(self._served.broadcast.epoch, number)
        stale_after_s = max(STALE_AFTER_S, _LATE_MOMENTS * self._gap_s)
        return moment, {**document, "age_s": age_s, "last_event": last_event, "stale_after_s": stale_after_s}

    async def history(self, of: Callable[[History], dict[str, Any]]) -> dict[str, Any]:
        """Something of the last half hour."""
        async with self._turn:
            return await asyncio.to_thread(of, self._history)

    def after(self, number: int) -> tuple[Sequence[Told], int]:
        """What is told after that number, and up to which number that reaches; begins with `reset` where some of it
        is gone or the number is none of this process."""
        if not self._forgotten <= number <= self._served.broadcast.number:
            latest = self._served.broadcast.number
            return (Told(number=latest, text=event_text("reset", {}, self._id(latest))),), latest
        missed = [told for told in self._kept if told.number > number]
        return missed, missed[-1].number if missed else number

    async def wait(self, within_s: float) -> None:
        """Until there is news, or for so long."""
        news = self._news
        try:
            async with asyncio.timeout(within_s):
                await news.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Let whoever waits look."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _take(self, happening: Happening) -> None:
        if happening.kind != "moment":
            self._keep(happening.number, happening.kind, told_document(happening))
            return
        now_s = monotonic()
        async with self._turn:
            # The newest there is: where this falls behind, what is in between is left out.
            before, moment = self._told_of, self._served.moment(self.depot_id)
            if moment is None or (before and before["sequence"] == moment.sequence):
                return
            is_looked_at = self.listeners or now_s - self._asked_s < _INTERESTING_FOR_S
            if now_s < self._rests_until_s and not is_looked_at:
                await asyncio.to_thread(self._history.add, moment)
                return
            if before:
                self._gap_s = max(0.8 * self._gap_s, (moment.at - _instant(before["at"])).total_seconds())
            document = await self._of(moment)
            self._told_of = document
            self._rests_until_s = monotonic() + _REST * (monotonic() - now_s)
            if before and not _same_wiring(before, document):
                self._keep(happening.number, "reset", {})
                self._is_told_all = True
            else:
                self._keep(happening.number, "status", self._patch(document))
            self._changed = {"nodes": set(), "connectors": set()}

    async def _of(self, moment: Moment) -> dict[str, Any]:
        """The status of a moment, with what it changed noted."""
        before = self._status
        if before and (before["epoch"], before["sequence"]) == (moment.epoch, moment.sequence):
            return before
        document, changed = await asyncio.to_thread(_look, moment, before, self._history)
        for part, ids in changed.items():
            self._changed[part] |= ids
        self._status = document
        return document

    def _patch(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What listeners do not know yet; everything the first time."""
        patch = {name: value for name, value in document.items() if name not in _HEAD}
        for part, changed in self._changed.items():
            patch[part] = [each for each in document[part] if each["id"] in changed or not self._is_told_all]
        self._is_told_all = True
        return {**patch, "alarms": document["alarms"]}

    def _keep(self, number: int, kind: str, document: Any) -> None:
        told = Told(number=number, text=event_text(kind, document, self._id(number)))
        self._kept.append(told)
        self._kept_bytes += len(told.text)
        while self._kept_bytes > MOST_KEPT_BYTES and len(self._kept) > 1:
            gone = self._kept.popleft()
            self._kept_bytes -= len(gone.text)
            self._forgotten = gone.number
        self.wake()

    def _id(self, number: int) -> str:
        return event_id(self._served.broadcast.epoch, number)


class Feeds:
    """Those of all depots, running while the application does."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._feeds: dict[str, DepotFeed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.has_ended = False

    def of(self, depot_id: str) -> DepotFeed:
        """A depot's."""
        if depot_id not in self._feeds:
            self._feeds[depot_id] = DepotFeed(self._served, depot_id)
        return self._feeds[depot_id]

    @property
    def listeners(self) -> int:
        """Of all depots."""
        return sum(feed.listeners for feed in self._feeds.values())

    def start(self) -> None:
        """Follow what happens."""
        for depot_id in self._served.depots():
            self._tasks.append(asyncio.create_task(self.of(depot_id).run(), name=f"feed of {depot_id}"))

    def end_streams(self) -> None:
        """Let every listener go: the server stops."""
        self.has_ended = True
        for feed in self._feeds.values():
            feed.wake()

    async def stop(self) -> None:
        """Follow no more."""
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def event_id(epoch: str, number: int) -> str:
    """As events are numbered for listeners."""
    return f"{epoch}-{number}"


def event_number(epoch: str, text: str) -> int:
    """The number in it; -1 for one of another process, or none at all."""
    before, _, number = text.strip().rpartition("-")
    return int(number) if before == epoch and number.isascii() and number.isdigit() and len(number) < 16 else -1


def event_text(kind: str, document: Any, number: str | None = None) -> bytes:
    """One server-sent event."""
    head = b"" if number is None else b"id: " + number.encode() + b"\n"
    body = orjson.dumps(document, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY)
    return head + b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"


def told_document(happening: Happening) -> Any:
    """What listeners are told of something that is no moment."""
    match happening.document:
        case CycleRecord() as record:
            return cycle_summary(record)
        case (change, breach):
            return {"change": str(change), "breach": breach_document(breach, datetime.now(UTC))}
        case Notice() as notice:
            return {"node": notice.node, "at": notice.at, **notice.document}
        case other:
            return other


def _look(moment: Moment, before: Mapping[str, Any], history: History) -> tuple[dict[str, Any], dict[str, set[str]]]:
    """The status of a moment, and the ids of what differs from the one before. Runs in a thread."""
    document = status_document(moment, age_s=0.0, stale_after_s=STALE_AFTER_S, last_event="")
    history.add(moment)
    changed = {}
    for part in ("nodes", "connectors"):
        known = {each["id"]: each for each in before.get(part, ())}
        changed[part] = {each["id"] for each in document[part] if known.get(each["id"]) != each}
    return document, changed


def _same_wiring(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all([each["id"] for each in before[part]] == [each["id"] for each in after[part]] for part in ("nodes",))


def _instant(when: datetime | str) -> datetime:
    return datetime.fromisoformat(when) if isinstance(when, str) else when


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise BusbarError(f"{type(value).__name__} cannot be told.")
