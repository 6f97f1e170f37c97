"""Playing small scenarios: energy, events, expectations that fail, what is recorded."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from made_scenarios import DEPOT, SCENARIO, made

from busbar.adapters.memory import MemoryStore
from busbar.engine.ports import CycleOutcome, CycleRecord
from busbar.simulator.play import play, play_into
from busbar.simulator.played import NOT_HELD, Played
from busbar.simulator.results import all_met, bound_s, node_names, summary, verdicts
from busbar.simulator.scenario import Scenario

BUSES = slice(1, 3)
"""Leaves of CP1; leaf 0 is that of CP2, which hangs on the grid connection itself."""


def step_at(played: Played, clock: str) -> int:
    hours, minutes = clock.split(":")
    return ((int(hours) * 60 + int(minutes) - 18 * 60) * 60) // played.cycle_s


def drawn_kw(played: Played, node: str) -> list[float]:
    return [float(value) / 1000 for value in played.charging[:, node_names(played).index(node), 3]]


def test_energy_is_neither_made_nor_lost(tmp_path: Path) -> None:
    played = play(made(tmp_path))
    for outing in played.outings:
        battery_wh = outing.vehicle.type.battery_wh
        gained_wh = (outing.left_soc - outing.vehicle.soc) * battery_wh
        assert gained_wh == pytest.approx(outing.delivered_wh, abs=1)
    stored = sum(outing.delivered_wh / (0.9 if outing.vehicle.id == "van1" else 0.95) for outing in played.outings)
    assert played.supplied_wh == pytest.approx(stored, abs=played.cycle_s)
    of_series = played.charging[:, 0, 3].sum() * played.cycle_s / 3600
    assert of_series == pytest.approx(played.supplied_wh, abs=20)


def test_nobody_draws_more_than_the_setpoint_or_with_no_vehicle(tmp_path: Path) -> None:
    played = play(made(tmp_path))
    assert (played.drawn <= played.setpoint).all()
    assert played.drawn[: step_at(played, "18:10"), BUSES].sum() == 0
    assert played.drawn[step_at(played, "21:40") :].sum() == 0


def test_no_limit_is_broken_and_the_circuit_binds(tmp_path: Path) -> None:
    played = play(made(tmp_path))
    assert played.excesses == ()
    assert played.violations == ()
    assert bound_s(played, "C1") > 0
    # 120 A at 415 V and unity power factor are 86.3 kW, 81 of them at the vehicle in steps of 1 kW.
    assert max(drawn_kw(played, "C1")) == pytest.approx(81 / 0.95, abs=0.01)


def test_a_request_falls_with_the_taper_and_the_setpoint_follows(tmp_path: Path) -> None:
    alone = "\n".join(line for line in SCENARIO.split("\n") if "id: bus2" not in line and "id: van1" not in line)
    played = play(made(tmp_path, alone.replace("soc: 30 %", "soc: 70 %")))
    power = played.power_w[:, 0]
    charging = power[power > 0]
    assert charging[0] == 80_000
    assert (np.diff(charging) <= 0).all()
    assert charging[-1] < 30_000
    # Constraint and taper are told apart: nothing held it back.
    assert played.outings[0].held_s == 0


def test_events_hold_from_their_first_second_to_their_last(tmp_path: Path) -> None:
    events = """\
events:
  - {from: "19:00", until: "19:30", node: GC1, envelope: 75 kW}
  - {from: "20:00", until: "20:30", node: C1, default_operating_capacity: 60 A}
"""
    played = play(made(tmp_path, more=events))
    site, circuit = played.flow[:, 0, 3] / 1000, drawn_kw(played, "C1")
    inside = slice(step_at(played, "19:00"), step_at(played, "19:30"))
    assert (site[inside] <= 75).all()
    assert site[inside.start - 1] > 75
    assert site[inside.stop] > 75
    assert max(circuit[step_at(played, "20:00") : step_at(played, "20:30")]) <= 43.2
    assert played.excesses == ()
    assert "envelope" in {constraint.limit for constraint in played.constraints}


def test_where_nobody_sees_the_safe_capacity_holds(tmp_path: Path) -> None:
    events = 'events:\n  - {from: "19:00", until: "19:30", node: GC1, mode: SAFE}\n'
    played = play(made(tmp_path, more=events))
    inside = slice(step_at(played, "19:00"), step_at(played, "19:30"))
    charging = played.charging[:, node_names(played).index("GC1"), 0]
    assert (charging[inside] <= 83_472).all()  # 60 kVA at 415 V
    assert charging[inside.start - 1] > 83_472
    assert played.safe[inside, node_names(played).index("GC1")].all()


def test_out_of_reach_the_last_setpoint_is_counted_until_its_lease_has_ended(tmp_path: Path) -> None:
    events = 'lease: 120 s\nevents:\n  - {from: "19:00", until: "19:30", node: CP1, out_of_reach: true}\n'
    played = play(made(tmp_path, more=events))
    lost = step_at(played, "19:00")
    before = played.setpoint[lost - 1, BUSES].tolist()
    assert sum(before) > 0
    assert played.setpoint[lost, BUSES].tolist() == played.setpoint[lost + 1, BUSES].tolist() == before
    assert played.setpoint[lost + 2, BUSES].tolist() == [0, 0]
    assert played.setpoint[step_at(played, "19:30"), BUSES].sum() > 0
    assert played.excesses == ()


def test_a_vehicle_waits_for_a_free_connector(tmp_path: Path) -> None:
    third = '  - {id: bus3, type: bus, at: CP1, arrives: "18:30", departs: "21:50", soc: 60 %}\nbase_load:'
    played = play(made(tmp_path, SCENARIO.replace("base_load:", third)))
    bus3 = next(outing for outing in played.outings if outing.vehicle.id == "bus3")
    assert bus3.plugged_s == step_at(played, "21:30") * 60
    assert bus3.connector == "CP1/1"


def test_expectations_that_are_not_met_are_said_not_to_be(tmp_path: Path) -> None:
    expectations = """\
