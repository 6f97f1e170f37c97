"""The rules a stored depot keeps (design section 4); every offender is named at once.

Paths are those of the depot file. A rule that would have to judge a field that did not parse is skipped, so
that one mistake is reported once.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from busbar.core.capacity_rules import check_amount, check_capacities, check_phases_named
from busbar.core.charge_point_rules import check_charge_point, check_circuit_of
from busbar.core.depot import STRATEGY_NAMES, Circuit, Depot
from busbar.core.errors import Problem
from busbar.core.nearest import KnownNames, known_names, suggestion
from busbar.core.units import PHASES, Phase
from busbar.core.wiring import circuit_phases, circuit_voltages, inherited

_LONGEST_ID = 100
_HIGHEST_V = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wiring:
    """How the circuits hang together, as far as it is known."""

    first: dict[str, int]
    """Circuit id -> the first circuit with it."""
    names: KnownNames
    ids_complete: bool
    """False where some circuit's id did not parse: an unknown id may be that one."""
    charge_points: frozenset[str]
    cycles: tuple[tuple[int, ...], ...]
    """Circles of circuits, by their numbers in the file."""
    phases: dict[str, tuple[Phase, ...] | None]
    """Circuit id -> phases; None where they hang on something that is wrong."""
    voltages: dict[str, int | None]


def check_depot(depot: Depot, *, broken: frozenset[str] = frozenset()) -> tuple[Problem, ...]:
    """Every offender against the rules of design section 4; empty: the depot can be projected.

    `broken` are the paths of fields (`circuits[2].rating`), records (`circuits[2]`) or lists (`circuits`)
    that failed to parse; rules that involve them are skipped.
    """
    wiring = _wiring(depot, broken)
    return (
        *_check_site(depot, wiring, broken),
        *_check_ids(depot, broken),
        *_check_names(depot, broken),
        *_check_parents(depot, wiring, broken),
        *_check_circuits(depot, wiring, broken),
        *_check_charge_points(depot, wiring, broken),
    )


def _wiring(depot: Depot, broken: frozenset[str]) -> _Wiring:
    first: dict[str, int] = {}
    for index, circuit in enumerate(depot.circuits):
        first.setdefault(circuit.id, index)
    cycles = _cycles(depot, first)
    circling = {index for cycle in cycles for index in cycle}
    # Circuit id -> whether what it has is known: its own if that parsed, nothing if it hangs on a mistake.
    phases_known: dict[str, bool] = {}
    voltage_known: dict[str, bool] = {}
    for circuit_id, index in first.items():
        circuit, path = depot.circuits[index], f"circuits[{index}]"
        known_parent = circuit.parent is None or circuit.parent in first
        if {path, f"{path}.parent"} & broken or not known_parent or index in circling:
            phases_known[circuit_id] = voltage_known[circuit_id] = False
        if circuit.phases is not None or f"{path}.phases" in broken:
            phases_known[circuit_id] = bool(circuit.phases) and f"{path}.phases" not in broken
        if circuit.voltage_v is not None or f"{path}.voltage" in broken:
            voltage_known[circuit_id] = (circuit.voltage_v or 0) > 0 and f"{path}.voltage" not in broken
    phases_known = inherited(depot, phases_known, at_the_top=True)
    nominal_known = depot.voltage_v > 0 and not {"depot", "depot.voltage"} & broken
    voltage_known = inherited(depot, voltage_known, at_the_top=nominal_known)
    numbered = range(len(depot.circuits))
    return _Wiring(
        first=first,
        names=known_names(first),
        ids_complete="circuits" not in broken
        and not any({f"circuits[{index}]", f"circuits[{index}].id"} & broken for index in numbered),
        charge_points=frozenset(unit.id for unit in depot.charge_points),
        cycles=cycles,
        phases={name: value if phases_known[name] else None for name, value in circuit_phases(depot).items()},
        voltages={name: value if voltage_known[name] else None for name, value in circuit_voltages(depot).items()},
    )


