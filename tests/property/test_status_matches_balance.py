"""What is shown live is what the balance says, for any depot that can be drawn: its fast figures and merged limits."""

from dataclasses import replace

import numpy as np
from exactly import share_out
from forests import Case, amounts, cases
from hypothesis import given
from hypothesis import strategies as st

from busbar.core.audit import audit
from busbar.core.describe import bindings, limit_in_force, node_figures
from busbar.core.headroom import headroom
from busbar.core.projection import NodeKind, Projection
from busbar.core.rooms import rooms
from busbar.core.twin_limits import twin_available
from busbar.core.units import Amount
from busbar.engine.connector_status import first_binding
from busbar.engine.node_rows import named, node_rows


@given(cases())
def test_every_node_shows_the_figures_of_the_allocation(case: Case) -> None:
    projection, snapshot, allocation = case.projection, case.snapshot, share_out(case)
    found = rooms(projection, snapshot)
    rows = node_rows(
        projection,
        found,
        allocated=allocation.setpoint,
        reserved=allocation.reserved,
        committed=np.maximum(allocation.setpoint, allocation.reserved),
    )
    for shown, figure in zip(rows, node_figures(projection, snapshot, allocation, found=found), strict=True):
        assert shown.limit == figure.limit, figure.id
        assert shown.available == figure.available, figure.id
        assert shown.base_load == figure.base_load, figure.id
        assert shown.allocated == figure.allocated, figure.id
        assert shown.reserved == shown.committed == figure.reserved, figure.id
        assert shown.headroom == figure.headroom, figure.id
        assert shown.is_safe == (figure.mode == "SAFE"), figure.id


@given(cases())
def test_every_limited_row_names_its_limit(case: Case) -> None:
    projection, allocation = case.projection, share_out(case)
    found = rooms(projection, case.snapshot)
    nothing = np.zeros_like(allocation.setpoint)
    rows = node_rows(projection, found, allocated=nothing, reserved=nothing, committed=nothing)
    for node, shown in enumerate(rows):
        names = named(shown.limit_names)
        inner = int(projection.frame.inner_of[node])
        for row, (label, limit, available) in enumerate(
            zip(("L1", "L2", "L3", "total"), shown.limit, shown.available, strict=True)
        ):
            assert (label in names) == (limit is not None or available is not None)
            if label in names and inner >= 0:
                assert names[label] == limit_in_force(projection, headroom(projection, found, inner), inner, row)


@given(cases())
def test_the_first_binding_is_the_one_that_is_described(case: Case) -> None:
    projection, snapshot, allocation = case.projection, case.snapshot, share_out(case)
    found = rooms(projection, snapshot)
    bound_by = first_binding(projection, snapshot, allocation, found)
    for leaf in case.leaves:
        described = bindings(projection, snapshot, allocation, leaf, found=found)
        assert bound_by(leaf) == (described[0] if described else None), projection.leaf_ids[leaf]


@st.composite
def in_several_units(draw: st.DrawFn, projection: Projection, node: int) -> tuple[Amount, ...]:
    """Two or three limits of one node."""
    voltage_v = int(projection.voltage_v[node])
    return tuple(
        amounts(draw, phases=projection.phases[node], scale_ma=60_000, voltage_v=voltage_v)
        for _ in range(draw(st.integers(2, 3)))
    )


@given(cases(), st.data())
def test_limits_of_several_units_on_one_node_all_hold(case: Case, data: st.DataObject) -> None:
    """Their room is the smallest that any of them leaves alone, and the fill and the twin agree on it."""
    projection = case.projection
    nodes = [
        node for node, kind in enumerate(projection.kinds) if kind not in (NodeKind.CONNECTOR, NodeKind.CHARGE_POINT)
    ]
    node = data.draw(st.sampled_from(nodes))
    given_amounts = data.draw(in_several_units(projection, node))
    node_id, inner = projection.node_ids[node], int(projection.frame.inner_of[node])

    def limits(caps: object) -> tuple[int | None, ...]:
        snapshot = replace(case.snapshot, envelopes={**case.snapshot.envelopes, node_id: caps})  # type: ignore[dict-item]
        return headroom(projection, rooms(projection, snapshot), inner).limit

    together = limits(given_amounts)
    alone = [limits(amount) for amount in given_amounts]
    for row, value in enumerate(together):
        known = [each[row] for each in alone if each[row] is not None]
        assert value == min(known, default=None), row  # type: ignore[type-var]
    merged = replace(
        case, snapshot=replace(case.snapshot, envelopes={**case.snapshot.envelopes, node_id: given_amounts})
    )
    assert audit(projection, merged.snapshot, share_out(merged)) == []
    exact = twin_available(projection, merged.snapshot)[node]
    single = [
        twin_available(projection, replace(case.snapshot, envelopes={**case.snapshot.envelopes, node_id: amount}))[node]
        for amount in given_amounts
    ]
    for row, room in enumerate(exact):
        left = [each[row] for each in single if each[row] is not None]
        assert room == min(left, default=None), row  # type: ignore[type-var]
