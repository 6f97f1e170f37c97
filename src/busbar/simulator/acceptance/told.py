"""Which Busbar was accepted, when, and held to what."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import busbar
from busbar.simulator.trials.goals.every import all_goals


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Which Busbar, when, and held to which goals."""

    version: str
    commit: str | None
    """Of a checkout, with `+` where files in it were changed; None: an installed package."""
    goals: tuple[str, ...]
    made_at: str
    """ISO 8601, UTC."""


def told_of() -> Told:
    """This Busbar, now."""
    return Told(
        version=version("busbar"),
        commit=_commit(),
        goals=tuple(_first_line(goal.__doc__) or type(goal).__name__ for goal in all_goals()),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".")


def _commit() -> str | None:
    root = Path(busbar.__file__).parents[2]
    if not (root / ".git").exists():
        return None
    said = [_git(root, "rev-parse", "--short=12", "HEAD"), _git(root, "status", "--porcelain", "-uno")]
    if said[0] is None:
        return None
    return said[0] + ("+" if said[1] else "")


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