def _cycles(depot: Depot, first: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    """Every circle of two or more circuits, once, beginning with its first circuit in the file."""
    done: set[int] = set()
    cycles = []
    for start in range(len(depot.circuits)):
        chain: dict[int, None] = {}
        here: int | None = start
        while here is not None and here not in done and here not in chain:
            chain[here] = None
            parent = depot.circuits[here].parent
            here = None if parent is None else first.get(parent)
        done.update(chain)
        if here is not None and here in chain:
            walk = list(chain)
            cycle = walk[walk.index(here) :]
            begin = cycle.index(min(cycle))
            cycles.append((*cycle[begin:], *cycle[:begin]))
    return tuple(cycles)


def _check_site(depot: Depot, wiring: _Wiring, broken: frozenset[str]) -> Iterator[Problem]:
    if "depot.voltage" not in broken and not 0 < depot.voltage_v <= _HIGHEST_V:
        yield _voltage_problem("depot.voltage", depot.voltage_v)
    if "depot.voltage_margin" not in broken and not 0 <= depot.voltage_margin_permille < 500:
        yield Problem(
            path="depot.voltage_margin",
            value=f"{depot.voltage_margin_permille / 10:g} %",
            rule="A voltage margin is at least 0 % and below 50 %.",
            fix="Write for example `5 %`.",
        )
    if "depot.base_power_factor" not in broken and not 1 <= depot.base_power_factor_permille <= 1000:
        yield Problem(
            path="depot.base_power_factor",
            value=f"{depot.base_power_factor_permille / 1000:g}",
            rule="A power factor is above 0 and at most 1.",
            fix="Write for example `0.9`.",
        )
    if "depot.limit" not in broken and depot.limit is not None:
        found = list(check_amount(depot.limit, "depot.limit"))
        yield from found or check_phases_named(
            depot.limit, "depot.limit", phases=_top_phases(depot, wiring), whole=True
        )
    if "depot.strategy" not in broken and depot.strategy not in STRATEGY_NAMES:
        yield Problem(
            path="depot.strategy",
            value=depot.strategy,
            rule="There is no strategy of this name.",
            fix=suggestion(depot.strategy, known_names(STRATEGY_NAMES)),
        )


def _top_phases(depot: Depot, wiring: _Wiring) -> tuple[Phase, ...]:
    """The phases on which anything can flow in at all."""
    tops = [wiring.phases[circuit.id] or PHASES for circuit in depot.circuits if circuit.parent is None]
    return tuple(phase for phase in PHASES if not tops or any(phase in phases for phases in tops))


def _voltage_problem(path: str, voltage_v: int) -> Problem:
    return Problem(
        path=path,
        value=f"{voltage_v} V",
        rule=f"A nominal voltage is above 0 V and at most {_HIGHEST_V} V.",
        fix="Write the voltage from line to line, for example `415 V`.",
    )


def _check_ids(depot: Depot, broken: frozenset[str]) -> Iterator[Problem]:
    """Circuits, charge points and the depot share one namespace, since modes and envelopes name nodes."""
    named = [("depot", depot.id)]
    named += [(f"circuits[{index}]", circuit.id) for index, circuit in enumerate(depot.circuits)]
    named += [(f"charge_points[{index}]", unit.id) for index, unit in enumerate(depot.charge_points)]
    yield from _check_namespace(named, broken)
    for index, unit in enumerate(depot.charge_points):
        path = f"charge_points[{index}].connectors"
        connectors = [(f"{path}[{number}]", connector.id) for number, connector in enumerate(unit.connectors)]
        yield from _check_namespace(connectors, broken)


def _check_namespace(named: list[tuple[str, str]], broken: frozenset[str]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    taken: set[str] | None = None
    for path, name in named:
        if path in broken or f"{path}.id" in broken:
            continue
        problem = _id_problem(f"{path}.id", name)
        if problem is not None:
            yield problem
            continue
        if first.setdefault(name, path) == path:
            continue
        taken = taken or {other for _, other in named}
        number = next(number for number in range(2, len(named) + 3) if f"{name}-{number}" not in taken)
        taken.add(f"{name}-{number}")
        yield Problem(
            path=f"{path}.id",
            value=name,
            rule=f"{first[name]} has this id already; an id names one thing.",
            fix=f"Rename one of them, for example to `{name}-{number}`.",
        )


def _id_problem(path: str, name: str) -> Problem | None:
    cleaned = "".join("-" if char == "/" or _is_control(char) else char for char in name.strip())
    if name == "":
        rule, fix = "An id is not empty.", "Write a short name, for example `C1`."
    elif "/" in name:
        rule, fix = (
            "An id has no `/`: it separates charge point and connector.",
            f"Write for example `{cleaned}`.",
        )
    elif any(_is_control(char) for char in name):
        rule, fix = "An id has no control characters.", f"Write for example `{cleaned}`."
    elif name != name.strip():
        rule, fix = "An id neither begins nor ends with a space.", f"Write `{cleaned}`."
    elif len(name) > _LONGEST_ID:
        rule, fix = (
            f"An id has at most {_LONGEST_ID} characters.",
            f"Write for example `{cleaned[:20].strip()}`.",
        )
    else:
        return None
    return Problem(path=path, value=name, rule=rule, fix=fix)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _check_parents(depot: Depot, wiring: _Wiring, broken: frozenset[str]) -> Iterator[Problem]:
    for index, circuit in enumerate(depot.circuits):
        path = f"circuits[{index}].parent"
        if circuit.parent is None or {f"circuits[{index}]", path} & broken:
            continue
        if circuit.parent == circuit.id and f"circuits[{index}].id" not in broken:
            yield Problem(
                path=path,
                value=circuit.parent,
                rule="A circuit does not feed itself.",
                fix="Name the circuit that feeds it, or leave `parent` out where the public grid comes in.",
            )
        elif circuit.parent not in wiring.first and wiring.ids_complete:
            yield _unknown_parent(depot, wiring, path, circuit.parent)
    for cycle in wiring.cycles:
        paths = {f"circuits[{index}]{field}" for index in cycle for field in ("", ".id", ".parent")}
        if len(cycle) > 1 and not paths & broken:
            yield _circle(depot, cycle)


def _unknown_parent(depot: Depot, wiring: _Wiring, path: str, parent: str) -> Problem:
    top = "leave `parent` out where the public grid comes in."
    if parent == depot.id:
        rule, fix = "This is the depot, not a circuit.", f"A top-level circuit has no parent: {top}"
    elif parent in wiring.charge_points:
        rule, fix = "This is a charge point, not a circuit.", f"Name the circuit that feeds it, or {top}"
    else:
        rule, fix = "There is no circuit with this id.", f"{suggestion(parent, wiring.names)} Or {top}"
    return Problem(path=path, value=parent, rule=rule, fix=fix)


def _circle(depot: Depot, cycle: tuple[int, ...]) -> Problem:
    names = [depot.circuits[index].id for index in cycle]
    shown = names if len(names) <= 10 else [*names[:9], f"({len(names) - 10} more)", names[-1]]
    return Problem(
        path=f"circuits[{cycle[0]}].parent",
        value=depot.circuits[cycle[0]].parent,
        rule=f"These circuits feed each other in a circle: {' <- '.join([*shown, names[0]])}.",
        fix="Leave `parent` out where the public grid comes in, or name the circuit that really feeds it.",
    )


def _check_circuits(depot: Depot, wiring: _Wiring, broken: frozenset[str]) -> Iterator[Problem]:
    fields = ("rating", "default_operating_capacity", "safe_operating_capacity", "base_load", "meter")
    for index, circuit in enumerate(depot.circuits):
        path = f"circuits[{index}]"
        if path in broken:
            continue
        if circuit.voltage_v is not None and f"{path}.voltage" not in broken:
            if not 0 < circuit.voltage_v <= _HIGHEST_V:
                yield _voltage_problem(f"{path}.voltage", circuit.voltage_v)
            voltage = circuit.voltage_v if circuit.voltage_v > 0 else None
        else:
            voltage = wiring.voltages.get(circuit.id)
        if circuit.phases is not None and f"{path}.phases" not in broken:
            yield from _check_phases(circuit, path, wiring)
        yield from _check_meter(circuit, path, broken)
        yield from check_capacities(
            circuit,
            path,
            unread=frozenset(field for field in fields if f"{path}.{field}" in broken),
            phases=_phases_of(circuit, path, wiring, broken),
            voltage_v=voltage,
        )


def _phases_of(circuit: Circuit, path: str, wiring: _Wiring, broken: frozenset[str]) -> tuple[Phase, ...] | None:
    """Its own phases, or else what it inherits; None where that is not known."""
    if f"{path}.phases" in broken:
        return None
    return circuit.phases or wiring.phases.get(circuit.id)


def _check_phases(circuit: Circuit, path: str, wiring: _Wiring) -> Iterator[Problem]:
    phases = circuit.phases or ()
    text = f"[{', '.join(phases)}]"
    above = wiring.phases.get(circuit.parent) if circuit.parent is not None else PHASES
    extra = [phase for phase in dict.fromkeys(phases) if above is not None and phase not in above]
    if not phases:
        rule, fix = (
            "A circuit has at least one phase.",
            "Leave `phases` out to inherit them, or write `[L1]`.",
        )
    elif len(set(phases)) < len(phases):
        rule, fix = "A phase is named twice.", f"Write `[{', '.join(dict.fromkeys(phases))}]`."
    elif extra and above is not None:
        rule = f"{circuit.parent} has no {', '.join(extra)}; it has {', '.join(above)}."
        fix = f"Name only phases of {circuit.parent}: {', '.join(above)}."
    else:
        return
    yield Problem(path=f"{path}.phases", value=text, rule=rule, fix=fix)


def _check_meter(circuit: Circuit, path: str, broken: frozenset[str]) -> Iterator[Problem]:
    meter = circuit.meter
    if not isinstance(meter, str) or f"{path}.meter" in broken:
        return
    if not meter or meter != meter.strip() or any(_is_control(char) for char in meter):
        yield Problem(
            path=f"{path}.meter",
            value=meter,
            rule="A meter's address is a text without spaces around it or control characters.",
            fix="Write true (values come from outside), false, or the address.",
        )


def _check_names(depot: Depot, broken: frozenset[str]) -> Iterator[Problem]:
    """Names are shown on terminals and pages, where control characters do more than show."""
    named = [("depot", depot.name)]
    named += [(f"circuits[{index}]", circuit.name) for index, circuit in enumerate(depot.circuits)]
    named += [(f"charge_points[{index}]", unit.name) for index, unit in enumerate(depot.charge_points)]
    for path, name in named:
        if name is None or f"{path}.name" in broken or not any(_is_control(char) for char in name):
            continue
        cleaned = " ".join("".join(" " if _is_control(char) else char for char in name).split())
        yield Problem(
            path=f"{path}.name",
            value=name,
            rule="A name is one line without control characters.",
            fix=f"Write `{cleaned}`.",
        )


def _check_charge_points(depot: Depot, wiring: _Wiring, broken: frozenset[str]) -> Iterator[Problem]:
    circuits_by_id = {circuit_id: depot.circuits[index] for circuit_id, index in wiring.first.items()}
    for index, unit in enumerate(depot.charge_points):
        path = f"charge_points[{index}]"
        if path in broken:
            continue
        phases: tuple[Phase, ...] | None = None
        if f"{path}.circuit" not in broken:
            if unit.circuit in circuits_by_id:
                phases = wiring.phases[unit.circuit]
            elif wiring.ids_complete:
                yield check_circuit_of(unit, path, depot.id, wiring.names)
        yield from check_charge_point(unit, path, phases=phases, broken=broken)
