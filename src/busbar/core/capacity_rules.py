"""Rules for what a circuit may carry: its capacities, rating and declared base load, compared row by row."""

from collections.abc import Iterator
from fractions import Fraction
from math import floor

from busbar.core.depot import Circuit
from busbar.core.errors import Problem
from busbar.core.units import (
    LARGEST,
    PHASES,
    SQRT3,
    ActivePower,
    Amount,
    ApparentPower,
    Current,
    Phase,
    format_amount,
)

TOTAL = "the total"

_NEGATIVE_BASE_LOAD = {
    "negative_rule": "A declared base load is negative: only generation that is measured counts.",
    "negative_fix": "Write zero or more; for generation, set `meter` and let it be measured.",
}


def amount_text(amount: Amount) -> str:
    """As it is written in a file, on one line."""
    text = format_amount(amount)
    if isinstance(text, str):
        return text
    return "{" + ", ".join(f"{phase}: {value}" for phase, value in text.items()) + "}"


def caps(amount: Amount, *, phases: tuple[Phase, ...], voltage_v: int) -> dict[str, Fraction]:
    """Row -> the most it lets flow there: mA per phase at the circuit's own voltage, or W in total. Exact.

    A winding or cable of n phases rated S carries at most 3 S / (n sqrt 3 V) on each.
    """
    match amount:
        case Current():
            given = zip(PHASES, amount.per_phase_ma(), strict=True)
            return {phase: Fraction(ma) for phase, ma in given if ma is not None and phase in phases}
        case ApparentPower(va=va):
            each_ma = 3000 * va / (len(set(phases)) * SQRT3 * voltage_v)
            return dict.fromkeys(phases, each_ma)
        case ActivePower(w=w):
            return {TOTAL: Fraction(w)}


def check_amount(
    amount: Amount,
    path: str,
    *,
    negative_rule: str = "Negative.",
    negative_fix: str = "Give zero or a positive value; load counts as positive.",
) -> Iterator[Problem]:
    """Given, neither negative nor absurd."""
    match amount:
        case Current():
            values = [value for value in amount.per_phase_ma() if value is not None]
        case ApparentPower(va=va):
            values = [va]
        case ActivePower(w=w):
            values = [w]
    text = amount_text(amount)
    if not values:
        yield Problem(path=path, value=text, rule="It names no phase.", fix="Write it as `32 A`.")
    elif min(values) < 0:
        yield Problem(path=path, value=text, rule=negative_rule, fix=negative_fix)
    elif max(values) > LARGEST:
        yield Problem(path=path, value=text, rule="Too large to be real.", fix="Check the unit.")


def check_phases_named(amount: Amount, path: str, *, phases: tuple[Phase, ...], whole: bool) -> Iterator[Problem]:
    """Phase by phase, an amount names only phases that are there; a limit (`whole`) names all of them.

    One value in A holds on each phase there is, whichever these are.
    """
    if not isinstance(amount, Current) or len(set(amount.per_phase_ma())) == 1:
        return
    named = [phase for phase, ma in zip(PHASES, amount.per_phase_ma(), strict=True) if ma is not None]
    text, there = amount_text(amount), _list(phases)
    extra = [phase for phase in named if phase not in phases]
    missing = [phase for phase in phases if phase not in named]
    if extra:
        yield Problem(
            path=path,
            value=text,
            rule=f"It names {_list(extra)}, a phase that is not there; there are {there}.",
            fix=f"Remove {_list(extra)}, or correct `phases`.",
        )
    if missing and whole:
        yield Problem(
            path=path,
            value=text,
            rule=f"It leaves {_list(missing)} open; there are {there}.",
            fix=f"Add {_list(missing)}, or write one value in A for all phases.",
        )


