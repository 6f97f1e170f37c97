"""The promises of design section 5, each a test, on random depots and snapshots."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from exactly import Ledger, assert_lexicographic_optimum, following, idle, share_out, takes
from exactly import minimum as minimum_of
from forests import Case, Shape, cases, depots, reordered
from hypothesis import event, given
from hypothesis import strategies as st

from busbar.core.allocation import Stop, Verdict
from busbar.core.balance import balance
from busbar.core.depot import Depot
from busbar.core.depot_rules import check_depot
from busbar.core.projection import project
from busbar.core.twin import twin_balance

FINE = Shape(minima=False)
"""Every connector takes every W or mA."""


@given(depots())
def test_every_drawn_depot_keeps_the_rules(depot: Depot) -> None:
    assert check_depot(depot) == ()


@given(cases())
def test_no_row_carries_more_than_is_available_and_where_fallbacks_alone_do_nothing_beyond_them(case: Case) -> None:
    ledger = Ledger(case)
    unavoidable = ledger.taken([idle(case, leaf) for leaf in case.leaves])
    for place, flow in ledger.taken(share_out(case).reserved.tolist()).items():
        assert flow <= max(ledger.available[place], unavoidable[place])


@given(cases())
def test_a_setpoint_is_nothing_or_at_least_the_minimum_and_at_most_request_and_rating(case: Case) -> None:
    allocation = share_out(case)
    for leaf in case.leaves:
        value, minimum = int(allocation.setpoint[leaf]), minimum_of(case, leaf)
        request, rating = int(case.snapshot.request[leaf]), int(case.projection.max_rating[leaf])
        assert value == 0 or minimum <= value <= min(max(request, minimum), rating)
        can_be_given = case.projection.in_service[leaf] and not case.snapshot.out_of_reach[leaf]
        assert value == 0 or (request > 0 and can_be_given)


@given(cases())
def test_a_setpoint_is_a_value_that_the_unit_takes(case: Case) -> None:
    allocation = share_out(case)
    assert all(takes(case, leaf, int(allocation.setpoint[leaf])) for leaf in case.leaves)


@given(cases())
def test_a_reservation_is_the_setpoint_or_what_may_be_drawn_in_any_case(case: Case) -> None:
    allocation = share_out(case)
    for leaf in case.leaves:
        assert allocation.reserved[leaf] == max(int(allocation.setpoint[leaf]), idle(case, leaf))


@given(cases())
def test_nobody_admitted_can_take_one_more_step(case: Case) -> None:
    allocation, ledger = share_out(case), Ledger(case)
    reserved = allocation.reserved.tolist()
    for leaf in np.flatnonzero(allocation.verdict == Verdict.ADMITTED).tolist():
        minimum, rating = minimum_of(case, leaf), int(case.projection.max_rating[leaf])
        value = following(case, leaf, int(allocation.setpoint[leaf]))
        wanted = min(max(int(case.snapshot.request[leaf]), minimum), rating)
        assert value is None or value > wanted or ledger.refusing(reserved, leaf, value)


@given(cases())
def test_nobody_left_out_fits_unless_the_restart_gap_says_so(case: Case) -> None:
    allocation, ledger = share_out(case), Ledger(case)
    reserved = allocation.reserved.tolist()
    for leaf in case.leaves:
        minimum = minimum_of(case, leaf)
        match int(allocation.verdict[leaf]):
            case Verdict.NO_ROOM:
                assert ledger.refusing(reserved, leaf, minimum)
            case Verdict.RESTART_GAP:
                # Stopped for want of room, no turn due, and the step beyond the minimum has no room.
                event("restart gap")
                margin = following(case, leaf, minimum)
                assert margin is not None
                assert ledger.refusing(reserved, leaf, margin)
                assert np.isfinite(case.snapshot.stopped_ago_s[leaf])
                assert not case.snapshot.waiting_for_s[leaf] >= 600
                assert not case.snapshot.charging[leaf]
            case Verdict.NOTHING_WANTED:
                wants = case.snapshot.request[leaf] > 0 and case.projection.max_rating[leaf] > 0
                assert not (wants and case.projection.in_service[leaf] and not case.snapshot.out_of_reach[leaf])


@given(cases())
def test_the_fill_equals_its_plain_twin(case: Case) -> None:
    event(f"limbs {case.projection.frame.limbs}")
    allocation = share_out(case)
    twin = twin_balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in)
    assert allocation.setpoint.tolist() == twin.setpoint
    assert allocation.reserved.tolist() == twin.reserved
    assert allocation.verdict.tolist() == twin.verdict


@given(cases(Shape(charge_points=12, circuits=3, fallbacks=False, phasors=False)))
def test_the_fill_equals_its_plain_twin_where_many_share_few_circuits(case: Case) -> None:
    allocation = share_out(case)
    twin = twin_balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in)
    assert allocation.setpoint.tolist() == twin.setpoint


def test_depots_whose_numbers_need_several_limbs_are_drawn() -> None:
    """A guard on the tests themselves: without such depots the long arithmetic would go untested."""
    limbs: set[int] = set()

    @given(depots())
    def look(depot: Depot) -> None:
        limbs.add(project(depot).frame.limbs)

    look()
    assert 1 in limbs
    assert max(limbs) >= 3


def _freed_by_rounding(ledger: Ledger, leaf: int) -> Fraction:
    """The most that others' rounding down (less than one each) can leave for a leaf, in its own unit."""
    worst = Fraction(1)
    for place, weight in ledger.puts(leaf).items():
        others = sum((ledger.puts(other).get(place, Fraction(0)) for other in ledger.case.leaves), Fraction(0))
        worst = max(worst, others / weight)
    return worst


