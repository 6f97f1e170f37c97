"""What flows add up to at a node, in whole numbers, against the weights as fractions."""

from fractions import Fraction

import numpy as np
from forests import depots
from hypothesis import given
from hypothesis import strategies as st

from busbar.core.flows import load_on_row, sum_below
from busbar.core.projection import project


@given(st.data())
def test_whole_numbers_put_on_every_row_exactly_what_fractions_do(data: st.DataObject) -> None:
    projection = project(data.draw(depots()))
    count = len(projection.leaf_ids)
    values = data.draw(st.lists(st.integers(0, 10**9), min_size=count, max_size=count))
    for node in range(len(projection.node_ids)):
        below = range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))
        sums = sum_below(projection, np.array(values, dtype=np.int64), node)
        for row, weights in enumerate(projection.weights):
            flow = sum((weights[projection.leaf_class[leaf]] * values[leaf] for leaf in below), Fraction(0))
            assert load_on_row(projection, sums, row) == flow
