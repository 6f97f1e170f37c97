"""Whether a vehicle will be ready when it departs."""

from math import inf, nan

import pytest
from made_moments import depot_projection

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import project
from busbar.core.readiness import Ready, power_at_vehicle_w, readiness
from busbar.core.units import Current, Phase

HOUR = 3600.0


def stands(needed_kwh: float | None, kw: float, hours: float | None, soc: float | None = None) -> Ready:
    found = readiness(
        energy_needed_wh=None if needed_kwh is None else needed_kwh * 1000,
        power_w=kw * 1000,
        departs_in_s=None if hours is None else hours * HOUR,
        soc=soc,
    )
    return found.state


@pytest.mark.parametrize(
    ("needed_kwh", "kw", "hours", "expected"),
    [
        (0, 0, 1, Ready.READY),
        (0, 0, None, Ready.READY),
        (80, 100, 1, Ready.ON_TRACK),
        (90, 100, 1, Ready.ON_TRACK),
        (91, 100, 1, Ready.AT_RISK),
        (100, 100, 1, Ready.AT_RISK),
        (111, 100, 1, Ready.AT_RISK),
        (112, 100, 1, Ready.LATE),
        (500, 100, 1, Ready.LATE),
        (1, 0, 8, Ready.LATE),
        (1, 100, 0, Ready.LATE),
        (1, 100, -1, Ready.LATE),
        (1, 100, None, Ready.UNKNOWN),
        (None, 100, 1, Ready.UNKNOWN),
    ],
)
def test_how_a_vehicle_stands(needed_kwh: float | None, kw: float, hours: float | None, expected: Ready) -> None:
    assert stands(needed_kwh, kw, hours) is expected


def test_one_that_is_given_nothing_is_never_on_track() -> None:
    for hours in (0.1, 1, 100, inf, None):
        assert stands(1, 0, hours) not in (Ready.ON_TRACK, Ready.READY, Ready.AT_RISK)


def test_a_full_one_is_ready_though_nobody_said_what_it_needs() -> None:
    assert stands(None, 0, 1, soc=0.99) is Ready.READY
    assert stands(None, 0, 1, soc=0.98) is Ready.UNKNOWN
    # What it still needs by its plan goes before what it says of itself.
    assert stands(50, 0, 1, soc=0.99) is Ready.LATE


def test_what_is_not_a_number_is_not_known() -> None:
    assert readiness(energy_needed_wh=nan, power_w=1.0, departs_in_s=nan, soc=nan).state is Ready.UNKNOWN
    assert readiness(energy_needed_wh=10.0, power_w=1.0, departs_in_s=nan).state is Ready.UNKNOWN


def test_when_it_is_ready_and_what_is_missing() -> None:
    found = readiness(energy_needed_wh=50_000, power_w=100_000, departs_in_s=HOUR)
    assert (found.ready_in_s, found.missing_wh) == (HOUR / 2, 0)
    assert found.text == "Ready in 30 min, 30 min before it departs."
    late = readiness(energy_needed_wh=150_000, power_w=100_000, departs_in_s=HOUR)
    assert (late.ready_in_s, late.missing_wh) == (HOUR * 1.5, 50_000)
    assert late.text == "At this pace it lacks 50 kWh when it departs in 1 h."
    nothing = readiness(energy_needed_wh=1500, power_w=0, departs_in_s=HOUR * 2.5)
    assert (nothing.ready_in_s, nothing.missing_wh) == (None, 1500)
    assert nothing.text == "It is given nothing now: it would lack 1.5 kWh when it departs in 2 h 30 min."
    gone = readiness(energy_needed_wh=1500, power_w=50_000, departs_in_s=-300)
    assert gone.text == "It was to depart 5 min ago and lacks 1.5 kWh."


def test_power_at_the_vehicle() -> None:
    dc = depot_projection()
    assert power_at_vehicle_w(dc, 0, 150_000) == 150_000
    wirings = (
        Connector(id="1", max_rating=32_000, minimum=6_000, step=1_000),
        Connector(id="2", max_rating=32_000, minimum=6_000, step=1_000, phases=(Phase.L2,)),
        Connector(id="3", max_rating=32_000, minimum=6_000, step=1_000, phases=(Phase.L1, Phase.L2), line_to_line=True),
    )
    unit = ChargePoint(
        id="CP1",
        circuit="C1",
        current=CurrentKind.AC,
        max_rating=96_000,
        power_factor_permille=1000,
        connectors=wirings,
    )
    circuit = Circuit(id="C1", default_operating_capacity=Current(l1_ma=99_000, l2_ma=99_000, l3_ma=99_000))
    ac = project(Depot(id="yard", voltage_v=400, circuits=(circuit,), charge_points=(unit,)))
    assert [power_at_vehicle_w(ac, leaf, 16_000) for leaf in range(3)] == [11_085, 3_695, 6_400]
