"""What people, a DERMS and a browser do to the depot of `soak.py` meanwhile."""

import http.client
import json
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from soak_depot import DEPOT_ID, Edit, depot_document, whole_kva
from soak_processes import command

STRATEGIES = ("least_laxity", "first_come", "earliest_departure", "weighted_share", "lowest_soc", "equal_share")
CUT, STRATEGY, EDIT = "envelope cut", "strategy changed", "depot edited"
LISTENED_S = 60.0
"""A page is open for so long before another one takes its place."""
_QUIET_S = 20.0
_LONGEST = 300


@dataclass
class Api:
    """The server's HTTP interface, as an operator sees it."""

    client: httpx.Client

    def ask(self, what: str) -> httpx.Response:
        """GET what is in the depot. Raises httpx.HTTPError."""
        return self.client.get(f"/api/v1/depots/{DEPOT_ID}/{what}").raise_for_status()

    def tell(self, method: str, what: str, document: Mapping[str, Any]) -> httpx.Response:
        """POST or PATCH it. Raises httpx.HTTPError."""
        return self.client.request(method, f"/api/v1/depots/{DEPOT_ID}/{what}", json=document).raise_for_status()

    def metrics(self) -> str:
        """`GET /metrics`. Raises httpx.HTTPError."""
        return self.client.get("/metrics").raise_for_status().text


@dataclass
class Disturbance:
    """Everything that is done, each at its time within a round of `every_s`. (Mutable: it counts.)"""

    api: Api
    database: str
    depot_file: Path
    charge_points: int
    every_s: float
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """What did not succeed, and why."""
    _next: int = 0

    def due(self, at_s: float) -> None:
        """Do what is due by then, seconds from the start; one thing at a time, in order."""
        plan = self._plan()
        while True:
            turn, place = divmod(self._next, len(plan))
            share, what, act = plan[place]
            if at_s < (turn + share) * self.every_s:
                return
            self._next += 1
            self.attempt(what, act)

    def attempt(self, what: str, act: Callable[[], None]) -> None:
        """Do it and count it; what is refused or not answered does not end a run, but breaks a rule."""
        try:
            act()
        except (httpx.HTTPError, RuntimeError, subprocess.TimeoutExpired, sqlite3.Error) as error:
            self.refused[f"{what}: {error!r}"[:_LONGEST]] += 1
        self.done[what] += 1

    def _plan(self) -> Sequence[tuple[float, str, Callable[[], None]]]:
        return (
            (0.1, "connector held", self._hold),
            (0.2, "connector resumed", self._resume),
            (0.3, CUT, self._cut),
            (0.7, STRATEGY, self._strategy),
            (0.85, EDIT, self._edit),
        )

    def _cut(self) -> None:
        """A grid connection may carry half of it for a third of the round."""
        number, now = self.done[CUT], datetime.now(UTC)
        envelope = {
            "node": f"GC{1 + number % 2}",
            "value": f"{whole_kva(self.charge_points) * (5 if number % 3 else 4) // 10} kVA",
            "ends_at": (now + timedelta(seconds=self.every_s / 3)).isoformat(),
            "by": "soak",
            "reason": "a cut",
        }
        self.api.tell("POST", "envelopes", envelope)

    def _strategy(self) -> None:
        strategy = STRATEGIES[self.done[STRATEGY] % len(STRATEGIES)]
        self.api.tell("PATCH", "settings", {"strategy": strategy, "by": "soak"})

    def _edit(self) -> None:
        """One more charge point, or one less; a circuit narrower, or as it was."""
        turn = self.done[EDIT]
        edit = Edit(has_spare=turn % 2 == 0, narrow=f"C{1 + turn % 2}" if turn % 3 != 2 else None)
        self.depot_file.write_text(json.dumps(depot_document(self.charge_points, edit)), encoding="utf-8")
        command("import", str(self.depot_file), database=self.database)

    def _hold(self) -> None:
        command("hold", "CP001/1", "--by", "soak", database=self.database)

    def _resume(self) -> None:
        command("resume", "CP001/1", "--by", "soak", database=self.database)


def look_around(api: Api, charge_points: int) -> None:
    """What a page asks for when it opens, and a what-if. Raises httpx.HTTPError."""
    for what in ("microgrid", "status", "cycles", "breaches", "connectors/CP002/1/explanation", "nodes/GC1/history"):
        api.ask(what)
    api.tell("POST", "what-if", {"limits": {"GC1": f"{whole_kva(charge_points) * 8 // 10} kVA"}})


class Listener:
    """A browser that listens to events, leaves without a word after a minute, and comes again; in a thread."""

    def __init__(self, http_port: int, secret: str) -> None:
        self.heard = 0
        self.visits = 0
        self._port, self._secret = http_port, secret
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(_QUIET_S + 5)

    def _run(self) -> None:
        while not self._ended.is_set():
            until = datetime.now(UTC) + timedelta(seconds=LISTENED_S)
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_QUIET_S)
            try:
                headers = {"Authorization": f"Bearer {self._secret}", "Accept": "text/event-stream"}
                connection.request("GET", f"/api/v1/depots/{DEPOT_ID}/events", headers=headers)
                answer = connection.getresponse()
                self.visits += 1
                while not self._ended.is_set() and datetime.now(UTC) < until and (line := answer.readline()):
                    self.heard += line.startswith(b"event:")
            except (OSError, http.client.HTTPException):
                self._ended.wait(1.0)
            finally:
                connection.close()