def check_capacities(
    circuit: Circuit,
    path: str,
    *,
    unread: frozenset[str],
    phases: tuple[Phase, ...] | None,
    voltage_v: int | None,
) -> Iterator[Problem]:
    """Every rule for the amounts of one circuit.

    `unread` are the fields that failed to parse and are not judged; None for phases or voltage: not known.
    """
    amounts = {
        "rating": circuit.rating,
        "default_operating_capacity": circuit.default_operating_capacity,
        "safe_operating_capacity": circuit.safe_operating_capacity,
        "base_load": circuit.base_load,
    }
    given = {name: amount for name, amount in amounts.items() if amount is not None and name not in unread}
    for name, amount in given.items():
        negative = _NEGATIVE_BASE_LOAD if name == "base_load" else {}
        found = list(check_amount(amount, f"{path}.{name}", **negative))
        if phases and not found:
            whole = name != "base_load"
            found = list(check_phases_named(amount, f"{path}.{name}", phases=phases, whole=whole))
        if found:
            unread |= {name}
        yield from found
    rating, default = given.get("rating"), given.get("default_operating_capacity")
    safe = given.get("safe_operating_capacity")
    if default is not None and rating is not None and not unread & {"rating", "default_operating_capacity"}:
        yield from _check_not_above(
            (default, "default_operating_capacity"), (rating, "rating"), path, phases, voltage_v
        )
    if default is not None and not unread & {
        "default_operating_capacity",
        "safe_operating_capacity",
        "meter",
    }:
        if safe is not None:
            yield from _check_safe(safe, default, path, phases, voltage_v)
        elif circuit.meter:
            yield Problem(
                path=f"{path}.safe_operating_capacity",
                rule="A circuit with a meter needs a safe capacity: it applies when the meter is silent.",
                fix=f"Add `safe_operating_capacity`, at most `{amount_text(default)}`.",
            )


def _check_safe(
    safe: Amount, default: Amount, path: str, phases: tuple[Phase, ...] | None, voltage_v: int | None
) -> Iterator[Problem]:
    if isinstance(safe, ActivePower) == isinstance(default, ActivePower):
        yield from _check_not_above(
            (safe, "safe_operating_capacity"),
            (default, "default_operating_capacity"),
            path,
            phases,
            voltage_v,
        )
        return
    limits, unit = ("the total", "kW") if isinstance(default, ActivePower) else ("each phase", "A or kVA")
    yield Problem(
        path=f"{path}.safe_operating_capacity",
        value=amount_text(safe),
        rule=f"It leaves {limits} open, which default_operating_capacity ({amount_text(default)}) limits.",
        fix=f"Give it in {unit}, at most `{amount_text(default)}`.",
    )


def _check_not_above(
    lower: tuple[Amount, str],
    upper: tuple[Amount, str],
    path: str,
    phases: tuple[Phase, ...] | None,
    voltage_v: int | None,
) -> Iterator[Problem]:
    amount, name = lower
    limit, limit_name = upper
    if type(amount) is not type(limit) and not (phases and voltage_v):
        return  # Amperes against kVA, and what lies between them is not known.
    known_phases, known_v = phases or PHASES, voltage_v or 1
    most = caps(limit, phases=known_phases, voltage_v=known_v)
    wanted = caps(amount, phases=known_phases, voltage_v=known_v)
    above = [row for row in wanted if row in most and wanted[row] > most[row]]
    if above:
        yield Problem(
            path=f"{path}.{name}",
            value=amount_text(amount),
            rule=f"It is above {limit_name} ({amount_text(limit)}) on {_list(above)}.",
            fix=f"Write at most `{_most_like(amount, limit, most, known_phases, known_v)}`.",
        )


def _most_like(
    amount: Amount, limit: Amount, most: dict[str, Fraction], phases: tuple[Phase, ...], voltage_v: int
) -> str:
    """The largest amount in the unit of `amount` that is within `limit`."""
    if type(amount) is type(limit):
        return amount_text(limit)
    lowest_ma = min(most.values())
    if isinstance(amount, ApparentPower):
        return amount_text(ApparentPower(va=floor(lowest_ma * len(set(phases)) * SQRT3 * voltage_v / 3000)))
    whole_ma = floor(lowest_ma)
    return amount_text(Current(l1_ma=whole_ma, l2_ma=whole_ma, l3_ma=whole_ma))


def _list(words: tuple[Phase, ...] | list[Phase] | list[str]) -> str:
    return ", ".join(words)
