"""The scenarios that ship: they go as they say, and no limit is broken."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from busbar.core.depot import Leaves
from busbar.core.projection import NodeKind
from busbar.simulator.play import play
from busbar.simulator.played import Played
from busbar.simulator.results import verdicts
from busbar.simulator.scenario import sharing_among
from busbar.simulator.scenario_file import load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHIPPED = ("wa_pta_night", "small_ac", "nrel_depot")


@cache
def played(name: str, leaves: Leaves = Leaves.CONNECTOR) -> Played:
    return play(sharing_among(load_scenario(SCENARIOS / f"{name}.yaml"), leaves))


@pytest.mark.parametrize("leaves", Leaves)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_goes_as_expected_whatever_strategies_share_among(name: str, leaves: Leaves) -> None:
    night = played(name, leaves)
    assert [verdict for verdict in verdicts(night) if not verdict.is_met] == []
    assert night.violations == ()
    assert night.excesses == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_scenario_says_what_is_made_up(name: str) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    words = " ".join((scenario.name, *scenario.notes)).lower()
    assert "representative" in words
    assert scenario.story


def test_the_bus_depot_is_as_large_and_as_oversubscribed_as_it_claims() -> None:
    night = played("wa_pta_night")
    projection = night.projection
    assert projection.kinds.count(NodeKind.GRID_CONNECTION) == 2
    assert projection.kinds.count(NodeKind.CIRCUIT) >= 6
    assert len(projection.leaf_ids) >= 60
    # Everything below a node could draw more than the node may carry, at every level.
    limit, frame = night.limit[0], projection.frame
    most = np.zeros((len(frame.parent), 4))
    for inner in reversed(range(len(frame.parent))):
        node = int(frame.nodes[inner])
        if projection.kinds[node] is NodeKind.CHARGE_POINT:
            leaves = slice(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
            total_w = float((projection.max_rating[leaves] / 0.94).sum())
            assert total_w > limit[inner, 3]
            most[inner, 3], most[inner, :3] = limit[inner, 3], limit[inner, 3] / (415 * 3**0.5) * 1000
        else:
            assert most[inner, 0] > limit[inner, 0], projection.node_ids[node]
            most[inner, :3] = limit[inner, :3]
        above = int(frame.parent[inner])
        if above >= 0:
            most[above] += most[inner]


@pytest.mark.parametrize("leaves", Leaves)
def test_on_the_bus_depots_night_limits_of_every_level_and_kind_bind(leaves: Leaves) -> None:
    night = played("wa_pta_night", leaves)
    kinds = {night.projection.kinds[night.projection.node_index[one.node]] for one in night.constraints}
    assert {NodeKind.MICROGRID, NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT} <= kinds
    limits = {one.limit for one in night.constraints}
    assert {"default_operating_capacity", "safe_operating_capacity", "envelope"} <= limits


@pytest.mark.parametrize("leaves", Leaves)
def test_in_the_small_yard_vans_take_turns_while_the_envelope_holds(leaves: Leaves) -> None:
    night = played("small_ac", leaves)
    inside = (night.at_s >= 3.5 * 3600) & (night.at_s < 5.5 * 3600)
    charging = night.setpoint[inside] > 0
    assert not charging.all(axis=1).any()
    assert charging.any(axis=0).all()


def test_the_real_schedules_are_used_as_they_are() -> None:
    scenario = load_scenario(SCENARIOS / "nrel_depot.yaml")
    vehicles = {vehicle.id: vehicle for schedule in scenario.schedules for vehicle in schedule.vehicles}
    # Day 1 of the beverage fleet: on shift 07:57:32 to 19:24:55, 42.13 miles; the scenario starts at noon.
    first = vehicles["beverage01"]
    assert first.arrives_s == (7 * 60 + 24) * 60 + 55
    assert first.departs_s == pytest.approx((19 * 60 + 57) * 60 + 32, abs=1)
    assert (0.95 - first.soc) * first.type.battery_wh == pytest.approx(42.126 * 1800, abs=20)
    assert len(played("nrel_depot").outings) == 80
    assert (SCENARIOS / "data" / "nrel_hdev_depot_2021" / "LICENSE.md").read_text().startswith("Copyright (c) 2021")
