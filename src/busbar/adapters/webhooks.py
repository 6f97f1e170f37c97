"""Telling others: what waits for webhooks is signed and sent, again and again until it arrives.

The store is the queue; nothing is remembered here but what is on its way at this moment. So a process that is killed
loses nothing, and repeats at most what it had not heard the answer to: every notice arrives at least once, and those
about one node in order.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from busbar.core.errors import BusbarError
from busbar.engine.access import AccessRecords, Delivery, Webhook

SCHEMA = "busbar/notice/1"
MOST_ANSWER_BYTES = 64 * 1024
"""Of an answer, no more is read: nothing in it matters but its status."""
MOST_AT_ONCE = 8
MOST_AT_ONCE_EACH = 2
"""To one webhook, so that a slow receiver leaves the others room."""
MOST_LOOKED_AT = 1000
GONE = 410
_LET_END_S = 3.0
_DROPPED_EVERY = timedelta(minutes=10)
_LONGEST_ERROR = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How patiently is sent."""

    timeout_s: float = 10.0
    """For one delivery, from connecting to the end of the answer."""
    first_retry_s: float = 2.0
    """After the first failure; doubles with every further one."""
    longest_retry_s: float = 600.0
    looked_s: float = 2.0
    """How often the store is looked into where nobody wakes the sender: other processes put notices there too."""
    kept_for: timedelta = timedelta(days=7)
    """What did not arrive by then is given up."""


class WebhookSender:
    """Sends what is due until it is stopped. For one event loop; one sender per store."""

    def __init__(
        self,
        access: AccessRecords,
        *,
        now: Callable[[], datetime] | None = None,
        pace: Pace | None = None,
        random: Random | None = None,
    ) -> None:
        self._access, self._now = access, now or _wall_clock
        self._pace, self._random = pace or Pace(), random or Random()
        self._log = structlog.get_logger("busbar.webhooks")
        self._woken, self._is_stopping = asyncio.Event(), False
        self._on_their_way: dict[tuple[int, str, str], asyncio.Task[None]] = {}
        self._dropped_at: datetime | None = None

    def wake(self) -> None:
        """There may be something new to send."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more; `run` ends when what is on its way has ended, or a little later without it."""
        self._is_stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Until `stop`, or until it is cancelled. A store that does not answer is asked again later."""
        # Timeouts are ours, because the client's are for each step of a request alone.
        async with httpx.AsyncClient(follow_redirects=False, timeout=None) as client:
            try:
                while not self._is_stopping:
                    self._woken.clear()
                    try:
                        await self._drop_old()
                        await self._begin_due(client)
                    except BusbarError as error:
                        self._log.error("webhooks: the store does not answer", reason=str(error))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), self._pace.looked_s)
                if self._on_their_way:
                    await asyncio.wait(list(self._on_their_way.values()), timeout=_LET_END_S)
            finally:
                left = list(self._on_their_way.values())
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    async def _drop_old(self) -> None:
        now = self._now()
        if self._dropped_at is not None and now < self._dropped_at + _DROPPED_EVERY:
            return
        dropped = await self._access.drop_deliveries(before=now - self._pace.kept_for)
        self._dropped_at = now
        if dropped:
            self._log.error("webhooks: given up", deliveries=dropped, after_days=self._pace.kept_for.days)

    async def _begin_due(self, client: httpx.AsyncClient) -> None:
        """Send the first of every webhook and node that is due, as many as there is room for."""
        # What ends while the store is asked may be in its answer still, and must not be sent a second time.
        busy = set(self._on_their_way)
        due = await self._access.due_deliveries(now=self._now(), limit=MOST_LOOKED_AT)
        due = [each for each in due if _key(each) not in busy]
        if not due:
            return
        webhooks = {webhook.id: webhook for webhook in await self._access.webhooks()}
        under_way: dict[int, int] = {}
        for webhook_id, *_ in self._on_their_way:
            under_way[webhook_id] = under_way.get(webhook_id, 0) + 1
        for delivery in _in_turns(due, under_way):
            webhook = webhooks.get(delivery.webhook_id)
            if len(self._on_their_way) >= MOST_AT_ONCE or self._is_stopping:
                return
            if webhook is None or under_way.get(webhook.id, 0) >= MOST_AT_ONCE_EACH:
                continue
            under_way[webhook.id] = under_way.get(webhook.id, 0) + 1
            task = asyncio.create_task(self._deliver(client, webhook, delivery))
            self._on_their_way[_key(delivery)] = task
            task.add_done_callback(partial(self._ended, _key(delivery)))

    def _ended(self, key: tuple[int, str, str], task: asyncio.Task[None]) -> None:
        del self._on_their_way[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("webhooks: delivery failed", webhook=key[0], reason=repr(error))
        self._woken.set()

    async def _deliver(self, client: httpx.AsyncClient, webhook: Webhook, delivery: Delivery) -> None:
        """One attempt, and what comes of it written down. What cannot be written down is sent again."""
        log = self._log.bind(webhook=webhook.id, receiver=_receiver(webhook.url), delivery=delivery.id)
        status, trouble = await self._post(client, webhook, delivery)
        now = self._now()
        try:
            if not trouble:
                await self._access.delivered(delivery.id, at=now)
                if delivery.attempts:
                    log.info("webhook reached again", attempts=delivery.attempts + 1)
            elif status == GONE:
                await self._access.delivered(delivery.id, at=now)
                log.error("webhook dropped a notice", reason=trouble, kind=delivery.notice.kind.value)
            else:
                wait_s = retry_after_s(delivery.attempts, self._pace, self._random)
                due_at = now + timedelta(seconds=wait_s)
                await self._access.postpone(delivery.id, due_at=due_at, error=trouble)
                log.warning("webhook not reached", reason=trouble, attempts=delivery.attempts + 1, again_in_s=wait_s)
        except BusbarError as error:
            log.error("webhooks: the store does not answer", reason=str(error))
            # Not at once: the receiver is not to be flooded because our own store is in trouble.
            await asyncio.sleep(self._pace.first_retry_s)

    async def _post(self, client: httpx.AsyncClient, webhook: Webhook, delivery: Delivery) -> tuple[int | None, str]:
        """The answer's status, and why it did not arrive; empty: it did."""
        body = orjson.dumps(notice_document(delivery))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "busbar",
            "Busbar-Delivery": str(delivery.id),
            "Busbar-Signature": signature(webhook.secret, body, at_s=int(self._now().timestamp())),
        }
        try:
            async with (
                asyncio.timeout(self._pace.timeout_s),
                client.stream("POST", webhook.url, content=body, headers=headers) as answer,
            ):
                status, read = answer.status_code, 0
                async for piece in answer.aiter_raw():
                    read += len(piece)
                    if read >= MOST_ANSWER_BYTES:
                        break
        except TimeoutError:
            return None, f"no answer within {self._pace.timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return None, (str(error) or type(error).__name__)[:_LONGEST_ERROR]
        return status, "" if 200 <= status < 300 else f"answered {status}"


