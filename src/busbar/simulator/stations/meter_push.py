"""Meter readings, pushed to a server over HTTP."""

import http.client
import json
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from busbar.core.units import PHASES
from busbar.simulator.stations.meters import Reading
from busbar.simulator.stations.speech import stamp

LONGEST_ANSWER = 65_536


class MeterPush:
    """One connection to a server; for one thread at a time.

    `POST {url}/api/v1/depots/{depot}/meters/{node}` with `Authorization: Bearer SECRET`.
    """

    def __init__(self, url: str, *, depot: str, secret: str | None, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        self._is_tls = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/api/v1/depots/{quote(depot, safe='')}/meters"
        self._headers = {"Content-Type": "application/json"}
        if secret is not None:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self.pushed = 0
        """Readings that were taken."""
        self.failed = 0
        """Readings that were not."""
        self.trouble = ""
        """Why the last one was not; empty: it was."""

    def push(self, readings: Sequence[Reading]) -> None:
        """Send them one after the other, and wait. Fails never: what was not taken is counted."""
        for reading in readings:
            self.trouble = self._push(reading)
            self.pushed += not self.trouble
            self.failed += bool(self.trouble)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _push(self, reading: Reading) -> str:
        body = {
            "power_w": reading.power_w,
            "phases_ma": {phase.value: value for phase, value in zip(PHASES, reading.phases_ma, strict=True)},
            "at": stamp(reading.at_s),
        }
        path = f"{self._path}/{quote(reading.node, safe='')}"
        try:
            connection = self._connection or self._connect()
            self._connection = connection
            connection.request("POST", path, body=json.dumps(body), headers=self._headers)
            answer = connection.getresponse()
            answer.read(LONGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return str(error) or type(error).__name__
        return "" if 200 <= answer.status < 300 else f"answered {answer.status} {answer.reason}"

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)
