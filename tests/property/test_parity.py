"""Charger-based sharing beside connector-based on random forests: one path, so the same promises.

`BUSBAR_FORESTS=10000 pytest tests/property/test_parity.py` looks at that many.
"""

import os
from dataclasses import replace
from fractions import Fraction

import numpy as np
from exactly import Ledger, assert_lexicographic_optimum, following, share_out
from forests import Case, Shape, by_charge_point, cases
from hypothesis import event, given, settings

from busbar.core.allocation import Stop, Verdict
from busbar.core.audit import audit
from busbar.core.charger import on_busiest_line
from busbar.core.depot import ChargePoint, Depot, Leaves
from busbar.core.projection import project
from busbar.core.rows import rows_for, weight
from busbar.core.sharing import charge_point_of, most_each, running, wanting_at
from busbar.core.split import split
from busbar.core.twin import twin_balance

FORESTS = settings(max_examples=int(os.environ.get("BUSBAR_FORESTS", settings().max_examples)))
CONNECTORS = (Leaves.CONNECTOR,)
ONE_EACH = Shape(connectors=(1,), leaves=CONNECTORS)
SEVERAL = Shape(leaves=(Leaves.CHARGE_POINT,), connectors=(1, 2, 3))
FINE = Shape(leaves=(Leaves.CHARGE_POINT,), connectors=(1, 2, 3), minima=False)


def _within_the_charge_point(depot: Depot) -> Depot:
    """No charge point counts for more than its rating, which connector by connector nobody checks."""

    def rated(unit: ChargePoint) -> ChargePoint:
        most = max(connector.fallback for connector in unit.connectors)
        return replace(unit, max_rating=max(unit.max_rating, most), module_size=None)

    return replace(depot, charge_points=tuple(rated(unit) for unit in depot.charge_points))


@FORESTS
@given(cases(ONE_EACH))
def test_where_every_charge_point_has_one_connector_both_leaves_give_the_same_to_the_watt(case: Case) -> None:
    depot = _within_the_charge_point(case.depot)
    case = replace(case, depot=depot, projection=project(depot))
    other = by_charge_point(case)
    by_connector, by_unit = share_out(case), share_out(other)
    assert by_unit.setpoint.tolist() == by_connector.setpoint.tolist()
    assert by_unit.reserved.tolist() == by_connector.reserved.tolist()
    assert split(other.projection, other.snapshot, by_unit.setpoint).setpoint.tolist() == by_unit.setpoint.tolist()
    event(f"{int((by_unit.setpoint > 0).sum())} charge")


@FORESTS
@given(cases(SEVERAL))
def test_with_several_connectors_every_limit_is_kept_and_nothing_that_fits_is_left(case: Case) -> None:
    allocation = share_out(case)
    assert audit(case.projection, case.snapshot, allocation) == []
    ledger, reserved = Ledger(case), allocation.reserved.tolist()
    for leaf in np.flatnonzero(allocation.stopped_by == Stop.ROW).tolist():
        assert ledger.refusing(reserved, leaf, int(allocation.next_value[leaf]))


@FORESTS
@given(cases(FINE))
def test_without_minima_charge_points_share_as_the_max_min_optimum_over_charge_points(case: Case) -> None:
    """In exact arithmetic, tier by tier; and the fill gives that, up to what rounding to whole W and mA leaves."""
    assert_lexicographic_optimum(case)
    allocation = share_out(case)
    twin = twin_balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in)
    assert allocation.setpoint.tolist() == twin.setpoint
    for leaf in np.flatnonzero(allocation.verdict == Verdict.ADMITTED).tolist():
        assert allocation.setpoint[leaf] >= twin.share[leaf] - 1


@FORESTS
@given(cases(SEVERAL))
def test_what_a_charge_point_hands_to_its_connectors_is_never_more_than_it_counts_for(case: Case) -> None:
    """On every row that the depot's loads could be counted on, at every charge point, by connector and as one load."""
    whole, each = case.projection, case.projection.connectors
    allocation = share_out(case)
    given_out = split(whole, case.snapshot, allocation.setpoint).setpoint
    assert ((given_out == 0) | (given_out >= each.minimum)).all()
    assert (given_out <= np.maximum(np.minimum(case.snapshot.connectors.request, each.max_rating), each.minimum)).all()
    rows = rows_for((*whole.classes, *each.classes))
    nominal_v, margin = case.depot.voltage_v, case.depot.voltage_margin_permille

    def on(load: int, row: int, projection: object) -> Fraction:
        classes = each.classes if projection is each else whole.classes
        return weight(classes[load], row, rows, nominal_v=nominal_v, margin_permille=margin)

    for leaf in np.flatnonzero(allocation.setpoint).tolist():
        begin, end = whole.first_connector[leaf : leaf + 2].tolist()
        for row in range(len(rows)):
            counted = on(int(whole.leaf_class[leaf]), row, whole) * int(allocation.setpoint[leaf])
            drawn = sum(
                on(int(each.leaf_class[place]), row, each) * int(given_out[place]) for place in range(begin, end)
            )
            assert drawn <= counted


@FORESTS
@given(cases(SEVERAL))
def test_whoever_is_served_gets_at_least_the_minimum_and_nothing_that_fits_is_left_over(case: Case) -> None:
    """The minimum of a charge point is what those it serves need together, so all of them run."""
    projection, each = case.projection, case.projection.connectors
    allocation = share_out(case)
    given_out = split(projection, case.snapshot, allocation.setpoint).setpoint.tolist()
    for leaf in np.flatnonzero(allocation.setpoint).tolist():
        unit, together = charge_point_of(projection, leaf), int(allocation.setpoint[leaf])
        served = running(unit, wanting_at(projection, vars(case.snapshot.connectors), leaf))
        assert {vehicle.connector for vehicle in served} >= {
            place for place in projection.connectors_of(leaf) if given_out[place]
        }
        for vehicle, most in zip(served, most_each(unit, served), strict=True):
            assert given_out[vehicle.connector] >= vehicle.minimum
            value = following(
                replace(case, projection=each, snapshot=case.snapshot.connectors),
                vehicle.connector,
                given_out[vehicle.connector],
            )
            others = [(other.lines, given_out[other.connector]) for other in served if other is not vehicle]
            line_full = on_busiest_line(
                (tuple({line} & set(lines)), part)
                for line in vehicle.lines
                for lines, part in [*others, (vehicle.lines, value or 0)]
            )
            assert value is None or value > most or line_full > together
