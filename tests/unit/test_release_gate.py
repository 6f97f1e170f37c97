"""The gate, and what counts of a charge point's connectors together."""

from datetime import UTC, datetime

import numpy as np
import pytest

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.release import Gate, held_down, ratings_of, stepped_down, within_ratings
from busbar.core.rooms import rooms
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import Current, Phase


def _amperes(a: int) -> Current:
    return Current(l1_ma=a * 1000, l2_ma=a * 1000, l3_ma=a * 1000)


def _connector(name: str, rating: int = 32_000, **more: object) -> Connector:
    return Connector(id=name, max_rating=rating, minimum=6000, step=1000, **more)  # type: ignore[arg-type]


def _unit(name: str, circuit: str, *connectors: Connector, rating: int = 32_000) -> ChargePoint:
    return ChargePoint(
        id=name, circuit=circuit, current=CurrentKind.AC, max_rating=rating, connectors=connectors or (_connector("1"),)
    )


@pytest.fixture
def projection() -> Projection:
    """40 A above two branches of 32 A; the second has a charge point whose two connectors share 32 A."""
    circuits = (
        Circuit(id="G", default_operating_capacity=_amperes(40)),
        Circuit(id="A", parent="G", default_operating_capacity=_amperes(32)),
        Circuit(id="B", parent="G", default_operating_capacity=_amperes(32)),
    )
    units = (_unit("CP1", "A"), _unit("CP2", "A"), _unit("CP3", "B", _connector("1"), _connector("2")))
    return project(Depot(id="depot", voltage_v=400, circuits=circuits, charge_points=units))


def _gate(projection: Projection, committed: list[int], base_a: int = 0, drawn: list[int] | None = None) -> Gate:
    snapshot = snapshot_from_arrays(
        projection,
        at=datetime(2026, 11, 22, tzinfo=UTC),
        request=np.zeros(len(projection.leaf_ids), dtype=np.int64),
        base_load={"G": _amperes(base_a)} if base_a else {},
    )
    counted = None if drawn is None else np.array(drawn)
    return Gate(projection, ratings_of(projection), rooms(projection, snapshot), np.array(committed), counted)


def test_a_raise_fits_as_far_as_the_tightest_node_above_it(projection: Projection) -> None:
    gate = _gate(projection, [16_000, 10_000, 6000, 0])
    # Its branch has 6 A left, the grid connection 8 A.
    assert gate.most_more(0, 4000) == 4000
    assert gate.most_more(0, 16_000) == 6000
    assert gate.most_more(2, 16_000) == 8000


def test_what_is_taken_is_gone_for_everybody_below_the_same_nodes(projection: Projection) -> None:
    gate = _gate(projection, [16_000, 10_000, 6000, 0])
    gate.take(0, 5000)
    assert gate.most_more(1, 9000) == 1000
    assert gate.most_more(3, 9000) == 3000


def test_below_a_node_that_carries_too_much_nothing_fits_and_elsewhere_it_does(projection: Projection) -> None:
    gate = _gate(projection, [20_000, 14_000, 0, 0])
    assert gate.is_over(0)
    assert gate.most_more(1, 1) == 0
    assert not gate.is_over(2)
    assert gate.most_more(2, 9000) == 6000


def test_base_load_takes_room(projection: Projection) -> None:
    assert _gate(projection, [16_000, 0, 0, 0], base_a=20).most_more(2, 9000) == 4000
    assert _gate(projection, [16_000, 0, 0, 0], base_a=30).is_over(2)


def test_beyond_its_charge_points_rating_a_raise_costs_nothing(projection: Projection) -> None:
    """The second connector may go up as far as it likes: the charge point shares its 32 A between both."""
    gate = _gate(projection, [0, 0, 32_000, 0])
    assert gate.most_more(3, 16_000) == 16_000
    gate.take(3, 16_000)
    assert gate.most_more(0, 16_000) == 8000


def test_an_earmark_need_not_fit(projection: Projection) -> None:
    gate = _gate(projection, [32_000, 0, 4000, 0])
    gate.take(2, 6000)
    assert gate.most_more(3, 1000) == 0


def test_a_charge_point_counts_for_its_rating_and_not_for_more(projection: Projection) -> None:
    assert within_ratings(projection, np.array([32_000, 0, 24_000, 24_000])).tolist() == [32_000, 0, 16_000, 16_000]
    assert within_ratings(projection, np.array([0, 0, 10_000, 20_001])).tolist() == [0, 0, 10_000, 20_001]
    assert within_ratings(projection, np.array([40_000, 0, 1, 99_999])).sum() == 64_000


def test_what_a_disobedient_connector_draws_counts_whatever_the_rating_says(projection: Projection) -> None:
    ratings = ratings_of(projection)
    held = held_down(ratings, np.array([0, 0, 50_000, 6000]), np.array([0, 0, 50_000, 0]))
    assert held[2] + held[3] == 50_000


def test_connectors_on_different_wires_are_not_added_up() -> None:
    units = (_unit("CP1", "G", _connector("1", phases=(Phase.L1,)), _connector("2", phases=(Phase.L2,))),)
    circuits = (Circuit(id="G", default_operating_capacity=_amperes(40)),)
    projection = project(Depot(id="depot", voltage_v=400, circuits=circuits, charge_points=units))
    assert within_ratings(projection, np.array([32_000, 32_000])).tolist() == [32_000, 32_000]


def test_a_depot_without_charge_points_has_nothing_to_hold_down() -> None:
    projection = project(Depot(id="depot", voltage_v=400))
    assert within_ratings(projection, np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("most", "value"), [(5999, 0), (6000, 6000), (6999, 6000), (7000, 7000), (31_999, 31_000), (-5, 0)]
)
def test_a_value_is_stepped_down_to_one_that_the_unit_takes(projection: Projection, most: int, value: int) -> None:
    assert stepped_down(projection, 0, most) == value


def test_a_list_of_steps_is_all_that_a_unit_takes() -> None:
    units = (_unit("CP1", "G", _connector("1", steps=(4000, 8000, 16_000))),)
    circuits = (Circuit(id="G", default_operating_capacity=_amperes(40)),)
    projection = project(Depot(id="depot", voltage_v=400, circuits=circuits, charge_points=units))
    assert [stepped_down(projection, 0, most) for most in (5000, 8000, 15_999, 99_000)] == [0, 8000, 8000, 16_000]
