"""The rules of a depot as values, without any file."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from busbar.core.capacity_rules import caps
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Sharing
from busbar.core.depot_rules import check_depot
from busbar.core.units import (
    PHASES,
    SQRT3,
    ActivePower,
    Amount,
    ApparentPower,
    Current,
    Phase,
    current_per_phase,
)
from busbar.core.wiring import circuit_phases, circuit_voltages

L1, L2, L3 = PHASES


def amperes(value: int) -> Current:
    return Current(l1_ma=value * 1000, l2_ma=value * 1000, l3_ma=value * 1000)


def circuit(
    name: str, parent: str | None = None, default: Amount | None = None, phases: Sequence[Phase] | None = None
) -> Circuit:
    return Circuit(
        id=name,
        parent=parent,
        default_operating_capacity=default or amperes(100),
        phases=None if phases is None else tuple(phases),
    )


def depot(*circuits: Circuit, units: Sequence[ChargePoint] = ()) -> Depot:
    return Depot(id="d", voltage_v=400, circuits=circuits, charge_points=tuple(units))


def unit(name: str, on: str, current: CurrentKind = CurrentKind.AC) -> ChargePoint:
    connector = Connector(id="1", max_rating=32000, minimum=6000, step=100)
    efficiency = 1000 if current is CurrentKind.AC else 940
    return ChargePoint(
        id=name,
        circuit=on,
        current=current,
        max_rating=32000,
        connectors=(connector,),
        efficiency_permille=efficiency,
    )


def paths(checked: Depot, broken: Sequence[str] = ()) -> list[str]:
    return [problem.path for problem in check_depot(checked, broken=frozenset(broken))]


def test_a_sound_depot_has_no_problems() -> None:
    assert paths(depot(circuit("A"), circuit("B", "A"), circuit("empty"), units=[unit("U", "A")])) == []


def test_five_thousand_nested_circuits_are_fine() -> None:
    chain = [circuit("C0", phases=[L1, L2]), *(circuit(f"C{n}", f"C{n - 1}") for n in range(1, 5000))]
    deep = depot(*reversed(chain))
    assert paths(deep) == []
    assert circuit_phases(deep)["C4999"] == (L1, L2)
    assert circuit_voltages(deep)["C4999"] == 400


def test_five_thousand_circuits_in_a_circle_are_one_problem() -> None:
    circle = depot(*(circuit(f"C{n}", f"C{(n + 1) % 5000}") for n in range(5000)))
    (problem,) = check_depot(circle)
    assert problem.path == "circuits[0].parent"
    assert "(4990 more)" in problem.rule


def test_circuits_below_a_circle_are_not_part_of_it() -> None:
    below = depot(circuit("X", "B"), circuit("A", "B"), circuit("B", "A"), circuit("S", "S"))
    assert paths(below) == ["circuits[3].parent", "circuits[1].parent"]


def test_phases_and_voltages_are_inherited_and_survive_any_mistake() -> None:
    wired = depot(
        replace(circuit("HV"), voltage_v=11000),
        circuit("A", "HV", phases=[L3, L1]),
        circuit("B", "A"),
        replace(circuit("LV", "B"), voltage_v=230),
        circuit("lost", "nowhere"),
        circuit("r", "s"),
        circuit("s", "r"),
        circuit("self", "self"),
    )
    phases, voltages = circuit_phases(wired), circuit_voltages(wired)
    assert (phases["HV"], phases["B"], phases["LV"]) == (PHASES, (L3, L1), (L3, L1))
    assert (voltages["B"], voltages["LV"]) == (11000, 230)
    for name in ("lost", "r", "s", "self"):
        assert (phases[name], voltages[name]) == (PHASES, 400)


@pytest.mark.parametrize(("phases", "share"), [((L1, L2, L3), 1 / SQRT3), ((L1, L2), 3 / (2 * SQRT3)), ((L2,), SQRT3)])
def test_kva_caps_each_phase_there_is(phases: tuple[Phase, ...], share: float) -> None:
    limits = caps(ApparentPower(va=400_000), phases=phases, voltage_v=400)
    assert set(limits) == set(phases)
    for value in limits.values():
        assert float(value) == pytest.approx(1_000_000 * share, rel=1e-8)


def test_kva_and_amperes_meet_exactly() -> None:
    # 100 A on three phases at 400 V are 69 282.03 VA with the rational sqrt 3: one VA more is too much.
    at_most = int(100 * 400 * SQRT3)
    for va, found in ((at_most, []), (at_most + 1, ["circuits[0].safe_operating_capacity"])):
        safe = replace(circuit("A"), safe_operating_capacity=ApparentPower(va=va))
        assert paths(depot(safe)) == found


def test_a_circuits_own_voltage_counts_when_kva_meets_amperes() -> None:
    transformer = replace(circuit("A", default=amperes(100)), rating=ApparentPower(va=1_900_000), voltage_v=11000)
    assert paths(depot(transformer)) == ["circuits[0].default_operating_capacity"]
    assert paths(depot(replace(transformer, rating=ApparentPower(va=1_906_000)))) == []
    # The voltage is inherited.
    below = replace(transformer, id="B", parent="A", voltage_v=None)
    assert paths(depot(replace(circuit("A"), voltage_v=11000), below)) == ["circuits[1].default_operating_capacity"]


def test_kw_compares_with_kw_only() -> None:
    made = replace(circuit("A", default=ActivePower(w=100_000)), rating=amperes(1))
    assert paths(depot(made)) == []
    assert paths(depot(replace(made, rating=ActivePower(w=99_999)))) == ["circuits[0].default_operating_capacity"]


def test_per_phase_values_compare_phase_by_phase() -> None:
    default = current_per_phase({L1: 10, L2: 20, L3: 30})
    made = replace(circuit("A", default=default), safe_operating_capacity=current_per_phase({L1: 10, L2: 20, L3: 31}))
    (problem,) = check_depot(depot(made))
    assert "on L3." in problem.rule
    assert problem.value == "{L1: 0.01 A, L2: 0.02 A, L3: 0.031 A}"


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (depot(circuit("A", phases=[L1]), circuit("B", "A", phases=[L1, L2])), ["circuits[1].phases"]),
        (depot(circuit("A", phases=[])), ["circuits[0].phases"]),
        (depot(circuit("A", phases=[L1, L1])), ["circuits[0].phases"]),
        (depot(circuit("A", phases=[L1]), units=[unit("U", "A")]), ["charge_points[0].connectors[0].phases"]),
        (depot(circuit("A", phases=[L1, L2]), units=[unit("U", "A", CurrentKind.DC)]), ["charge_points[0].circuit"]),
        (depot(circuit("A"), units=[unit("U", "")]), ["charge_points[0].circuit"]),
        (depot(circuit("A"), units=[unit("A", "A")]), ["charge_points[0].id"]),
        (depot(circuit("A", default=amperes(-1))), ["circuits[0].default_operating_capacity"]),
        (depot(circuit("A", default=amperes(10**7))), ["circuits[0].default_operating_capacity"]),
        (depot(circuit("A" * 101)), ["circuits[0].id"]),
        (replace(depot(), voltage_v=-1), ["depot.voltage"]),
        (replace(depot(), base_power_factor_permille=0), ["depot.base_power_factor"]),
        (replace(depot(), strategy="magic"), ["depot.strategy"]),
        (replace(depot(), limit=current_per_phase({L1: 5})), ["depot.limit"]),
        (replace(depot(circuit("A", phases=[L1])), limit=current_per_phase({L1: 5})), []),
        (depot(replace(circuit("A"), meter=" ", safe_operating_capacity=amperes(1))), ["circuits[0].meter"]),
    ],
)
def test_rules_hold_without_a_file(made: Depot, found: list[str]) -> None:
    assert paths(made) == found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_rating": -1, "minimum": 0}, "max_rating"),
        ({"minimum": -1}, "min"),
        ({"fallback": -1}, "fallback"),
        ({"step": 0}, "step"),
        ({"steps": (6000, 5000)}, "steps"),
        ({"steps": (0, 6000)}, "steps"),
        ({"steps": (5000,)}, "steps"),
        ({"phases": ()}, "phases"),
        ({"phases": (L1,), "line_to_line": True}, "phases"),
    ],
)
def test_rules_of_a_connector(change: dict[str, object], field: str) -> None:
    sound = unit("U", "A")
    spoilt = replace(sound, connectors=(replace(sound.connectors[0], **change),))  # type: ignore[arg-type]
    assert paths(depot(circuit("A"), units=[spoilt])) == [f"charge_points[0].connectors[0].{field}"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outputs": 0}, "outputs"),
        ({"outputs": 3}, "outputs"),
        ({"outputs": 2, "sharing": Sharing.SEQUENTIAL}, "outputs"),
        ({"module_size": 0}, "module_size"),
        ({"module_size": 9000}, "module_size"),
        ({"module_size": 64_000}, "module_size"),
        ({"module_size": 8000, "current": CurrentKind.AC, "efficiency_permille": 1000}, "module_size"),
        ({"outputs": 1, "sharing": Sharing.SEQUENTIAL}, None),
        ({"outputs": 2, "sharing": Sharing.PARALLEL, "module_size": 8000}, None),
        ({"sharing": Sharing.UNVERIFIED}, None),
    ],
)
def test_rules_of_sharing(change: dict[str, object], field: str | None) -> None:
    sound = unit("U", "A", CurrentKind.DC)
    two = replace(sound, connectors=(sound.connectors[0], replace(sound.connectors[0], id="2")))
    shared = replace(two, **change)  # type: ignore[arg-type]
    assert paths(depot(circuit("A"), units=[shared])) == ([f"charge_points[0].{field}"] if field else [])


def test_a_connector_may_be_larger_than_its_charge_point() -> None:
    sound = unit("U", "A")
    assert paths(depot(circuit("A"), units=[replace(sound, max_rating=16000)])) == []


def test_two_phases_make_a_line_to_line_connector() -> None:
    sound = unit("U", "A")
    wired = replace(sound, connectors=(replace(sound.connectors[0], phases=(L3, L1), line_to_line=True),))
    assert paths(depot(circuit("A"), units=[wired])) == []


@pytest.mark.parametrize(
    ("made", "broken"),
    [
        (depot(circuit("B", "A")), "circuits"),
        (depot(circuit("B", "A"), circuit("?")), "circuits[1].id"),
        (depot(circuit("B", "A")), "circuits[0].parent"),
        (depot(circuit("A"), units=[unit("U", "")]), "charge_points[0].circuit"),
        (depot(circuit("A"), units=[unit("U", "X")]), "circuits[0]"),
        (depot(circuit("A", phases=[L1]), units=[unit("U", "A")]), "circuits[0].phases"),
        (depot(circuit("A", default=amperes(-1))), "circuits[0].default_operating_capacity"),
        (depot(replace(circuit("A"), meter=True)), "circuits[0].safe_operating_capacity"),
        (replace(depot(), voltage_v=0), "depot.voltage"),
        (
            replace(depot(replace(circuit("A"), rating=ApparentPower(va=1))), voltage_v=0),
            "depot.voltage",
        ),
    ],
)
def test_rules_skip_what_did_not_parse(made: Depot, broken: str) -> None:
    assert paths(made) != []
    assert paths(made, [broken]) == []
