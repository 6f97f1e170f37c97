"""Which Busbar was accepted, when, and held to what."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from busbar.simulator.commit import commit_of_checkout
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
        commit=commit_of_checkout(),
        goals=tuple(_first_line(goal.__doc__) or type(goal).__name__ for goal in all_goals()),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".")
