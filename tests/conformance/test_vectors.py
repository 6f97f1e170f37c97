"""What other projects' own tests expect: every vector laid out as a depot, none skipped."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from busbar.core.allocation import Allocation, Stop, Verdict
from busbar.core.audit import audit
from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Leaves
from busbar.core.depot_rules import check_depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Snapshot, snapshot_from_arrays
from busbar.core.units import PHASES, Current

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "allocation_vectors.json").read_text())["vectors"]
AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
STEP_MA = 100
LIMITS_IMBALANCE = {"everest-branch/13"}
"""Vectors whose peer limits the difference between phases, which is not among the limits stated and not one of ours."""
MAX_BELOW_MIN = {"openevse/maxltmin"}
"""Vectors with a vehicle that wants power and whose maximum is below its minimum."""


def ma(amperes: float) -> int:
    """Whole mA of amperes as the vectors write them, rounded down."""
    return int(Fraction(str(amperes)) * 1000)


def _current(amperes: list[float | None] | None) -> Current | None:
    if amperes is None:
        return None
    each = [None if value is None else ma(value) for value in amperes]
    return Current(l1_ma=each[0], l2_ma=each[1], l3_ma=each[2])


def _depot(vector: dict[str, Any]) -> Depot:
    """One circuit per node, one charge point per vehicle; line to line as a whole number, which in A changes nothing.

    A vehicle that wants nothing may state a maximum of 0: its connector is rated at its minimum.
    """
    limits = {node["id"]: _current(node["limit_a"]) for node in vector["nodes"]}
    assert all(limits.values())
    return Depot(
        id="depot",
        voltage_v=round(vector["voltage_v"] * 3**0.5),
        circuits=tuple(
            Circuit(
                id=node["id"],
                parent=node["parent"],
                default_operating_capacity=limits[node["id"]],  # type: ignore[arg-type]
                base_load=_current(node.get("base_load_a")),
            )
            for node in vector["nodes"]
        ),
        charge_points=tuple(
            ChargePoint(
                id=ev["id"],
                circuit=ev["node"],
                current=CurrentKind.AC,
                max_rating=ma(ev["max_a"] if ev["wants_power"] else max(ev["min_a"], ev["max_a"])),
                connectors=(
                    Connector(
                        id="1",
                        max_rating=ma(ev["max_a"] if ev["wants_power"] else max(ev["min_a"], ev["max_a"])),
                        minimum=ma(ev["min_a"]),
                        step=STEP_MA,
                        phases=tuple(PHASES[number - 1] for number in ev["phases"]),
                    ),
                ),
            )
            for ev in vector["evs"]
        ),
    )


@dataclass(frozen=True)
class Outcome:
    """One vector, balanced."""

    projection: Projection
    snapshot: Snapshot
    allocation: Allocation
    by_ev: dict[str, int]
    """mA per vehicle."""


def _balanced(vector: dict[str, Any], leaves: Leaves = Leaves.CONNECTOR) -> Outcome:
    """Vehicles are admitted in the listed order: they arrived one after the other."""
    projection = project(_depot(vector), leaves=leaves)
    place = {ev["id"]: number for number, ev in enumerate(vector["evs"])}
    evs = [vector["evs"][place[leaf_id.split("/")[0]]] for leaf_id in projection.leaf_ids]
    snapshot = snapshot_from_arrays(
        projection,
        at=AT,
        request=np.array([ma(ev["max_a"]) if ev["wants_power"] else 0 for ev in evs]),
        arrived_ago_s=np.array([1000.0 - place[ev["id"]] for ev in evs]),
    )
    allocation = balance(projection, snapshot, fair_in="current")
    by_ev = {ev["id"]: int(value) for ev, value in zip(evs, allocation.setpoint, strict=True)}
    return Outcome(projection, snapshot, allocation, by_ev)


def _fits(vector: dict[str, Any], given: dict[str, int]) -> bool:
    """Every limit of every node on every phase, added up here from the vector itself."""
    parent = {node["id"]: node["parent"] for node in vector["nodes"]}
    flow = {(node["id"], phase): 0 for node in vector["nodes"] for phase in range(3)}
    for ev in vector["evs"]:
        here = ev["node"]
        while here is not None:
            for number in ev["phases"]:
                flow[here, number - 1] += given[ev["id"]]
            here = parent[here]
    below: dict[str, list[int]] = {}
    for node in vector["nodes"]:
        below.setdefault(node["id"], [0, 0, 0])
        here, base = node["id"], node.get("base_load_a") or [0, 0, 0]
        while here is not None:
            carried = below.setdefault(here, [0, 0, 0])
            for phase in range(3):
                carried[phase] += ma(base[phase])
            here = parent[here]
    return all(
        # A base load above the limit is nobody's fault here: charge points then draw nothing.
        flow[node["id"], phase] <= max(0, ma(limit) - below[node["id"]][phase])
        for node in vector["nodes"]
        for phase, limit in enumerate(node["limit_a"])
        if limit is not None
    )


def _ids(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def test_there_are_vectors() -> None:
    assert len(VECTORS) == 45
    assert len({vector["id"] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=_ids)
def test_the_depot_rules_refuse_a_maximum_below_the_minimum_and_nothing_else(vector: dict[str, Any]) -> None:
    problems = check_depot(_depot(vector))
    if vector["id"] in MAX_BELOW_MIN:
        assert [problem.path for problem in problems] == ["charge_points[0].connectors[0].min"]
    else:
        assert problems == ()


@pytest.mark.parametrize("leaves", Leaves)
@pytest.mark.parametrize("vector", VECTORS, ids=_ids)
def test_where_all_minima_fit_everybody_gets_the_max_min_share(vector: dict[str, Any], leaves: Leaves) -> None:
    given = _balanced(vector, leaves).by_ev
    exact = {name: Fraction(str(value)) * 1000 for name, value in vector["max_min_a"].items()}
    if not vector["all_minima_fit"]:
        # The solver admits in the listed order; so do we, and whoever is left out gets nothing.
        assert {name for name, value in given.items() if value} == {name for name, value in exact.items() if value}
    for name, value in given.items():
        assert abs(value - exact[name]) <= STEP_MA


@pytest.mark.parametrize("leaves", Leaves)
@pytest.mark.parametrize("vector", VECTORS, ids=_ids)
def test_no_limit_is_broken_and_nobody_left_out_fits(vector: dict[str, Any], leaves: Leaves) -> None:
    found = _balanced(vector, leaves)
    assert audit(found.projection, found.snapshot, found.allocation) == []
    assert _fits(vector, found.by_ev)
    for ev in vector["evs"]:
        value, least, most = found.by_ev[ev["id"]], ma(ev["min_a"]), ma(ev["max_a"])
        assert value == 0 or least <= value <= most
        if ev["wants_power"] and value == 0 and least <= most:
            assert not _fits(vector, found.by_ev | {ev["id"]: least})
        if ev["wants_power"] and 0 < value <= most - STEP_MA:
            assert not _fits(vector, found.by_ev | {ev["id"]: value + STEP_MA})


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if not vector["peer_differs_by_policy"]], ids=_ids)
def test_peers_without_a_policy_of_their_own_expect_the_same(vector: dict[str, Any]) -> None:
    given = _balanced(vector).by_ev
    if vector["id"] in LIMITS_IMBALANCE:
        assert vector["peer_expects_a"] == {"cp01": 10}
        assert given == {"cp01": 32_000}
        return
    for name, expected_a in vector["peer_expects_a"].items():
        if expected_a is not None:
            assert abs(given[name] - ma(expected_a)) <= STEP_MA


def test_a_maximum_below_the_minimum_is_refused_and_even_then_given_nothing() -> None:
    """The depot rules refuse it at import; should it reach the fill all the same, its minimum is above its rating."""
    (vector,) = (vector for vector in VECTORS if vector["id"] in MAX_BELOW_MIN)
    (problem,) = check_depot(_depot(vector))
    assert problem.rule.startswith("The minimum is above the connector's max_rating")
    found = _balanced(vector)
    assert found.by_ev == {"a": 0}
    assert found.allocation.stopped_by[0] == Stop.RATING


def test_a_vehicle_that_takes_less_than_the_connectors_minimum_gets_the_minimum() -> None:
    """The same 4 A against 6 A, but in the vehicle: a tapering vehicle is not cut off."""
    (vector,) = (vector for vector in VECTORS if vector["id"] in MAX_BELOW_MIN)
    (ev,) = vector["evs"]
    projection = project(_depot(vector | {"evs": [ev | {"max_a": 32}]}))
    snapshot = snapshot_from_arrays(projection, at=AT, request=np.array([ma(ev["max_a"])]))
    allocation = balance(projection, snapshot, fair_in="current")
    assert allocation.setpoint.tolist() == [6000]
    assert allocation.verdict.tolist() == [Verdict.ADMITTED]
    assert audit(projection, replace(snapshot, request=np.array([4000])), allocation) == []
