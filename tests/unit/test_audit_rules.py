"""Every promise of an allocation, broken by hand, and what the audit says of it (design section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from busbar.core.audit import audit
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Snapshot, snapshot_from_arrays
from busbar.core.units import PHASES, ActivePower, Amount, Current

A = KW = 1000
AT = datetime(2026, 11, 23, tzinfo=UTC)


def amperes(value: int) -> Current:
    return Current(l1_ma=value * A, l2_ma=value * A, l3_ma=value * A)


def post(number: int, *, fallback: int = 0, steps: Sequence[int] = (), in_service: bool = True) -> ChargePoint:
    """AC, 32 A, from 6 A up in steps of 1 A."""
    connector = Connector(
        id="1", max_rating=32 * A, minimum=6 * A, step=A, fallback=fallback * A, steps=tuple(each * A for each in steps)
    )
    return ChargePoint(
        id=f"CP{number}", circuit="C1", current=CurrentKind.AC, max_rating=32 * A, connectors=(connector,),
        in_service=in_service,
    )  # fmt: skip


def cabinet(number: int) -> ChargePoint:
    """DC, 150 kW, 940 W at the vehicle for every 1000 W of supply."""
    connector = Connector(id="1", max_rating=150 * KW, minimum=10 * KW, step=KW)
    return ChargePoint(
        id=f"CP{number}", circuit="C1", current=CurrentKind.DC, max_rating=150 * KW, connectors=(connector,),
        efficiency_permille=940,
    )  # fmt: skip


def laid_out(limit: Amount, *units: ChargePoint, leaves: Leaves = Leaves.CONNECTOR) -> Projection:
    circuits = (Circuit(id="C1", default_operating_capacity=limit),)
    return project(Depot(id="d", voltage_v=400, circuits=circuits, charge_points=units), leaves=leaves)


def asked(projection: Projection, request: int, **more: object) -> Snapshot:
    return snapshot_from_arrays(
        projection, at=AT, request=np.full(len(projection.leaf_ids), request), **more  # type: ignore[arg-type]
    )  # fmt: skip


def told(projection: Projection, snapshot: Snapshot, setpoints: Sequence[int]) -> list[str]:
    """What the audit says of these setpoints."""
    allocation = replace(balance(projection, snapshot), setpoint=np.array(setpoints))
    return [str(violation) for violation in audit(projection, snapshot, allocation)]


def over(node: str, found_a: int, allowed_a: int) -> list[str]:
    """What is said of a node where each phase carries too much."""
    return [
        f"{node} {phase}: more than is available ({found_a * A} mA, allowed {allowed_a * A} mA)" for phase in PHASES
    ]


@pytest.mark.parametrize("leaves", list(Leaves))
def test_a_current_above_a_limit_is_named_by_node_and_phase(leaves: Leaves) -> None:
    projection = laid_out(amperes(40), post(1), post(2), leaves=leaves)
    snapshot = asked(projection, 32 * A)
    assert told(projection, snapshot, [20 * A, 20 * A]) == []
    assert told(projection, snapshot, [20 * A, 21 * A]) == over("C1", 41, 40)


def test_a_power_above_a_limit_is_rounded_up_and_the_limit_down() -> None:
    projection = laid_out(ActivePower(w=100 * KW), cabinet(1))
    snapshot = asked(projection, 150 * KW)
    assert told(projection, snapshot, [94 * KW]) == []
    # 95 kW at the vehicle take 101 063.8 W.
    assert told(projection, snapshot, [95 * KW]) == ["C1 total: more than is available (101064 W, allowed 100000 W)"]


@pytest.mark.parametrize(
    ("setpoint", "rule"),
    [
        (5 * A, "less than the minimum (5000, allowed 6000)"),
        (6 * A, None),
        (6 * A + 1, "not a value the connector takes (6001, allowed 1000)"),
        (20 * A, None),
        (21 * A, "more than requested or rated (21000, allowed 20000)"),
        (-1, "less than the minimum (-1, allowed 6000)"),
    ],
)
@pytest.mark.parametrize("leaves", list(Leaves))
def test_a_setpoint_is_a_value_that_the_leaf_takes_from_its_minimum_to_its_request(
    setpoint: int, rule: str | None, leaves: Leaves
) -> None:
    projection = laid_out(amperes(100), post(1), leaves=leaves)
    leaf = projection.leaf_ids[0]
    assert told(projection, asked(projection, 20 * A), [setpoint]) == ([] if rule is None else [f"{leaf}: {rule}"])


def test_a_request_below_the_minimum_may_be_given_the_minimum_and_one_above_the_rating_the_rating() -> None:
    projection = laid_out(amperes(100), post(1))
    assert told(projection, asked(projection, 2 * A), [6 * A]) == []
    assert told(projection, asked(projection, 2 * A), [7 * A]) == [
        "CP1/1: more than requested or rated (7000, allowed 6000)"
    ]
    assert told(projection, asked(projection, 40 * A), [33 * A]) == [
        "CP1/1: more than requested or rated (33000, allowed 32000)",
        *over("CP1", 33, 32),
    ]


@pytest.mark.parametrize("leaves", list(Leaves))
def test_a_unit_with_a_list_of_values_takes_no_others(leaves: Leaves) -> None:
    projection = laid_out(amperes(100), post(1, steps=(5, 6, 10, 16)), leaves=leaves)
    leaf, snapshot = projection.leaf_ids[0], asked(projection, 32 * A)
    for value in (0, 6, 10, 16):
        assert told(projection, snapshot, [value * A]) == []
    assert told(projection, snapshot, [8 * A]) == [f"{leaf}: not a value the connector takes (8000, allowed 1000)"]
    assert told(projection, snapshot, [5 * A]) == [f"{leaf}: less than the minimum (5000, allowed 6000)"]


WITHOUT_A_VEHICLE: Mapping[str, object] = {"present": np.array([False])}
OUT_OF_REACH: Mapping[str, object] = {"out_of_reach": np.array([True])}


@pytest.mark.parametrize(
    ("in_service", "more", "request_ma", "rule"),
    [
        (False, {}, 20 * A, "given something where nothing can be given"),
        (True, WITHOUT_A_VEHICLE, 20 * A, "given something where nothing can be given"),
        (True, OUT_OF_REACH, 20 * A, "given something where nothing can be given"),
        (True, {}, 0, "given something that was not asked for"),
    ],
)
def test_where_nothing_can_be_given_or_was_asked_for_there_is_nothing(
    in_service: bool, more: Mapping[str, object], request_ma: int, rule: str
) -> None:
    projection = laid_out(amperes(100), post(1, in_service=in_service))
    snapshot = replace(asked(projection, request_ma), **{"present": np.array([True]), **more})  # type: ignore[arg-type]
    assert told(projection, snapshot, [10 * A]) == [f"CP1/1: {rule} (10000, allowed 0)"]
    assert told(projection, snapshot, [0]) == []


def test_fallbacks_that_nobody_can_lower_may_be_above_a_limit_but_nothing_beyond_them() -> None:
    projection = laid_out(amperes(20), post(1, fallback=16), post(2, fallback=16))
    snapshot = asked(projection, 32 * A)
    assert told(projection, snapshot, [0, 0]) == []
    assert told(projection, snapshot, [16 * A, 10 * A]) == []
    assert told(projection, snapshot, [17 * A, 0]) == over("C1", 33, 20)


def test_what_is_out_of_reach_counts_at_what_it_may_draw_and_what_is_out_of_service_not_at_all() -> None:
    units = (post(1), post(2, fallback=6), post(3, fallback=32, in_service=False))
    projection = laid_out(amperes(40), *units)
    snapshot = replace(
        asked(projection, 32 * A), out_of_reach=np.array([False, True, False]), committed=np.array([0, 30 * A, 0])
    )
    assert told(projection, snapshot, [10 * A, 0, 0]) == []
    assert told(projection, snapshot, [11 * A, 0, 0]) == over("C1", 41, 40)


def test_a_node_without_any_limit_and_a_depot_without_any_leaf_break_nothing() -> None:
    projection = laid_out(amperes(40))
    assert told(projection, asked(projection, 0), []) == []


def test_a_node_that_is_limited_in_current_and_power_is_held_to_both() -> None:
    both = Circuit(id="C1", default_operating_capacity=amperes(40), rating=ActivePower(w=100 * KW))
    projection = project(Depot(id="d", voltage_v=400, circuits=(both,), charge_points=(post(1), post(2))))
    assert told(projection, asked(projection, 32 * A), [20 * A, 21 * A]) == over("C1", 41, 40)


def test_fallbacks_above_one_limit_hide_nothing_at_another_node() -> None:
    circuits = tuple(Circuit(id=name, default_operating_capacity=amperes(20)) for name in ("C1", "C2", "C3"))
    units = (post(1, fallback=32), replace(post(2), circuit="C2"), replace(post(3), circuit="C3"))
    projection = project(Depot(id="d", voltage_v=400, circuits=circuits, charge_points=units))
    snapshot = asked(projection, 32 * A)
    assert told(projection, snapshot, [0, 20 * A, 21 * A])[:1] == over("C3", 21, 20)[:1]
