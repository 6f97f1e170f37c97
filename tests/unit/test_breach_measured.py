"""What flows at every node by the meters: measured, added up, or not known."""

from dataclasses import replace
from datetime import UTC, datetime
from time import process_time

import numpy as np
import pytest

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.units import ActivePower, Current, Phase
from busbar.engine.events import Measured, NodeMeasured
from busbar.engine.measured import Measurement, flow_tree, measure
from busbar.engine.metering import Metering

A = 1000
NAN = float("nan")


def amperes(a: float) -> Current:
    return Current(l1_ma=int(a * A), l2_ma=int(a * A), l3_ma=int(a * A))


def circuit(name: str, parent: str | None = "G", **more: object) -> Circuit:
    made = Circuit(id=name, parent=parent, default_operating_capacity=amperes(200), safe_operating_capacity=amperes(50))
    return replace(made, **more)  # type: ignore[arg-type]


def unit(name: str, on: str, *, current: CurrentKind = CurrentKind.AC) -> ChargePoint:
    return ChargePoint(
        id=name,
        circuit=on,
        current=current,
        max_rating=64 * A,
        efficiency_permille=1000 if current is CurrentKind.AC else 950,
        connectors=(Connector(id="1", max_rating=64 * A, minimum=0, step=100),),
    )


def made(*circuits: Circuit, units: tuple[ChargePoint, ...]) -> Projection:
    return project(Depot(id="yard", voltage_v=400, circuits=circuits, charge_points=units))


class Yard:
    """A depot, its metering, and who has a vehicle."""

    def __init__(self, projection: Projection, *with_vehicle: str) -> None:
        self.projection, self.with_vehicle = projection, with_vehicle
        self.metering = Metering(projection, now_s=0.0)
        self.tree = flow_tree(projection)

    def draws(self, connector: str, a: float, *, at_s: float, phases: tuple[float, ...] | None = None) -> None:
        told = None if phases is None else tuple(round(value * A) for value in phases)
        self.metering.connector_measured(
            Measured(
                connector=connector,
                sampled_at=datetime.now(UTC),
                received_s=at_s,
                age_s=0.0,
                draw=round(a * A),
                phases_ma=told,  # type: ignore[arg-type]
            )
        )

    def shows(
        self, node: str, *, at_s: float, a: tuple[float | None, ...] | None = None, kw: float | None = None
    ) -> None:
        lines = None if a is None else tuple(None if value is None else round(value * A) for value in a)
        self.metering.node_measured(
            NodeMeasured(
                node=node,
                received_s=at_s,
                phases_ma=lines,  # type: ignore[arg-type]
                power_w=None if kw is None else round(kw * 1000),
            )
        )

    def measured(self, now_s: float) -> Measurement:
        self.metering.cycle(now_s=now_s, committed=np.zeros(len(self.projection.leaf_ids), dtype=np.int64))
        return measure(self.tree, self.metering, self.with_vehicle, now_s=now_s)

    def at(self, node: str, now_s: float) -> tuple[list[float], float, float]:
        """Rows in A and kW, the age of the oldest and of the newest sample."""
        found, index = self.measured(now_s), self.projection.node_index[node]
        rows = (found.flows.rows[index] / 1000).round(3).tolist()
        return rows, round(float(found.flows.age_s[index]), 3), round(now_s - float(found.taken_s[index]), 3)


def test_a_metered_node_shows_its_own_meter_and_the_one_above_adds_it_up() -> None:
    yard = Yard(
        made(circuit("G", None), circuit("M", meter=True), units=(unit("A", "M"), unit("B", "G"))), "A/1", "B/1"
    )
    yard.draws("A/1", 20, at_s=100)
    yard.draws("B/1", 10, at_s=104, phases=(10, 9, 8))
    yard.shows("M", at_s=107, a=(50, 51, 52), kw=30)
    assert yard.at("M", 110) == ([50, 51, 52, 30], 3, 3)
    rows, oldest_s, newest_s = yard.at("G", 110)
    assert rows[:3] == [60, 60, 60]
    # The draw of the unit below the meter is in what the meter shows, and so is its age.
    assert (oldest_s, newest_s) == (6, 3)
    assert yard.at("yard", 110)[0] == rows


def test_amperes_at_another_voltage_are_referred() -> None:
    yard = Yard(
        made(circuit("G", None, voltage_v=11_000, meter=True), circuit("C", voltage_v=400), units=(unit("A", "C"),))
    )
    yard.shows("G", at_s=100, a=(2, 2, 2))
    assert yard.at("G", 101)[0][:3] == [55, 55, 55]


def test_a_row_that_the_meter_does_not_give_is_not_known() -> None:
    projection = made(circuit("G", None, meter=True), circuit("P", meter=True), units=(unit("A", "P"),))
    yard = Yard(projection)
    yard.shows("G", at_s=100, a=(5, 6, 7))
    yard.shows("P", at_s=100, kw=12)
    assert yard.at("G", 101)[0] == pytest.approx([5, 6, 7, NAN], nan_ok=True)
    assert yard.at("P", 101)[0] == pytest.approx([NAN, NAN, NAN, 12], nan_ok=True)
    assert yard.at("yard", 101)[0] == pytest.approx([5, 6, 7, NAN], nan_ok=True)


def test_on_phases_that_a_metered_node_does_not_have_nothing_flows() -> None:
    single = circuit("S", phases=(Phase.L2,), meter=True)
    one_phase = replace(unit("A", "S"), connectors=(replace(unit("A", "S").connectors[0], phases=(Phase.L2,)),))
    yard = Yard(made(circuit("G", None), single, units=(one_phase,)))
    yard.shows("S", at_s=100, a=(None, 7, None))
    assert yard.at("S", 101)[0] == pytest.approx([0, 7, 0, NAN], nan_ok=True)


