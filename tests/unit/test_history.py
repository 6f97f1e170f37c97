"""The last half hour in columns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from made_moments import depot_projection, made_moment

from busbar.core.projection import project
from busbar.core.units import ActivePower
from busbar.engine.history import KEPT_FOR, MOST_MOMENTS, History
from busbar.engine.moment import Moment
from busbar.engine.status import nodes_now


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def later(moment: Moment, seconds: float) -> Moment:
    return replace(moment, at=moment.at + timedelta(seconds=seconds))


def test_what_a_connector_was_given_and_drew_stands_in_columns() -> None:
    history, moment = History(), made_moment(at=now())
    connector = list(moment.plugged)[3]
    leaf = moment.projection.leaf_index[connector]
    history.add(moment)
    history.add(later(replace(moment, setpoint=moment.setpoint + 1000), 5))
    found = history.connector(connector)
    given = int(moment.setpoint[leaf])
    assert found.at == (moment.at, moment.at + timedelta(seconds=5))
    assert found.setpoint == (given, given + 1000)
    assert found.committed == (given, given)
    assert found.draw == (moment.plugged[connector].draw,) * 2
    assert found.soc == (moment.plugged[connector].session.soc,) * 2


def test_without_a_vehicle_there_is_nothing_but_what_is_committed() -> None:
    history, moment = History(), made_moment(vehicles=0)
    history.add(moment)
    found = history.connector("PU1/1")
    assert (found.request, found.setpoint, found.draw, found.soc) == ((None,), (None,), (None,), (None,))
    assert found.committed == (0,)


def test_a_node_shows_the_row_that_is_nearest_its_limit() -> None:
    history, moment = History(), made_moment(limits={"GC1": ActivePower(w=990_000)})
    history.add(moment)
    shown = {node.id: node for node in nodes_now(moment)}
    total = history.node("GC1")
    assert (total.row, total.limit) == ("total", (990_000,))
    line = history.node("GC1", "L1")
    # Single floats keep seven digits.
    assert abs((line.committed[0] or 0) - shown["GC1"].rows.committed[0]) <= 1
    assert abs((line.measured[0] or 0) - (shown["GC1"].measured or (0,))[0]) <= 1  # type: ignore[operator]
    assert history.node("C3").row == "L1"
    assert history.node("PU1").row == "total"
    assert history.node("PU1", "L1").limit == (None,)


def test_what_is_not_known_is_left_open() -> None:
    history, moment = History(), made_moment()
    rows = np.full_like(moment.flows.rows, np.nan)
    history.add(replace(moment, flows=replace(moment.flows, rows=rows)))
    assert history.node("GC1").measured == (None,)


def test_of_an_unknown_name_there_are_no_columns() -> None:
    history = History()
    history.add(made_moment())
    assert history.connector("PU99/1").at == history.node("C99").at == history.node("PU1/1").at == ()


def test_no_more_than_half_an_hour_is_kept() -> None:
    history, moment = History(), made_moment(at=now())
    for number in range(MOST_MOMENTS + 20):
        history.add(later(moment, 5 * number))
    assert len(history) == MOST_MOMENTS
    history.add(later(moment, 5 * (MOST_MOMENTS + 20) + 600))
    at = history.connector("PU1/1").at
    assert at[-1] - at[0] <= KEPT_FOR
    assert len(at) < MOST_MOMENTS


def test_a_moment_that_is_not_newer_is_left_out() -> None:
    history, moment = History(), made_moment(at=now())
    for seconds in (0, 0, -5):
        history.add(later(moment, seconds))
    assert len(history) == 1


def test_it_goes_on_over_an_edit_of_the_depot() -> None:
    depot = depot_projection().depot
    smaller = project(replace(depot, charge_points=depot.charge_points[2:]))
    history, at = History(), now()
    history.add(made_moment(at=at))
    history.add(made_moment(smaller, at=at + timedelta(seconds=5)))
    assert len(history.connector("PU3/1").at) == len(history.node("C1").at) == 2
    assert len(history.connector("PU1/1").at) == 1


def test_half_an_hour_of_ten_thousand_connectors_stays_below_150_mb() -> None:
    """Reckoned from what one more moment adds, by connector and by inner node."""
    history, moment = History(), made_moment(at=now())
    for number in range(3):
        history.add(later(moment, 5 * number))
    before = history.size_bytes
    history.add(later(moment, 15))
    connectors, inner = len(moment.projection.leaf_ids), len(moment.projection.frame.nodes)
    assert history.size_bytes - before == 18 * connectors + 32 * inner
    assert MOST_MOMENTS * (18 * 10_000 + 32 * 5_600) < 150e6
