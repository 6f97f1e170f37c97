"""How far `parallel` sharing predicts what a real cabinet gave: 1 878 sessions on two plugs of 172.5 kW together.

The sessions say when a vehicle came and went, its energy, the most it drew and the most it asked for, not minute by
minute what it could have used; so what is predicted is what the charge point offers, and vehicles took part of that.
`docs/charger_based.md` quotes the figures asserted here.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from busbar.core.balance import balance
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Sharing
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Session, snapshot_from_sessions
from busbar.core.split import split
from busbar.core.units import ActivePower

SESSIONS = Path(__file__).parents[1] / "data" / "epfl_level3_ccs" / "Session_data.csv"
CABINET_W = 172_500
HALF_W = CABINET_W // 2
NEARLY = 1.02
"""Sampled once a minute: two in a hundred are no difference."""


@dataclass(frozen=True, kw_only=True)
class Stay:
    """One session as it was recorded."""

    id: int
    plug: str
    began: datetime
    ended: datetime
    energy_wh: float
    peak_w: float
    asked_w: int
    """The most the vehicle asked for, at most what the cabinet has."""

    def minutes(self) -> list[datetime]:
        """Every minute of it, both ends included."""
        count = round((self.ended - self.began).total_seconds() / 60) + 1
        return [self.began + timedelta(minutes=minute) for minute in range(count)]

    @property
    def mean_w(self) -> float:
        """What it drew on average."""
        return self.energy_wh * 60 / len(self.minutes())


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A session beside what a cabinet that shares offers it."""

    stay: Stay
    others: tuple[Stay, ...]
    """Who was on the other plug meanwhile."""
    shared: float
    """For which part of its stay somebody was."""
    offered_wh: float
    offered_peak_w: int
    alone_wh: float
    """What it would be offered if nobody ever were."""

    @property
    def is_contested(self) -> bool:
        """Never alone, and everybody asked for clearly more than half of what there is."""
        return self.shared == 1 and all(each.asked_w > HALF_W * NEARLY for each in (self.stay, *self.others))


def _cabinet(sharing: Sharing) -> Projection:
    plugs = tuple(Connector(id=plug, max_rating=CABINET_W, minimum=0, step=1) for plug in ("CCS1", "CCS2"))
    unit = ChargePoint(
        id="CP", circuit="GC", current=CurrentKind.DC, max_rating=CABINET_W, connectors=plugs, sharing=sharing
    )
    grid = Circuit(id="GC", default_operating_capacity=ActivePower(w=10 * CABINET_W))
    return project(Depot(id="d", voltage_v=400, circuits=(grid,), charge_points=(unit,)), leaves="charge_point")


@cache
def _offered(sharing: Sharing, first_asked_w: int, second_asked_w: int) -> tuple[int, int]:
    """What the one who came first and the one who came second are offered."""
    projection, at = _cabinet(sharing), datetime(2023, 1, 1, tzinfo=UTC)
    sessions = [
        Session(connector=f"CP/{plug}", request=asked_w, arrived=at - timedelta(minutes=minutes))
        for plug, asked_w, minutes in (("CCS1", first_asked_w, 2), ("CCS2", second_asked_w, 1))
        if asked_w
    ]
    snapshot = snapshot_from_sessions(projection, at=at, sessions=sessions)
    found = split(projection, snapshot, balance(projection, snapshot).setpoint).setpoint.tolist()
    return found[0], found[1]


def _stays() -> list[Stay]:
    with SESSIONS.open(encoding="utf-8") as file:
        return [
            Stay(
                id=int(row["Session"]),
                plug=row["CCS"],
                began=datetime.fromisoformat(row["Arrival"]),
                ended=datetime.fromisoformat(row["Departure"]),
                energy_wh=float(row["Energy (Wh)"]),
                peak_w=float(row["Pmax (W)"]),
                asked_w=min(CABINET_W, int(float(row["Preq_max (W)"]))),
            )
            for row in csv.DictReader(file)
        ]


