"""Where output goes: data to stdout, messages to stderr, and JSON instead where it was asked for."""

import json
import os
import sys
from typing import Any, TextIO

from rich.console import Console, RenderableType

_PIPE_WIDTH = 120
"""How wide text is where no terminal says how wide it is."""


def show(*parts: RenderableType) -> None:
    """Data for people, on stdout."""
    _write(sys.stdout, parts)


def say(*parts: RenderableType) -> None:
    """Messages, on stderr."""
    _write(sys.stderr, parts)


def print_document(document: dict[str, Any]) -> None:
    """Data for programs, on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Text as it is, on stdout: its lines are not folded."""
    sys.stdout.write(text)


def console_on(stream: TextIO) -> Console:
    """Rich's way of writing to a stream: plain in files, pipes and where NO_COLOR asks for it."""
    is_plain = bool(os.environ.get("NO_COLOR")) or not stream.isatty()
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(
        file=stream,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        color_system=None if is_plain else "auto",
    )


def _write(stream: TextIO, parts: tuple[RenderableType, ...]) -> None:
    console = console_on(stream)
    # Rendered first and written by us: rich would end the process when a reader has gone.
    # Messages that nobody watches are searched: their sentences stay on one line.
    stays_on_line = stream is sys.stderr and not stream.isatty()
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=stays_on_line)
    stream.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def survive_any_encoding() -> None:
    """Let a stream that cannot write a character write `?` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
