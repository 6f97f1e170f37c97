"""The library of scenarios: every file loads, says what is real, and the story that it tells happens."""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from busbar.core.fallbacks import fallbacks_that_do_not_fit
from busbar.core.projection import NodeKind, project
from busbar.simulator.play import play
from busbar.simulator.played import Played
from busbar.simulator.results import calendar_of, node_names, verdicts
from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FILES = sorted(
    path for path in SCENARIOS.glob("*.yaml") if "schema: busbar/scenario/1" in path.read_text(encoding="utf-8")
)
NAMES = [path.stem for path in FILES]
ELSEWHERE = {"wa_pta_night", "small_ac", "nrel_depot"}
"""Played in `test_shipped_scenarios.py`."""
LIBRARY = {
    "wa_pta_night": 64,
    "small_ac": 8,
    "nrel_depot": 80,
    "three_cabinets": 18,
    "two_feeders_110": 110,
    "solar_132": 132,
    "utility_35": 35,
    "spiceev_30": 66,
    "eth_8": 8,
    "rotation": 10,
    "unbalanced": 6,
    "meter_lost": 8,
    "disobeys": 6,
}
"""Connectors of each."""


@cache
def loaded(name: str) -> Scenario:
    return load_scenario(SCENARIOS / f"{name}.yaml")


@cache
def played(name: str) -> Played:
    return play(loaded(name))


NAMES_WITHOUT_FAULTS = [name for name in NAMES if name not in ELSEWHERE and not loaded(name).faults]


def at(night: Played, label: str) -> int:
    """The cycle at which the clock shows this."""
    calendar = calendar_of(night)
    return [calendar.label(int(at_s)) for at_s in night.at_s].index(label)


def charging_kw(night: Played, node: str, label: str) -> float:
    return float(night.charging[at(night, label), node_names(night).index(node), 3]) / 1000


def test_the_library_has_what_its_readme_lists() -> None:
    assert set(NAMES) == set(LIBRARY)
    readme = (SCENARIOS / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"[{name}]({name}.yaml)" not in readme] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_has_the_size_it_is_listed_with(name: str) -> None:
    assert len(project(loaded(name).depot).leaf_ids) == LIBRARY[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_tells_its_story_and_says_what_is_real(name: str) -> None:
    scenario = loaded(name)
    first_sentence = scenario.story.split(". ")[0]
    assert 40 < len(first_sentence) < 330
    assert scenario.notes
    kinds = ("real", "representative", "invented")
    assert {note.split(":")[0].split(" ")[0].lower() for note in scenario.notes} & set(kinds)
    assert "invented" in " ".join(scenario.notes).lower()
    assert scenario.expectations


@pytest.mark.parametrize("name", NAMES)
def test_what_charge_points_do_when_left_alone_fits_the_wiring(name: str) -> None:
    assert fallbacks_that_do_not_fit(project(loaded(name).depot)) == []


@pytest.mark.parametrize("name", NAMES_WITHOUT_FAULTS)
def test_a_scenario_without_faults_goes_as_it_says(name: str) -> None:
    night = played(name)
    assert [verdict for verdict in verdicts(night) if not verdict.is_met] == []
    assert night.violations == ()
    assert night.excesses == ()


def test_no_cabinet_serves_more_than_four_at_once_while_more_are_there() -> None:
    night = played("three_cabinets")
    running = (night.setpoint > 0).reshape(len(night.at_s), 3, 6).sum(axis=2)
    assert running.max() == 4
    plugged_in = np.zeros((len(night.at_s), 3), dtype=int)
    for index, outing in enumerate(night.outings):
        assert outing.connector is not None
        unit = int(outing.connector[2]) - 1
        plugged_in[:, unit] += ~np.isnan(night.soc[:, index]) & (night.soc[:, index] < 0.79)
    assert ((plugged_in > 4) & (running == 4)).any(axis=0).all()


def test_one_feeder_speeds_up_while_the_other_is_worked_on() -> None:
    night = played("two_feeders_110")
    assert charging_kw(night, "GC2", "21:05") < 0.55 * charging_kw(night, "GC2", "20:59")
    assert charging_kw(night, "GC1", "21:05") > 1.2 * charging_kw(night, "GC1", "20:59")


def test_charging_follows_the_cloud_and_the_battery() -> None:
    night = played("solar_132")
    before, in_shade = charging_kw(night, "GC1", "12:29"), charging_kw(night, "GC1", "12:33")
    assert before > 2500 > in_shade
    assert charging_kw(night, "GC1", "12:36") > in_shade + 350
    # With the sun and the battery together it is the rating that holds charging back.
    assert 2900 < charging_kw(night, "GC1", "12:46") <= 3000


def test_the_utilitys_limits_bite_one_after_the_other() -> None:
    night = played("utility_35")
    peak, later, open_, short = (charging_kw(night, "GC1", label) for label in ("19:40", "20:05", "20:28", "20:40"))
    assert short < peak < later < open_


def test_a_tight_yard_holds_buses_back_where_the_stops_do_not() -> None:
    night = played("spiceev_30")
    assert {constraint.node for constraint in night.constraints} == {"YARD"}
    assert night.projection.kinds.count(NodeKind.GRID_CONNECTION) == 9
    assert len({outing.vehicle.id.split("-")[0] for outing in night.outings}) == 21
    in_the_yard = [outing for outing in night.outings if outing.vehicle.at[0].startswith("YARD-")]
    assert len(in_the_yard) == 21
    # Every bus charges at its own station.
    assert all(outing.connector == f"{outing.vehicle.at[0]}/1" for outing in night.outings)


def test_vans_take_turns_three_at_a_time_and_all_have_had_about_the_same() -> None:
    night = played("rotation")
    inside = slice(at(night, "18:30"), at(night, "20:30"))
    running = night.setpoint[inside] > 0
    assert (running.sum(axis=1) == 3).all()
    minutes = running.sum(axis=0) * night.cycle_s / 60
    assert minutes.min() >= 30
    assert minutes.max() <= 45


def test_only_those_on_the_full_phase_are_held_back() -> None:
    night = played("unbalanced")
    # FRONT1 and the back row are on L1, FRONT2 on L2 and FRONT3 on L3.
    order = ["BACK1/1", "BACK2/1", "BACK3/1", "FRONT1/1", "FRONT2/1", "FRONT3/1"]
    assert list(night.projection.leaf_ids) == order
    evening = night.setpoint[at(night, "18:35") : at(night, "21:20")]
    assert evening[:, :4].max() <= 16_000
    assert evening[:, 4:].min() >= 31_000


def test_the_stays_of_eth_are_made_from_the_files_beside_them() -> None:
    folder = SCENARIOS / "data" / "ethz_bus_depot"
    rows = runpy.run_path(str(folder / "convert.py"))["all_stays"]()
    written = (folder / "stays.csv").read_text(encoding="utf-8").splitlines()
    assert written == [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    assert len(loaded("eth_8").schedules[0].vehicles) == len(rows)


@pytest.mark.parametrize("folder", sorted(path for path in (SCENARIOS / "data").iterdir()), ids=lambda path: path.name)
def test_a_set_of_data_carries_its_licence(folder: Path) -> None:
    assert any("Copyright (c)" in path.read_text(encoding="utf-8") for path in folder.glob("LICENSE*"))
    assert (folder / "README.md").is_file()
