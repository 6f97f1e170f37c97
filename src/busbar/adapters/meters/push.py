"""A meter's values as JSON: what is pushed by HTTP, and what comes by MQTT unless an address says otherwise.

    {"power_w": 85000 | null, "phases_ma": {"L1": 120000, "L2": 118000, "L3": 121000} | null,
     "at": "2026-11-22T22:00:00Z"}

Import is positive. `at` is when it was measured; without it, it was measured when it arrived.
"""

from datetime import UTC, datetime

from busbar.core.errors import Problem, RefusedError
from busbar.core.units import PHASES
from busbar.engine.events import NodeMeasured

MOST = 10**12
"""mA or W: beyond it a value is no measurement."""
MOST_AHEAD_S = 60.0
"""A meter's clock may be so far ahead of ours; what lies further in the future has no known age."""
_EXAMPLE = '{"power_w": 85000}'


def parse_push(node: str, body: object, *, now: datetime, received_s: float) -> NodeMeasured:
    """One sample. Raises RefusedError with everything that is wrong with it.

    `now` (aware) is the wall clock and `received_s` the monotonic one, both when it arrived. However old it is, it is
    a sample: how old is too old, the engine decides.
    """
    problems: list[Problem] = []
    if not isinstance(body, dict):
        raise RefusedError((Problem(path="body", rule="The body is no JSON object.", fix=f"Send {_EXAMPLE}."),))
    problems += [
        Problem(path=str(key)[:60], rule="There is no such field.", fix="Send power_w, phases_ma and at.")
        for key in body
        if key not in ("power_w", "phases_ma", "at")
    ]
    power_w = _whole(body.get("power_w"), "power_w", problems)
    phases_ma = _phases(body.get("phases_ma"), problems)
    age_s = _age_s(body.get("at"), now, problems)
    if not problems and power_w is None and phases_ma is None:
        problems.append(Problem(path="body", rule="It says neither power nor currents.", fix=f"Send {_EXAMPLE}."))
    if problems:
        raise RefusedError(tuple(problems))
    return NodeMeasured(node=node, received_s=received_s, age_s=age_s, phases_ma=phases_ma, power_w=power_w)


def age_of(measured_at: datetime, now: datetime) -> float | None:
    """Seconds, at least 0; None where it was measured further in the future than clocks differ."""
    age_s = (now - measured_at).total_seconds()
    return None if age_s < -MOST_AHEAD_S else max(0.0, age_s)


def _whole(value: object, path: str, problems: list[Problem]) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
        shown = str(value)[:40]
        problems.append(Problem(path=path, value=shown, rule="That is no number of mA or W.", fix="Send a number."))
        return None
    return round(value)


def _phases(value: object, problems: list[Problem]) -> tuple[int | None, int | None, int | None] | None:
    if value is None:
        return None
    names = [phase.value for phase in PHASES]
    if not isinstance(value, dict) or not value or any(key not in names for key in value):
        fix = 'Send {"L1": 120000, "L2": 118000, "L3": 121000}.'
        problems.append(Problem(path="phases_ma", rule="It is no mapping of L1, L2 and L3 to mA.", fix=fix))
        return None
    found = [_whole(value.get(name), f"phases_ma.{name}", problems) for name in names]
    return None if found == [None, None, None] else (found[0], found[1], found[2])


def _age_s(value: object, now: datetime, problems: list[Problem]) -> float:
    if value is None:
        return 0.0
    at = as_instant(value) if isinstance(value, str) else None
    age_s = None if at is None else age_of(at, now)
    if age_s is None:
        rule = "That is no time with its zone." if at is None else "That is in the future."
        fix = f"Send for example {now.astimezone(UTC).isoformat(timespec='seconds')}, or leave it out."
        problems.append(Problem(path="at", value=str(value)[:40], rule=rule, fix=fix))
        return 0.0
    return age_s


def as_instant(value: object) -> datetime | None:
    """ISO 8601 with a zone, or seconds (or milliseconds) since 1970; None: it is neither."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at if at.tzinfo is not None else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
