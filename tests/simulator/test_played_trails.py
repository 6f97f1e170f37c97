"""Expectations over time, judged on a played night; and stays from a file that says where each vehicle plugs in."""

from pathlib import Path

import pytest
from made_scenarios import SCENARIO, made

from busbar.core.errors import BusbarError, RefusedError
from busbar.simulator.play import play
from busbar.simulator.results import verdicts


def judged(folder: Path, more: str, scenario: str = SCENARIO) -> list[tuple[bool, str]]:
    return [(each.is_met, each.found) for each in verdicts(play(made(folder, scenario, f"expectations:\n{more}")))]


def test_what_held_all_night_is_met_and_what_did_not_says_when_it_was_broken(tmp_path: Path) -> None:
    kept, broken = judged(
        tmp_path,
        "  - {always: true, node: GC1, flow_at_most: limit}\n  - {always: true, node: GC1, flow_at_most: 100 A}\n",
    )
    assert kept[0]
    assert not broken[0]
    assert "at GC1 on L" in broken[1]


def test_batteries_setpoints_draws_and_modes_are_seen_in_a_played_night(tmp_path: Path) -> None:
    events = "events:\n  - {from: 20:00, until: 20:30, node: GC1, mode: SAFE}\n"
    found = judged(
        tmp_path,
        """\
  - {by: "21:29", vehicle: bus1, soc_at_least: 70 %}
  - {by: "18:30", vehicle: bus1, soc_at_least: 70 %}
  - {at: "18:05", connector: CP1/1, setpoint_at_most: 0 kW}
  - {at: "18:15", connector: CP1/1, setpoint_at_least: 40 kW}
  - {at: "18:15", connector: CP1/1, draw_at_most: 10 kW}
  - {always: {from: "20:00", until: "20:30"}, node: GC1, mode: SAFE}
  - {always: {from: "20:00", until: "20:31:01"}, node: GC1, mode: SAFE}
""",
        SCENARIO + events,
    )
    assert [is_met for is_met, _ in found] == [True, False, True, True, False, True, False]


@pytest.mark.parametrize(
    "expectation",
    [
        "{always: true, breaches: none}",
        '{at: "19:00", node: GC1, state: OK}',
        '{at: "19:00", charge_point: CP1, reachable: true}',
        '{by: "19:00", breach: base_load}',
    ],
)
def test_what_playing_does_not_show_is_left_to_an_acceptance_run(tmp_path: Path, expectation: str) -> None:
    scenario = made(tmp_path, SCENARIO, f"expectations:\n  - {expectation}\n")
    with pytest.raises(BusbarError, match="busbar accept"):
        play(scenario)


SCHEDULE = SCENARIO + "schedules:\n  - {id: s, file: stays.csv, type: bus, at: CP1}\n"


def test_a_file_may_say_where_each_vehicle_plugs_in(tmp_path: Path) -> None:
    (tmp_path / "stays.csv").write_text("id,arrives,departs,soc,at\n1,18:30,20:00,50 %,GC1\n2,18:40,20:00,50 %,\n")
    assert [vehicle.at for vehicle in made(tmp_path, SCHEDULE).schedules[0].vehicles] == [("GC1",), ("CP1",)]


def test_a_place_in_a_file_that_the_depot_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stays.csv").write_text("id,arrives,departs,soc,at\n1,18:30,20:00,50 %,CP7\n")
    with pytest.raises(RefusedError) as caught:
        made(tmp_path, SCHEDULE)
    assert [(each.path, "'CP7'" in each.rule) for each in caught.value.problems] == [("schedules[0].file", True)]
