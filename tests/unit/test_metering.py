"""When a node's meter is believed: silent, frozen, absurd, in a wrong unit, by order; and when it is again."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf, nan

import numpy as np
import pytest

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.draws import on_rows, sitting
from busbar.core.limits import circuit_limits, load_rows, scale_of
from busbar.core.metering import (
    Cause,
    MeterRules,
    MeterState,
    Reading,
    Rows,
    compare,
    condition,
    observe,
    passed,
    plausible,
)
from busbar.core.projection import project
from busbar.core.snapshot import Mode
from busbar.core.units import PHASES, ActivePower, Current, Phase
from busbar.engine.events import Measured, NodeMeasured
from busbar.engine.metering import Metering

RULES = MeterRules()
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOTHING = (0.0, 0.0, 0.0, 0.0)


def amperes(value: int) -> Current:
    return Current(l1_ma=value * 1000, l2_ma=value * 1000, l3_ma=value * 1000)


CIRCUIT = Circuit(
    id="GC",
    default_operating_capacity=amperes(100),
    safe_operating_capacity=amperes(50),
    rating=amperes(120),
    meter=True,
)
DEPOT = Depot(id="yard", voltage_v=400, circuits=(CIRCUIT,))
BOUNDS = plausible(
    circuit_limits(CIRCUIT, scale_of(DEPOT), voltage_v=400, phases=PHASES), scale_of(DEPOT), phase_count=3
)


def on_lines(ma: float) -> Rows:
    return (ma, ma, ma, None)


def sample(at_s: float, rows: Rows, *, age_s: float = 0.0) -> Reading:
    return Reading(taken_s=at_s - age_s, received_s=at_s, rows=rows)


def seen(*samples: Reading, state: MeterState | None = None) -> MeterState:
    state = state or MeterState(safe_since_s=0.0)
    for each in samples:
        state = observe(state, each, BOUNDS, RULES)
    return state


def normal(at_s: float = 3.0, ma: float = 20_000) -> MeterState:
    """A node that has been NORMAL since three samples of a second each."""
    return seen(*(sample(at_s - 2 + k, on_lines(ma + k)) for k in range(3)), state=MeterState(safe_since_s=at_s - 3))


def mode(state: MeterState, now_s: float) -> tuple[Mode, Cause | None, bool]:
    found = condition(passed(state, now_s, RULES), now_s, RULES)
    return found.mode, found.cause, found.may_raise


SAFE, NORMAL = Mode.SAFE, Mode.NORMAL


# Silence


def test_a_meter_that_never_reported_leaves_its_node_safe() -> None:
    state = MeterState(safe_since_s=0.0)
    assert mode(state, 0.0) == (SAFE, Cause.SILENT, True)
    assert mode(state, 1e6) == (SAFE, Cause.SILENT, True)


def test_three_fresh_samples_begin_normal_operation_without_a_minute_of_waiting() -> None:
    state = MeterState(safe_since_s=0.0)
    for at_s, expected in ((1.0, SAFE), (2.0, SAFE), (3.0, NORMAL)):
        state = seen(sample(at_s, on_lines(20_000 + at_s)), state=state)
        assert mode(state, at_s)[0] is expected


def test_nothing_is_raised_below_a_node_that_is_silent_for_fifteen_seconds() -> None:
    state = normal(at_s=3.0)
    assert mode(state, 18.0) == (NORMAL, None, True)
    assert mode(state, 18.1) == (NORMAL, Cause.SILENT, False)
    assert mode(state, 63.0) == (NORMAL, Cause.SILENT, False)
    assert mode(state, 63.1) == (SAFE, Cause.SILENT, True)


def test_the_age_that_counts_is_that_of_the_sample_and_not_of_the_message() -> None:
    state = seen(sample(20.0, on_lines(5), age_s=16.5), state=normal(at_s=3.0))
    assert condition(state, 20.0, RULES).age_s == 16.5
    assert mode(state, 20.0) == (NORMAL, Cause.SILENT, False)


def test_between_cycles_too_a_meter_is_missed_after_fifteen_seconds() -> None:
    metering = Metering(project(DEPOT), now_s=0.0)

    def says(at_s: float, *, age_s: float = 0.0, ma: int = 1000, fault: str = "") -> None:
        phases_ma = None if fault else (ma, ma, ma)
        metering.node_measured(NodeMeasured(node="GC", received_s=at_s, age_s=age_s, phases_ma=phases_ma, fault=fault))

    for at_s in (1.0, 2.0, 3.0):
        says(at_s)
    assert metering.stale(100.0) == frozenset()  # It is SAFE: what may be raised has been decided by other limits.
    metering.cycle(now_s=3.0, committed=np.zeros(0, dtype=np.int64))
    assert metering.stale(18.0) == frozenset()
    assert metering.stale(18.1) == {"GC"}
    says(18.0, fault="no answer")
    says(18.0, age_s=14.5)
    assert metering.stale(18.4) == frozenset()
    assert metering.stale(18.6) == {"GC"}
    says(18.5, ma=10**12)
    assert metering.stale(18.6) == {"GC"}


def test_safe_ends_after_three_fresh_samples_and_not_within_a_minute() -> None:
    state = passed(normal(at_s=3.0), 70.0, RULES)
    state = seen(*(sample(80.0 + k, on_lines(1000 + k)) for k in range(50)), state=state)
    assert mode(state, 129.0)[0] is SAFE
    state = seen(sample(130.0, on_lines(7)), state=state)
    assert mode(state, 130.0) == (NORMAL, None, True)


def test_samples_that_are_not_fresh_do_not_end_safe() -> None:
    state = passed(normal(at_s=3.0), 70.0, RULES)
    state = seen(*(sample(200.0 + k, on_lines(k), age_s=16) for k in range(20)), state=state)
    assert mode(state, 219.0)[0] is SAFE


def test_three_samples_with_a_silence_between_them_are_not_three_in_a_row() -> None:
    state = MeterState(safe_since_s=0.0)
    for at_s in (1.0, 2.0, 20.0, 21.0):
        state = seen(sample(at_s, on_lines(20_000 + at_s)), state=state)
    assert mode(state, 21.0)[0] is SAFE
    assert mode(seen(sample(22.0, on_lines(12_345)), state=state), 22.0)[0] is NORMAL


def test_an_older_sample_changes_nothing() -> None:
    state = normal(at_s=30.0)
    assert seen(sample(31.0, on_lines(99_000), age_s=5), state=state) == state


# Absurd values


@pytest.mark.parametrize(
    "rows",
    [
        on_lines(nan),
        on_lines(inf),
        (20_000, nan, 20_000, None),
        (None, None, None, None),
        on_lines(360_001),
        on_lines(-135_601),
        (20_000, 20_000, -135_601, None),
        (None, None, None, 1e9),
        on_lines(20.002),
    ],
    ids=["nan", "inf", "one nan", "missing", "far above", "far below", "one far below", "power", "a thousandth"],
)
def test_a_single_absurd_sample_is_dropped_and_counted_and_three_make_the_node_safe(rows: Rows) -> None:
    state = seen(sample(4.0, rows), state=normal(at_s=3.0))
    assert mode(state, 4.0) == (NORMAL, None, True)
    assert condition(state, 4.0, RULES).dropped == 1
    assert state.good is not None
    assert state.good.rows == on_lines(20_002)
    state = seen(sample(5.0, rows), state=state)
    assert mode(state, 5.0)[0] is NORMAL
    state = seen(sample(6.0, rows), state=state)
    assert mode(state, 6.0) == (SAFE, Cause.ABSURD, True)


def test_a_wrong_unit_does_not_become_the_right_one_by_going_on() -> None:
    # The node is SAFE from the third sample on; charge points are lowered, and so is what the meter shows.
    wrong = [sample(4.0 + k, on_lines(20.0 if k < 10 else 8.0 + 0.001 * k)) for k in range(200)]
    state = seen(*wrong, state=normal(at_s=3.0))
    assert mode(state, 203.0) == (SAFE, Cause.ABSURD, True)
    state = seen(*(sample(204.0 + k, on_lines(8_000 + k)) for k in range(3)), state=state)
    assert mode(state, 206.0) == (NORMAL, None, True)


def test_a_load_that_fell_to_a_thousandth_while_nobody_looked_is_believed() -> None:
    state = seen(*(sample(100.0 + k, on_lines(20.0 + k)) for k in range(3)), state=passed(normal(), 99.0, RULES))
    assert mode(state, 130.0)[1] is not Cause.ABSURD
    assert state.good is not None
    assert state.good.rows == on_lines(22.0)


def test_what_a_node_can_carry_is_believed_however_bad_it_is() -> None:
    for worst in (360_000, -135_600):
        state = seen(sample(4.0, on_lines(worst)), state=normal(at_s=3.0))
        assert state.dropped == 0


def test_spikes_between_good_samples_add_up() -> None:
    state = normal(at_s=3.0)
    for at_s in range(4, 9):
        state = seen(sample(at_s, on_lines(nan if at_s % 2 == 0 else 20_000 + at_s)), state=state)
    assert mode(state, 8.0) == (SAFE, Cause.ABSURD, True)


def test_spikes_far_apart_are_forgiven() -> None:
    state = normal(at_s=3.0)
    for at_s in range(4, 100):
        state = seen(sample(at_s, on_lines(nan if at_s % 6 == 0 else 20_000 + at_s)), state=state)
    assert mode(state, 99.0)[0] is NORMAL
    assert state.dropped == 16


def test_the_last_good_value_holds_until_it_is_stale() -> None:
    state = normal(at_s=3.0)
    state = seen(sample(10.0, on_lines(nan)), sample(17.0, on_lines(nan)), state=state)
    assert mode(state, 17.9) == (NORMAL, None, True)
    assert mode(state, 18.1) == (NORMAL, Cause.ABSURD, False)


def test_bounds_come_from_whatever_limit_there_is() -> None:
    in_w = replace(CIRCUIT, rating=None, default_operating_capacity=ActivePower(w=100_000))
    bounds = plausible(
        circuit_limits(in_w, scale_of(DEPOT), voltage_v=400, phases=PHASES), scale_of(DEPOT), phase_count=3
    )
    assert bounds.highest[3] == 300_000
    # All of it on one line at the lowest voltage: 456 A, three times.
    assert 1_360_000 < bounds.highest[0] < 1_370_000
    assert BOUNDS.highest[0] == 360_000
    # Three lines of 120 A at 242 V, three times.
    assert 261_000 < BOUNDS.highest[3] < 263_000


# Frozen meters


def held(state: MeterState, at_s: float, ma: float, drawn: float) -> MeterState:
    """A good sample, held against an exactly known draw."""
    reading = sample(at_s, on_lines(ma))
    draws = (drawn, drawn, drawn, 0.0)
    return compare(seen(reading, state=state), reading, BOUNDS, RULES, low=draws, high=draws)


def test_a_meter_that_does_not_follow_the_charge_points_is_frozen() -> None:
    state = held(normal(at_s=3.0), 4.0, 20_000, 10_000)
    for at_s in range(5, 25):
        state = held(state, at_s, 20_000, 16_000)
        assert mode(state, at_s) == (NORMAL, Cause.FROZEN, False)
    state = held(state, 25.0, 20_000, 16_000)
    assert mode(state, 25.0) == (SAFE, Cause.FROZEN, True)
    # The charge points go back to where they were: it is still frozen.
    for at_s in range(26, 200):
        state = held(state, at_s, 20_000, 10_000)
    assert mode(state, 199.0) == (SAFE, Cause.FROZEN, True)
    # It moves again.
    for at_s in range(200, 203):
        state = held(state, at_s, 20_000 + at_s, 10_000)
    assert mode(state, 202.0) == (NORMAL, None, True)


def test_a_meter_in_a_wrong_unit_from_the_beginning_does_not_follow_either() -> None:
    state = held(normal(at_s=3.0, ma=20), 4.0, 20, 10_000)
    for at_s in range(5, 40):
        state = held(state, at_s, 26, 16_000)
    assert mode(state, 39.0) == (SAFE, Cause.FROZEN, True)


def test_a_wrong_unit_is_seen_though_nobody_knows_how_far_the_ramp_has_come() -> None:
    # Nothing flowed when the unit went wrong; while the draw rises it may be anything up to what was told.
    state = held(normal(at_s=3.0, ma=0), 4.0, 0, 0)
    for at_s in range(5, 60):
        reading = sample(at_s, on_lines(10.0 * min(9, at_s - 4)))
        low = 0.0 if at_s < 20 else 90_000.0
        low_rows, high_rows = (low, low, low, 0.0), (90_000.0, 90_000.0, 90_000.0, 0.0)
        state = compare(seen(reading, state=state), reading, BOUNDS, RULES, low=low_rows, high=high_rows)
    assert mode(state, 59.0) == (SAFE, Cause.FROZEN, True)


def test_identical_samples_while_nothing_moves_are_fine() -> None:
    state = normal(at_s=3.0)
    for at_s in range(4, 500):
        state = held(state, at_s, 20_000, 10_000)
    assert mode(state, 499.0) == (NORMAL, None, True)


def test_a_meter_that_follows_late_is_not_frozen() -> None:
    state = held(normal(at_s=3.0), 4.0, 20_000, 10_000)
    for at_s in range(5, 300):
        drawn = 10_000 + 6_000 * (at_s // 30)
        shown = 10_000 + 6_000 * ((at_s - 12) // 30)
        state = held(state, at_s, 10_000 + shown, drawn)
    assert mode(state, 299.0)[0] is NORMAL


def test_a_movement_that_is_not_certain_proves_nothing() -> None:
    state = normal(at_s=3.0)
    for at_s in range(4, 100):
        reading = sample(at_s, on_lines(20_000))
        low, high = (10_000.0, 10_000.0, 10_000.0, 0.0), (16_000.0, 16_000.0, 16_000.0, 0.0)
        bounds = (low, low) if at_s < 50 else (low, high)
        state = compare(seen(reading, state=state), reading, BOUNDS, RULES, low=bounds[0], high=bounds[1])
    assert mode(state, 99.0) == (NORMAL, None, True)


def test_a_coarse_meter_is_not_frozen_while_less_than_two_of_its_steps_move() -> None:
    state = held(held(normal(at_s=3.0, ma=20_000), 4.0, 24_000, 0), 5.0, 20_000, 0)
    state = replace(state, steps=(4000.0, 4000.0, 4000.0, inf))
    for at_s in range(6, 100):
        state = held(state, at_s, 20_000, 0 if at_s < 20 else 7_000)
    assert mode(state, 99.0)[0] is NORMAL


# In the engine


def metering(**changes: object) -> Metering:
    connector = Connector(id="1", max_rating=32_000, minimum=6_000, step=1_000)
    unit = ChargePoint(id="CP", circuit="GC", current=CurrentKind.AC, max_rating=32_000, connectors=(connector,))
    depot = replace(DEPOT, charge_points=(unit,), **changes)  # type: ignore[arg-type]
    return Metering(project(depot), now_s=0.0)


IDLE = np.zeros(1, dtype=np.int64)


def test_a_node_put_into_safe_by_a_person_stays_so_until_it_is_lifted() -> None:
    meters = metering()
    for at_s in range(1, 40):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, phases_ma=(5000 + at_s,) * 3))
    found = meters.cycle(now_s=39.0, committed=IDLE, safe_by_order={"GC"})
    assert found.modes == {"GC": SAFE}
    assert found.base_load == {}
    assert found.conditions["GC"].cause is Cause.BY_ORDER
    lifted = meters.cycle(now_s=40.0, committed=IDLE)
    assert lifted.modes == {}
    assert lifted.base_load == {"GC": Current(l1_ma=5039, l2_ma=5039, l3_ma=5039)}


def test_a_node_without_a_meter_can_be_put_into_safe_too() -> None:
    meters = metering(circuits=(replace(CIRCUIT, meter=False),))
    assert meters.cycle(now_s=1.0, committed=IDLE).conditions == {}
    found = meters.cycle(now_s=1.0, committed=IDLE, safe_by_order=["GC", "no such node"])
    assert found.modes == {"GC": SAFE}


def test_a_fault_is_said_and_ends_in_silence() -> None:
    meters = metering()
    for at_s in (1, 2, 3):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, power_w=1000 + at_s))
    for at_s in range(4, 80):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, fault="no answer within 1 s"))
    found = meters.cycle(now_s=19.0, committed=IDLE)
    assert found.no_raise == {"GC"}
    assert found.conditions["GC"].fault == "no answer within 1 s"
    assert meters.cycle(now_s=79.0, committed=IDLE).modes == {"GC": SAFE}


def test_currents_that_leave_out_a_phase_are_no_sample_and_power_beside_them_is() -> None:
    meters = metering()
    for at_s in range(1, 20):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, phases_ma=(5000, None, 5000)))
    assert meters.cycle(now_s=19.0, committed=IDLE).conditions["GC"].dropped == 19
    for at_s in range(20, 40):
        event = NodeMeasured(node="GC", received_s=at_s, phases_ma=(5000, None, 5000), power_w=2500 + at_s)
        meters.node_measured(event)
    assert meters.cycle(now_s=39.0, committed=IDLE).base_load == {"GC": ActivePower(w=2539)}


def test_amperes_at_another_voltage_are_given_back_at_that_voltage() -> None:
    limit = Current(l1_ma=20_000, l2_ma=20_000, l3_ma=20_000)
    high = Circuit(
        id="GC", default_operating_capacity=limit, safe_operating_capacity=limit, voltage_v=11_000, meter=True
    )
    meters = metering(circuits=(high,))
    for at_s in range(1, 10):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, phases_ma=(7001, 7002, 7003)))
    assert meters.cycle(now_s=9.0, committed=IDLE).base_load == {"GC": Current(l1_ma=7001, l2_ma=7002, l3_ma=7003)}


def test_what_is_known_survives_an_edit_and_a_rewired_node_begins_anew() -> None:
    meters = metering()
    for at_s in range(1, 10):
        meters.node_measured(NodeMeasured(node="GC", received_s=at_s, phases_ma=(5000 + at_s,) * 3))
    assert meters.cycle(now_s=9.0, committed=IDLE).modes == {}
    other = Circuit(id="B", default_operating_capacity=amperes(10), safe_operating_capacity=amperes(10), meter=True)
    meters.use(project(replace(DEPOT, circuits=(other, replace(CIRCUIT, rating=amperes(200))))), now_s=10.0)
    found = meters.cycle(now_s=10.0, committed=np.zeros(0, dtype=np.int64))
    assert found.modes == {"B": SAFE}
    assert found.base_load == {"GC": Current(l1_ma=5009, l2_ma=5009, l3_ma=5009)}
    meters.use(project(replace(DEPOT, circuits=(replace(CIRCUIT, voltage_v=690),))), now_s=11.0)
    assert meters.cycle(now_s=11.0, committed=np.zeros(0, dtype=np.int64)).modes == {"GC": SAFE}


@pytest.mark.parametrize("by_envelope", [False, True])
def test_watts_that_are_measured_are_counted_where_amperes_leave_less(by_envelope: bool) -> None:
    """C is limited in kW and the grid connection in A: 50 kW are drawn at C, and 13.8 kW are something else's."""
    connector = Connector(id="1", max_rating=94_000, minimum=0, step=1)
    unit = ChargePoint(
        id="CP",
        circuit="C",
        current=CurrentKind.DC,
        max_rating=94_000,
        efficiency_permille=1000,
        power_factor_permille=1000,
        connectors=(connector,),
    )
    power = ActivePower(w=100_000)
    limit = amperes(300) if by_envelope else power
    below = Circuit(id="C", parent="GC", default_operating_capacity=limit, safe_operating_capacity=limit, meter=True)
    depot = replace(DEPOT, circuits=(replace(CIRCUIT, meter=False), below), charge_points=(unit,))
    meters = Metering(project(depot), now_s=0.0)
    for at_s in range(1, 61):
        drawn = Measured(connector="CP/1", sampled_at=NOON, received_s=at_s, age_s=0.0, draw=50_000, power_w=50_000)
        meters.connector_measured(drawn)
        phases_ma, power_w = (72_169 + 20_000,) * 3, 63_800 + at_s % 2
        meters.node_measured(NodeMeasured(node="C", received_s=at_s, phases_ma=phases_ma, power_w=power_w))
        found = meters.cycle(
            now_s=float(at_s), committed=np.array([50_000]), envelopes={"GC": power} if by_envelope else {}
        )
    assert found.modes == {}
    counted = load_rows(found.base_load["C"], scale_of(depot), voltage_v=400, phases=PHASES)
    # At the lowest voltage the draw would be 76 A, which leaves 16.2 A, and no more than 11.8 kW.
    assert 13_800 <= counted[3] <= 13_810
    assert counted[0] <= 20_000


