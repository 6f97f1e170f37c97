"""Limits and base loads in worked numbers; the twin, which derives them by itself, has to say the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.rooms import headroom, rooms
from busbar.core.snapshot import Mode, Snapshot, snapshot_from_arrays
from busbar.core.twin_limits import twin_available
from busbar.core.units import PHASES, SQRT3, ActivePower, Amount, ApparentPower, Current, Phase, parse_amount

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def amount(text: str) -> Amount:
    return parse_amount(text, is_limit=True, signed=True)


def circuit(
    *,
    default: str,
    name: str = "C1",
    parent: str | None = None,
    safe: str | None = None,
    rating: str | None = None,
    base_load: str | None = None,
    voltage_v: int | None = None,
    phases: tuple[Phase, ...] | None = None,
) -> Circuit:
    return Circuit(
        id=name,
        parent=parent,
        default_operating_capacity=amount(default),
        safe_operating_capacity=None if safe is None else amount(safe),
        rating=None if rating is None else amount(rating),
        base_load=None if base_load is None else amount(base_load),
        voltage_v=voltage_v,
        phases=phases,
    )


def ac(
    name: str = "CP1",
    *,
    at: str = "C1",
    rating_ma: int = 32_000,
    step_ma: int = 1000,
    phases: tuple[Phase, ...] = PHASES,
    idle_w: int = 0,
    in_service: bool = True,
) -> ChargePoint:
    return ChargePoint(
        id=name,
        circuit=at,
        current=CurrentKind.AC,
        max_rating=rating_ma,
        connectors=(Connector(id="1", max_rating=rating_ma, minimum=0, step=step_ma, phases=phases),),
        power_factor_permille=1000,
        idle_load_w=idle_w,
        in_service=in_service,
    )


def dc(name: str, *, rating_w: int, at: str = "C1", efficiency: int = 1000, power_factor: int = 1000) -> ChargePoint:
    return ChargePoint(
        id=name,
        circuit=at,
        current=CurrentKind.DC,
        max_rating=rating_w,
        connectors=(Connector(id="1", max_rating=rating_w, minimum=0, step=1),),
        efficiency_permille=efficiency,
        power_factor_permille=power_factor,
    )


def depot(
    *circuits: Circuit,
    units: tuple[ChargePoint, ...] = (ac(),),
    voltage_v: int = 400,
    margin: int = 0,
    limit: str | None = None,
    base_power_factor: int = 1000,
) -> Projection:
    return project(
        Depot(
            id="depot",
            voltage_v=voltage_v,
            voltage_margin_permille=margin,
            base_power_factor_permille=base_power_factor,
            limit=None if limit is None else amount(limit),
            circuits=circuits,
            charge_points=units,
        )
    )


def seen(
    projection: Projection,
    *,
    base_load: Mapping[str, str | Amount] | None = None,
    safe: tuple[str, ...] = (),
    envelopes: Mapping[str, str] | None = None,
) -> Snapshot:
    loads = {node: amount(load) if isinstance(load, str) else load for node, load in (base_load or {}).items()}
    return snapshot_from_arrays(
        projection,
        at=AT,
        request=projection.max_rating,
        base_load=loads,
        modes=dict.fromkeys(safe, Mode.SAFE),
        envelopes={node: amount(limit) for node, limit in (envelopes or {}).items()},
    )


def available(projection: Projection, node: str = "C1", snapshot: Snapshot | None = None) -> list[Fraction | None]:
    """L1, L2, L3 in mA and the total in W, of fill and twin, which agree."""
    snapshot = snapshot or seen(projection)
    index = projection.node_index[node]
    scale = projection.frame.scale
    figures = headroom(projection, rooms(projection, snapshot), int(projection.frame.inner_of[index]))
    found = [
        None if ticks is None else Fraction(ticks, scale.per_unit(row)) for row, ticks in enumerate(figures.available)
    ]
    assert found == twin_available(projection, snapshot)[index][:4]
    return found


def setpoints(projection: Projection, snapshot: Snapshot | None = None) -> list[int]:
    return [int(value) for value in balance(projection, snapshot or seen(projection)).setpoint]


def test_amperes_at_another_voltage_are_referred_to_the_depots() -> None:
    projection = depot(circuit(default="100 A", voltage_v=11_000), units=(), voltage_v=415)
    found = available(projection)
    assert found == [Fraction(100_000 * 11_000, 415)] * 3 + [None]
    assert round(found[0] or 0) == 2_650_602


def test_an_apparent_power_caps_each_phase_alike_at_any_voltage() -> None:
    high = available(depot(circuit(default="1000 kVA", voltage_v=11_000), units=(), voltage_v=415))
    low = available(depot(circuit(default="1000 kVA"), units=(), voltage_v=415))
    assert high == low == [1_000_000_000 / (SQRT3 * 415 / 3) / 3] * 3 + [None]
    assert 1_391_200 < (low[0] or 0) < 1_391_210


def test_an_apparent_power_on_one_phase_lets_that_phase_carry_all_of_it() -> None:
    found = available(depot(circuit(default="10 kVA", phases=(Phase.L2,)), units=()))
    assert found == [None, 3 * 10_000_000 / (SQRT3 * 400), None, None]


def test_an_active_power_caps_the_total_only() -> None:
    assert available(depot(circuit(default="150 kW"), units=())) == [None, None, None, 150_000]


def test_zero_means_zero() -> None:
    projection = depot(circuit(default="0 A"))
    assert available(projection)[:3] == [0, 0, 0]
    assert setpoints(projection) == [0]


def test_two_of_16_a_fit_32_a() -> None:
    units = (ac("CP1", rating_ma=16_000, step_ma=1), ac("CP2", rating_ma=16_000, step_ma=1))
    assert setpoints(depot(circuit(default="32 A"), units=units)) == [16_000, 16_000]
    assert sum(setpoints(depot(circuit(default="31.999 A"), units=units))) == 31_999


def test_four_of_50_kw_fit_200_kw() -> None:
    units = tuple(dc(f"CP{index}", rating_w=50_000) for index in range(4))
    assert setpoints(depot(circuit(default="200 kW"), units=units)) == [50_000] * 4
    assert sum(setpoints(depot(circuit(default="199.999 kW"), units=units))) == 199_999


def test_four_of_50_kw_fit_200_kva_without_margin_at_unity_power_factor() -> None:
    units = tuple(dc(f"CP{index}", rating_w=50_000) for index in range(4))
    assert setpoints(depot(circuit(default="200 kVA"), units=units)) == [50_000] * 4
    assert sum(setpoints(depot(circuit(default="199.999 kVA"), units=units))) == 199_999
    assert sum(setpoints(depot(circuit(default="200 kVA"), units=units, margin=50))) == 190_000


def test_a_dc_charge_point_draws_its_losses_too() -> None:
    units = (dc("CP1", rating_w=100_000, efficiency=940),)
    assert setpoints(depot(circuit(default="94 kW"), units=units)) == [88_360]
    assert available(depot(circuit(default="1 MW"), units=units), "CP1")[3] == Fraction(100_000_000, 940)


def test_a_dc_charge_point_draws_most_amperes_when_the_voltage_sags() -> None:
    units = (dc("CP1", rating_w=100_000, efficiency=940, power_factor=980),)
    exact = Fraction(100_000) * Fraction(94, 100) * Fraction(98, 100) * SQRT3 * 380 / 1000
    assert setpoints(depot(circuit(default="100 A"), units=units, margin=50)) == [int(exact)]


def test_an_ac_charge_point_draws_most_power_when_the_voltage_rises() -> None:
    exact = 10_000 * 1000 / (3 * Fraction(420) / SQRT3)
    assert setpoints(depot(circuit(default="10 kW"), units=(ac(step_ma=1),), margin=50)) == [int(exact)]


def test_a_node_has_the_least_of_default_rating_and_envelope() -> None:
    projection = depot(circuit(default="100 A", rating="120 A"))
    assert available(projection)[0] == 100_000
    assert available(projection, snapshot=seen(projection, envelopes={"C1": "60 A"}))[0] == 60_000
    assert available(projection, snapshot=seen(projection, envelopes={"C1": "500 A"}))[0] == 100_000


def test_an_envelope_in_another_unit_caps_another_row() -> None:
    projection = depot(circuit(default="100 A", base_load="10 A"))
    snapshot = seen(projection, envelopes={"C1": "50 kW"})
    # 10 A may stand for 10 A x 400 V x sqrt 3 at most, rounded up to a watt.
    assert available(projection, snapshot=snapshot) == [90_000] * 3 + [50_000 - ceil(30 * 400 / SQRT3)]


def test_a_microgrid_limits_the_sum_of_its_grid_connections() -> None:
    units = (ac("CP1", at="A"), ac("CP2", at="B"))
    circuits = (circuit(name="A", default="63 A"), circuit(name="B", default="63 A"))
    assert setpoints(depot(*circuits, units=units, limit="40 A")) == [20_000, 20_000]
    assert setpoints(depot(*circuits, units=units)) == [32_000, 32_000]


def test_base_load_in_kw_is_balanced_at_its_power_factor_and_the_lowest_voltage() -> None:
    projection = depot(circuit(default="100 A", base_load="9 kW"), base_power_factor=900, margin=50)
    assert available(projection)[0] == 100_000 - ceil(10_000_000 / (SQRT3 * 380))


def test_base_load_of_children_is_carried_by_a_parent_without_a_figure() -> None:
    projection = depot(
        circuit(name="GC", default="100 A"),
        circuit(name="A", parent="GC", default="50 A", base_load="10 A"),
        circuit(name="B", parent="GC", default="50 A", base_load="5 A"),
        units=(ac(at="A"),),
    )
    assert available(projection, "GC")[0] == 85_000
    measured = seen(projection, base_load={"A": "12 A"})
    assert available(projection, "GC", measured)[0] == 83_000
    assert available(projection, "A", measured)[0] == 38_000


def test_a_figure_of_its_own_stands_for_everything_below() -> None:
    projection = depot(
        circuit(name="GC", default="100 A", base_load="20 A"),
        circuit(name="A", parent="GC", default="50 A", base_load="10 A"),
        units=(ac(at="A"),),
    )
    assert available(projection, "GC")[0] == 80_000
    assert available(projection, "GC", seen(projection, base_load={"A": "30 A"}))[0] == 80_000
    assert available(projection, "GC", seen(projection, base_load={"GC": "25 A"}))[0] == 75_000


def test_what_charge_points_draw_by_themselves_is_base_load_of_their_circuit() -> None:
    units = (ac("CP1", idle_w=100), ac("CP2", idle_w=60), ac("CP3", idle_w=1000, in_service=False))
    projection = depot(circuit(default="10 kW"), units=units)
    assert available(projection)[3] == 10_000 - 160
    # Their own rating is counted at the socket.
    assert available(projection, "CP1")[0] == 32_000
    declared = depot(circuit(default="10 kW", base_load="1 kW"), units=units)
    assert available(declared)[3] == 9_000


def test_base_load_above_the_limit_leaves_nothing() -> None:
    projection = depot(circuit(default="20 A", base_load="30 A"))
    assert available(projection)[:3] == [0, 0, 0]
    assert setpoints(projection) == [0]


def test_generation_counts_only_where_it_is_measured() -> None:
    projection = depot(circuit(default="40 A", rating="80 A"))
    one_line = Current(l1_ma=-10_000, l2_ma=5_000, l3_ma=None)
    assert available(projection, snapshot=seen(projection, base_load={"C1": one_line}))[:3] == [
        50_000,
        35_000,
        40_000,
    ]
    # kW measured says nothing of a line.
    assert available(projection, snapshot=seen(projection, base_load={"C1": "-20 kW"}))[0] == 40_000


def test_generation_never_lifts_charge_points_above_the_rating() -> None:
    rated = depot(circuit(default="40 A", rating="80 A"))
    assert available(rated, snapshot=seen(rated, base_load={"C1": "-100 A"}))[0] == 80_000
    unrated = depot(circuit(default="40 A"))
    assert available(unrated, snapshot=seen(unrated, base_load={"C1": "-100 A"}))[0] == 40_000


@pytest.mark.parametrize(
    ("envelope", "expected_a"),
    [(None, 40), ("80 A", 20), ("60 A", 0), ("50 A", 0)],
)
def test_a_safe_node_takes_the_assumed_base_load_off_first(envelope: str | None, expected_a: int) -> None:
    """min(safe, limit - (default - safe)): default 100 A and safe 40 A assume 60 A of base load."""
    projection = depot(circuit(default="100 A", safe="40 A"))
    snapshot = seen(
        projection,
        safe=("C1",),
        base_load={"C1": "1 A"},
        envelopes={} if envelope is None else {"C1": envelope},
    )
    assert available(projection, snapshot=snapshot)[0] == expected_a * 1000


def test_the_assumed_base_load_is_converted_where_an_envelope_has_another_unit() -> None:
    projection = depot(circuit(default="100 kW", safe="40 kW"), base_power_factor=1000)
    snapshot = seen(projection, safe=("C1",), envelopes={"C1": "150 A"})
    assumed_ma = 60_000_000 / (SQRT3 * 400)
    assert available(projection, snapshot=snapshot) == [150_000 - assumed_ma] * 3 + [40_000]
    in_amperes = depot(circuit(default="100 A", safe="40 A"))
    snapshot = seen(in_amperes, safe=("C1",), envelopes={"C1": "50 kW"})
    assert available(in_amperes, snapshot=snapshot)[3] == 50_000 - 3 * 60 * 400 / SQRT3


def test_a_safe_node_burdens_those_above_with_what_it_assumes() -> None:
    projection = depot(
        circuit(name="GC", default="200 A"),
        circuit(name="A", parent="GC", default="100 A", safe="40 A", base_load="5 A"),
        units=(ac(at="A"),),
    )
    assert available(projection, "GC")[0] == 195_000
    assert available(projection, "GC", seen(projection, safe=("A",)))[0] == 140_000


def test_an_envelope_on_a_charge_point_counts_on_the_supply_side() -> None:
    projection = depot(circuit(default="1 MW"), units=(dc("CP1", rating_w=100_000, efficiency=940),))
    assert setpoints(projection, seen(projection, envelopes={"CP1": "50 kW"})) == [47_000]


def test_an_envelope_on_the_microgrid_limits_everything() -> None:
    projection = depot(circuit(default="63 A"), units=(ac("CP1"), ac("CP2")))
    assert setpoints(projection, seen(projection, envelopes={"depot": "30 A"})) == [15_000, 15_000]


def test_amounts_of_every_kind_are_compared_without_tolerance() -> None:
    for limit in (ActivePower(w=22_170), ApparentPower(va=22_170), Current(l1_ma=32_000, l2_ma=32_000, l3_ma=32_000)):
        found = project(
            Depot(
                id="depot",
                voltage_v=400,
                voltage_margin_permille=0,
                circuits=(Circuit(id="C1", default_operating_capacity=limit),),
                charge_points=(ac(step_ma=1),),
            )
        )
        (value,) = setpoints(found)
        weights = [found.weights[row][0] for row in range(4)]
        limits = available(found)
        assert all(most is None or weight * value <= most for weight, most in zip(weights, limits, strict=True))
        assert value == 32_000 or any(
            most is not None and weight * (value + 1) > most for weight, most in zip(weights, limits, strict=True)
        )


def test_a_step_far_beyond_the_ratings_is_still_reckoned_exactly() -> None:
    """The restart gap asks for the minimum and one step; 10^9 W of it once ran over 64 bits."""
    units = tuple(
        ChargePoint(
            id=f"CP{index}",
            circuit="C1",
            current=CurrentKind.DC,
            max_rating=10**9,
            connectors=(Connector(id="1", max_rating=20_000, minimum=10_000, step=10**9),),
            efficiency_permille=efficiency,
            power_factor_permille=power_factor,
        )
        for index, (efficiency, power_factor) in enumerate([(940, 1000), (940, 871), (1000, 883)])
    )
    projection = depot(circuit(default="100 kVA"), units=units)
    stopped = snapshot_from_arrays(projection, at=AT, request=projection.max_rating, stopped_ago_s=np.full(3, 10.0))
    assert balance(projection, stopped).verdict.tolist() == [3, 3, 3]
