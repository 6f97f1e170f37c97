"""Batteries: constant power, then constant voltage."""

from math import exp

from busbar.simulator.battery import acceptable_w, full_ws, target_ws
from busbar.simulator.scenario import VehicleType

BUS = VehicleType(id="bus", battery_wh=300_000, max_power_w=150_000, taper_soc=0.8, end_soc=0.96, target_soc=0.9)
WS = 3600 * BUS.battery_wh


def test_below_the_taper_a_battery_takes_its_most() -> None:
    assert acceptable_w(BUS, 0) == acceptable_w(BUS, WS * 8 // 10) == 150_000


def test_above_the_taper_power_falls_in_a_straight_line_with_the_state_of_charge() -> None:
    assert acceptable_w(BUS, WS * 85 // 100) == 112_500
    assert acceptable_w(BUS, WS * 9 // 10) == 75_000
    assert acceptable_w(BUS, WS * 95 // 100) == 37_500


def test_that_line_is_an_exponential_in_time() -> None:
    stored = WS * 8 // 10
    tau_s = WS * 0.2 / 150_000
    for _ in range(600):
        stored += acceptable_w(BUS, stored)
    assert abs(acceptable_w(BUS, stored) - 150_000 * exp(-600 / tau_s)) < 150


def test_at_its_end_a_battery_takes_nothing() -> None:
    assert acceptable_w(BUS, full_ws(BUS)) == 0
    assert acceptable_w(BUS, full_ws(BUS) - 1) > 0
    assert target_ws(BUS) == round(WS * 0.9)