def test_a_silent_meter_makes_its_node_unknown_and_those_above_it() -> None:
    yard = Yard(made(circuit("G", None), circuit("M", meter=True), circuit("C"), units=(unit("A", "C"),)))
    yard.shows("M", at_s=100, a=(50, 50, 50), kw=30)
    assert yard.at("M", 160)[0] == [50, 50, 50, 30]
    for node in ("M", "G", "yard"):
        rows, oldest_s, newest_s = yard.at(node, 161)
        assert np.isnan(rows).all(), node
        assert np.isnan([oldest_s, newest_s]).all()
    assert yard.at("C", 161) == ([0, 0, 0, 0], 0, 0)


def test_a_metered_node_is_not_known_by_what_is_below_it() -> None:
    yard = Yard(made(circuit("G", None, meter=True), units=(unit("A", "G"),)), "A/1")
    yard.draws("A/1", 20, at_s=100)
    assert np.isnan(yard.at("G", 101)[0]).all()
    assert yard.at("A", 101)[0][0] == 20


def test_a_connector_without_vehicle_and_sample_draws_nothing() -> None:
    yard = Yard(made(circuit("G", None), units=(unit("A", "G"),)))
    assert yard.at("A/1", 100) == ([0, 0, 0, 0], 0, 0)
    assert yard.at("G", 100) == ([0, 0, 0, 0], 0, 0)


def test_nobody_knows_what_a_vehicle_draws_that_has_not_been_heard_for_a_minute() -> None:
    yard = Yard(made(circuit("G", None), circuit("C"), units=(unit("A", "G"), unit("B", "C"))), "A/1", "B/1")
    yard.draws("B/1", 5, at_s=159)
    assert np.isnan(yard.at("A/1", 160)[0]).all()
    assert np.isnan(yard.at("G", 160)[0]).all()
    assert yard.at("C", 160)[0][0] == 5
    yard.draws("A/1", 20, at_s=161)
    assert yard.at("G", 162)[0][0] == 25
    assert yard.at("G", 162)[1:] == (3, 1)
    yard.draws("B/1", 5, at_s=200)
    assert yard.at("G", 221)[0][0] == 25
    assert np.isnan(yard.at("G", 222)[0]).all()


def test_the_last_sample_of_a_vehicle_that_has_left_is_soon_forgotten() -> None:
    yard = Yard(made(circuit("G", None), units=(unit("A", "G"),)))
    yard.draws("A/1", 20, at_s=100)
    assert yard.at("A/1", 115)[0][0] == 20
    assert yard.at("A/1", 116)[0][0] == 0


def test_that_nothing_flows_where_a_vehicle_has_left_is_known_now() -> None:
    # Or the time within the limit, which closes a breach, would begin anew when the sample is forgotten.
    yard = Yard(made(circuit("G", None), units=(unit("A", "G"),)))
    yard.draws("A/1", 0, at_s=100)
    rows, age_s, _ = yard.at("A/1", 112)
    assert rows[0] == 0
    assert age_s == 0


def test_a_dc_unit_is_seen_from_its_supply_at_most() -> None:
    yard = Yard(made(circuit("G", None), units=(unit("D", "G", current=CurrentKind.DC),)), "D/1")
    yard.draws("D/1", 38, at_s=100)
    rows = yard.at("D/1", 101)[0]
    assert rows[3] == pytest.approx(40, abs=0.001)
    # At the lowest voltage and the stated power factor.
    assert rows[0] == pytest.approx(40_000 / (3**0.5 * 380 * 0.98), abs=0.01)


def test_a_constant_base_load_stands_for_everything_below_its_circuit() -> None:
    projection = made(
        circuit("G", None, base_load=amperes(30)),
        circuit("C", base_load=amperes(20)),
        circuit("E"),
        units=(unit("A", "C"), replace(unit("B", "E"), idle_load_w=1000)),
    )
    yard = Yard(projection, "A/1")
    yard.draws("A/1", 10, at_s=100)
    assert yard.at("C", 101)[0][0] == 30
    assert yard.at("E", 101)[0][3] == 1
    assert yard.at("E", 101)[1:] == (0, 0)
    # 20 of the 30 A are those of C, and E's kilowatt is in them too.
    assert yard.at("G", 101)[0][0] == 40


def test_base_load_in_kw_puts_nothing_new_on_a_metered_circuit() -> None:
    yard = Yard(
        made(circuit("G", None), circuit("M", meter=True, base_load=ActivePower(w=9000)), units=(unit("A", "M"),))
    )
    yard.shows("M", at_s=100, a=(1, 1, 1), kw=0.5)
    assert yard.at("M", 101)[0] == [1, 1, 1, 0.5]


def test_ten_thousand_connectors_take_milliseconds() -> None:
    circuits = tuple(circuit(f"C{k}") for k in range(100))
    units = tuple(unit(f"U{k}", f"C{k % 100}") for k in range(10_000))
    yard = Yard(made(circuit("G", None), *circuits, units=units))
    yard.with_vehicle = yard.projection.leaf_ids
    for connector in yard.projection.leaf_ids:
        yard.draws(connector, 16, at_s=100)
    yard.measured(101)
    took = []
    for _ in range(20):
        began = process_time()
        found = measure(yard.tree, yard.metering, yard.with_vehicle, now_s=101)
        took.append(process_time() - began)
    assert found.flows.rows[0, 0] == 160_000_000
    assert min(took) < 0.02
