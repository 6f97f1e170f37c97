"""What if: the same balance with something otherwise; nothing of the moment is changed."""

from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest
from made_moments import made_moment

from busbar.core.balance import as_failed, balance
from busbar.core.depot import FairIn
from busbar.core.errors import Problem, RefusedError
from busbar.core.units import ActivePower, ApparentPower, Current
from busbar.engine.moment import Moment
from busbar.engine.what_if import Vehicle, WhatIf, ask


def amperes(value: int) -> Current:
    return Current(l1_ma=value * 1000, l2_ma=value * 1000, l3_ma=value * 1000)


def refused(moment: Moment, question: WhatIf) -> tuple[Problem, ...]:
    with pytest.raises(RefusedError) as error:
        ask(moment, question)
    return error.value.problems


def test_nothing_otherwise_changes_nothing() -> None:
    moment = made_moment()
    found = ask(moment, WhatIf())
    assert len(found.changes) == 0
    assert found.before.total_w == found.after.total_w == _total_w(moment)


def _total_w(moment: Moment) -> int:
    return -(-int(moment.setpoint.sum()) * 1000 // 940)


def test_a_lower_limit_gives_those_below_it_less() -> None:
    moment = made_moment()
    found = ask(moment, WhatIf(limits={"C1": amperes(100)}))
    leaf = moment.projection.leaf_index["PU1/1"]
    assert leaf in found.changes
    assert found.after.allocation.setpoint[leaf] < found.before.allocation.setpoint[leaf]
    expected = balance(found.after.projection, moment.snapshot, strategy="least_laxity")
    assert np.array_equal(found.after.allocation.setpoint, expected.setpoint)


def test_more_room_for_the_microgrid_gives_everybody_more() -> None:
    found = ask(made_moment(), WhatIf(limits={"wa_pta": ApparentPower(va=2_050_000)}))
    assert found.after.total_w > found.before.total_w
    assert found.after.limited <= found.before.limited
    assert found.after.at_risk <= found.before.at_risk


def test_who_asked_for_all_that_the_connector_gives_asks_for_more_where_it_gives_more() -> None:
    moment = made_moment(vehicles=1)
    found = ask(moment, WhatIf(limits={"PU1/1": ActivePower(w=200_000)}))
    assert [found.before.allocation.setpoint[0], found.after.allocation.setpoint[0]] == [150_000, 200_000]


def test_another_strategy_and_another_fairness() -> None:
    moment = made_moment()
    found = ask(moment, WhatIf(strategy="first_come", fair_in=FairIn.CURRENT))
    assert (found.after.allocation.strategy, found.after.allocation.fair_in) == ("first_come", FairIn.CURRENT)
    assert found.before.allocation.strategy == "least_laxity"
    assert len(found.changes)


def test_vehicles_that_come_and_go() -> None:
    moment = made_moment(vehicles=4)
    gone = next(iter(moment.plugged))
    departs = moment.at + timedelta(hours=1)
    newcomer = Vehicle(connector="PU1/2", request=ActivePower(w=40_000), departs=departs, energy_needed_wh=90_000)
    found = ask(moment, WhatIf(add=(newcomer,), remove=(gone,)))
    index = moment.projection.leaf_index
    assert found.after.allocation.setpoint[index[gone]] == 0
    assert found.after.allocation.setpoint[index["PU1/2"]] == 40_000
    assert not found.after.snapshot.present[index[gone]]
    assert found.after.at_risk >= 1


def test_an_added_vehicle_takes_the_place_of_the_one_that_is_there() -> None:
    moment = made_moment(vehicles=4)
    there = next(iter(moment.plugged))
    found = ask(moment, WhatIf(add=(Vehicle(connector=there, request=ActivePower(w=20_000)),)))
    assert found.after.allocation.setpoint[moment.projection.leaf_index[there]] == 20_000
    assert int(found.after.snapshot.present.sum()) == 4


def test_the_moment_is_as_it_was() -> None:
    moment = made_moment()
    before = {each.name: np.copy(getattr(moment.snapshot, each.name)) for each in fields(moment.snapshot)}
    gone = list(moment.plugged)[7]
    ask(moment, WhatIf(add=(Vehicle(connector="PU1/1"),), remove=(gone,), limits={"C1": amperes(300)}))
    for name, value in before.items():
        left = getattr(moment.snapshot, name)
        if isinstance(left, np.ndarray):
            assert np.array_equal(left, value, equal_nan=left.dtype.kind == "f"), name


def test_a_failed_cycle_is_compared_by_what_runs() -> None:
    moment = made_moment()
    failed = replace(moment, allocation=as_failed(moment.allocation), setpoint=moment.setpoint // 2)
    found = ask(failed, WhatIf())
    assert found.before.allocation.outcome == "FAILED"
    assert np.array_equal(found.before.allocation.setpoint, moment.setpoint // 2)
    assert np.array_equal(found.after.allocation.setpoint, moment.setpoint)


def test_every_offender_is_named_at_once() -> None:
    moment = made_moment()
    empty = next(leaf for leaf in moment.projection.leaf_ids[8:] if leaf not in moment.plugged)
    question = WhatIf(
        limits={"C9": amperes(1), "PU1": amperes(400)},
        strategy="first_cone",
        add=(
            Vehicle(connector="PU99/1"),
            Vehicle(connector="PU1/1", request=amperes(32)),
            Vehicle(connector="PU1/2", request=ActivePower(w=2_000_000)),
            Vehicle(connector="PU1/1"),
        ),
        remove=("PU1/9", empty),
    )
    problems = {problem.path: problem for problem in refused(moment, question)}
    assert set(problems) == {
        *("strategy", "limits.C9", "limits.PU1"),
        *("add[0].connector", "add[1].request", "add[2].request", "add[3].connector"),
        *("remove[0]", "remove[1]"),
    }
    assert problems["strategy"].fix == "Did you mean `first_come`?"
    assert problems["limits.PU1"].rule == "This is DC: its maximum rating is kW at the vehicle."


def test_a_limit_keeps_the_depots_own_rules() -> None:
    moment = made_moment()
    above = refused(moment, WhatIf(limits={"C1": amperes(900), "C2": amperes(900)}))
    assert [problem.path for problem in above] == ["limits.C1", "limits.C2"]
    assert "It is above rating (800 A)" in above[0].rule
    below_safe = refused(moment, WhatIf(limits={"GC1": ApparentPower(va=500_000)}))
    assert [problem.path for problem in below_safe] == ["limits.GC1"]
    assert "800 kVA" in below_safe[0].rule
    below_minimum = refused(moment, WhatIf(limits={"PU1/1": ActivePower(w=5_000)}))
    assert [problem.path for problem in below_minimum] == ["limits.PU1/1"]


def test_a_strategy_without_a_known_name_has_to_be_replaced() -> None:
    moment = made_moment()
    odd = replace(moment, record=replace(moment.record, strategy="my_own"))
    assert [problem.path for problem in refused(odd, WhatIf())] == ["strategy"]
    assert ask(odd, WhatIf(strategy="equal_share")).after.allocation.strategy == "equal_share"
