"""The simulator's own arithmetic, against figures worked out by hand, and against the core's bounds."""

from pathlib import Path

import numpy as np
import pytest
from made_scenarios import made

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import project
from busbar.core.units import ActivePower, ApparentPower, Current, Phase
from busbar.simulator.physics import NO_LIMIT, add_up, base_flow, leaf_loads, limit_rows, physical_limits, whole_flow


def test_dc_power_becomes_current_on_all_three_lines(tmp_path: Path) -> None:
    projection = project(made(tmp_path).depot)
    draw = np.array([0, 38_000, 0])
    flow = whole_flow(add_up(projection, leaf_loads(projection, 1000), draw, np.zeros(3, dtype=np.int64)))
    site = flow[0].tolist()
    # 38 kW / 0.95 = 40 kW; / (sqrt 3 x 415 V) = 55.648 A
    assert site == [55_648, 55_648, 55_648, 40_000]


def test_a_single_phase_vehicle_loads_the_first_wire_of_a_rotated_connector(tmp_path: Path) -> None:
    projection = project(made(tmp_path).depot)
    draw, wires = np.array([16_000, 0, 0]), np.array([1, 0, 0])
    flow = whole_flow(add_up(projection, leaf_loads(projection, 1000), draw, wires))
    # phases [L2, L3, L1]: 16 A on L2, 239.6 V to neutral
    assert flow[0].tolist() == [0, 16_000, 0, 3_834]


def test_line_to_line_currents_add_up_as_phasors() -> None:
    connectors = tuple(
        Connector(id=str(number), max_rating=30_000, minimum=6_000, step=100, phases=phases, line_to_line=True)
        for number, phases in ((1, (Phase.L1, Phase.L2)), (2, (Phase.L3, Phase.L1)))
    )
    unit = ChargePoint(
        id="CP1",
        circuit="C",
        current=CurrentKind.AC,
        max_rating=60_000,
        power_factor_permille=1000,
        connectors=connectors,
    )
    grid = Circuit(id="C", default_operating_capacity=ApparentPower(va=100_000))
    projection = project(Depot(id="d", voltage_v=208, circuits=(grid,), charge_points=(unit,)))
    draw, wires = np.array([10_000, 10_000]), np.zeros(2, dtype=np.int64)
    flow = whole_flow(add_up(projection, leaf_loads(projection, 1000), draw, wires))
    # Two delta legs meet on L1: sqrt 3 x 10 A there, 10 A on each of the others.
    assert flow[0].tolist() == [17_321, 10_000, 10_000, 4_160]


@pytest.mark.parametrize("permille", [950, 1000, 1050])
def test_what_the_core_counts_is_never_less_than_what_flows(permille: int) -> None:
    units = (
        ChargePoint(
            id="DC1",
            circuit="C",
            current=CurrentKind.DC,
            max_rating=100_000,
            efficiency_permille=940,
            connectors=(Connector(id="1", max_rating=100_000, minimum=0, step=1),),
        ),
        ChargePoint(
            id="AC1",
            circuit="C",
            current=CurrentKind.AC,
            max_rating=32_000,
            connectors=(Connector(id="1", max_rating=32_000, minimum=0, step=1, phases=(Phase.L2,)),),
        ),
    )
    grid = Circuit(id="C", default_operating_capacity=ApparentPower(va=500_000))
    projection = project(Depot(id="d", voltage_v=415, circuits=(grid,), charge_points=units))
    draw = np.array([12_345 if not is_ac else 31_001 for is_ac in projection.is_ac])
    flow = add_up(projection, leaf_loads(projection, permille), draw, np.zeros(2, dtype=np.int64))
    counted = [
        float(
            sum(projection.weights[row][k] * int(value) for k, value in zip(projection.leaf_class, draw, strict=True))
        )
        for row in range(4)
    ]
    found = [*np.abs(flow.line_ma[0]).tolist(), float(flow.total_w[0])]
    # The core's sqrt 3 is a fixed rational, 1.4 parts in 10^9 above the true one.
    assert all(most >= value * (1 - 2e-9) for most, value in zip(counted, found, strict=True))


def test_limits_in_amperes_kva_and_kw_cap_what_they_name() -> None:
    depot = Depot(id="d", voltage_v=400)
    lines = (Phase.L1, Phase.L2, Phase.L3)
    assert limit_rows(ActivePower(w=9), depot, nominal_v=400, phases=lines) == [NO_LIMIT] * 3 + [9]
    kva = limit_rows(ApparentPower(va=100_000), depot, nominal_v=400, phases=lines)
    assert kva == [144_338, 144_338, 144_338, NO_LIMIT]
    at_11_kv = limit_rows(Current(l1_ma=1000, l2_ma=None, l3_ma=2000), depot, nominal_v=11_000, phases=lines)
    assert at_11_kv == [27_500, NO_LIMIT, 55_000, NO_LIMIT]


def test_an_envelope_lowers_a_limit_and_a_rating_is_read_at_the_vehicle(tmp_path: Path) -> None:
    projection = project(made(tmp_path).depot)
    names = [projection.node_ids[node] for node in projection.frame.nodes.tolist()]
    limits = physical_limits(projection, {"GC1": ActivePower(w=70_000)})
    assert limits[names.index("GC1")].tolist() == [208_681, 208_681, 208_681, 70_000]
    assert limits[names.index("CP1")].tolist() == [NO_LIMIT] * 3 + [105_263]


def test_base_load_in_kw_draws_its_current_at_the_base_power_factor() -> None:
    depot = Depot(id="d", voltage_v=400)
    lines = (Phase.L1, Phase.L2, Phase.L3)
    phasors, power_w = base_flow(ActivePower(w=90_000), depot, nominal_v=400, phases=lines, voltage_permille=1000)
    assert power_w == 90_000
    assert np.rint(np.abs(phasors)).tolist() == [144_338] * 3
