"""Server-sent events over a real socket: resumed, reset, ended, bounded."""

import gc
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import httpx
import pytest
from asking import WA_PTA
from made_service import Running, serving

from busbar.engine.access import Role
from busbar.engine.moment import Alarm
from busbar.entrypoints.api import feed, models, routes_events
from busbar.entrypoints.api.feed import event_number

WITHIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """One that was heard."""

    kind: str
    number: str | None
    document: Any


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A server after its first cycle; what comes next is a test's doing."""
    with serving(vehicles=12) as found:
        yield found


def test_what_happens_is_told_as_it_happens(running: Running) -> None:
    with listening(running) as events:
        assert next(events).kind == "alive"
        moment = running.call(running.service.step())
        cycle, status = wanted(events, 2)
        models.CycleSummary.model_validate(cycle.document)
        assert (cycle.kind, status.kind) == ("cycle", "status")
        assert status.document["sequence"] == moment.sequence
        assert status.number is not None
        assert status.number.startswith(running.service.broadcast.epoch)


def test_a_patch_has_what_changed_and_brings_a_status_to_the_next(running: Running) -> None:
    status = ask(running, "status")
    with listening(running, after=status["last_event"]) as events:
        for _ in range(3):
            running.call(running.service.step())
            (patch,) = wanted(events, 1, kind="status")
            assert 0 < len(patch.document["nodes"]) <= len(status["nodes"])
            apply(status, patch.document)
        now = ask(running, "status")
        ages = ("age_s", "last_event", "stale_after_s")
        assert {name: status[name] for name in now if name not in ages} == {
            name: value for name, value in now.items() if name not in ages
        }
        running.call(running.service.step(base_load={}))
        (patch,) = wanted(events, 1, kind="status")
        assert len(patch.document["connectors"]) < len(status["connectors"]), "what stays is not told again"


def test_a_listener_that_comes_back_misses_nothing(running: Running) -> None:
    with listening(running) as events:
        running.call(running.service.step())
        before = wanted(events, 2)[-1]
    for _ in range(2):
        running.call(running.service.step())
    with listening(running, header=before.number) as events:
        missed = wanted(events, 4)
    assert [event.kind for event in missed] == ["cycle", "status"] * 2
    numbers = [event_number(running.service.broadcast.epoch, event.number or "") for event in [before, *missed]]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("known", ["another-7", "nonsense", "EPOCH-999999", "EPOCH-", "EPOCH--4", "é-1"])
def test_who_cannot_be_resumed_is_told_to_begin_anew(running: Running, known: str) -> None:
    known = known.replace("EPOCH", running.service.broadcast.epoch)
    with listening(running, after=known) as events:
        (reset,) = wanted(events, 1)
        assert (reset.kind, reset.document) == ("reset", {})
        running.call(running.service.step())
        assert wanted(events, 2)[-1].kind == "status"


