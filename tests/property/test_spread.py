"""What charge points were given, spread over their connectors: it keeps every limit connector by connector too."""

import numpy as np
from exactly import share_out
from forests import Case, Shape, cases
from hypothesis import event, given

from busbar.core.allocation import Stop
from busbar.core.audit import audit
from busbar.core.depot import Leaves
from busbar.core.describe import bindings
from busbar.core.split import split
from busbar.core.spread import spread

SEVERAL = Shape(leaves=(Leaves.CHARGE_POINT,), connectors=(1, 2, 3))


@given(cases(SEVERAL))
def test_spread_over_connectors_it_keeps_every_limit_and_names_what_holds_each_back(case: Case) -> None:
    allocation = share_out(case)
    found = spread(case.projection, case.snapshot, allocation, strategy=case.strategy, fair_in=case.fair_in)
    each, wanted = case.projection.connectors, case.snapshot.connectors
    assert audit(each, wanted, found) == []
    part = split(case.projection, case.snapshot, allocation.setpoint).setpoint
    assert (found.setpoint <= part).all()
    if not (case.projection.connectors.fallback.any() or wanted.committed.any()):
        assert found.setpoint.tolist() == part.tolist()
    for place in np.flatnonzero(wanted.present & (wanted.request > 0)).tolist():
        named = bindings(each, wanted, found, place)
        assert named
        if found.setpoint[place] < min(wanted.request[place], each.max_rating[place]):
            assert found.stopped_by[place] in (Stop.ROW, Stop.OUT_OF_SERVICE)
            assert named[0].limit != "request"
    event(f"{int((found.stopped_by == Stop.ROW).sum())} held back")
