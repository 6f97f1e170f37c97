"""What the tests of the command line share: how a command ended, and the files they ask about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPOT = "scenarios/examples/depot.yaml"
SNAPSHOT = "scenarios/examples/snapshot.yaml"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Answer]