expectations:
  - no_limit_broken: true
  - vehicles_ready: 100 %
  - {peak: 50 kVA, node: GC1}
  - {ready_by: "19:00", vehicle: bus1}
  - ready_by: "19:00"
  - energy_delivered: 1 MWh
  - fairness: 100 %
  - {binds: CP2, for: 10 min}
"""
    short = SCENARIO.replace('departs: "21:40"', 'departs: "18:40"')
    played = play(made(tmp_path, short, expectations))
    assert [verdict.is_met for verdict in verdicts(played)] == [True] + [False] * 7
    assert not all_met(played)
    assert summary(played)["ok"] is False
    assert [one["met"] for one in summary(played)["expectations"]] == [True] + [False] * 7


def test_base_load_above_a_limit_breaks_it_and_is_named_as_the_cause(tmp_path: Path) -> None:
    heavy = SCENARIO.replace('"18:00": 40 kW, "20:00": 20 kW', '"18:00": 170 kW, "20:00": 20 kW')
    played = play(made(tmp_path, heavy))
    assert played.excesses
    assert all(excess.by_base_load and excess.node in ("GC1", "small") for excess in played.excesses)
    assert not verdicts(played)[0].is_met
    # While base load alone is too much, nobody charges; an audit has nothing to say against that.
    assert played.violations == ()
    assert played.charging[: step_at(played, "18:20"), 0, 3].sum() == 0


def test_another_seed_gives_another_night_and_the_same_seed_the_same(tmp_path: Path) -> None:
    scenario = made(tmp_path)
    assert summary(play(scenario)) == summary(play(scenario))
    assert (play(scenario).base != play(scenario, seed=6).base).any()
    assert play(scenario, seed=6).seed == 6


def test_fleets_are_drawn_within_their_bounds_and_do_not_disturb_each_other(tmp_path: Path) -> None:
    fleets = """\
fleets:
  - id: early
    count: 30
    type: bus
    arrives: {mean: "18:30", spread: 30 min, earliest: "18:05", latest: "19:00"}
    departs: {mean: "21:00", spread: 10 min}
    soc: {mean: 40 %, spread: 20 %, lowest: 20 %, highest: 70 %}
"""
    another = fleets + fleets.split("fleets:\n")[1].replace("early", "also")
    one = {outing.vehicle.id: outing.vehicle for outing in play(made(tmp_path, more=fleets)).outings}
    two = {outing.vehicle.id: outing.vehicle for outing in play(made(tmp_path, more=another)).outings}
    early = [vehicle for vehicle in one.values() if vehicle.id.startswith("early")]
    assert len(early) == 30
    assert all(300 <= vehicle.arrives_s <= 3600 and 0.2 <= vehicle.soc <= 0.7 for vehicle in early)
    assert all(two[vehicle.id] == vehicle for vehicle in early)
    assert len(two) == 63


def test_cycles_can_be_five_seconds_long(tmp_path: Path) -> None:
    text = SCENARIO.replace("cycle: 60 s", "cycle: 5 s").replace("duration: 4 h", "duration: 1 h")
    played = play(made(tmp_path, text))
    assert len(played.at_s) == 720
    assert played.excesses == ()


def clock() -> Iterator[int]:
    return count(0, 40)


def test_what_changed_is_recorded_with_what_bound_whom(tmp_path: Path) -> None:
    scenario, store, ticks = made(tmp_path), MemoryStore(), clock()
    played = play(scenario, store=store, clock_us=lambda: next(ticks))

    async def kept() -> list[CycleRecord]:
        return list(await store.cycles("small", limit=10_000))

    records = asyncio.run(kept())
    unchanged = played.outcomes[CycleOutcome.UNCHANGED]
    assert len(records) == 240 - unchanged
    assert all(record.outcome is not CycleOutcome.UNCHANGED for record in records)
    assert {record.duration_us for record in records} == {40}
    bound = [one.bound_by for record in records for one in record.allocations if one.bound_by]
    assert "C1" in {each["node"] for each in bound}
    assert any(record.node_states.get("C1") == "CONSTRAINED" for record in records)


def test_playing_again_into_the_same_store_goes_on_counting(tmp_path: Path) -> None:
    scenario = made(tmp_path)

    async def twice() -> list[int]:
        store = MemoryStore()
        await play_into(store, scenario)
        await play_into(store, scenario)
        return [record.number for record in await store.cycles("small", limit=10_000)]

    numbers = asyncio.run(twice())
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert numbers[-1] > 240


def test_recording_changes_nothing_in_the_night(tmp_path: Path) -> None:
    scenario = made(tmp_path)
    assert summary(play(scenario, store=MemoryStore())) == summary(play(scenario))


def test_progress_is_told_after_every_cycle(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    play(made(tmp_path), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(number, 240) for number in range(1, 241)]


def test_every_strategy_keeps_every_limit(tmp_path: Path) -> None:
    scenario: Scenario = made(tmp_path, depot=DEPOT.replace("voltage_margin: 0 %", "voltage_margin: 5 %"))
    for strategy in ("first_come", "earliest_departure", "least_laxity", "lowest_soc"):
        played = play(replace(scenario, strategy=strategy, voltage_permille=950))
        assert (played.excesses, played.violations) == ((), ()), strategy
        assert (played.held != NOT_HELD).any()
