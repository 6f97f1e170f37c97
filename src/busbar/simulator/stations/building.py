"""The charge points of a depot, made: one state machine for each, in the order of the projection."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from random import Random

from busbar.core.depot import ChargePoint, Connector
from busbar.core.projection import Projection
from busbar.simulator.physics import LeafLoad
from busbar.simulator.stations.behaviours import HONEST, Behaviour
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.outlets import Outlet
from busbar.simulator.stations.profiles import Electrics
from busbar.simulator.stations.speech import Speech
from busbar.simulator.stations.station import Station
from busbar.simulator.stations.v16 import Speech16
from busbar.simulator.stations.v201 import Speech201


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who the charge points are: what may differ from one to the next."""

    protocol: str = "mixed"
    """`1.6`, `2.0.1`, or `mixed`: drawn for each from the seed."""
    newer_share: float = 0.5
    """Mixed: how likely 2.0.1 is, 0 to 1."""
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    """By charge point; honest where none is named."""
    passwords: Mapping[str, str] = field(default_factory=dict)
    """By charge point."""
    password: str | None = None
    """Of all others; None: they show none."""
    seed: int = 0


def make_stations(
    projection: Projection, load: LeafLoad, cast: Cast, conditions: Conditions, *, now_s: float
) -> Iterator[tuple[Station, range]]:
    """Every charge point in service and its leaves. `load`: what their draws put on the tree; `now_s`: POSIX."""
    for unit, leaves in _units(projection):
        yield _station(projection, load, unit, leaves, cast, conditions, now_s), leaves


def _station(
    projection: Projection,
    load: LeafLoad,
    unit: ChargePoint,
    leaves: range,
    cast: Cast,
    conditions: Conditions,
    now_s: float,
) -> Station:
    random = Random(f"{cast.seed}/charge_point/{unit.id}")
    is_newer = cast.protocol == "2.0.1" or (cast.protocol == "mixed" and random.random() < cast.newer_share)
    speech: Speech = Speech201() if is_newer else Speech16()
    numbers = _numbers(unit)
    outlets = tuple(_outlet(projection, load, conditions, leaf, numbers) for leaf in leaves)
    volts = int(projection.voltage_v[projection.leaf_node[leaves[0]]])
    is_ac = bool(projection.is_ac[leaves[0]])
    return Station(
        unit,
        outlets,
        electrics=Electrics(is_ac=is_ac, w_per_a=volts * sqrt(3)),
        speech=speech,
        behaviour=cast.behaviours.get(unit.id, HONEST),
        conditions=conditions,
        random=random,
        secret=cast.passwords.get(unit.id, cast.password),
        now_s=now_s,
    )


def _outlet(
    projection: Projection, load: LeafLoad, conditions: Conditions, leaf: int, numbers: Mapping[str, int]
) -> Outlet:
    node = int(projection.leaf_node[leaf])
    connector = projection.subjects[node]
    assert isinstance(connector, Connector)
    across_v = int(projection.voltage_v[node]) / (1 if connector.line_to_line else sqrt(3))
    ways = 1 if connector.line_to_line else len(connector.phases)
    return Outlet(
        id=projection.leaf_ids[leaf],
        number=numbers[connector.id],
        connector=connector,
        electrics=Electrics(is_ac=bool(projection.is_ac[leaf]), w_per_a=across_v * ways),
        wire_w=float(load.wire_w[leaf]),
        volts=across_v * conditions.voltage_permille / 1000,
    )


def _units(projection: Projection) -> list[tuple[ChargePoint, range]]:
    """Charge points in service and their leaves."""
    found = []
    for node, subject in enumerate(projection.subjects):
        if isinstance(subject, ChargePoint) and subject.in_service:
            found.append((subject, range(int(projection.first_leaf[node]), int(projection.last_leaf[node]))))
    return found


def _numbers(unit: ChargePoint) -> dict[str, int]:
    """What OCPP calls its connectors: their own ids where all are numbers above zero, else 1, 2, 3 as listed."""
    ids = [connector.id for connector in unit.connectors]
    if all(each.isascii() and each.isdecimal() and int(each) > 0 for each in ids) and len({*map(int, ids)}) == len(ids):
        return {each: int(each) for each in ids}
    return {each: number for number, each in enumerate(ids, start=1)}