def test_who_was_away_for_too_long_is_told_to_begin_anew(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(running) as events:
        running.call(running.service.step())
        before = wanted(events, 2)[-1]
    monkeypatch.setattr(feed, "MOST_KEPT_BYTES", 2_000)
    for _ in range(3):
        running.call(running.service.step())
    ask(running, "status")
    with listening(running, header=before.number) as events:
        assert wanted(events, 1)[0].kind == "reset"


def test_breaches_and_alarms_are_told(running: Running) -> None:
    with listening(running) as events:
        next(events)
        running.call(running.service.breach("GC1", breach_id="told"))

        async def alarm() -> None:
            running.service.alarm(Alarm(kind="meter", node="GC1", text="Silent for 70 s."))

        running.call(alarm())
        breach, told = wanted(events, 2)
        assert (breach.kind, breach.document["change"]) == ("breach", "opened")
        models.Breach.model_validate(breach.document["breach"])
        assert (told.kind, told.document) == ("alarm", {"kind": "meter", "node": "GC1", "text": "Silent for 70 s."})


def test_a_listener_hears_that_the_server_lives(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_events, "ALIVE_S", 0.2)
    with listening(running) as events:
        beats = [next(events) for _ in range(3)]
    assert [(beat.kind, beat.number) for beat in beats] == [("alive", None)] * 3
    assert datetime.fromisoformat(beats[0].document["at"]) < datetime.fromisoformat(beats[2].document["at"])


def test_events_end_when_the_token_is_revoked(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_events, "CHECKED_S", 0.2)
    monkeypatch.setattr(routes_events, "ALIVE_S", 0.1)
    secret, token = running.call(running.service.made_token(Role.VIEWER))
    with listening(running, secret=secret) as events:
        next(events)
        running.call(running.service.access.revoke_token(token.id, at=datetime.now(UTC)))
        until_s = time.monotonic() + WITHIN_S
        for _ in events:
            assert time.monotonic() < until_s
    with httpx.Client(base_url=running.url) as client:
        answer = client.get(f"{WA_PTA}/events", headers={"Authorization": f"Bearer {secret}"})
        # For at most ten seconds a token that was looked up is still taken for good.
        assert answer.status_code in (200, 401)


def test_a_listener_that_leaves_without_a_word_leaves_nothing_to_collect(running: Running) -> None:
    with without_the_collector():
        with listening(running) as events:
            running.call(running.service.step())
            assert wanted(events, 1)
        # What a traceback holds are frames, and a frame what was told last.
        until_s = time.monotonic() + WITHIN_S
        while running.server.server_state.tasks or kept_frames("_listen"):
            assert time.monotonic() < until_s, kept_frames("_listen")
            time.sleep(0.05)


def test_there_are_only_so_many_listeners_and_one_that_leaves_makes_room(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_events, "MOST_LISTENERS", 2)
    with listening(running) as first, listening(running) as second:
        next(first), next(second)
        refused = httpx.get(f"{running.url}{WA_PTA}/events", headers=running.headers())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    until_s = time.monotonic() + WITHIN_S
    while True:
        with httpx.stream("GET", f"{running.url}{WA_PTA}/events", headers=running.headers()) as answer:
            if answer.status_code == 200:
                break
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_derms_and_a_stranger_hear_nothing(running: Running) -> None:
    assert httpx.get(f"{running.url}{WA_PTA}/events").status_code == 401
    assert httpx.get(f"{running.url}{WA_PTA}/events", headers=running.headers(Role.DERMS)).status_code == 403


def test_the_server_ends_although_somebody_listens() -> None:
    with serving(vehicles=4) as running:
        heard: list[Event] = []

        def listen() -> None:
            with listening(running) as events:
                heard.extend(events)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        until_s = time.monotonic() + WITHIN_S
        while not running.server.server_state.tasks:
            assert time.monotonic() < until_s
            time.sleep(0.01)
        time.sleep(0.2)
        began_s = time.monotonic()
        running.stop()
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        assert time.monotonic() - began_s < 3.0
        assert heard


@contextmanager
def without_the_collector() -> Iterator[None]:
    """What hangs together in circles stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def kept_frames(name: str) -> list[FrameType]:
    """Frames of functions of that name that something holds."""
    return [each for each in gc.get_objects() if type(each) is FrameType and each.f_code.co_name == name]


@contextmanager
def listening(
    running: Running, *, after: str | None = None, header: str | None = None, secret: str | None = None
) -> Iterator[Iterator[Event]]:
    """The events of the depot, from when this is entered."""
    headers = running.headers() if secret is None else {"Authorization": f"Bearer {secret}"}
    headers |= {} if header is None else {"Last-Event-ID": header}
    params = {} if after is None else {"after": after}
    url = f"{running.url}{WA_PTA}/events"
    with httpx.stream("GET", url, headers=headers, params=params, timeout=WITHIN_S) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Events out of lines, as a browser reads them."""
    kind, number, text = "", None, ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "id":
            number = value
        elif name == "data":
            text = value
        elif not line and kind:
            yield Event(kind=kind, number=number, document=json.loads(text))
            kind, number, text = "", None, ""


def wanted(events: Iterator[Event], count: int, *, kind: str | None = None) -> list[Event]:
    """The next so many that are more than a sign of life."""
    found: list[Event] = []
    while len(found) < count:
        event = next(events)
        if event.kind == kind or (kind is None and event.kind != "alive"):
            found.append(event)
    return found


def apply(status: dict[str, Any], patch: dict[str, Any]) -> None:
    """What the page does with a patch."""
    for part in ("nodes", "connectors"):
        changed = {each["id"]: each for each in patch[part]}
        status[part] = [changed.get(each["id"], each) for each in status[part]]
    status |= {name: value for name, value in patch.items() if name not in ("nodes", "connectors")}


def ask(running: Running, what: str) -> dict[str, Any]:
    """Something about the depot."""
    found: dict[str, Any] = httpx.get(f"{running.url}{WA_PTA}/{what}", headers=running.headers()).json()
    return found