# How draws sit on the rows


def bounds_of(
    unit: ChargePoint, draw: int, phases: tuple[float, float, float] = (nan, nan, nan), power: float = nan
) -> tuple[list[float], list[float]]:
    projection = project(replace(DEPOT, charge_points=(unit,)))
    low, high = on_rows(
        sitting(projection), np.array([0]), np.array([float(draw)]), np.array([phases]), np.array([power])
    )
    return low[0].round().tolist(), high[0].round().tolist()


def ac(**changes: object) -> ChargePoint:
    connector = Connector(id="1", max_rating=32_000, minimum=0, step=1, **changes)  # type: ignore[arg-type]
    return ChargePoint(id="CP", circuit="GC", current=CurrentKind.AC, max_rating=32_000, connectors=(connector,))


def test_measured_amperes_and_watts_are_exact() -> None:
    low, high = bounds_of(ac(phases=(Phase.L2, Phase.L3, Phase.L1)), 16_000, (16_000, 15_000, 14_000), 10_000)
    assert low == high == [14_000, 16_000, 15_000, 10_000]


def test_a_vehicle_on_one_phase_is_told_by_its_power() -> None:
    low, high = bounds_of(ac(phases=(Phase.L2, Phase.L3, Phase.L1)), 16_000, power=3_620)
    assert low == [0, 16_000, 0, 3_620]
    assert high[1] == 16_000
    assert high[0] == high[2] < 1_000


