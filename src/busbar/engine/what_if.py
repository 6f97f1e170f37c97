"""What if: the last cycle's balance with something otherwise. Nothing is stored, sent or changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from busbar.core.allocation import Allocation, Stop
from busbar.core.audit import audit
from busbar.core.balance import as_failed, balance, balance_in
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Leaves
from busbar.core.depot_rules import check_depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.headroom import Rooms
from busbar.core.nearest import KnownNames, known_names, suggestion
from busbar.core.projection import NodeKind, Projection, project
from busbar.core.readiness import power_at_vehicle_w, readiness
from busbar.core.rooms import rooms
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Ints, Snapshot, on_charge_points
from busbar.core.spread import spread
from busbar.core.strategies import STRATEGIES
from busbar.core.units import ActivePower, Amount, Current, format_amount
from busbar.engine.moment import Moment
from busbar.engine.status import allocation_in_force

_MOST_TIMES_RATING = 8
"""A request beyond so many times the rating has the wrong unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """A vehicle to add, or in place of the one that is there."""

    connector: str
    request: Amount | None = None
    """In A (AC) or kW at the vehicle (DC); None: the connector's rating."""
    departs: datetime | None = None
    energy_needed_wh: int | None = None
    soc: float | None = None
    priority: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIf:
    """What is to be otherwise."""

    limits: Mapping[str, Amount] = field(default_factory=dict)
    """Node -> its default operating capacity (circuits), its limit (the microgrid) or its maximum rating (charge
    points and connectors), in place of the stored one."""
    strategy: str | None = None
    """None, here and below: as in the cycle."""
    leaves: Leaves | None = None
    fair_in: FairIn | None = None
    add: tuple[Vehicle, ...] = ()
    remove: tuple[str, ...] = ()
    """Connectors without their vehicle."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two balances."""

    projection: Projection
    snapshot: Snapshot
    allocation: Allocation
    found: Rooms
    total_w: int
    """What all connectors are given, on the supply side."""
    limited: int
    """Vehicles that get less than their request because of a limit."""
    at_risk: int
    """Vehicles that will not be ready when they depart, at this pace."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The cycle as it was, and as it would be."""

    before: Side
    after: Side
    changes: Ints
    """Leaves that get something else, as indices that hold on both sides."""


def ask(moment: Moment, question: WhatIf) -> Compared:
    """Both balances. Raises RefusedError with every offender.

    A changed limit keeps the depot's own rules, as an edited depot would have to.
    """
    problems: list[Problem] = []
    strategy = _strategy(moment, question, problems)
    projection = _changed(moment, question, problems)
    snapshot = _asked(moment, projection, question, problems)
    if problems:
        raise RefusedError(tuple(problems))
    assert projection.leaf_ids == moment.projection.leaf_ids, "other limits leave the leaves as they are"
    fair_in = question.fair_in or moment.allocation.fair_in
    found = rooms(projection, snapshot)
    leaves = question.leaves or moment.allocation.leaves
    allocation = _balanced(projection, snapshot, found, leaves, strategy=strategy, fair_in=fair_in)
    if audit(projection, snapshot, allocation):
        allocation = as_failed(allocation)
    in_force = allocation_in_force(moment)
    return Compared(
        before=_side(moment.projection, moment.snapshot, in_force, rooms(moment.projection, moment.snapshot)),
        after=_side(projection, snapshot, allocation, found),
        changes=np.flatnonzero(in_force.setpoint != allocation.setpoint),
    )


def _balanced(
    projection: Projection, snapshot: Snapshot, found: Rooms, leaves: Leaves, *, strategy: str, fair_in: FairIn
) -> Allocation:
    """By connector in any case; where charge points share, split among their connectors."""
    if leaves is Leaves.CONNECTOR:
        return balance_in(projection, snapshot, found, strategy=strategy, fair_in=fair_in)
    shared = project(projection.depot, leaves=leaves)
    asked = on_charge_points(shared, snapshot)
    allocation = balance(shared, asked, strategy=strategy, fair_in=fair_in)
    return spread(shared, asked, allocation, strategy=strategy, fair_in=fair_in)


