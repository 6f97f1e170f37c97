"""How the outlets of one charge point ramp up and down beside each other."""

from math import inf

from desk import BUS

from busbar.core.depot import Connector
from busbar.simulator.stations.outlets import Limits, Outlet, Plugged, Stage, Transaction, advance
from busbar.simulator.stations.profiles import Electrics


def charging(number: int) -> Outlet:
    return Outlet(
        id=f"CP1/{number}",
        number=number,
        connector=Connector(id=str(number), max_rating=60_000, minimum=5_000, step=100),
        electrics=Electrics(is_ac=False, w_per_a=1.0),
        wire_w=1.0,
        volts=400.0,
        stage=Stage.CHARGING,
        vehicle=Plugged(id=f"bus{number}", kind=BUS, stored_ws=1e8, since_s=0.0),
        transaction=Transaction(began_s=0.0, id_tag="", id="1"),
    )


def test_while_one_ramps_down_another_takes_no_more_than_the_charge_point_has_left() -> None:
    outlets = [charging(1), charging(2)]
    before, after = ((60_000, 0), (10_000, 50_000))

    def limits(each: tuple[int, int]) -> Limits:
        return Limits(each=each, together=60_000, until_s=inf)

    advance(outlets, lambda at_s: limits(before), from_s=0, to_s=10, ramp_s=3.0, speed=1)
    assert [outlet.drawn for outlet in outlets] == [60_000, 0]
    drawn = []
    for at_s in range(10, 16):
        advance(outlets, lambda at_s: limits(after), from_s=at_s, to_s=at_s + 1, ramp_s=3.0, speed=1)
        drawn.append(tuple(outlet.drawn for outlet in outlets))
    assert drawn[-1] == after
    assert all(sum(each) <= 60_000 for each in drawn)
    assert drawn[0] == (40_000, 20_000), "what the one gives up the other has in the same second"
