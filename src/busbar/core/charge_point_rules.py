"""Rules for one charge point and its connectors."""

from collections.abc import Iterator

from busbar.core.depot import ChargePoint, Connector, CurrentKind, Sharing
from busbar.core.errors import Problem
from busbar.core.nearest import KnownNames, suggestion
from busbar.core.units import LARGEST, PHASES, Phase, format_ma, format_w

_DEFAULT_AC_MINIMUM_MA = 6000


def check_circuit_of(unit: ChargePoint, path: str, depot_id: str, circuits: KnownNames) -> Problem:
    """The problem of a charge point whose circuit is not among `circuits`."""
    value: str | None = unit.circuit
    if unit.circuit == "":
        value, rule = None, "A charge point hangs on a circuit."
        fix = f"Name the circuit that feeds it. {suggestion('', circuits)}"
    elif unit.circuit == depot_id:
        rule = "This is the depot, not a circuit."
        fix = f"Name the circuit that feeds it. {suggestion('', circuits)}"
    else:
        rule, fix = "There is no circuit with this id.", suggestion(unit.circuit, circuits)
    return Problem(path=f"{path}.circuit", value=value, rule=rule, fix=fix)


def check_charge_point(
    unit: ChargePoint, path: str, *, phases: tuple[Phase, ...] | None, broken: frozenset[str]
) -> Iterator[Problem]:
    """Every rule for one charge point; `phases` are those of its circuit, None where they are not known."""
    for field, permille in (
        ("efficiency", unit.efficiency_permille),
        ("power_factor", unit.power_factor_permille),
    ):
        if f"{path}.{field}" not in broken and not 1 <= permille <= 1000:
            yield Problem(
                path=f"{path}.{field}",
                value=f"{permille / 1000:g}",
                rule=f"{field} is above 0 and at most 1.",
                fix="Write for example `0.94` or `94 %`.",
            )
    yield from _check_number(unit.idle_load_w, f"{path}.idle_load", CurrentKind.DC, broken)
    if f"{path}.connectors" not in broken and not unit.connectors:
        yield Problem(
            path=f"{path}.connectors",
            rule="A charge point has at least one connector.",
            fix="Add for example `connectors: [{id: 1, max_rating: ...}]`.",
        )
    if f"{path}.current" in broken:
        return
    # From here on everything depends on whether numbers are amperes or watts.
    yield from _check_number(unit.max_rating, f"{path}.max_rating", unit.current, broken)
    yield from _check_sharing(unit, path, broken)
    is_ac = unit.current is CurrentKind.AC
    if is_ac and f"{path}.efficiency" not in broken and 1 <= unit.efficiency_permille < 1000:
        yield Problem(
            path=f"{path}.efficiency",
            value=f"{unit.efficiency_permille / 1000:g}",
            rule="An AC charge point has no losses of its own: the charger is in the vehicle.",
            fix="Leave `efficiency` out.",
        )
    if not is_ac and phases is not None and set(phases) != set(PHASES):
        yield Problem(
            path=f"{path}.circuit",
            value=unit.circuit,
            rule=f"A DC charge point needs all three phases; {unit.circuit} has {', '.join(phases)}.",
            fix="Name a circuit with three phases, or correct the `phases` of that one.",
        )
    for number, connector in enumerate(unit.connectors):
        connector_path = f"{path}.connectors[{number}]"
        if connector_path not in broken:
            yield from _check_values(connector, connector_path, unit.current, broken)
            yield from _check_wires(connector, connector_path, unit, phases, broken)


def _check_sharing(unit: ChargePoint, path: str, broken: frozenset[str]) -> Iterator[Problem]:
    """How many may run at once, and in which parts power comes."""
    count, outputs = len(unit.connectors), unit.outputs
    if outputs is not None and not {f"{path}.outputs", f"{path}.connectors"} & broken:
        if not 1 <= outputs <= max(1, count):
            yield Problem(
                path=f"{path}.outputs",
                value=str(outputs),
                rule=f"From 1 to {count} of its {count} connectors can run at once."
                if count > 1
                else "It has one connector, so one runs at a time.",
                fix="Leave `outputs` out where all of them can.",
            )
        elif unit.sharing is Sharing.SEQUENTIAL and outputs > 1:
            yield Problem(
                path=f"{path}.outputs",
                value=str(outputs),
                rule="`sequential` serves one vehicle after the other, so one connector runs at a time.",
                fix="Leave `outputs` out, or write `sharing: parallel`.",
            )
    size = unit.module_size
    if size is None or f"{path}.module_size" in broken:
        return
    text, rating = format_w(size), format_w(unit.max_rating)
    if unit.current is CurrentKind.AC:
        rule, fix = "Only DC charge points have power modules.", "Leave `module_size` out."
    elif size < 1:
        rule, fix = "A power module has some power.", "Write for example `25 kW`, or leave `module_size` out."
    elif f"{path}.max_rating" not in broken and unit.max_rating % size:
        rule = f"max_rating ({rating}) is not a whole number of modules."
        nearest = unit.max_rating // max(1, round(unit.max_rating / size))
        fix = f"Write for example `module_size: {format_w(nearest)}`, or correct max_rating."
    else:
        return
    yield Problem(path=f"{path}.module_size", value=text, rule=rule, fix=fix)


def _text(value: int, current: CurrentKind) -> str:
    return format_ma(value) if current is CurrentKind.AC else format_w(value)