def signature(secret: str, body: bytes, *, at_s: int) -> str:
    """`t=UNIX,v1=HEX`: HMAC-SHA256 of `UNIX.body` with the webhook's secret. The time is in it, so that a receiver can
    refuse what somebody recorded and sends again."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def notice_document(delivery: Delivery) -> Mapping[str, Any]:
    """What is sent (`busbar/notice/1`): what every notice says, then what this one is about."""
    notice = delivery.notice
    head = {
        "schema": SCHEMA,
        "id": delivery.id,
        "kind": notice.kind.value,
        "depot": delivery.depot_id,
        "node": notice.node,
        "at": notice.at.astimezone(UTC).isoformat(),
    }
    return {**head, **{name: value for name, value in notice.document.items() if name not in head}}


def retry_after_s(attempts: int, pace: Pace, random: Random) -> float:
    """How long after one more failure, `attempts` before it. A little at random: receivers that come back are not all
    asked in the same moment."""
    wait_s: float = min(pace.longest_retry_s, pace.first_retry_s * 2.0 ** min(attempts, 30))
    return round(wait_s * random.uniform(0.75, 1.0), 3)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def _key(delivery: Delivery) -> tuple[int, str, str]:
    return delivery.webhook_id, delivery.depot_id, delivery.notice.node


def _in_turns(due: list[Delivery], under_way: Mapping[int, int]) -> list[Delivery]:
    """The first of every webhook, then the second of every one, and so on; what is under way counts as had."""
    turns = {webhook_id: count - 1 for webhook_id, count in under_way.items()}
    placed: list[tuple[int, Delivery]] = []
    for delivery in due:
        turn = turns[delivery.webhook_id] = turns.get(delivery.webhook_id, -1) + 1
        placed.append((turn, delivery))
    return [delivery for _, delivery in sorted(placed, key=lambda each: each[0])]


def _receiver(url: str) -> str:
    """Its host alone: what comes after it is often a secret of the receiver's."""
    return urlsplit(url).hostname or ""
