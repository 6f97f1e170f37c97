"""How far fallbacks are believed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, Trust
from busbar.core.projection import project
from busbar.core.units import ActivePower
from busbar.engine.beliefs import beliefs, counted_fallbacks, prove_fallbacks, when_answered
from busbar.engine.events import FallbackAnswered
from busbar.engine.ports import Evidence, TrustLevel

AT = datetime(2026, 11, 22, 22, tzinfo=UTC)
CONNECTOR = Connector(id="1", max_rating=150_000, minimum=0, step=100, fallback=10_000)
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
            connectors=(CONNECTOR, replace(CONNECTOR, id="2")),
        ),
    ),
)


def evidence(trust: TrustLevel, *, fallback_w: int = 10_000, connector: str = "CP1/1") -> Evidence:
    return Evidence(connector=connector, trust=trust, fallback=fallback_w, at=AT, detail="")


@pytest.mark.parametrize(
    ("known", "require", "believed"),
    [
        (None, Trust.ACCEPTED, None),
        (evidence(TrustLevel.NONE), Trust.ACCEPTED, None),
        (evidence(TrustLevel.ACCEPTED), Trust.ACCEPTED, 10_000),
        (evidence(TrustLevel.ACCEPTED), Trust.VERIFIED, None),
        (evidence(TrustLevel.VERIFIED), Trust.VERIFIED, 10_000),
        (evidence(TrustLevel.VERIFIED, fallback_w=6_000), Trust.ACCEPTED, None),
    ],
)
def test_a_fallback_is_believed_by_evidence_about_that_very_value(
    known: Evidence | None, require: Trust, believed: int | None
) -> None:
    found = beliefs(replace(DEPOT, require=require), {} if known is None else {known.connector: known})
    assert found == {"CP1/1": believed, "CP1/2": None}


def test_what_is_not_believed_counts_at_the_rating_and_together_at_the_charge_points() -> None:
    projection = project(DEPOT)
    assert counted_fallbacks(projection, ()).tolist() == [100_000, 100_000]
    one = [evidence(TrustLevel.ACCEPTED)]
    assert counted_fallbacks(projection, one).tolist() == [10_000, 150_000]


def answered(*, is_accepted: bool, fallback_w: int = 10_000) -> FallbackAnswered:
    return FallbackAnswered(connector="CP1/1", fallback=fallback_w, is_accepted=is_accepted, detail="Rejected")


@pytest.mark.parametrize(
    ("event", "known", "trust"),
    [
        (answered(is_accepted=True), None, TrustLevel.ACCEPTED),
        (answered(is_accepted=True), evidence(TrustLevel.ACCEPTED), None),
        (answered(is_accepted=True), evidence(TrustLevel.VERIFIED), None),
        (answered(is_accepted=True), evidence(TrustLevel.VERIFIED, fallback_w=6_000), TrustLevel.ACCEPTED),
        (answered(is_accepted=True), evidence(TrustLevel.NONE), TrustLevel.ACCEPTED),
        (answered(is_accepted=False), None, None),
        (answered(is_accepted=False), evidence(TrustLevel.ACCEPTED), TrustLevel.NONE),
        (answered(is_accepted=False), evidence(TrustLevel.VERIFIED), TrustLevel.NONE),
    ],
)
def test_an_answer_adds_evidence_where_it_says_something_new(
    event: FallbackAnswered, known: Evidence | None, trust: TrustLevel | None
) -> None:
    new = when_answered(event, known, at=AT)
    assert (None if new is None else new.trust) == trust


def test_the_proof_counts_trust_and_names_the_circuits_that_fail() -> None:
    tight = replace(DEPOT, circuits=(Circuit(id="GC1", default_operating_capacity=ActivePower(w=150_000)),))
    fresh = prove_fallbacks(project(tight), ())
    assert (fresh.verified, fresh.accepted, fresh.unbelieved) == (0, 0, 2)
    ((node, row, reserved, available),) = [(e.node, e.row, e.reserved, e.available) for e in fresh.excesses]

    assert (node, row, reserved, available) == ("GC1", 3, 200_000, 150_000)
    both = [evidence(TrustLevel.ACCEPTED), evidence(TrustLevel.VERIFIED, connector="CP1/2")]
    proven = prove_fallbacks(project(tight), both)
    assert (proven.verified, proven.accepted, proven.unbelieved) == (1, 1, 0)
    assert proven.excesses == ()


def test_what_is_out_of_service_needs_no_proof() -> None:
    isolated = replace(DEPOT, charge_points=(replace(DEPOT.charge_points[0], in_service=False),))
    proof = prove_fallbacks(project(isolated), ())
    assert (proof.verified, proof.accepted, proof.unbelieved, proof.excesses) == (0, 0, 0, ())
