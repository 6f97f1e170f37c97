"""A depot written out reads back equal, as YAML and as JSON. No disk."""

import json
from dataclasses import replace

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.adapters.files.depot_file import dump_depot, parse_depot
from busbar.adapters.files.document import parse_document
from busbar.core.depot import (
    STRATEGY_NAMES,
    ChargePoint,
    Circuit,
    Connector,
    CurrentKind,
    Depot,
    FairIn,
    Leaves,
    Sharing,
    Trust,
)
from busbar.core.depot_rules import check_depot
from busbar.core.units import PHASES, ActivePower, Amount, ApparentPower, Current, Phase

# Words that other readers of YAML take for something else are ids here.
IDS = st.sampled_from(
    ["NO", "null", "~", "010", "1", "1.0", "12:30", "2026-11-22", "true", "<<", "*a", "🚌", "a b", "C#1"]
)
NAMES = st.none() | st.text(max_size=12).filter(lambda text: text.isprintable())
WHOLE = st.integers(0, 10**7)


@st.composite
def smaller(draw: st.DrawFn, amount: Amount) -> Amount:
    """An amount in the same unit, row by row at most as large."""
    match amount:
        case ActivePower(w=w):
            return ActivePower(w=draw(st.integers(0, w)))
        case ApparentPower(va=va):
            return ApparentPower(va=draw(st.integers(0, va)))
        case Current():
            values = [None if ma is None else draw(st.integers(0, ma)) for ma in amount.per_phase_ma()]
            return Current(l1_ma=values[0], l2_ma=values[1], l3_ma=values[2])


def amounts(phases: tuple[Phase, ...]) -> st.SearchStrategy[Amount]:
    each = [WHOLE if phase in phases else st.none() for phase in PHASES]
    per_phase = st.builds(Current, l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])
    same = WHOLE.map(lambda ma: Current(l1_ma=ma, l2_ma=ma, l3_ma=ma))
    return st.builds(ActivePower, w=WHOLE) | st.builds(ApparentPower, va=WHOLE) | per_phase | same


@st.composite
def circuits(draw: st.DrawFn, name: str, parent: str | None) -> Circuit:
    own = draw(st.none() | st.permutations(PHASES).map(tuple))
    rating = draw(amounts(PHASES))
    default = draw(smaller(rating))
    meter: bool | str = draw(st.booleans() | st.sampled_from(["modbus://10.0.0.7/1", "1"]))
    safe = draw(smaller(default))
    return Circuit(
        id=name,
        parent=parent,
        name=draw(NAMES),
        rating=draw(st.sampled_from([None, rating])),
        default_operating_capacity=default,
        safe_operating_capacity=safe if meter else draw(st.sampled_from([None, safe])),
        voltage_v=draw(st.none() | st.integers(1, 110_000)),
        phases=own,
        base_load=draw(st.none() | amounts(PHASES)),
        meter=meter,
    )


@st.composite
def connectors(draw: st.DrawFn, name: str, current: CurrentKind) -> Connector:
    rating = draw(st.integers(1, 10**6))
    steps = draw(st.just([]) | st.lists(st.integers(1, rating), unique=True, max_size=4))
    phases: tuple[Phase, ...] = PHASES
    if current is CurrentKind.AC:
        phases = tuple(draw(st.permutations(PHASES)))[: draw(st.integers(1, 3))]
    return Connector(
        id=name,
        max_rating=rating,
        minimum=draw(st.integers(0, max(steps, default=rating))),
        step=draw(st.integers(1, 10**5)),
        fallback=draw(st.integers(0, rating)),
        steps=tuple(sorted(steps)),
        phases=phases,
        line_to_line=len(phases) == 2 and draw(st.booleans()),
    )


@st.composite
def charge_points(draw: st.DrawFn, name: str, circuit: str) -> ChargePoint:
    current = draw(st.sampled_from(CurrentKind))
    ids = draw(st.lists(IDS, min_size=1, max_size=2, unique=True))
    permille = st.integers(1, 1000)
    sharing = draw(st.none() | st.sampled_from(Sharing))
    size = draw(st.none() | st.integers(1, 50_000)) if current is CurrentKind.DC else None
    rating = draw(WHOLE)
    return ChargePoint(
        id=name,
        circuit=circuit,
        current=current,
        max_rating=rating if size is None else rating // size * size,
        connectors=tuple(draw(connectors(connector, current)) for connector in ids),
        name=draw(NAMES),
        efficiency_permille=1000 if current is CurrentKind.AC else draw(permille),
        power_factor_permille=draw(permille),
        idle_load_w=draw(st.integers(0, 5000)),
        in_service=draw(st.booleans()),
        sharing=sharing,
        module_size=size,
        outputs=draw(st.none() | st.integers(1, 1 if sharing is Sharing.SEQUENTIAL else len(ids))),
    )


@st.composite
def depots(draw: st.DrawFn) -> Depot:
    depot_id, *ids = draw(st.lists(IDS, min_size=1, max_size=7, unique=True))
    count = draw(st.integers(0, len(ids)))
    made: list[Circuit] = []
    for name in ids[:count]:
        parent = draw(st.sampled_from([None, *(circuit.id for circuit in made)]))
        made.append(draw(circuits(name, parent)))
    units = [draw(charge_points(name, draw(st.sampled_from(ids[:count])))) for name in ids[count:] if count]
    return Depot(
        id=depot_id,
        voltage_v=draw(st.integers(1, 1000)),
        name=draw(NAMES),
        timezone=draw(st.sampled_from(["UTC", "Australia/Perth", "Europe/Rome"])),
        voltage_margin_permille=draw(st.integers(0, 499)),
        base_power_factor_permille=draw(st.integers(1, 1000)),
        limit=draw(st.none() | amounts(PHASES)),
        strategy=draw(st.sampled_from(STRATEGY_NAMES)),
        leaves=draw(st.sampled_from(Leaves)),
        fair_in=draw(st.sampled_from(FairIn)),
        require=draw(st.sampled_from(Trust)),
        circuits=tuple(draw(st.permutations(made))),
        charge_points=tuple(units),
    )


@settings(deadline=None, max_examples=150)
@given(depots())
def test_a_depot_written_out_reads_back_equal(depot: Depot) -> None:
    assert check_depot(depot) == ()
    as_json = json.dumps(dump_depot(depot)).encode()
    assert parse_depot(parse_document(as_json, file="depot.json")) == depot
    as_yaml = yaml.safe_dump(dump_depot(depot), sort_keys=False).encode()
    assert parse_depot(parse_document(as_yaml, file="depot.yaml")) == depot


def test_fewer_phases_survive_too() -> None:
    single = Circuit(
        id="S", default_operating_capacity=Current(l1_ma=None, l2_ma=16_000, l3_ma=None), phases=(Phase.L2,)
    )
    whole = replace(single, id="W", default_operating_capacity=Current(l1_ma=5, l2_ma=5, l3_ma=5))
    depot = Depot(id="d", voltage_v=230, circuits=(single, whole))
    assert parse_depot(parse_document(json.dumps(dump_depot(depot)).encode(), file="x.json")) == depot
