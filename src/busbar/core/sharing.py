"""From the vehicles on a charge point's connectors to the one demand of the charge point; arrays in, arrays out.

The only place that knows how they add up. `split.py` goes the other way and asks here who runs and what each may have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np
import numpy.typing as npt

from busbar.core.charger import lines_of, modules_of, on_busiest_line, outputs_of
from busbar.core.depot import ChargePoint
from busbar.core.projection import Projection

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanting:
    """A vehicle that wants something, on one connector of a charge point."""

    connector: int
    """Leaf of `Projection.connectors`."""
    lines: tuple[str, ...]
    """What of the charge point's setpoint it draws on (`charger.lines_of`)."""
    request: int
    """At most the connector's rating and the charge point's."""
    minimum: int


def wanting_at(projection: Projection, columns: Columns, leaf: int) -> list[Wanting]:
    """The vehicles that want something at one charge point, first come first; unknown arrivals last, then by id.

    `columns` are those of a snapshot by connector: present, request, arrived_ago_s.
    """
    by_connector = projection.connectors
    unit = charge_point_of(projection, leaf)
    places = projection.connectors_of(leaf)
    here = [place for place in places if columns["present"][place] and columns["request"][place] > 0]
    if len(here) > 1:
        ago_s = {place: float(columns["arrived_ago_s"][place]) for place in here}
        here.sort(key=lambda place: inf if isnan(ago_s[place]) else -ago_s[place])
    return [
        Wanting(
            connector=connector,
            lines=lines_of(unit, by_connector.subjects[int(by_connector.leaf_node[connector])]),  # type: ignore[arg-type]
            request=min(int(columns["request"][connector]), int(by_connector.rating[connector])),
            minimum=int(by_connector.minimum[connector]),
        )
        for connector in here
    ]


def charge_point_of(projection: Projection, leaf: int) -> ChargePoint:
    """The stored record of the charge point that a leaf is or belongs to."""
    unit = projection.subjects[projection.unit_node(leaf)]
    assert isinstance(unit, ChargePoint)
    return unit


def running(unit: ChargePoint, wanting: Sequence[Wanting]) -> list[Wanting]:
    """Who is served at once: first come first, as many as outputs, rating and modules have room for with their minima.

    The first is among them in any case. Who is not waits until one of them wants nothing more.
    """
    found: list[Wanting] = []
    modules = modules_of(unit)
    for vehicle in wanting:
        if len(found) >= outputs_of(unit):
            break
        tried = [*found, vehicle]
        fits = on_busiest_line((each.lines, each.minimum) for each in tried) <= unit.max_rating
        if modules is not None:
            fits &= sum(_modules_for_minimum(unit, each) for each in tried) <= modules
        if fits or not found:
            found = tried
    return found


def most_each(unit: ChargePoint, served: Sequence[Wanting]) -> list[int]:
    """What each of those served could use, at least its minimum; where power comes in modules, of whole ones.

    Modules go to outputs one by one: enough for the minima first, then to whoever has fewest and could use another,
    first come first.
    """
    most = [max(vehicle.request, vehicle.minimum) for vehicle in served]
    modules, size = modules_of(unit), unit.module_size
    if modules is None or size is None:
        return most
    held = [_modules_for_minimum(unit, vehicle) for vehicle in served]
    left = modules - sum(held)
    while left > 0:
        hungry = [place for place, count in enumerate(held) if count * size < most[place]]
        if not hungry:
            break
        held[min(hungry, key=lambda place: held[place])] += 1
        left -= 1
    return [min(value, count * size) for value, count in zip(most, held, strict=True)]


