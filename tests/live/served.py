"""`busbar serve` as a process of its own, and the commands that people give beside it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_WITHIN_S = 240.0
END_WITHIN_S = 20.0

_POINTS = re.compile(r"Charge points: (ws://[^/\s]+)/")
_METERS = re.compile(r"Meters: (http://[^/\s]+)/")


@dataclass
class Server:
    """One `busbar serve`, started as often as it is killed. Its first ports stay its ports."""

    database: str
    log: Path
    """What it writes, all of its lives one after the other."""
    options: tuple[str, ...]
    url: str = ""
    meters_url: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    async def start(self, *depots: Path) -> None:
        """Start it, and wait until it serves."""
        began = self.log.stat().st_size if self.log.exists() else 0
        ports = [
            *("--ocpp-port", self.url.rpartition(":")[2] or "0"),
            *("--http-port", self.meters_url.rpartition(":")[2] or "0"),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "busbar", "serve", *map(str, depots)),
                    *("--database", self.database, *ports, *self.options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until_s = time.monotonic() + START_WITHIN_S
        while not (found := _METERS.search(said := self.said(began))):
            assert self.process.poll() is None, said
            assert time.monotonic() < until_s, said
            await asyncio.sleep(0.05)
        self.meters_url = found[1]
        points = _POINTS.search(said)
        assert points is not None, said
        self.url = points[1]

    def said(self, began: int = 0) -> str:
        """What it has written, from some byte on."""
        return self.log.read_bytes()[began:].decode(errors="replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """Its structured log lines."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    async def kill(self) -> None:
        """`kill -9`: it has no time for anything."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        self.process.kill()
        await asyncio.to_thread(self.process.wait, END_WITHIN_S)

    async def end(self) -> tuple[int, float]:
        """Ask it to end, as a service manager does: its exit code, and how many seconds it took."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, END_WITHIN_S)
        return code, time.monotonic() - began_s

    def clean_up(self) -> None:
        """Whatever happened, nothing of it stays behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(END_WITHIN_S)

    async def command(self, *words: str, within_s: float = 60.0) -> tuple[int, str, str]:
        """Another command on the same database: its exit code, stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "busbar", *words, "--database", self.database),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "BUSBAR_TRACEBACK": "1"},
        )
        try:
            async with asyncio.timeout(within_s):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()