@given(cases(FINE))
def test_without_minima_the_fill_is_within_a_step_of_the_exact_shares(case: Case) -> None:
    allocation, ledger = share_out(case), Ledger(case)
    exact = twin_balance(case.projection, case.snapshot, strategy=case.strategy, fair_in=case.fair_in).share
    for leaf in np.flatnonzero(allocation.verdict == Verdict.ADMITTED).tolist():
        assert exact[leaf] - 1 <= int(allocation.setpoint[leaf]) <= exact[leaf] + _freed_by_rounding(ledger, leaf)


@given(cases(FINE))
def test_without_minima_the_exact_shares_are_the_lexicographic_optimum_tier_by_tier(case: Case) -> None:
    assert_lexicographic_optimum(case)


@given(cases(), st.integers(0, 2**32 - 1))
def test_the_same_depot_in_any_record_order_gives_the_same_allocation(case: Case, seed: int) -> None:
    again = project(reordered(case.depot, seed), leaves=case.projection.leaves)
    assert again.leaf_ids == case.projection.leaf_ids
    snapshot = replace(
        case.snapshot,
        base_load=dict(list(case.snapshot.base_load.items())[::-1]),
        modes=dict(list(case.snapshot.modes.items())[::-1]),
        envelopes=dict(list(case.snapshot.envelopes.items())[::-1]),
    )
    first, second = share_out(case), balance(again, snapshot, strategy=case.strategy, fair_in=case.fair_in)
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(second, name)), name


@given(cases())
def test_everyone_below_the_request_names_what_stopped_them(case: Case) -> None:
    allocation, ledger = share_out(case), Ledger(case)
    reserved = allocation.reserved.tolist()
    for leaf in case.leaves:
        if allocation.setpoint[leaf] >= case.snapshot.request[leaf]:
            continue
        stop, value = int(allocation.stopped_by[leaf]), int(allocation.next_value[leaf])
        reachable = case.projection.in_service[leaf] and not case.snapshot.out_of_reach[leaf]
        assert (stop == Stop.OUT_OF_SERVICE) == (not reachable)
        if stop == Stop.ROW:
            refusing = ledger.refusing(reserved, leaf, value)
            # The first one, going up from the connector.
            assert allocation.bound_node[leaf] == refusing[0][0]
            rows = case.projection.groups[allocation.bound_group[leaf]].rows
            assert any(node == allocation.bound_node[leaf] and row in rows for node, row in refusing)
        elif stop == Stop.RATING:
            assert value > case.projection.max_rating[leaf]
        elif stop == Stop.REQUEST:
            after = following(case, leaf, int(allocation.setpoint[leaf]))
            assert after is None or after > case.snapshot.request[leaf]
        else:
            assert stop == Stop.OUT_OF_SERVICE


@given(cases())
def test_an_envelope_never_makes_more_available(case: Case) -> None:
    without = Ledger(replace(case, snapshot=replace(case.snapshot, envelopes={}))).available
    capped = Ledger(case).available
    assert all(capped[place] <= limit for place, limit in without.items())
