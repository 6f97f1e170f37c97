"""Base load by flow less draw: true when all stands still, steady in a closed loop, and neither fooled nor blind."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from metered_world import AT, World, amperes, small_depot

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import project
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import PHASES, ActivePower, Current, Phase
from busbar.engine.events import Measured, NodeMeasured
from busbar.engine.metering import Metering

DELAYS_S = (0, 7, 15, 30)
"""From a connector's own sample to its arrival."""
NODE_DELAYS_S = (0, 4, 10)
"""From a node's sample to its arrival: beyond 15 s it is stale."""


def changes(world: World, *, since: int) -> int:
    """How often the setpoints changed from that cycle on."""
    return sum(bool((before != now).any()) for before, now in pairwise(world.history[since:]))


# Standing still


@settings(deadline=None, max_examples=60)
@given(
    draws=st.lists(st.integers(0, 32_000), min_size=1, max_size=5),
    base=st.lists(st.integers(-40_000, 40_000), min_size=3, max_size=3),
    nested=st.lists(st.integers(0, 20_000), min_size=3, max_size=3),
    order=st.permutations(PHASES),
)
def test_with_exact_meters_and_nothing_in_transit_the_estimate_is_the_truth(
    draws: list[int], base: list[int], nested: list[int], order: list[Phase]
) -> None:
    connector = Connector(id="1", max_rating=32_000, minimum=0, step=1, phases=tuple(order))
    units = tuple(
        ChargePoint(id=f"CP{k}", circuit="C1", current=CurrentKind.AC, max_rating=32_000, connectors=(connector,))
        for k in range(len(draws))
    )
    depot = small_depot(limit_a=400)
    projection = project(Depot(id="yard", voltage_v=400, circuits=depot.circuits, charge_points=units))
    metering = Metering(projection, now_s=0.0)
    # Wires of one connector differ: a vehicle is not balanced either.
    wires = [(draw, draw * 9 // 10, draw * 8 // 10) for draw in draws]
    line = [sum(wire[order.index(phase)] for wire in wires) for phase in PHASES]
    flow = {
        "C1": [drawn + own for drawn, own in zip(line, nested, strict=True)],
        "GC": [drawn + own + more for drawn, own, more in zip(line, nested, base, strict=True)],
    }
    for at_s in range(1, 60):
        for name, values in flow.items():
            event = NodeMeasured(node=name, received_s=at_s, phases_ma=(values[0], values[1], values[2]), power_w=at_s)
            metering.node_measured(event)
        for k, (draw, wire) in enumerate(zip(draws, wires, strict=True)):
            if (at_s + k) % 10 == 0:
                name = f"CP{k}/1"
                event_of_own = Measured(
                    connector=name, sampled_at=AT, received_s=at_s, age_s=0.0, draw=draw, phases_ma=wire
                )
                metering.connector_measured(event_of_own)
        found = metering.cycle(now_s=at_s, committed=np.array(draws, dtype=np.int64))
    assert found.base_load["C1"] == Current(l1_ma=nested[0], l2_ma=nested[1], l3_ma=nested[2])
    sums = [own + more for own, more in zip(nested, base, strict=True)]
    assert found.base_load["GC"] == Current(l1_ma=sums[0], l2_ma=sums[1], l3_ma=sums[2])


@settings(deadline=None, max_examples=40)
@given(draw=st.integers(0, 150_000), base_w=st.integers(-50_000, 80_000))
def test_a_meter_of_the_total_gives_a_base_load_in_watts(draw: int, base_w: int) -> None:
    metering = _one_bus()
    for at_s in range(1, 60):
        flow_w = base_w + round(draw / 0.94)
        metering.node_measured(NodeMeasured(node="GC", received_s=at_s, power_w=flow_w))
        if at_s % 10 == 0:
            event = Measured(connector="DC/1", sampled_at=AT, received_s=at_s, age_s=0.0, draw=draw)
            metering.connector_measured(event)
        found = metering.cycle(now_s=at_s, committed=np.array([draw], dtype=np.int64))
    amount = found.base_load["GC"]
    assert isinstance(amount, ActivePower)
    # The sample was rounded to whole W, either way; the estimate up.
    assert 0 <= amount.w - base_w + 1 <= 2


def _one_bus() -> Metering:
    connector = Connector(id="1", max_rating=150_000, minimum=0, step=1)
    unit = ChargePoint(
        id="DC",
        circuit="GC",
        current=CurrentKind.DC,
        max_rating=150_000,
        efficiency_permille=940,
        connectors=(connector,),
    )
    circuit = Circuit(
        id="GC", default_operating_capacity=amperes(500), safe_operating_capacity=amperes(100), meter=True
    )
    return Metering(project(Depot(id="yard", voltage_v=400, circuits=(circuit,), charge_points=(unit,))), now_s=0.0)


def test_generation_is_credited_only_where_a_meter_tells_it_from_load() -> None:
    for power_w, expected in ((None, 0), (5_000, -12_000)):
        metering = _one_bus()
        for at_s in range(1, 40):
            # Magnitudes of 8 A while a bus draws far more: only the power beside them says that a sign is known.
            metering.node_measured(NodeMeasured(node="GC", received_s=at_s, phases_ma=(8_000,) * 3, power_w=power_w))
            event = Measured(
                connector="DC/1", sampled_at=AT, received_s=at_s, age_s=0.0, draw=12_000, phases_ma=(20_000,) * 3
            )
            metering.connector_measured(event)
            found = metering.cycle(now_s=at_s, committed=np.array([13_000], dtype=np.int64))
        assert found.base_load["GC"] == Current(l1_ma=expected, l2_ma=expected, l3_ma=expected)


# In a closed loop


@pytest.mark.parametrize("own_delay_s", DELAYS_S)
@pytest.mark.parametrize("node_delay_s", NODE_DELAYS_S)
@pytest.mark.parametrize("tells_phases", [True, False], ids=["phases told", "phases untold"])
def test_setpoints_settle_and_stay_whatever_meter_is_first(
    own_delay_s: int, node_delay_s: int, tells_phases: bool
) -> None:
    world = World(
        small_depot(), own_delay_s=own_delay_s, node_delay_s=node_delay_s, tells_phases=tells_phases, own_every_s=10
    )
    world.base_a = {"GC": np.array([20.0, 25.0, 15.0]), "C1": np.array([10.0, 10.0, 10.0])}
    world.run(750, cycle_s=3)
    assert len(world.history) == 250
    assert changes(world, since=80) == 0
    # Nothing but our own raises, and no limit is ever exceeded.
    assert max(flow["GC"].max() for flow in world.flows) <= 200_000
    assert max(flow["C1"].max() for flow in world.flows) <= 150_000
    # Not by idling: what is left over is no more than the voltage margin of the bus's current hides.
    assert max(world.flows[-1]["GC"].max() / 200_000, world.flows[-1]["C1"].max() / 150_000) > 0.97


@pytest.mark.parametrize("own_delay_s", DELAYS_S)
@pytest.mark.parametrize("voltage_permille", [950, 1000, 1050])
def test_the_bounds_hold_at_every_voltage(own_delay_s: int, voltage_permille: int) -> None:
    world = World(small_depot(cars=1, buses=3), own_delay_s=own_delay_s, voltage_permille=voltage_permille)
    world.base_a = {"GC": np.array([20.0, 25.0, 15.0])}
    world.run(500)
    assert changes(world, since=60) == 0
    assert max(flow["GC"].max() for flow in world.flows) <= 200_000


def test_a_raise_that_the_circuits_meter_sees_first_does_not_move_the_base_load() -> None:
    world = World(small_depot(), own_delay_s=30, own_every_s=30, ramp_s=1)
    world.base_a = {"C1": np.array([10.0, 10.0, 10.0])}
    world.wants = np.full_like(world.wants, 6_000)
    world.run(300)
    world.wants = world.projection.max_rating.copy()
    before = len(world.estimates)
    world.run(120)
    assert (world.history[-1] > world.history[before - 1]).all()
    found = [estimate["C1"] for estimate in world.estimates[before:]]
    assert found == [Current(l1_ma=10_000, l2_ma=10_000, l3_ma=10_000)] * len(found)


def test_a_step_of_base_load_shows_within_one_sample_and_is_made_good_by_the_next_cycle() -> None:
    world = World(small_depot())
    world.run(300)
    world.base_a = {"C1": np.array([40.0, 0.0, 0.0])}
    world.run(5)
    estimate = world.estimate_ma("C1")
    assert estimate is not None
    assert estimate.tolist() == [40_000, 0, 0]
    world.run(5)
    assert world.flows[-1]["C1"].max() <= 150_000


@pytest.mark.parametrize("own_every_s", [5, 10])
def test_a_step_of_base_load_that_coincides_with_a_raise_shows_when_the_raise_is_accounted_for(
    own_every_s: int,
) -> None:
    world = World(small_depot(), own_every_s=own_every_s, follows=0.5)
    world.run(300)
    # Vehicles take half of what they are given: the other half would explain a step for ever, if it were let.
    world.wants = np.full_like(world.wants, 3_000)
    world.run(60)
    world.wants = world.projection.max_rating.copy()
    raised = len(world.history)
    world.run(5)
    assert (world.history[raised] >= world.history[raised - 1]).all()
    world.base_a = {"C1": np.array([30.0, 30.0, 30.0])}
    # The raise's ten seconds, two samples of the charge points' that do not rise, clocks that may differ, and a cycle.
    world.run(10 + 2 * own_every_s + 5 + 5)
    estimate = world.estimate_ma("C1")
    assert estimate is not None
    assert estimate.min() >= 27_000
    # What is left hid behind the lowering that followed, for as long once more.
    world.run(30)
    estimate = world.estimate_ma("C1")
    assert estimate is not None
    assert estimate.tolist() == [30_000, 30_000, 30_000]


def test_a_vehicle_that_stops_by_itself_is_not_taken_for_falling_base_load() -> None:
    world = World(small_depot(), own_every_s=30, own_delay_s=5)
    world.base_a = {"C1": np.array([10.0, 10.0, 10.0])}
    world.run(300)
    world.wants[0] = 0
    lowest = np.inf
    for _ in range(20):
        world.run(5)
        estimate = world.estimate_ma("C1")
        assert estimate is not None
        lowest = min(lowest, estimate.min())
        assert world.flows[-1]["C1"].max() <= 150_000
    assert lowest == 10_000


def test_a_step_that_hid_behind_a_raise_is_found_in_one_go_however_late_charge_points_report() -> None:
    # At that voltage the bus takes the current that it counts for.
    world = World(small_depot(), own_every_s=11, own_delay_s=24, ramp_s=1, follows=0.7, voltage_permille=950)
    world.run(10)
    world.base_a = {"GC": np.array([10.0, 41.0, 0.0])}
    # The raise's minute; then two of their samples and their delay, and the clocks' difference, before and after.
    world.run(60 + 24 + 2 * 11 + 2 * 5 + 5)
    estimate = world.estimate_ma("GC")
    assert estimate is not None
    assert (estimate >= [10_000, 41_000, 0]).all()


@pytest.mark.parametrize("cars_a", [(25, 20, 15, 10), (25, 24, 20, 16, 12, 10)], ids=["15 s", "25 s"])
def test_a_draw_that_still_comes_down_is_not_taken_for_base_load(cars_a: tuple[int, ...]) -> None:
    metering = _one_car()
    # It is held to have followed after 10 s, and takes longer; the charge point says so every 5 s.
    for at_s in range(1, 120):
        drawn_a = cars_a[min(max(0, at_s - 60) // 5, len(cars_a) - 1)]
        found = _spoken(metering, at_s, drawn_a=drawn_a, base_a=12, committed_a=25 if at_s < 70 else 10)
        if at_s > 40:
            assert found == amperes(12)


def test_a_draw_that_came_down_before_it_was_lowered_hides_no_step_of_base_load() -> None:
    metering = _one_car()
    for at_s in range(1, 90):
        # The charge point is not heard any more when its setpoint is lowered.
        is_lowered = at_s >= 70
        found = _spoken(
            metering,
            at_s,
            drawn_a=10 if is_lowered else 25 if at_s < 60 else 24,
            base_a=40 if at_s >= 72 else 12,
            committed_a=10 if is_lowered else 25,
            is_heard=at_s <= 60,
        )
        if at_s >= 75:
            assert found == amperes(40)


def _one_car() -> Metering:
    return Metering(project(small_depot(cars=1, buses=0)), now_s=0.0)


def _spoken(
    metering: Metering, at_s: int, *, drawn_a: int, base_a: int, committed_a: int, is_heard: bool = True
) -> object:
    """A second in which the meters speak, and the charge point in every fifth; the base load of C1."""
    flow_ma = 1000 * (drawn_a + base_a)
    metering.node_measured(NodeMeasured(node="C1", received_s=at_s, phases_ma=(flow_ma, flow_ma, flow_ma)))
    if at_s % 5 == 0 and is_heard:
        draw = 1000 * drawn_a
        metering.connector_measured(
            Measured(connector="CP1/1", sampled_at=AT, received_s=at_s, age_s=0.0, draw=draw, phases_ma=(draw,) * 3)
        )
    found = metering.cycle(now_s=at_s, committed=np.array([1000 * committed_a], dtype=np.int64))
    return found.base_load.get("C1")


def test_a_fall_of_base_load_is_believed_once_charge_points_have_confirmed_it() -> None:
    world = World(small_depot(), own_every_s=10)
    world.base_a = {"C1": np.array([40.0, 40.0, 40.0])}
    world.run(300)
    world.base_a = {}
    world.run(60)
    estimate = world.estimate_ma("C1")
    assert estimate is not None
    assert estimate.tolist() == [0, 0, 0]
    world.run(60)
    settled = len(world.history)
    world.run(200)
    assert changes(world, since=settled) == 0


@settings(deadline=None, max_examples=25)
@given(
    own_delay_s=st.integers(0, 30),
    node_delay_s=st.integers(0, 12),
    own_every_s=st.integers(2, 30),
    ramp_s=st.integers(1, 9),
    voltage_permille=st.integers(950, 1050),
    follows=st.sampled_from((1.0, 1.0, 0.7)),
    steps=st.lists(
        st.tuples(st.sampled_from(("GC", "C1")), st.integers(0, 2), st.integers(0, 60), st.integers(5, 80)),
        max_size=6,
    ),
)
@example(
    own_delay_s=24,
    node_delay_s=0,
    own_every_s=11,
    ramp_s=1,
    voltage_permille=950,
    follows=0.7,
    steps=[("GC", 0, 0, 5), ("GC", 0, 0, 5), ("GC", 1, 41, 5)],
)
def test_the_estimate_is_never_below_the_truth_by_more_than_may_be_in_transit_and_converges(
    own_delay_s: int,
    node_delay_s: int,
    own_every_s: int,
    ramp_s: int,
    voltage_permille: int,
    follows: float,
    steps: list[tuple[str, int, int, int]],
) -> None:
    world = World(
        small_depot(),
        own_delay_s=own_delay_s,
        node_delay_s=node_delay_s,
        own_every_s=own_every_s,
        ramp_s=ramp_s,
        voltage_permille=voltage_permille,
        follows=follows,
    )
    weight = np.array(
        [[float(row[k]) for row in world.projection.weights[:3]] for k in world.projection.leaf_class.tolist()]
    )
    # What was committed until a while ago may have flowed when the node's sample was taken.
    recent = 5 + node_delay_s // 5
    bus = world.projection.leaf_index["DC1/1"]
    # A step is known a minute after the last raise, two samples and their delay (90 s at most) later; what is lowered
    # for it is free again, and given to others, when samples have confirmed that, and a minute follows that raise.
    for name, line, value, wait_s in [*steps, ("GC", 0, 10, 480)]:
        base = world.base_a.get(name, np.zeros(3)).copy()
        base[line] = value
        world.base_a = {**world.base_a, name: base}
        since_step_s = 0
        for _ in range(0, wait_s, 5):
            world.run(5)
            since_step_s += 5
            if since_step_s < node_delay_s + 10:
                continue
            for node in ("GC", "C1"):
                estimate = world.estimate_ma(node)
                if estimate is None:
                    continue
                at = world.projection.node_index[node]
                leaves = slice(int(world.projection.first_leaf[at]), int(world.projection.last_leaf[at]))
                # What was in transit when the sample was taken that the estimate knows.
                drawn = world.flows[-1 - node_delay_s][node] - world.base_ma(node)
                lately = np.max(world.commitments[-recent:], axis=0)
                counted = (weight[leaves] * lately[leaves, None]).sum(axis=0)
                assert (estimate >= world.base_ma(node) - (counted - drawn) - 2).all()
    for node in ("GC", "C1"):
        estimate = world.estimate_ma(node)
        assert estimate is not None
        # The bus's current is known to the voltage margin either way.
        spread = 0.11 * world.draw[bus] * weight[bus] if node == "GC" else np.zeros(3)
        assert (estimate >= world.base_ma(node) - spread - 2).all()
        assert (estimate <= world.base_ma(node) + spread + 2).all()
    assert changes(world, since=len(world.history) - 6) == 0


def test_a_restart_in_the_middle_lowers_nobody_and_raises_nobody_until_all_have_reported() -> None:
    world = World(small_depot(buses=0), own_every_s=10)
    world.base_a = {"C1": np.array([10.0, 10.0, 10.0])}
    world.run(300)
    before = world.history[-1]
    world.metering = Metering(world.projection, now_s=float(world.now_s))
    cycles = []
    for _ in range(5):
        world.run(1)
        cycles.append(world.metering.cycle(now_s=float(world.now_s), committed=world.committed))
    assert cycles[-1].modes == {}
    assert cycles[-1].no_raise == {"GC", "C1"}
    assert cycles[-1].conditions["C1"].cause == "unsettled"
    snapshot = snapshot_from_arrays(
        world.projection, at=AT, request=world.wants, base_load=cycles[-1].base_load, modes=cycles[-1].modes
    )
    assert snapshot.base_load
    world.run(120)
    assert all((setpoint == before).all() for setpoint in world.history[-20:])


def test_ten_thousand_samples_of_unknown_things_change_nothing() -> None:
    world = World(small_depot())
    world.run(100)
    before = world.estimates[-1]
    for k in range(10_000):
        world.metering.connector_measured(
            Measured(connector=f"X{k}/1", sampled_at=AT, received_s=100.0, age_s=0.0, draw=5)
        )
        world.metering.node_measured(NodeMeasured(node=f"X{k}", received_s=100.0, power_w=5))
    world.run(5)
    assert world.estimates[-1] == before


def test_charge_points_that_report_too_late_to_count_make_no_meter_look_frozen() -> None:
    world = World(small_depot(), own_delay_s=29, own_every_s=37, ramp_s=1, voltage_permille=952)
    world.base_a = {"GC": np.zeros(3)}
    world.run(155)
    for base_a, for_s in ((34.0, 75), (10.0, 400)):
        world.base_a = {"GC": np.array([base_a, 0.0, 0.0])}
        world.run(for_s)
        assert all({"GC", "C1"} <= set(estimate) for estimate in world.estimates)