def _modules_for_minimum(unit: ChargePoint, vehicle: Wanting) -> int:
    return max(1, -(-vehicle.minimum // unit.module_size)) if unit.module_size else 0


def demand_of_unit(unit: ChargePoint, wanting: Sequence[Wanting]) -> tuple[int, int]:
    """Request and minimum of a charge point at which somebody wants something.

    The request is what those served could use together, at most the charge point's rating; the minimum what they have
    to be given together. A vehicle that could use less than its connector's minimum counts with that minimum, unless
    all of them together could use less than the charge point's.
    """
    served = running(unit, wanting)
    most = most_each(unit, served)
    minimum = on_busiest_line((vehicle.lines, vehicle.minimum) for vehicle in served)
    usable = [(vehicle.lines, min(vehicle.request, value)) for vehicle, value in zip(served, most, strict=True)]
    together = on_busiest_line(usable)
    if together >= minimum:
        together = on_busiest_line((vehicle.lines, value) for vehicle, value in zip(served, most, strict=True))
    return min(together, unit.max_rating), minimum


def by_charge_point(projection: Projection, columns: Columns) -> dict[str, npt.NDArray[np.generic]]:
    """The columns of a snapshot by connector as those of one by charge point, and their minima.

    The most urgent vehicle that wants something speaks for its charge point, each column by itself: the earliest
    departure, the lowest state of charge, the highest priority and weight, the earliest arrival, the longest wait, the
    latest stop, the youngest turn. Energy needed is the sum of what is known. It is charging where any of them is, and
    out of reach where any connector is. Where nobody wants anything, all of its connectors speak.
    """
    starts = projection.first_connector[:-1]
    if not len(starts):
        return {"minimum": projection.minimum.copy()}
    unit = np.repeat(np.arange(len(starts)), np.diff(projection.first_connector))
    wants = _wants(columns)
    count = np.add.reduceat(wants.astype(np.int64), starts)
    speaks = wants | (count == 0)[unit]

    def of(name: str, how: np.ufunc, silent: float) -> npt.NDArray[np.generic]:
        found: npt.NDArray[np.generic] = how.reduceat(np.where(speaks, columns[name], silent), starts)
        return found.astype(columns[name].dtype)

    energy = columns["energy_needed_wh"].astype(np.float64)
    known = speaks & np.isfinite(energy)
    energy_sum = np.add.reduceat(np.where(known, energy, 0.0), starts)
    lowest = int(np.iinfo(np.int64).min)
    out_of_reach = np.logical_or.reduceat(columns["out_of_reach"].astype(np.bool_), starts)
    request, minimum = _requests(projection, columns, wants, count, starts)
    return {
        "present": np.logical_or.reduceat(columns["present"].astype(np.bool_), starts),
        "request": request,
        "minimum": minimum,
        "arrived_ago_s": of("arrived_ago_s", np.fmax, np.nan),
        "departs_in_s": of("departs_in_s", np.fmin, np.nan),
        "energy_needed_wh": np.where(np.logical_or.reduceat(known, starts), energy_sum, np.nan),
        "soc": of("soc", np.fmin, np.nan),
        "priority": np.maximum.reduceat(np.where(speaks, columns["priority"], lowest), starts),
        "weight": of("weight", np.fmax, np.nan),
        "charging": np.logical_or.reduceat(columns["charging"].astype(np.bool_), starts),
        "charging_for_s": np.fmin.reduceat(columns["charging_for_s"].astype(np.float64), starts),
        "waiting_for_s": of("waiting_for_s", np.fmax, np.nan),
        "stopped_ago_s": of("stopped_ago_s", np.fmin, np.nan),
        "out_of_reach": out_of_reach,
        "committed": _committed(projection, columns, out_of_reach, unit, starts),
    }


def _wants(columns: Columns) -> npt.NDArray[np.bool_]:
    return columns["present"].astype(np.bool_) & (columns["request"].astype(np.int64) > 0)


def _requests(
    projection: Projection, columns: Columns, wants: npt.NDArray[np.bool_], count: Ints, starts: npt.NDArray[np.int32]
) -> tuple[Ints, Ints]:
    by_connector = projection.connectors
    usable = np.where(wants, np.minimum(columns["request"].astype(np.int64), by_connector.rating), 0)
    # Most charge points have one vehicle, whose demand is the charge point's.
    request = np.add.reduceat(usable, starts)
    own = np.add.reduceat(np.where(wants, by_connector.minimum, 0), starts)
    minimum = np.where(count == 1, own, projection.minimum)
    for leaf in np.flatnonzero(count > 1).tolist():
        unit = charge_point_of(projection, leaf)
        request[leaf], minimum[leaf] = demand_of_unit(unit, wanting_at(projection, columns, leaf))
    return request, minimum


def _committed(
    projection: Projection,
    columns: Columns,
    out_of_reach: npt.NDArray[np.bool_],
    unit: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int32],
) -> Ints:
    """What a charge point out of reach may still draw: what is said of its connectors, and of those of which nothing is
    said what they could use; together at most its rating, unless more is said."""
    by_connector = projection.connectors
    said = columns["out_of_reach"].astype(np.bool_)
    committed = columns["committed"].astype(np.int64)
    usable = np.where(_wants(columns), np.minimum(columns["request"].astype(np.int64), by_connector.rating), 0)
    guessed = np.where(out_of_reach[unit] & ~said, np.maximum(by_connector.fallback, usable), 0)
    given, others = np.add.reduceat(committed, starts), np.add.reduceat(guessed, starts)
    found: Ints = np.maximum(given, np.minimum(given + others, projection.max_rating))
    return found
