"""Everyone below the request is told everything that binds, and that would be enough."""

from exactly import Ledger, share_out
from forests import Case, cases
from hypothesis import given

from busbar.core.allocation import Stop, Verdict
from busbar.core.describe import bindings


@given(cases())
def test_with_every_row_named_raised_by_what_is_lacking_the_next_value_fits(case: Case) -> None:
    allocation, ledger = share_out(case), Ledger(case)
    reserved = allocation.reserved.tolist()
    for leaf in case.leaves:
        if allocation.stopped_by[leaf] not in (Stop.ROW, Stop.RATING):
            continue
        named = bindings(case.projection, case.snapshot, allocation, leaf)
        rows = {(binding.node, binding.row) for binding in named}
        refusing = ledger.refusing(reserved, leaf, int(allocation.next_value[leaf]))
        lacking = {(case.projection.node_ids[node], case.projection.rows[row].label) for node, row in refusing}
        # Exactly those: whoever raises them lets the next value in, and none is named in vain.
        own = {row for row in rows if row[0] == case.projection.leaf_ids[leaf]}
        is_rated = allocation.stopped_by[leaf] == Stop.RATING
        # A charge point that is a leaf is a node with a limit, too.
        assert rows - own == {place for place in lacking if place[0] != case.projection.leaf_ids[leaf]}
        assert bool(own) == (is_rated or bool(own & lacking))
        assert own >= lacking & own if is_rated else own <= lacking


@given(cases())
def test_everyone_below_the_request_is_told_why(case: Case) -> None:
    allocation = share_out(case)
    for leaf in case.leaves:
        named = bindings(case.projection, case.snapshot, allocation, leaf)
        if allocation.setpoint[leaf] < case.snapshot.request[leaf]:
            assert named
        reasons = {binding.reason for binding in named}
        if allocation.verdict[leaf] == Verdict.NO_ROOM:
            assert reasons == {"minimum"}
        if allocation.verdict[leaf] == Verdict.RESTART_GAP:
            assert reasons == {"restart_gap"}
