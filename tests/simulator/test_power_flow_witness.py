"""Power flow as a witness: cables, transformers and solved voltages instead of rows and margins.

It shares no arithmetic with the core; its findings are shown in docs/power_flow.md.
"""

import os
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from made_scenarios import made
from power_flow_table import LONG_CABLES, PAGE, written
from power_grid_model import LoadGenType
from witness_cases import Case, Finding, NodeFinding, findings, findings_of, scenario_files
from witness_loads import Loads, StarLoad
from witness_made import behind_delta, in_kw, with_margin
from witness_network import network_of
from witness_parts import AT_90_DEGREES, cable_for, transformer_for
from witness_solving import Solver

from busbar.core.projection import project
from busbar.simulator.scenario_file import load_scenario

RENEW = "BUSBAR_RENEW_DOCS"
DELTA = 2 / sqrt(3)
"""What one line of a delta winding carries of a load between two lines, against what each of those carries."""

shipped = pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)


def over(found: tuple[Finding, ...], case: Case) -> list[tuple[int, str, float]]:
    """Where a line carries more than its limit although the voltage is inside the margin."""
    return [
        (one.at_s, node.name, node.used)
        for one in found
        if one.case is case and one.is_inside_margin
        for node in one.nodes
        if node.is_over and not (node.feeds_delta and node.used <= DELTA) and not node.is_over_anyway
    ]


def of(found: tuple[Finding, ...], name: str, case: Case) -> list[tuple[Finding, NodeFinding]]:
    return [(one, node) for one in found if one.case is case for node in one.nodes if node.name == name]


# What holds


@shipped
@pytest.mark.parametrize("case", Case)
def test_no_line_carries_more_than_its_limit_while_the_voltage_is_inside_the_margin(path: Path, case: Case) -> None:
    assert over(findings_of(path), case) == []


@pytest.mark.parametrize("name", ["nrel_depot", "small_ac", "wa_pta_night"])
def test_nothing_is_excused_in_nights_without_faults(name: str) -> None:
    path = next(path for path in scenario_files() if path.stem == name)
    assert [node.name for one in findings_of(path) for node in one.nodes if node.is_over_anyway] == []


@shipped
def test_the_voltage_is_taken_to_both_ends_of_the_margin(path: Path) -> None:
    margin = load_scenario(path).depot.voltage_margin_permille / 1000
    for one in findings_of(path):
        if one.case is Case.LOWEST:
            assert one.is_inside_margin
            assert one.lowest == pytest.approx(1 - margin, abs=1e-7)
        if one.case is Case.HIGHEST:
            assert one.is_inside_margin
            assert one.highest == pytest.approx(1 + margin, abs=1e-7)


@shipped
def test_loads_alone_are_within_every_limit_in_kw(path: Path) -> None:
    assert loads_over(findings_of(path)) == []


def loads_over(found: tuple[Finding, ...]) -> list[tuple[int, str, int, int]]:
    return [
        (one.at_s, node.name, node.loads_w, node.limit_w)
        for one in found
        if one.is_inside_margin
        for node in one.nodes
        if node.loads_w > node.limit_w and not node.is_over_anyway
    ]


@shipped
def test_no_cable_or_transformer_chosen_for_its_rating_is_overloaded(path: Path) -> None:
    for one in findings_of(path):
        if one.is_inside_margin:
            assert one.cable <= 1
            assert (one.transformer or 0) <= 1


def test_line_to_line_vans_and_limits_in_kw_hold_too() -> None:
    found = in_kw()
    for case in Case:
        assert over(found, case) == []
    assert loads_over(found) == []
    fullest = max(node.used for _, node in of(found, "C1", Case.LOWEST))
    # The phasors' signs are not known to the core, so a tenth is left.
    assert 0.9 < fullest <= 1


def test_a_meter_at_a_limit_in_kw_sees_the_losses_below_it_on_top() -> None:
    one, node = max(of(in_kw(), "F1", Case.LOWEST), key=lambda pair: pair[1].loads_w)
    assert node.loads_w <= node.limit_w < node.metered_w
    assert 0 < node.metered_w - node.loads_w < 0.03 * node.loads_w
    assert one.is_inside_margin


# What does not hold, so that the witness is seen to be able to say so


def test_without_a_margin_long_cables_take_a_line_over_its_limit() -> None:
    one, node = of(with_margin(0, LONG_CABLES), "C1", Case.PLAYED)[0]
    assert not one.is_inside_margin
    assert node.is_over
    assert node.used == pytest.approx(1 / one.lowest, rel=0.01)