def _check_number(value: int, path: str, current: CurrentKind, broken: frozenset[str]) -> Iterator[Problem]:
    if path in broken or 0 <= value <= LARGEST:
        return
    text = _text(value, current)
    if value < 0:
        yield Problem(path=path, value=text, rule="Negative.", fix="Give zero or a positive value.")
    else:
        yield Problem(path=path, value=text, rule="Too large to be real.", fix="Check the unit.")


def _check_values(connector: Connector, path: str, current: CurrentKind, broken: frozenset[str]) -> Iterator[Problem]:
    rating = _text(connector.max_rating, current)
    numbers = {
        "max_rating": connector.max_rating,
        "min": connector.minimum,
        "step": connector.step,
        "fallback": connector.fallback,
    }
    sound = {name for name in numbers if f"{path}.{name}" not in broken}
    for name in sorted(sound):
        found = list(_check_number(numbers[name], f"{path}.{name}", current, broken))
        yield from found
        sound -= {name} if found else set()
    if "step" in sound and connector.step < 1:
        smallest = _text(1, current)
        yield Problem(
            path=f"{path}.step",
            value=_text(connector.step, current),
            rule=f"A step is at least {smallest}.",
            fix=f"Write for example `{_text(1000, current)}`, or leave `step` out.",
        )
    if "max_rating" not in sound:
        return
    if "min" in sound and connector.minimum > connector.max_rating:
        by_default = current is CurrentKind.AC and connector.minimum == _DEFAULT_AC_MINIMUM_MA
        yield Problem(
            path=f"{path}.min",
            value=_text(connector.minimum, current),
            rule=f"The minimum is above the connector's max_rating ({rating}), so it could never charge.",
            fix=f"Write `min: {rating}` or less"
            + (" (where `min` is not written it is 6 A)." if by_default else ", or correct `max_rating`."),
        )
    if "fallback" in sound and connector.fallback > connector.max_rating:
        yield Problem(
            path=f"{path}.fallback",
            value=_text(connector.fallback, current),
            rule=f"The fallback is above the connector's max_rating ({rating}).",
            fix=f"Write `fallback: {rating}` or less.",
        )
    if connector.steps and f"{path}.steps" not in broken:
        yield from _check_steps(connector, path, current, minimum_known="min" in sound)


def _check_steps(connector: Connector, path: str, current: CurrentKind, *, minimum_known: bool) -> Iterator[Problem]:
    steps, rating = connector.steps, connector.max_rating
    text = _steps_text(steps, current)
    useful = sorted({step for step in steps if 0 < step <= rating})
    fix = f"Write `{_steps_text(useful, current)}`." if useful else "Leave `steps` out where any value is taken."
    if min(steps) <= 0:
        rule = "Steps are values above zero; zero is always possible."
    elif max(steps) > rating:
        rule = f"A step is above the connector's max_rating ({_text(rating, current)})."
    elif list(steps) != useful:
        rule = "Steps are given once each, from the smallest to the largest."
    elif minimum_known and connector.minimum <= rating and max(steps) < connector.minimum:
        least = _text(connector.minimum, current)
        rule = f"No step is at or above the minimum ({least}), so it could never charge."
        highest = _text(max(steps), current)
        fix = f"Add a step from {least} to {_text(rating, current)}, or lower `min` to `{highest}`."
    else:
        return
    yield Problem(path=f"{path}.steps", value=text, rule=rule, fix=fix)


def _steps_text(steps: tuple[int, ...] | list[int], current: CurrentKind) -> str:
    return f"[{', '.join(_text(step, current) for step in steps)}]"


def _check_wires(
    connector: Connector,
    path: str,
    unit: ChargePoint,
    phases: tuple[Phase, ...] | None,
    broken: frozenset[str],
) -> Iterator[Problem]:
    if {f"{path}.phases", f"{path}.line_to_line"} & broken:
        return
    wired = connector.phases
    text = f"[{', '.join(wired)}]"
    if unit.current is CurrentKind.DC:
        if connector.line_to_line or wired != PHASES:
            field = "line_to_line" if connector.line_to_line else "phases"
            yield Problem(
                path=f"{path}.{field}",
                value="true" if connector.line_to_line else text,
                rule="Only AC connectors have this: a DC charge point draws from all three phases.",
                fix=f"Leave `{field}` out.",
            )
        return
    if not wired:
        rule, fix = (
            "An AC connector has at least one phase.",
            "Leave `phases` out for all three, or write `[L1]`.",
        )
    elif len(set(wired)) < len(wired):
        rule, fix = "A phase is named twice.", f"Write `[{', '.join(dict.fromkeys(wired))}]`."
    elif connector.line_to_line and len(wired) != 2:
        rule = f"A line-to-line connector has exactly two phases, this one {len(wired)}."
        fix = "Write for example `phases: [L1, L2]`, or leave `line_to_line` out."
    elif phases is not None and not set(wired) <= set(phases):
        extra = ", ".join(phase for phase in wired if phase not in phases)
        rule = f"{unit.circuit} has no {extra}; it has {', '.join(phases)}."
        fix = f"Write `phases: [{', '.join(phase for phase in wired if phase in phases) or phases[0]}]`."
    else:
        return
    yield Problem(path=f"{path}.phases", value=text, rule=rule, fix=fix)
