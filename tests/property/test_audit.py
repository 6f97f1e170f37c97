"""The audit finds nothing in what the fill gives, and finds everything that is put in by hand."""

from collections.abc import Iterator
from dataclasses import replace

from exactly import minimum as minimum_of
from exactly import share_out, step, takes
from forests import Case, cases
from hypothesis import given

from busbar.core.allocation import Allocation, Stop
from busbar.core.audit import audit


@given(cases())
def test_the_audit_finds_nothing_in_an_allocation(case: Case) -> None:
    assert audit(case.projection, case.snapshot, share_out(case)) == []


def _mutants(case: Case, allocation: Allocation) -> Iterator[tuple[str, int, int]]:
    """What is wrong, with which leaf, and its wrong setpoint."""
    projection, snapshot = case.projection, case.snapshot
    for leaf in case.leaves:
        value, minimum = int(allocation.setpoint[leaf]), minimum_of(case, leaf)
        rating = int(projection.max_rating[leaf])
        wanted = min(max(int(snapshot.request[leaf]), minimum), rating)
        yield "below nothing", leaf, -1
        yield "above the rating", leaf, rating + step(projection, leaf)
        match int(allocation.stopped_by[leaf]):
            case Stop.ROW:
                yield "over a limit", leaf, int(allocation.next_value[leaf])
            case Stop.OUT_OF_SERVICE:
                yield "out of service or reach", leaf, max(1, minimum)
            case Stop.NOTHING:
                yield "not asked for", leaf, max(1, minimum)
            case _:
                yield "above the request", leaf, wanted + 1
        if value > 0 and minimum > 1:
            yield "below the minimum", leaf, minimum - 1
        if value > 0 and not takes(case, leaf, value - 1) and value - 1 > minimum:
            yield "not a step", leaf, value - 1


@given(cases())
def test_the_audit_finds_every_mutation_of_an_allocation(case: Case) -> None:
    allocation = share_out(case)
    for what, leaf, wrong in _mutants(case, allocation):
        setpoint, reserved = allocation.setpoint.copy(), allocation.reserved.copy()
        setpoint[leaf] = wrong
        reserved[leaf] = max(int(reserved[leaf]), wrong)
        changed = replace(allocation, setpoint=setpoint, reserved=reserved)
        assert audit(case.projection, case.snapshot, changed), (what, case.projection.leaf_ids[leaf], wrong)
