"""What was said and done in a trial, line by line: a digest of everything, and the last lines for people."""

import hashlib
import sys
from collections import deque
from typing import Any

MOST_KEPT = 40_000


class Notes:
    """Takes lines. The same seed gives the same lines, and so the same digest."""

    def __init__(self, now_s: Any) -> None:
        self._now_s = now_s
        self._hash = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=MOST_KEPT)

    def line(self, who: str, what: str) -> None:
        """Write it down."""
        text = f"{self._now_s():.6f} {who} {what}"
        self._hash.update(text.encode())
        self._hash.update(b"\n")
        self.last.append(text)

    @property
    def digest(self) -> str:
        """Of all lines so far."""
        return self._hash.hexdigest()

    def of(self, who: str, life: int) -> "NotesLog":
        """A log that writes here (as `structlog` loggers do)."""
        return NotesLog(self, f"{who}/{life}")


class NotesLog:
    """Structured log lines, as text."""

    def __init__(self, notes: Notes, who: str) -> None:
        self._notes, self._who = notes, who

    def debug(self, event: str, **facts: Any) -> None:
        """For whoever looks for something."""

    def info(self, event: str, **facts: Any) -> None:
        """Something went as it should."""
        self._write(event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something did not, and is being dealt with."""
        self._write(event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Something failed."""
        self._write(f"ERROR {event}", facts)

    def exception(self, event: str, **facts: Any) -> None:
        """Something failed that must not."""

        self._write(f"EXCEPTION {event}", {**facts, "error": repr(sys.exc_info()[1])})

    def _write(self, event: str, facts: dict[str, Any]) -> None:
        said = " ".join(f"{key}={value}" for key, value in facts.items() if key != "exc_info")
        self._notes.line(self._who, f"{event} {said}")