def _replay(stay: Stay, others: Sequence[Stay], sharing: Sharing) -> Replayed:
    offered = []
    shared = 0
    for minute in stay.minutes():
        beside = max(
            (other for other in others if other.began <= minute <= other.ended),
            key=lambda other: other.asked_w,
            default=None,
        )
        shared += beside is not None
        if beside is None or beside.began > stay.began:
            offered.append(_offered(sharing, stay.asked_w, beside.asked_w if beside else 0)[0])
        else:
            offered.append(_offered(sharing, beside.asked_w, stay.asked_w)[1])
    return Replayed(
        stay=stay,
        others=tuple(others),
        shared=shared / len(offered),
        offered_wh=sum(offered) / 60,
        offered_peak_w=max(offered),
        alone_wh=stay.asked_w * len(offered) / 60,
    )


@cache
def replayed(sharing: Sharing = Sharing.PARALLEL) -> tuple[Replayed, ...]:
    """Every session that drew something, beside what it is offered."""
    stays = _stays()
    return tuple(
        _replay(
            stay,
            [
                each
                for each in stays
                if each.plug != stay.plug and each.began <= stay.ended and each.ended >= stay.began
            ],
            sharing,
        )
        for stay in stays
    )


def _taken(among: Sequence[Replayed]) -> float:
    """How much of what it was offered a session took, in the middle of them all."""
    return round(median(each.stay.energy_wh / each.offered_wh for each in among), 2)


def _long(least: float, most: float) -> list[Replayed]:
    return [each for each in replayed() if len(each.stay.minutes()) >= 10 and least <= each.shared <= most]


def test_there_are_sessions_alone_and_sessions_that_overlap() -> None:
    found = replayed()
    assert len(found) == 1878
    assert sum(1 for each in found if each.shared) == 707
    assert sum(1 for each in found if each.is_contested) == 65


def test_two_that_ask_for_more_than_half_are_offered_half_each_and_the_rest_goes_to_who_can_use_it() -> None:
    assert _offered(Sharing.PARALLEL, CABINET_W, CABINET_W) == (HALF_W, HALF_W)
    assert _offered(Sharing.PARALLEL, 50_000, CABINET_W) == (50_000, CABINET_W - 50_000)


def test_who_is_never_alone_draws_a_peak_of_half_or_what_the_other_leaves() -> None:
    contested = [each for each in replayed() if each.is_contested]
    at_most_half = [each for each in contested if each.stay.peak_w <= HALF_W * NEARLY]
    above = [each for each in contested if each.stay.peak_w > HALF_W * NEARLY]
    assert (len(at_most_half), len(above)) == (44, 21)
    # Above half goes who is beside one that draws less: what that one leaves, on average over its stay, is theirs.
    left = [CABINET_W - min(other.mean_w for other in each.others) for each in above]
    assert sum(1 for each, most in zip(above, left, strict=True) if each.stay.peak_w <= most * NEARLY) == 19
    assert max(each.stay.peak_w for each in contested) == 111_291
    alone = [each for each in replayed() if not each.shared and each.stay.asked_w > HALF_W * NEARLY]
    assert sum(1 for each in alone if each.stay.peak_w > HALF_W * NEARLY) == 706
    assert len(alone) == 1067


def test_what_sharing_offers_is_taken_more_fully_than_what_an_empty_cabinet_offers_and_hardly_ever_exceeded() -> None:
    alone, shared = _long(0, 0), _long(0.9, 1)
    assert (len(alone), len(shared)) == (1101, 135)
    assert _taken(alone) == 0.44
    assert _taken(shared) == 0.61
    # Counted as if each had the whole cabinet to itself, they would have taken less than those who really had.
    assert round(median(each.stay.energy_wh / each.alone_wh for each in shared), 2) == 0.34
    assert sum(1 for each in shared if each.stay.energy_wh > each.offered_wh * NEARLY) == 1


def test_one_after_the_other_predicts_nothing_of_it() -> None:
    """The second would be offered nothing while the first asks for all there is; every one of them was charged."""
    second = [
        each
        for each in replayed(Sharing.SEQUENTIAL)
        if each.is_contested and all(other.began < each.stay.began for other in each.others)
    ]
    starved = [each for each in second if each.offered_wh < 1000]
    assert len(starved) == 64
    assert all(each.stay.energy_wh > 1000 for each in starved)


@pytest.mark.parametrize("name", ["LICENSE", "README_upstream.md"])
def test_the_sessions_come_with_their_licence(name: str) -> None:
    assert (SESSIONS.parent / name).is_file()