def test_untold_wires_carry_what_they_are_counted_for() -> None:
    low, high = bounds_of(ac(), 16_000)
    assert low[:3] == high[:3] == [16_000] * 3
    # 3 x 16 A x 231 V x 0.98, at 5 % less and 5 % more.
    assert (low[3], high[3]) == (10_320, 11_407)


def test_a_dc_draw_takes_least_current_at_the_highest_voltage() -> None:
    connector = Connector(id="1", max_rating=100_000, minimum=0, step=1)
    unit = ChargePoint(
        id="CP",
        circuit="GC",
        current=CurrentKind.DC,
        max_rating=100_000,
        efficiency_permille=940,
        power_factor_permille=980,
        connectors=(connector,),
    )
    low, high = bounds_of(unit, 94_000)
    assert low[3] == high[3] == 100_000
    assert low[0] == round(100_000 / (0.98 * 3**0.5 * 420) * 1000)
    assert high[0] == round(100_000 / (0.98 * 3**0.5 * 380) * 1000)


def test_a_line_to_line_draw_counts_at_least_the_part_along_each_line() -> None:
    low, high = bounds_of(ac(phases=(Phase.L1, Phase.L2), line_to_line=True), 10_000, (10_000, 10_000, nan))
    assert high[:3] == [10_000, 10_000, 0]
    # cos(30 degrees + acos 0.98)
    assert low[:3] == [7_492, 7_492, 0]