def _side(projection: Projection, snapshot: Snapshot, allocation: Allocation, found: Rooms) -> Side:
    setpoint = allocation.setpoint
    sums = np.bincount(projection.leaf_class, weights=setpoint, minlength=len(projection.classes)).astype(np.int64)
    total = sum(weight * int(value) for weight, value in zip(projection.weights[TOTAL], sums, strict=True))
    limited = snapshot.present & (allocation.stopped_by == Stop.ROW) & (setpoint < snapshot.request)
    at_risk = 0
    for leaf in np.flatnonzero(snapshot.present & np.isfinite(snapshot.departs_in_s)).tolist():
        stands = readiness(
            energy_needed_wh=float(snapshot.energy_needed_wh[leaf]),
            power_w=power_at_vehicle_w(projection, leaf, int(setpoint[leaf])),
            departs_in_s=float(snapshot.departs_in_s[leaf]),
            soc=float(snapshot.soc[leaf]),
        )
        at_risk += bool(stands.missing_wh)
    return Side(
        projection=projection,
        snapshot=snapshot,
        allocation=allocation,
        found=found,
        total_w=-(-total.numerator // total.denominator) if total else 0,
        limited=int(np.count_nonzero(limited)),
        at_risk=at_risk,
    )


def _strategy(moment: Moment, question: WhatIf, problems: list[Problem]) -> str:
    wanted = question.strategy or moment.record.strategy
    if wanted in STRATEGIES:
        return wanted
    rule = "There is no strategy with this name."
    if question.strategy is None:
        rule = "The cycle's own strategy goes by no name that is known here."
    problems.append(Problem(path="strategy", value=wanted, rule=rule, fix=suggestion(wanted, known_names(STRATEGIES))))
    return wanted


# The wiring


def _changed(moment: Moment, question: WhatIf, problems: list[Problem]) -> Projection:
    """The projection with other limits; the moment's own where there are none, or they are refused."""
    before = moment.projection
    found: list[Problem] = []
    depot = before.depot
    known = known_names(before.node_ids)
    for node, amount in question.limits.items():
        depot = _with_limit(before, depot, node, amount, known, found)
    if not found and question.limits:
        found = [_of_question(depot, problem, question.limits) for problem in check_depot(depot)]
    problems += found
    return before if found or depot is before.depot else project(depot)


def _with_limit(
    projection: Projection, depot: Depot, node: str, amount: Amount, known: KnownNames, problems: list[Problem]
) -> Depot:
    index = projection.node_index.get(node)
    if index is None:
        rule = "There is no such power node."
        problems.append(Problem(path=f"limits.{node}", value=node, rule=rule, fix=suggestion(node, known)))
        return depot
    match projection.subjects[index]:
        case Depot():
            return replace(depot, limit=amount)
        case Circuit():
            circuits = [
                replace(each, default_operating_capacity=amount) if each.id == node else each for each in depot.circuits
            ]
            return replace(depot, circuits=tuple(circuits))
    unit_id = node if projection.kinds[index] is NodeKind.CHARGE_POINT else node.partition("/")[0]
    units = [_with_rating(unit, node, amount, problems) if unit.id == unit_id else unit for unit in depot.charge_points]
    return replace(depot, charge_points=tuple(units))


def _with_rating(unit: ChargePoint, node: str, amount: Amount, problems: list[Problem]) -> ChargePoint:
    rating = _in_unit(amount, is_ac=unit.current is CurrentKind.AC)
    if rating is None:
        problems.append(_wrong_unit(f"limits.{node}", amount, "maximum rating", is_ac=unit.current is CurrentKind.AC))
        return unit
    if node == unit.id:
        return replace(unit, max_rating=rating)
    connectors: list[Connector] = [
        replace(each, max_rating=rating) if f"{unit.id}/{each.id}" == node else each for each in unit.connectors
    ]
    return replace(unit, connectors=tuple(connectors))


def _in_unit(amount: Amount, *, is_ac: bool) -> int | None:
    """mA for AC, W for DC; None: it is in another unit, or not the same on every phase."""
    match amount:
        case Current(l1_ma=first) if is_ac and amount.per_phase_ma() == (first, first, first):
            return first
        case ActivePower(w=w) if not is_ac:
            return w
        case _:
            return None


def _wrong_unit(path: str, amount: Amount, what: str, *, is_ac: bool) -> Problem:
    given = format_amount(amount)
    kind, unit, fix = ("AC", "one value in A", "32 A") if is_ac else ("DC", "kW at the vehicle", "150 kW")
    return Problem(
        path=path,
        value=given if isinstance(given, str) else str(given),
        rule=f"This is {kind}: its {what} is {unit}.",
        fix=f"Write it as `{fix}`.",
    )


_PLACE = re.compile(r"(circuits|charge_points)\[(\d+)\](?:\.connectors\[(\d+)\])?\.?(.*)")


def _of_question(depot: Depot, problem: Problem, limits: Mapping[str, Any]) -> Problem:
    """A broken rule of the depot, said of the limit that was asked about, where it is about one."""
    place = _PLACE.fullmatch(problem.path)
    if place is None:
        return replace(problem, path=f"limits.{depot.id}" if problem.path.startswith("depot.limit") else problem.path)
    kind, number, connector, name = place.groups()
    record = depot.circuits[int(number)] if kind == "circuits" else depot.charge_points[int(number)]
    names = [record.id]
    if connector is not None and isinstance(record, ChargePoint):
        names.insert(0, f"{record.id}/{record.connectors[int(connector)].id}")
    node = next((each for each in names if each in limits), names[0])
    is_own = name in ("default_operating_capacity", "max_rating")
    if is_own:
        return replace(problem, path=f"limits.{node}")
    what = name.replace("_", " ")
    rule = f"Its {what} ({problem.value}) would break a rule. {problem.rule}"
    return replace(problem, path=f"limits.{node}", value=None, rule=rule, fix=f"Choose a value that fits its {what}.")


# The demand


def _asked(moment: Moment, projection: Projection, question: WhatIf, problems: list[Problem]) -> Snapshot:
    """The moment's snapshot on the changed projection, which has the same leaves, with other vehicles."""
    before, snapshot = moment.projection, moment.snapshot
    known = known_names(before.leaf_ids)
    request = snapshot.request.copy()
    # Who asked for all that the connector could give goes on doing so where it can give more.
    asked_for_all = snapshot.present & (request >= before.max_rating) & (projection.max_rating > before.max_rating)
    request[asked_for_all] = projection.max_rating[asked_for_all]
    columns: dict[str, Any] = {
        name: getattr(snapshot, name).copy()
        for name in (
            *("present", "arrived_ago_s", "departs_in_s", "energy_needed_wh", "soc", "priority", "weight"),
            *("charging", "charging_for_s", "waiting_for_s", "stopped_ago_s"),
        )
    }
    columns["request"] = request
    seen: set[str] = set()
    for place, connector in enumerate(question.remove):
        leaf = _leaf(before, connector, f"remove[{place}]", known, seen, problems)
        if leaf is not None and not snapshot.present[leaf]:
            rule = "There is no vehicle on this connector."
            problems.append(Problem(path=f"remove[{place}]", value=connector, rule=rule, fix="Leave it out."))
        elif leaf is not None:
            _clear(columns, leaf)
    for place, vehicle in enumerate(question.add):
        leaf = _leaf(before, vehicle.connector, f"add[{place}].connector", known, seen, problems)
        if leaf is not None:
            _place(columns, projection, leaf, vehicle, moment.at, f"add[{place}]", problems)
    return replace(snapshot, **columns)


def _leaf(
    projection: Projection, connector: str, path: str, known: KnownNames, seen: set[str], problems: list[Problem]
) -> int | None:
    leaf = projection.leaf_index.get(connector)
    if leaf is None:
        rule = "There is no such connector."
        problems.append(Problem(path=path, value=connector, rule=rule, fix=suggestion(connector, known)))
    elif connector in seen:
        rule = "This connector is named more than once."
        fix = "Name it once; a vehicle that is added takes the place of the one that is there."
        problems.append(Problem(path=path, value=connector, rule=rule, fix=fix))
        leaf = None
    seen.add(connector)
    return leaf


def _clear(columns: dict[str, Any], leaf: int) -> None:
    for name, column in columns.items():
        column[leaf] = np.nan if column.dtype.kind == "f" else 0
        if name == "weight":
            column[leaf] = 1.0


def _place(
    columns: dict[str, Any],
    projection: Projection,
    leaf: int,
    vehicle: Vehicle,
    at: datetime,
    path: str,
    problems: list[Problem],
) -> None:
    is_ac, rating = bool(projection.is_ac[leaf]), int(projection.max_rating[leaf])
    request = rating if vehicle.request is None else _in_unit(vehicle.request, is_ac=is_ac)
    if request is None:
        assert vehicle.request is not None
        problems.append(_wrong_unit(f"{path}.request", vehicle.request, "request", is_ac=is_ac))
        return
    if not 0 <= request <= _MOST_TIMES_RATING * rating:
        rule = f"A request is at least 0, and not beyond {_MOST_TIMES_RATING} times the connector's rating."
        problems.append(Problem(path=f"{path}.request", value=str(request), rule=rule, fix="Check the unit."))
        return
    _clear(columns, leaf)
    columns["present"][leaf] = True
    columns["request"][leaf] = request
    columns["arrived_ago_s"][leaf] = 0.0
    columns["priority"][leaf] = vehicle.priority
    if vehicle.departs is not None:
        columns["departs_in_s"][leaf] = (vehicle.departs - at).total_seconds()
    if vehicle.energy_needed_wh is not None:
        columns["energy_needed_wh"][leaf] = vehicle.energy_needed_wh
    if vehicle.soc is not None:
        columns["soc"][leaf] = vehicle.soc
