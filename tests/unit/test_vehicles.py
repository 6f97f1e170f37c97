"""Vehicles: events, stored sessions and plans in; the sessions of a snapshot out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from busbar.core.demand import FULL_S, SILENT_S, Reason
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.snapshot import Session
from busbar.core.units import Current
from busbar.engine.events import (
    Connected,
    ConnectorState,
    Disconnected,
    Event,
    Measured,
    Ready,
    StateChanged,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.ports import Plan
from busbar.engine.sessions import follow_up
from busbar.engine.vehicles import ROOM_KEPT, UNCONFIRMED_S, Vehicles

AT = datetime(2026, 7, 14, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def yard(*, dropped: str | None = None, rating: int = 32_000, steps: tuple[int, ...] = ()) -> Projection:
    """CP1 and CP2 with an AC connector each, CP3 with a DC one."""
    ac = Connector(id="1", max_rating=rating, minimum=6_000, step=1_000, steps=steps)
    dc = Connector(id="1", max_rating=150_000, minimum=10_000, step=1_000)
    units = [
        ChargePoint(id="CP1", circuit="GC1", current=CurrentKind.AC, max_rating=rating, connectors=(ac,)),
        ChargePoint(id="CP2", circuit="GC1", current=CurrentKind.AC, max_rating=rating, connectors=(ac,)),
        ChargePoint(id="CP3", circuit="GC1", current=CurrentKind.DC, max_rating=150_000, connectors=(dc,)),
    ]
    capacity = Current(l1_ma=500_000, l2_ma=500_000, l3_ma=500_000)
    return project(
        Depot(
            id="yard",
            voltage_v=400,
            circuits=(Circuit(id="GC1", default_operating_capacity=capacity),),
            charge_points=tuple(unit for unit in units if unit.id != dropped),
        )
    )


def arrived(connector: str, at: datetime = AT, **who: str) -> VehicleArrived:
    return VehicleArrived(connector=connector, at=at, **who)


def left(connector: str, at: datetime = LATER) -> VehicleLeft:
    return VehicleLeft(connector=connector, at=at, received_s=0.0)


def state(connector: str, now: ConnectorState) -> StateChanged:
    return StateChanged(connector=connector, state=now, at=AT)


def measured(connector: str, draw: int | None, received_s: float = 0.0, **more: float) -> Measured:
    energy_wh = int(more["energy_wh"]) if "energy_wh" in more else None
    return Measured(
        connector=connector,
        sampled_at=AT,
        received_s=received_s,
        age_s=more.get("age_s", 0.0),
        draw=draw,
        energy_wh=energy_wh,
        soc=more.get("soc"),
    )


def plan(key: str, **what: object) -> Plan:
    return Plan(key=key, by="dispatcher", at=AT, **what)  # type: ignore[arg-type]


def following(*events: Event, projection: Projection | None = None) -> Vehicles:
    vehicles = Vehicles(projection or yard())
    for event in events:
        vehicles.take(event)
    return vehicles


def drawing(vehicles: Vehicles, connector: str, draw: int, given: int, *, from_s: int, to_s: int) -> None:
    """A sample and a cycle every ten seconds."""
    for now_s in range(from_s, to_s, 10):
        vehicles.take(measured(connector, draw, float(now_s)))
        vehicles.given({connector: (given, True)}, float(now_s))


def requests(vehicles: Vehicles, at: datetime = AT) -> dict[str, int | None]:
    return {session.connector: session.request for session in vehicles.sessions(at)}


# Who is there


@pytest.mark.parametrize(
    ("events", "there"),
    [
        ([], []),
        ([arrived("CP3/1"), arrived("CP1/1")], [("CP1/1", AT), ("CP3/1", AT)]),
        ([arrived("CP1/1"), left("CP1/1")], []),
        ([left("CP1/1")], []),
        ([arrived("CP1/1"), arrived("CP1/1", AT + timedelta(seconds=1))], [("CP1/1", AT)]),
        ([arrived("CP1/1"), left("CP1/1"), arrived("CP1/1", LATER)], [("CP1/1", LATER)]),
        ([arrived("CP1/1"), arrived("CP1/1", LATER)], [("CP1/1", LATER)]),
        ([arrived("CP1/1"), state("CP1/1", ConnectorState.FREE)], [("CP1/1", AT)]),
        ([measured("CP1/1", 16_000), state("CP1/1", ConnectorState.CHARGING)], []),
        ([arrived("CP9/1"), measured("CP9/1", 1), state("CP9/1", ConnectorState.FAULTED)], []),
        ([Connected(charge_point="CP1", connection=1, received_s=0.0)], []),
    ],
)
def test_who_is_there(events: Sequence[Event], there: Sequence[tuple[str, datetime]]) -> None:
    vehicles = following(*events)
    assert [(session.connector, session.arrived) for session in vehicles.sessions(LATER)] == there
    assert vehicles.connectors() == {connector for connector, _ in there}


def test_a_vehicle_nothing_is_known_of_wants_its_connectors_rating() -> None:
    vehicles = following(arrived("CP1/1"), arrived("CP3/1"))
    assert requests(vehicles) == {"CP1/1": 32_000, "CP3/1": 150_000}
    assert vehicles.reasons() == {"CP1/1": Reason.RATING, "CP3/1": Reason.RATING}


def test_another_vehicle_inherits_nothing() -> None:
    vehicles = following(arrived("CP1/1"))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    (before,) = vehicles.sessions(AT)
    vehicles.remember([replace(before, charging=True, charging_since=AT, stopped_at=AT)])
    vehicles.take(left("CP1/1"))
    vehicles.take(arrived("CP1/1", LATER))
    assert vehicles.sessions(LATER) == (Session(connector="CP1/1", arrived=LATER, request=32_000),)
    # What the cycle that was under way made of the one before is not this one's.
    vehicles.remember([replace(before, charging=True, waiting_since=AT)])
    assert vehicles.sessions(LATER) == (Session(connector="CP1/1", arrived=LATER, request=32_000),)


def test_the_last_draw_is_known_with_or_without_a_vehicle() -> None:
    vehicles = following(measured("CP1/1", 5_000), measured("CP1/1", 6_000), measured("CP1/1", None, soc=0.5))
    vehicles.take(measured("CP9/1", 5_000))
    assert {connector: sample.draw for connector, sample in vehicles.draws().items()} == {"CP1/1": 6_000}


# What they want


def test_a_vehicle_that_draws_less_frees_the_rest_and_grows_again() -> None:
    vehicles = following(arrived("CP1/1"), state("CP1/1", ConnectorState.CHARGING))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    assert requests(vehicles) == {"CP1/1": 10_000}
    assert vehicles.reasons() == {"CP1/1": Reason.DRAWS_LESS}
    drawing(vehicles, "CP1/1", 10_000, 10_000, from_s=100, to_s=110)
    assert requests(vehicles) == {"CP1/1": 32_000}
    assert vehicles.reasons() == {"CP1/1": Reason.GROWING}


def test_a_request_is_a_value_that_the_unit_takes() -> None:
    vehicles = following(arrived("CP1/1"), projection=yard(steps=(6_000, 8_000, 13_000, 16_000, 32_000)))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    assert requests(vehicles) == {"CP1/1": 13_000}


def test_a_setpoint_that_nobody_acknowledged_says_nothing() -> None:
    vehicles = following(arrived("CP1/1"))
    for now_s in range(0, 600, 10):
        vehicles.take(measured("CP1/1", 8_000, float(now_s)))
        vehicles.given({}, float(now_s))
    assert requests(vehicles) == {"CP1/1": 32_000}


def test_old_samples_count_from_when_they_were_taken() -> None:
    vehicles = following(arrived("CP1/1"))
    vehicles.given({"CP1/1": (32_000, True)}, 0.0)
    vehicles.take(measured("CP1/1", 8_000, 100.0, age_s=10.0))
    vehicles.take(measured("CP1/1", 8_000, 160.0, age_s=20.0))
    assert requests(vehicles) == {"CP1/1": 32_000}
    vehicles.take(measured("CP1/1", 8_000, 170.0, age_s=20.0))
    assert requests(vehicles) == {"CP1/1": 10_000}


def test_time_alone_makes_a_resting_vehicle_paused_and_then_full() -> None:
    vehicles = following(arrived("CP1/1"), state("CP1/1", ConnectorState.PAUSED_BY_VEHICLE))
    seen: dict[Reason, tuple[int, int | None]] = {}
    for now_s in range(0, round(FULL_S) + 60, 5):
        vehicles.given({"CP1/1": (32_000, True)}, float(now_s))
        seen.setdefault(vehicles.reasons()["CP1/1"], (now_s, requests(vehicles)["CP1/1"]))
    assert seen == {Reason.RATING: (0, 32_000), Reason.PAUSED: (180, 6_000), Reason.FULL: (1800, 6_000)}


def test_time_alone_gives_the_rating_back_when_the_meter_is_silent() -> None:
    vehicles = following(arrived("CP1/1"))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    for now_s in range(100, 90 + round(SILENT_S), 5):
        vehicles.given({"CP1/1": (10_000, True)}, float(now_s))
        assert requests(vehicles) == {"CP1/1": 10_000}
    vehicles.given({"CP1/1": (10_000, True)}, 90.0 + SILENT_S)
    assert requests(vehicles) == {"CP1/1": 32_000}
    assert vehicles.reasons() == {"CP1/1": Reason.UNMEASURED}


@pytest.mark.parametrize("now", [ConnectorState.FINISHING, ConnectorState.FREE])
def test_what_the_vehicle_before_left_behind_is_not_the_next_ones_state(now: ConnectorState) -> None:
    vehicles = following(arrived("CP1/1"), left("CP1/1"), state("CP1/1", now), arrived("CP1/1", LATER))
    for now_s in range(0, 200, 5):
        vehicles.given({"CP1/1": (0, True)}, float(now_s))
    assert requests(vehicles) == {"CP1/1": 32_000}


def test_a_finished_or_faulted_connector_wants_nothing() -> None:
    vehicles = following(arrived("CP1/1"), arrived("CP2/1"))
    vehicles.take(state("CP1/1", ConnectorState.FINISHING))
    vehicles.take(state("CP2/1", ConnectorState.FAULTED))
    for now_s in range(0, 100, 5):
        vehicles.given({}, float(now_s))
    assert requests(vehicles) == {"CP1/1": 0, "CP2/1": 0}
    assert vehicles.reasons() == {"CP1/1": Reason.FULL, "CP2/1": Reason.CANNOT_CHARGE}


def test_a_held_connector_wants_nothing_until_it_is_let_go() -> None:
    vehicles = following(arrived("CP1/1"), arrived("CP2/1"))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    vehicles.hold({"CP1/1"})
    assert requests(vehicles) == {"CP1/1": 0, "CP2/1": 32_000}
    assert vehicles.reasons()["CP1/1"] is Reason.HELD
    for now_s in range(100, 3000, 10):
        vehicles.given({"CP1/1": (0, True)}, float(now_s))
    vehicles.hold(())
    assert requests(vehicles)["CP1/1"] == 10_000


def test_full_vehicles_make_room_while_others_wait_and_some_time_after() -> None:
    vehicles = following(arrived("CP1/1"), arrived("CP2/1"))
    drawing(vehicles, "CP1/1", 16_000, 16_000, from_s=0, to_s=100)
    drawing(vehicles, "CP1/1", 0, 16_000, from_s=100, to_s=round(FULL_S) + 200)
    assert requests(vehicles)["CP1/1"] == 6_000

    full, other = vehicles.sessions(AT)
    vehicles.remember([full, follow_up(other, given=False, wants=True, at=AT)])
    assert requests(vehicles, AT) == {"CP1/1": 0, "CP2/1": 32_000}
    assert vehicles.reasons()["CP1/1"] is Reason.MAKES_ROOM
    # The other has what it waited for; it is not taken from it again in the next cycle.
    vehicles.remember([full, follow_up(other, given=True, wants=True, at=AT)])
    assert requests(vehicles, AT + ROOM_KEPT - timedelta(seconds=1))["CP1/1"] == 0
    assert requests(vehicles, AT + ROOM_KEPT)["CP1/1"] == 6_000


def test_a_full_vehicle_that_waits_does_not_make_others_give_way() -> None:
    vehicles = following(arrived("CP1/1"))
    drawing(vehicles, "CP1/1", 16_000, 16_000, from_s=0, to_s=100)
    drawing(vehicles, "CP1/1", 0, 16_000, from_s=100, to_s=round(FULL_S) + 200)
    (full,) = vehicles.sessions(AT)
    vehicles.remember([follow_up(full, given=False, wants=True, at=AT)])
    assert requests(vehicles) == {"CP1/1": 6_000}


# Plans


DEPARTS = AT + timedelta(hours=8)
SOONER = AT + timedelta(hours=2)


@pytest.mark.parametrize(
    ("plans", "departs", "priority", "needed_wh"),
    [
        ([], None, 0, None),
        ([plan("connector:CP1/1", departs=DEPARTS, priority=2, energy_needed_wh=9_000)], DEPARTS, 2, 9_000),
        ([plan("id_tag:04a2", departs=DEPARTS), plan("connector:CP1/1", departs=SOONER)], DEPARTS, 0, None),
        ([plan("vehicle:BUS17", departs=SOONER), plan("id_tag:04A2", departs=DEPARTS)], SOONER, 0, None),
        ([plan("vehicle:BUS17", priority=3), plan("connector:CP1/1", priority=1, departs=DEPARTS)], DEPARTS, 3, None),
        ([plan("connector:CP2/1", priority=5), plan("vehicle:bus17", priority=5)], None, 0, None),
        # Yesterday's departure is not about this stay, nor is what it needed for it.
        ([plan("connector:CP1/1", departs=AT - timedelta(hours=7), energy_needed_wh=5)], None, 0, None),
    ],
)
def test_the_most_specific_plan_that_says_something_counts(
    plans: Sequence[Plan], departs: datetime | None, priority: int, needed_wh: int | None
) -> None:
    before, after = Vehicles(yard()), Vehicles(yard())
    before.use_plans(plans)
    for vehicles in (before, after):
        vehicles.take(arrived("CP1/1", id_tag="04A2", vehicle="BUS17"))
    after.use_plans(plans)
    for vehicles in (before, after):
        (session,) = vehicles.sessions(AT)
        assert (session.departs, session.priority, session.energy_needed_wh) == (departs, priority, needed_wh)


def test_a_plan_that_is_withdrawn_counts_no_more() -> None:
    vehicles = following(arrived("CP1/1"))
    vehicles.use_plans([plan("connector:CP1/1", departs=DEPARTS, priority=2, energy_needed_wh=9_000)])
    vehicles.use_plans([])
    assert vehicles.sessions(AT) == (Session(connector="CP1/1", arrived=AT, request=32_000),)


def test_the_energy_needed_counts_down_by_the_register_and_stops_at_nothing() -> None:
    vehicles = following(arrived("CP1/1"))
    vehicles.use_plans([plan("connector:CP1/1", energy_needed_wh=5_000)])
    needed = []
    # A register that begins anew with each transaction, one that is not told, and one that is exchanged.
    for energy_wh in (100_000, 101_000, None, 103_000, 0, 500, 4_000):
        more = {} if energy_wh is None else {"energy_wh": energy_wh}
        vehicles.take(measured("CP1/1", None, **more))
        needed.append(vehicles.sessions(AT)[0].energy_needed_wh)
    assert needed == [5_000, 4_000, 4_000, 2_000, 2_000, 1_500, 0]
    assert requests(vehicles) == {"CP1/1": 32_000}


def test_the_state_of_charge_is_the_last_one_told() -> None:
    vehicles = following(arrived("CP1/1"), measured("CP1/1", 1, soc=0.4), measured("CP1/1", 1))
    assert vehicles.sessions(AT)[0].soc == 0.4


# Restarts and edited depots


STORED = Session(
    connector="CP1/1",
    request=10_000,
    arrived=AT,
    departs=DEPARTS,
    energy_needed_wh=3_000,
    soc=0.6,
    priority=2,
    weight=2.0,
    charging=True,
    charging_since=AT,
    stopped_at=AT - timedelta(minutes=5),
)


def test_after_a_restart_arrival_and_rotation_are_kept_and_the_request_is_estimated_anew() -> None:
    vehicles = Vehicles(yard())
    vehicles.restore([STORED], LATER)
    assert vehicles.sessions(LATER) == (replace(STORED, request=32_000),)
    vehicles.take(arrived("CP1/1", id_tag="04A2"))
    assert vehicles.sessions(LATER) == (replace(STORED, request=32_000),)


def test_after_a_restart_what_was_charged_before_is_not_needed_again() -> None:
    vehicles = Vehicles(yard())
    vehicles.restore([STORED], LATER)
    vehicles.use_plans([plan("id_tag:04A2", energy_needed_wh=9_000, departs=DEPARTS, priority=2)])
    # Whose it is, nobody has said yet.
    assert vehicles.sessions(LATER) == (replace(STORED, request=32_000),)
    vehicles.take(arrived("CP1/1", id_tag="04A2"))
    assert vehicles.sessions(LATER) == (replace(STORED, request=32_000),)
    vehicles.take(measured("CP1/1", 1, energy_wh=50_000))
    vehicles.take(measured("CP1/1", 1, energy_wh=51_000))
    assert vehicles.sessions(LATER)[0].energy_needed_wh == 2_000


def test_a_stored_vehicle_is_gone_when_its_connector_says_it_is_free_or_another_came() -> None:
    for event in (state("CP1/1", ConnectorState.FREE), left("CP1/1")):
        vehicles = Vehicles(yard())
        vehicles.restore([STORED], LATER)
        vehicles.take(event)
        assert vehicles.sessions(LATER) == ()
    vehicles = Vehicles(yard())
    vehicles.restore([STORED], LATER)
    vehicles.take(arrived("CP1/1", LATER))
    assert vehicles.sessions(LATER) == (Session(connector="CP1/1", arrived=LATER, request=32_000),)


def test_a_stored_vehicle_of_which_its_charge_point_does_not_speak_is_taken_for_gone() -> None:
    """Its session ended just before the restart, and nobody could store that any more."""
    vehicles = Vehicles(yard())
    vehicles.restore([STORED], LATER)
    vehicles.given({}, 500.0)
    vehicles.take(Ready(charge_point="CP1", connection=1, received_s=500.0))
    vehicles.given({}, 500.0 + UNCONFIRMED_S - 1)
    vehicles.take(Disconnected(charge_point="CP1", connection=1, received_s=619.5))
    vehicles.given({}, 10_000.0)
    assert [session.connector for session in vehicles.sessions(LATER)] == ["CP1/1"]
    vehicles.take(Ready(charge_point="CP1", connection=2, received_s=10_000.0))
    vehicles.given({}, 10_000.0 + UNCONFIRMED_S)
    assert vehicles.sessions(LATER) == ()


def test_a_stored_vehicle_that_its_charge_point_speaks_of_stays() -> None:
    vehicles = Vehicles(yard())
    vehicles.restore([STORED], LATER)
    vehicles.take(Ready(charge_point="CP1", connection=1, received_s=500.0))
    vehicles.take(arrived("CP1/1"))
    vehicles.given({}, 10_000.0)
    assert [session.connector for session in vehicles.sessions(LATER)] == ["CP1/1"]


def test_an_edited_depot_keeps_the_vehicles_and_reports_those_it_has_no_connector_for() -> None:
    vehicles = following(arrived("CP1/1"), arrived("CP3/1"), measured("CP3/1", 70_000))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    vehicles.use_projection(yard(dropped="CP3"))
    assert requests(vehicles) == {"CP1/1": 10_000}
    assert vehicles.strays() == ("CP3/1",)
    assert set(vehicles.draws()) == {"CP1/1"}
    vehicles.given({"CP1/1": (10_000, True)}, 200.0)

    vehicles.use_projection(yard())
    assert requests(vehicles) == {"CP1/1": 10_000, "CP3/1": 150_000}
    assert vehicles.strays() == ()


def test_a_connector_with_another_rating_is_learnt_anew() -> None:
    vehicles = following(arrived("CP1/1"))
    drawing(vehicles, "CP1/1", 8_000, 32_000, from_s=0, to_s=100)
    vehicles.use_projection(yard(rating=16_000))
    assert requests(vehicles) == {"CP1/1": 16_000}


def test_what_a_cycle_remembers_is_in_the_next_ones_sessions() -> None:
    vehicles = following(arrived("CP1/1"))
    (session,) = vehicles.sessions(AT)
    vehicles.remember([follow_up(session, given=True, wants=True, at=AT)])
    # Plans and samples that came in between are not undone.
    vehicles.use_plans([plan("connector:CP1/1", priority=3)])
    vehicles.take(measured("CP1/1", 1, soc=0.7))
    vehicles.remember([follow_up(session, given=True, wants=True, at=AT)])
    (session,) = vehicles.sessions(LATER)
    assert (session.charging, session.charging_since, session.priority, session.soc) == (True, AT, 3, 0.7)
    vehicles.remember([follow_up(session, given=False, wants=True, at=LATER)])
    (session,) = vehicles.sessions(LATER)
    assert (session.charging, session.waiting_since, session.stopped_at) == (False, LATER, LATER)
