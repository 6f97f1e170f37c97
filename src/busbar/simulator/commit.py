"""Which commit of Busbar this is."""

import subprocess
from pathlib import Path

import busbar


def commit_of_checkout() -> str | None:
    """The commit of the checkout that runs, with `+` where files in it were changed; None: an installed package."""
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
