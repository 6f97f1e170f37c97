"""The fallback proof: what counts as one, and what does not."""

from datetime import UTC, datetime

import pytest

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.units import ActivePower
from busbar.engine.commissioning import Commissioning, CommissioningStep
from busbar.engine.events import Connected, Disconnected, Event, Measured, Ready, VehicleLeft
from busbar.engine.ports import CommissioningRequest, TrustLevel
from busbar.engine.timing import Timing

AT = datetime(2026, 11, 22, 22, tzinfo=UTC)
TIMING = Timing(lease_s=20, skew_s=5, ramp_s=5, sample_s=2)
AWAY_S = 34.0
DEPOT = Depot(
    id="yard",
    voltage_v=400,
    circuits=(Circuit(id="GC1", default_operating_capacity=ActivePower(w=500_000)),),
    charge_points=(
        ChargePoint(
            id="CP1",
            circuit="GC1",
            current=CurrentKind.DC,
            max_rating=200_000,
            connectors=tuple(
                Connector(id=name, max_rating=150_000, minimum=0, step=100, fallback=10_000) for name in ("1", "2")
            ),
        ),
    ),
)
REQUEST = CommissioningRequest(id=7, charge_point="CP1", by="Ann", at=AT, state="asked", result={})


def sample(connector: str, draw_w: int, at_s: float) -> Measured:
    return Measured(connector=connector, sampled_at=AT, received_s=at_s, age_s=0.0, draw=draw_w)


def back(at_s: float) -> list[Event]:
    return [
        Connected(charge_point="CP1", connection=2, received_s=at_s),
        Ready(charge_point="CP1", connection=2, received_s=at_s),
    ]


class Story:
    """Events and steps in made-up time."""

    def __init__(self, request: CommissioningRequest = REQUEST) -> None:
        self.commissioning = Commissioning(TIMING)
        self.requests = [request]
        self.steps: list[CommissioningStep] = []

    def at(self, now_s: float, *events: Event) -> CommissioningStep:
        for event in events:
            self.commissioning.take(event, now_s)
        step = self.commissioning.step(self.requests, depot=DEPOT, at=AT, now_s=now_s)
        self.requests = []
        self.steps.append(step)
        return step


def verdict(step: CommissioningStep, connector: str = "CP1/1") -> str:
    (_, _, result), *_ = step.updates
    return str(result["connectors"][connector]["verdict"])


def test_a_fallback_is_proven_by_a_vehicle_that_falls_and_rises_again() -> None:
    story = Story()
    assert story.at(0).updates == ((7, "running", {"phase": "waiting_for_draw"}),)
    assert story.at(5, sample("CP1/1", 90_000, 5)).cut == (("CP1", AWAY_S),)
    assert story.at(10).withheld == {"CP1/1", "CP1/2"}
    story.at(50, Disconnected(charge_point="CP1", connection=1, received_s=6.0), *back(50))
    assert story.at(52, sample("CP1/1", 10_000, 52)).withheld == frozenset()
    done = story.at(60, sample("CP1/1", 80_000, 60))
    assert verdict(done) == "verified"
    assert verdict(done, "CP1/2").startswith("not tested")
    assert done.updates[0][:2] == (7, "passed")
    (evidence,) = done.evidence
    assert (evidence.connector, evidence.trust, evidence.fallback) == ("CP1/1", TrustLevel.VERIFIED, 10_000)
    assert "Ann" in evidence.detail
    assert "90000" in evidence.detail


def test_a_unit_that_draws_on_when_left_alone_fails() -> None:
    story = Story()
    story.at(0)
    story.at(5, sample("CP1/1", 90_000, 5))
    story.at(50, *back(50))
    done = story.at(52, sample("CP1/1", 88_000, 52))
    assert done.updates[0][1] == "failed"
    assert verdict(done).startswith("failed")
    assert done.evidence == ()


def test_a_vehicle_that_wants_no_more_afterwards_proves_nothing() -> None:
    story = Story()
    story.at(0)
    story.at(5, sample("CP1/1", 90_000, 5))
    story.at(50, *back(50))
    story.at(52, sample("CP1/1", 0, 52))
    assert story.at(200, sample("CP1/1", 0, 200)).updates == ()
    done = story.at(400)
    assert "did not want more" in verdict(done)
    assert done.evidence == ()


def test_a_sample_from_before_it_was_back_is_no_proof() -> None:
    story = Story()
    story.at(0)
    story.at(5, sample("CP1/1", 90_000, 5))
    story.at(50, *back(50))
    late = Measured(connector="CP1/1", sampled_at=AT, received_s=51.0, age_s=20.0, draw=0)
    assert story.at(51, late).withheld
    assert "no sample" in verdict(story.at(300))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "did not come back"),
        ([VehicleLeft(connector="CP1/1", at=AT, received_s=20.0)], "the vehicle left"),
    ],
)
def test_what_cannot_be_seen_is_not_proven(events: list[Event], said: str) -> None:
    story = Story()
    story.at(0)
    story.at(5, sample("CP1/1", 90_000, 5))
    story.at(20, *events)
    done = story.at(2000)
    assert said in verdict(done)
    assert done.updates[0][1] == "failed"


def test_without_a_vehicle_that_draws_more_nothing_is_cut() -> None:
    story = Story()
    story.at(0)
    assert story.at(5, sample("CP1/1", 10_900, 5)).cut == ()
    done = story.at(300)
    assert done.cut == ()
    assert verdict(done).startswith("not tested")


def test_losing_the_connection_while_watching_ends_it() -> None:
    story = Story()
    story.at(0)
    story.at(5, sample("CP1/1", 90_000, 5))
    story.at(50, *back(50))
    done = story.at(51, Disconnected(charge_point="CP1", connection=2, received_s=51.0))
    assert done.updates[0][1] == "failed"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (CommissioningRequest(id=1, charge_point="CP1", by="Ann", at=AT, state="running", result={}), "restarted"),
        (CommissioningRequest(id=1, charge_point="CP9", by="Ann", at=AT, state="asked", result={}), "no charge point"),
    ],
)
def test_what_cannot_begin_is_said_at_once(request_: CommissioningRequest, said: str) -> None:
    step = Story(request_).at(0)
    assert step.updates[0][1] == "failed"
    assert said in step.updates[0][2]["reason"]
