"""The bound on a line's phasor sum against complex arithmetic: never too loose, and hardly too tight for star loads."""

from cmath import phase, rect
from dataclasses import dataclass
from math import acos, pi, sqrt

import numpy as np
from forests import AT
from hypothesis import event, given
from hypothesis import strategies as st

from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import snapshot_from_arrays
from busbar.core.units import PHASES, Current, Phase

LIMIT_MA = 100_000
VOLTS = {Phase.L1: rect(1.0, 0.0), Phase.L2: rect(1.0, -2 * pi / 3), Phase.L3: rect(1.0, 2 * pi / 3)}
"""Line to neutral, L1 first in the phase sequence."""
POWER_FACTORS = (1000, 980, 980, 950, 900, 700, 500, 100)


@dataclass(frozen=True)
class Load:
    """One AC connector."""

    phases: tuple[Phase, ...]
    line_to_line: bool
    power_factor_permille: int

    def currents(self, ma: float, lag: float) -> dict[Phase, complex]:
        """The phasor on each line it loads; `lag` from -1 (leading most) to 1, within what its power factor allows."""
        turn = rect(1.0, -lag * acos(self.power_factor_permille / 1000))
        if not self.line_to_line:
            return {line: rect(ma, phase(VOLTS[line])) * turn for line in self.phases}
        first, second = self.phases
        across = VOLTS[first] - VOLTS[second]
        through = rect(ma, phase(across)) * turn
        return {first: through, second: -through}


@st.composite
def loads(draw: st.DrawFn) -> Load:
    line_to_line = draw(st.booleans())
    count = 2 if line_to_line else draw(st.integers(1, 3))
    return Load(tuple(draw(st.permutations(PHASES)))[:count], line_to_line, draw(st.sampled_from(POWER_FACTORS)))


def _depot(connected: list[Load], limit_ma: int = LIMIT_MA) -> Projection:
    """All of them below one circuit; every one takes every mA."""
    limit = Current(l1_ma=limit_ma, l2_ma=limit_ma, l3_ma=limit_ma)
    return project(
        Depot(
            id="depot",
            voltage_v=208,
            circuits=(Circuit(id="C1", default_operating_capacity=limit),),
            charge_points=tuple(
                ChargePoint(
                    id=f"CP{index}",
                    circuit="C1",
                    current=CurrentKind.AC,
                    max_rating=80_000,
                    connectors=(
                        Connector(
                            id="1",
                            max_rating=80_000,
                            minimum=0,
                            step=1,
                            phases=load.phases,
                            line_to_line=load.line_to_line,
                        ),
                    ),
                    power_factor_permille=load.power_factor_permille,
                )
                for index, load in enumerate(connected)
            ),
        )
    )


def _setpoints(projection: Projection, request: list[int]) -> list[int]:
    snapshot = snapshot_from_arrays(projection, at=AT, request=np.array(request))
    return [int(value) for value in balance(projection, snapshot, fair_in="current").setpoint]


@given(
    st.lists(loads(), min_size=1, max_size=6),
    st.lists(st.sampled_from((80_000, 30_000, 12_345, 0)), min_size=6, max_size=6),
    st.lists(
        st.lists(st.one_of(st.sampled_from((-1.0, 1.0)), st.floats(-1.0, 1.0)), min_size=6, max_size=6),
        min_size=8,
        max_size=8,
    ),
)
def test_no_phasor_is_longer_than_the_limit(connected: list[Load], request: list[int], lags: list[list[float]]) -> None:
    """Whatever each vehicle does within its power factor, leading or lagging."""
    setpoint = _setpoints(_depot(connected), request[: len(connected)])
    longest = 0.0
    for lag in lags:
        flows = dict.fromkeys(PHASES, 0j)
        for index, load in enumerate(connected):
            for line, current in load.currents(setpoint[index], lag[index]).items():
                flows[line] += current
        longest = max(longest, *(abs(flow) for flow in flows.values()))
    event(f"longest phasor is {longest / LIMIT_MA:.1f} of the limit")
    assert longest <= LIMIT_MA + 1e-6


@given(
    st.lists(
        st.builds(
            Load,
            st.sampled_from(((Phase.L1,), (Phase.L1, Phase.L3), PHASES)),
            st.just(False),
            st.sampled_from(POWER_FACTORS),
        ),
        min_size=2,
        max_size=6,
    ),
    st.sampled_from(POWER_FACTORS),
)
def test_star_loads_alone_lose_at_most_two_percent_to_the_bound(stars: list[Load], power_factor_permille: int) -> None:
    """At a node that could carry line-to-line loads as well, while those rest."""
    resting = Load((Phase.L1, Phase.L2), True, power_factor_permille)
    setpoint = _setpoints(_depot([*stars, resting]), [80_000] * len(stars) + [0])
    assert LIMIT_MA * 0.98 <= sum(setpoint) <= LIMIT_MA


@given(st.sampled_from(POWER_FACTORS), st.integers(2, 5))
def test_equal_line_to_line_loads_lose_at_most_two_percent_to_the_bound(power_factor_permille: int, count: int) -> None:
    """Their currents add up straight: nothing can be gained, hardly anything is lost."""
    loads_alike = [Load((Phase.L2, Phase.L3), True, power_factor_permille)] * count
    setpoint = _setpoints(_depot(loads_alike), [80_000] * count)
    assert LIMIT_MA * 0.98 <= sum(setpoint) <= LIMIT_MA


def test_a_line_to_line_load_alone_is_bounded_by_its_plain_current() -> None:
    alone = Load((Phase.L1, Phase.L2), True, 980)
    beside = Load((Phase.L3,), False, 980)
    assert _setpoints(_depot([alone, beside], limit_ma=60_000), [80_000, 80_000]) == [60_000, 60_000]


def test_a_line_to_line_delta_fits_more_than_the_plain_sum_would() -> None:
    """Three loads of 1 A between the lines of a delta put sqrt 3 A, not 2 A, on each line."""
    delta = [
        Load((Phase.L1, Phase.L2), True, 1000),
        Load((Phase.L2, Phase.L3), True, 1000),
        Load((Phase.L3, Phase.L1), True, 1000),
    ]
    setpoint = _setpoints(_depot(delta), [80_000] * 3)
    assert max(setpoint) - min(setpoint) <= 1
    assert 0.98 * LIMIT_MA / sqrt(3) <= setpoint[0] <= LIMIT_MA / sqrt(3)
