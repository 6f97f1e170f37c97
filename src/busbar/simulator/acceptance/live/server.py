"""`busbar serve` as a process of its own: started, killed and started again on the same ports."""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path

from busbar.core.errors import BusbarError

START_WITHIN_S = 120.0
END_WITHIN_S = 20.0
_MOST_SAID = 1_500
_POINTS = re.compile(r"Charge points: ws://127\.0\.0\.1:(\d+)/")
_HTTP = re.compile(r"Meters: http://127\.0\.0\.1:(\d+)/")


class Server:
    """One depot served. (It lives.)"""

    def __init__(self, *, database: str, log: Path, cycle_s: float, lease_s: int, sample_s: int) -> None:
        self._database, self._log = database, log
        self._timing = ("--cycle", f"{cycle_s:g}", "--lease", str(lease_s), "--sample", str(sample_s))
        self._process: subprocess.Popen[bytes] | None = None
        self.ocpp_port = self.http_port = 0
        """Whatever is free; the same again after a restart."""
        self.lives = 0

    @property
    def is_up(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it, and wait until it serves. Raises BusbarError."""
        began = self._log.stat().st_size if self._log.exists() else 0
        ports = ("--ocpp-port", str(self.ocpp_port), "--http-port", str(self.http_port))
        command = (sys.executable, "-m", "busbar", "serve", "--database", self._database, "--proof", "nothing")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *ports, *self._timing],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; we end it.
                start_new_session=True,
            )
        self.lives += 1
        until_s = time.monotonic() + START_WITHIN_S
        while True:
            said = self._log.read_bytes()[began:].decode(errors="replace")
            points, http = _POINTS.search(said), _HTTP.search(said)
            if points is not None and http is not None:
                self.ocpp_port, self.http_port = int(points[1]), int(http[1])
                return
            if not self.is_up or time.monotonic() > until_s:
                raise BusbarError(f"`busbar serve` did not start: {said[-_MOST_SAID:]}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """`kill -9`: it has no time for anything."""
        if self._process is not None and self.is_up:
            self._process.kill()
            self._process.wait(END_WITHIN_S)

    def end(self) -> None:
        """Ask it to end, as a service manager does; kill it where it does not."""
        if self._process is None or not self.is_up:
            return
        self._process.terminate()
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
