"""An acceptance run: what a trail comes to as a played night, its verdicts, its page, and what fails alone."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tiny_trials import fault, small_trial

from busbar.core.units import ActivePower
from busbar.simulator.acceptance.accepted import Accepted, Job, Ran
from busbar.simulator.acceptance.as_played import REACTION_S, played_of
from busbar.simulator.acceptance.made import run_made
from busbar.simulator.acceptance.page import page_of
from busbar.simulator.acceptance.run import accept_one
from busbar.simulator.acceptance.told import told_of
from busbar.simulator.acceptance.verdicts import verdicts_of
from busbar.simulator.fault import FaultKind
from busbar.simulator.scenario import Binds, NoLimitBroken, PeakAtMost, Scenario, Vehicle, VehiclesReady
from busbar.simulator.scenario_text import scenario_text

TOTAL = 3
DROPPED = (fault(FaultKind.CONNECTION_DROPPED, 40, 60, "CP1"),)
EXPECTED = (
    NoLimitBroken(),
    VehiclesReady(at_least=0.5),
    PeakAtMost(node="C1", at_most=ActivePower(w=70_000)),
    Binds(node="C1", for_s=30),
)


@cache
def ran() -> Ran:
    """Two vehicles on 70 kW, one of which is nearly as full as it needs to be; the other one leaves much too early."""
    scenario = small_trial(DROPPED, vehicles=2)
    almost, empty = scenario.vehicles
    battery = replace(almost.type, id="nearly full", target_soc=0.301)
    vehicles: tuple[Vehicle, ...] = (replace(almost, type=battery), replace(empty, departs_s=100))
    return run_made(replace(scenario, vehicles=vehicles, expectations=EXPECTED), seed=7)


def with_flow_above(seconds: int) -> Ran:
    """The same run, but that for so long 5 kW too much flow at C1."""
    trail = ran().trail
    flow = trail.flow.copy()
    inner = [trail.projection.node_ids[node] for node in trail.projection.frame.nodes.tolist()].index("C1")
    flow[50 : 50 + seconds, inner, TOTAL] = trail.limit[50 : 50 + seconds, inner, TOTAL] + 5_000
    return replace(ran(), trail=replace(trail, flow=flow))


def accepted(folder: Path, scenario: Scenario) -> Accepted:
    path = folder / "small.yaml"
    path.write_text(scenario_text(scenario))
    return accept_one(Job(file=str(path), seed=None), progress=lambda done, count: None)


def test_vehicles_are_ready_by_what_is_in_their_batteries() -> None:
    played = played_of(ran().trail, ran().observed)
    ready, short = played.outings
    assert (ready.connector, short.connector) == ("CP1/1", "CP2/1")
    assert ready.needed_wh == 60
    assert ready.ready_s is not None
    assert 5 <= ready.ready_s <= 60
    gained = ran().trail.soc[short.vehicle.id]
    assert short.left_soc == gained[99]
    assert np.isnan(gained[100])
    assert short.delivered_wh == round((gained[99] - 0.3) * 60_000) > 0
    assert not short.is_ready


def test_what_holds_vehicles_back_is_known_second_by_second() -> None:
    played = played_of(ran().trail, ran().observed)
    assert "C1" in {constraint.node for constraint in played.constraints}
    assert 60 <= played.outings[0].held_s <= 120
    # The other one is held back no more once it has gone.
    assert (played.held[100:, 1] == -1).all()


def test_expectations_of_a_night_are_judged_on_what_really_flowed() -> None:
    verdicts = verdicts_of(ran().trail, played_of(ran().trail, ran().observed))
    assert [verdict.is_met for verdict in verdicts] == [True, True, True, True]
    assert verdicts[1].found == "1 of 2 (50 %)"


@pytest.mark.parametrize(("seconds", "is_met"), [(REACTION_S, True), (REACTION_S + 1, False)])
def test_reacting_may_take_its_time_and_not_a_second_more(seconds: int, is_met: bool) -> None:
    above = with_flow_above(seconds)
    verdicts = verdicts_of(above.trail, played_of(above.trail, above.observed))
    assert [verdicts[0].is_met, verdicts[2].is_met] == [is_met, is_met]


def test_the_same_scenario_and_seed_say_the_same(tmp_path: Path) -> None:
    scenario = replace(ran().scenario, expectations=EXPECTED)
    one, other = (accepted(tmp_path, scenario) for _ in range(2))
    assert one.document["digest"] == ran().digest
    assert {**one.document, "wall_s": 0} == {**other.document, "wall_s": 0}
    assert one.section == other.section


def test_the_page_needs_nobody_else(tmp_path: Path) -> None:
    found = accepted(tmp_path, ran().scenario)
    assert found.is_met
    page = page_of([found], told_of())
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"|url\(|@import|<script|<link', page) == []
    for said in ("connection dropped", "A small trial", found.replay, "✓ Accepted"):
        assert said in page


def test_one_that_cannot_be_played_is_red_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(scenario_text(small_trial(())))

    def breaks_off(done: int, count: int) -> None:
        raise OSError("nobody is looking any more")

    found = accept_one(Job(file=str(path), seed=None), progress=breaks_off)
    assert not found.is_met
    assert "nobody is looking any more" in found.failure
    page = page_of([found], told_of())
    assert found.failure in page
    assert "✗ Not accepted" in page
