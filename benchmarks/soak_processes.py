"""The processes of `soak.py`: a server, its charge points, commands beside them; none outlives the soak."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

START_WITHIN_S = 240.0
END_WITHIN_S = 25.0
COMMAND_WITHIN_S = 120.0
_POINTS = re.compile(r"Charge points: ws://[^/\s]+:(\d+)/")
_METERS = re.compile(r"Meters: http://[^/\s]+:(\d+)/")

# It ends when nobody holds its standard input any more, however we ended.
_LEASHED = """
import os, signal, sys, threading
def leave():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=leave, daemon=True).start()
from busbar.entrypoints.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


@dataclass
class Process:
    """A `busbar` that runs beside us. (Mutable: it ends.)"""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> int:
        """Ask it to end as a service manager does, and kill it where it does not: its exit code."""
        if self.is_alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def started(words: list[str], log: Path, out: IO[bytes] | None = None) -> Process:
    """`busbar WORDS`, in a session of its own: Ctrl-C is for us."""
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", _LEASHED, *words],
            stdin=subprocess.PIPE,
            stdout=out or written,
            stderr=written,
            start_new_session=True,
        )
    return Process(process=process, log=log)


def ports_of(server: Process) -> tuple[int, int]:
    """Its HTTP and OCPP ports, once it serves. Raises RuntimeError where it does not."""
    until_s = time.monotonic() + START_WITHIN_S
    while True:
        said = server.said()
        http, ocpp = _METERS.search(said), _POINTS.search(said)
        if http is not None and ocpp is not None:
            return int(http[1]), int(ocpp[1])
        if not server.is_alive or time.monotonic() > until_s:
            raise RuntimeError(f"busbar serve does not serve: {said[-2000:]}")
        time.sleep(0.1)


def command(*words: str, database: str) -> str:
    """What a `busbar` command prints. Raises RuntimeError where it does not succeed."""
    found = subprocess.run(
        [sys.executable, "-m", "busbar", *words, "--database", database],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
        start_new_session=True,
    )
    if found.returncode != 0:
        raise RuntimeError(f"busbar {words[0]} ended with {found.returncode}: {found.stderr[-1000:]}")
    return found.stdout


class LogLines:
    """Counts a server's log lines as they are written. (It remembers how far it has read.)"""

    def __init__(self, log: Path) -> None:
        self._log, self._read_bytes = log, 0
        self.events: Counter[str] = Counter()
        """By what happened."""
        self.faults: Counter[str] = Counter()
        """Those of them at level error."""

    def read_on(self) -> None:
        """Up to the last whole line."""
        with self._log.open("rb") as lines:
            lines.seek(self._read_bytes)
            fresh = lines.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            if line.startswith(b"{"):
                self._count(json.loads(line))

    def _count(self, line: dict[str, Any]) -> None:
        event = str(line.get("event"))
        self.events[event] += 1
        if line.get("level") in ("error", "critical"):
            self.faults[event] += 1
