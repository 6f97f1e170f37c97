"""Nights in which charge points share among their own connectors."""

from pathlib import Path

import numpy as np
import pytest
from made_scenarios import DEPOT, made

from busbar.core.depot import Leaves
from busbar.simulator.play import play
from busbar.simulator.played import Played
from busbar.simulator.scenario import sharing_among

BUSES = slice(1, 3)
"""Connectors of CP1."""


def night(folder: Path, shares: str = "", leaves: Leaves | None = Leaves.CHARGE_POINT) -> Played:
    depot = DEPOT.replace(
        "power_factor: 1,\n     connectors: [{id: 1, max_rating: 80",
        f"power_factor: 1, {shares}\n     connectors: [{{id: 1, max_rating: 80",
    )
    return play(sharing_among(made(folder, depot=depot), leaves))


@pytest.mark.parametrize("shares", ["", "sharing: parallel,", "sharing: sequential,", "module_size: 25 kW,"])
def test_no_limit_is_broken_however_a_charge_point_shares(tmp_path: Path, shares: str) -> None:
    played = night(tmp_path, shares)
    assert played.excesses == ()
    assert played.violations == ()
    assert (played.drawn <= played.setpoint).all()
    # Vehicles and series are on connectors, whatever strategies share among.
    assert played.projection.leaves is Leaves.CONNECTOR
    assert (played.setpoint[:, BUSES].sum(axis=1) <= 100_000).all()


def test_in_sequence_the_second_bus_starts_when_the_first_wants_nothing_more(tmp_path: Path) -> None:
    buses = night(tmp_path, "sharing: sequential,").drawn[:, BUSES] > 0
    assert buses.any(axis=0).all()
    assert not buses.all(axis=1).any()
    first, second = (np.flatnonzero(drawing) for drawing in buses.T)
    assert first[-1] < second[0]


def test_in_parallel_both_buses_charge_at_once_and_evenly(tmp_path: Path) -> None:
    played = night(tmp_path, "sharing: parallel,")
    both = (played.setpoint[:, BUSES] > 0).all(axis=1)
    assert both.sum() > 30
    halves = played.setpoint[both][:, BUSES]
    assert np.median(np.abs(halves[:, 0] - halves[:, 1])) <= 1000


def test_the_depots_own_setting_cuts_the_leaves(tmp_path: Path) -> None:
    depot = DEPOT.replace("id: small,", "id: small, leaves: charge_point,").replace(
        "max_rating: 100 kW,", "max_rating: 100 kW, outputs: 1,"
    )
    played = play(made(tmp_path, depot=depot))
    assert not (played.drawn[:, BUSES] > 0).all(axis=1).any()
    by_connector = play(sharing_among(made(tmp_path, depot=depot), Leaves.CONNECTOR))
    assert (by_connector.drawn[:, BUSES] > 0).all(axis=1).any()