def test_a_margin_that_covers_the_voltage_drop_keeps_the_same_line_within_it() -> None:
    one, node = of(with_margin(10, LONG_CABLES), "C1", Case.PLAYED)[0]
    assert one.is_inside_margin
    assert one.lowest < 0.95
    assert not node.is_over


@pytest.mark.parametrize("name", ["nrel_depot", "wa_pta_night"])
def test_without_a_margin_a_shipped_depot_of_dc_charge_points_is_over_its_limits(name: str) -> None:
    path = next(path for path in scenario_files() if path.stem == name)
    scenario = load_scenario(path)
    found = findings(replace(scenario, depot=replace(scenario.depot, voltage_margin_permille=0)), cases=(Case.PLAYED,))
    worst = max(node.used for one in found for node in one.nodes)
    assert worst > 1.02


def test_on_the_delta_side_of_a_transformer_one_line_carries_more_of_a_line_to_line_load_than_is_counted() -> None:
    """A known gap (docs/power_flow.md): amperes are referred by the voltage ratio, line by line."""
    _, node = of(behind_delta(line_to_line=True), "GC1", Case.PLAYED)[0]
    assert node.feeds_delta
    assert node.is_over
    assert node.flow_ma.max() == pytest.approx(DELTA * node.flat_ma.max(), rel=1e-3)
    assert sorted(node.flow_ma / node.flow_ma.max()) == pytest.approx([0.5, 0.5, 1.0], rel=1e-3)


def test_on_the_delta_side_a_load_to_neutral_is_on_two_lines_and_no_line_carries_more_than_is_counted() -> None:
    _, node = of(behind_delta(line_to_line=False), "GC1", Case.PLAYED)[0]
    assert sorted(node.flow_ma / node.flat_ma.max()) == pytest.approx([0, 1 / sqrt(3), 1 / sqrt(3)], abs=1e-3)
    assert not node.is_over


# The witness itself, against figures worked out by hand


def test_the_drop_of_a_single_phase_current_is_that_of_the_way_there_and_back(tmp_path: Path) -> None:
    projection = project(made(tmp_path).depot)
    network = network_of(projection)
    at = [projection.node_ids[feed.node] for feed in network.feeds].index("CP2")
    feed = network.feeds[at]
    load = StarLoad(
        bus=feed.node,
        kind=LoadGenType.const_current,
        line_va=np.array([0, 20 * 415 / sqrt(3), 0], complex),
        is_charging=True,
    )
    solved = Solver(network).solve(Loads(star=(load,), line=()), source=1.0)
    assert np.abs(solved.current_a[at]) == pytest.approx([0, 20, 0], abs=1e-6)
    above = [one.node for one in network.feeds].index(feed.above)
    lost_v = (solved.voltage[above, 1] - solved.voltage[at, 1]) * 415 / sqrt(3)
    there_and_back = 2 * complex(feed.cable.resistance_ohm, feed.cable.reactance_ohm)
    assert abs(lost_v) == pytest.approx(20 * abs(there_and_back), rel=1e-4)


def test_constant_power_draws_more_current_where_the_voltage_is_lower(tmp_path: Path) -> None:
    projection = project(made(tmp_path).depot)
    network = network_of(projection)
    at = [projection.node_ids[feed.node] for feed in network.feeds].index("CP1")
    load = StarLoad(
        bus=network.feeds[at].node,
        kind=LoadGenType.const_power,
        line_va=np.full(3, 20_000, complex),
        is_charging=True,
    )
    for source in (1.0, 0.9):
        solved = Solver(network).solve(Loads(star=(load,), line=()), source=source)
        volts = np.abs(solved.voltage[at]) * 415 / sqrt(3)
        assert np.abs(solved.current_a[at]) == pytest.approx(20_000 / volts, rel=1e-9)
        assert volts.max() < source * 415 / sqrt(3)


def test_parts_are_chosen_as_the_page_says() -> None:
    cable = cable_for(100, voltage_v=400, length_m=10)
    assert (cable.section_mm2, cable.count) == (16, 1)
    assert cable.resistance_ohm == pytest.approx(1.15 * AT_90_DEGREES / 100)
    longer = cable_for(100, voltage_v=400, length_m=150)
    assert longer.section_mm2 == 120
    many = cable_for(1720, voltage_v=415, length_m=10)
    assert (many.section_mm2, many.count, many.ampacity_a) == (185, 4, 1824)
    assert transformer_for(1_400_000).rating_va == 1_600_000
    assert transformer_for(7_000_000).rating_va == 3 * 2_500_000


# The page


def test_the_page_shows_what_the_power_flow_says() -> None:
    page = PAGE.read_text()
    now = written(page)
    if os.environ.get(RENEW):
        PAGE.write_text(now)
        return
    assert page == now, f"docs/power_flow.md shows something else; renew with {RENEW}=1"
