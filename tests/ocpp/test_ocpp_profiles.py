"""Setpoints as charging profiles: the exact JSON per version, and that nothing is ever rounded up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocpp_peers import ac_point, connector, dc_point, depot

from busbar.adapters.ocpp.capabilities import Capabilities, Terms, terms
from busbar.adapters.ocpp.messages import Version
from busbar.adapters.ocpp.profiles import Profile, lease, limit_for, standing_fallback
from busbar.adapters.ocpp.quirks import NO_QUIRK, ProfileKind, RateUnit
from busbar.adapters.ocpp.schemas import request_validators
from busbar.adapters.ocpp.v16 import Version16
from busbar.adapters.ocpp.v201 import Version201
from busbar.adapters.ocpp.wiring import Wired, wired_connectors
from busbar.core.depot import Circuit
from busbar.core.units import ActivePower, Phase

NOW = datetime(2026, 11, 22, 14, 0, 30, 500_000, tzinfo=UTC)
AC = wired_connectors(depot(ac_point()))["CP1"][0]
DC = wired_connectors(depot(dc_point(fallback=20_000)))["CP1"][0]
AC_TERMS = terms(Capabilities(), NO_QUIRK, is_ac=True)
DC_TERMS = terms(Capabilities(), NO_QUIRK, is_ac=False)
VERSIONS: tuple[Version, ...] = (Version16(), Version201("ocpp2.0.1"), Version201("ocpp2.1"))


def _lease(
    wired: Wired = AC, how: Terms = AC_TERMS, *, limit: int = 16_050, lasts_s: float = 120, **more: Any
) -> Profile:
    profile = lease(
        limit=limit,
        fallback=more.pop("fallback", 6000),
        ends_at=NOW + timedelta(seconds=lasts_s),
        now=NOW,
        reference=more.pop("reference", "77"),
        wired=wired,
        terms=how,
        stack_level=how.stack_level,
    )
    assert profile is not None
    return profile


def test_a_lease_in_1_6() -> None:
    assert Version16().set_profile(1, _lease()) == (
        "SetChargingProfile",
        {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 12,
                "transactionId": 77,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "startSchedule": "2026-11-22T13:59:30Z",
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": 16.0, "numberPhases": 3},
                        {"startPeriod": 180, "limit": 6.0, "numberPhases": 3},
                    ],
                },
            },
        },
    )


def test_a_lease_in_2_0_1() -> None:
    assert Version201().set_profile(1, _lease(reference="tx-a")) == (
        "SetChargingProfile",
        {
            "evseId": 1,
            "chargingProfile": {
                "id": 12,
                "transactionId": "tx-a",
                "stackLevel": 0,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": [
                    {
                        "id": 12,
                        "startSchedule": "2026-11-22T13:59:30Z",
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [
                            {"startPeriod": 0, "limit": 16.0, "numberPhases": 3},
                            {"startPeriod": 180, "limit": 6.0, "numberPhases": 3},
                        ],
                    }
                ],
            },
        },
    )


def test_a_lease_in_2_1_lapses_when_the_charge_point_is_offline() -> None:
    plain = dict(Version201("ocpp2.0.1").set_profile(1, _lease()).payload["chargingProfile"])
    lapsing = dict(Version201("ocpp2.1").set_profile(1, _lease()).payload["chargingProfile"])
    assert lapsing == {**plain, "maxOfflineDuration": 120, "invalidAfterOfflineDuration": True}


def test_the_standing_fallback() -> None:
    profile = standing_fallback(now=NOW, wired=AC, terms=AC_TERMS, stack_level=3)
    assert Version16().set_profile(1, profile).payload["csChargingProfiles"] == {
        "chargingProfileId": 11,
        "stackLevel": 3,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "startSchedule": "2026-11-21T14:00:30Z",
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}],
        },
    }
    in_21 = Version201("ocpp2.1").set_profile(1, profile).payload["chargingProfile"]
    assert "maxOfflineDuration" not in in_21


def test_dc_goes_in_watts_without_phases() -> None:
    profile = _lease(DC, DC_TERMS, limit=150_000, fallback=20_000)
    schedule = Version16().set_profile(1, profile).payload["csChargingProfiles"]["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "W"
    assert schedule["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 150_000.0},
        {"startPeriod": 180, "limit": 20_000.0},
    ]


def test_where_one_period_is_all_there_is_the_profile_itself_ends() -> None:
    profile = _lease(how=replace(AC_TERMS, has_two_periods=False))
    schedule = Version16().set_profile(1, profile).payload["csChargingProfiles"]["chargingSchedule"]
    assert schedule["duration"] == 180
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 16.0, "numberPhases": 3}]


def test_a_relative_profile_has_no_start_and_is_valid_until_the_lease_ends() -> None:
    fields = Version16().set_profile(1, _lease(how=replace(AC_TERMS, kind=ProfileKind.RELATIVE))).payload
    profile = fields["csChargingProfiles"]
    assert profile["chargingProfileKind"] == "Relative"
    assert profile["validTo"] == "2026-11-22T14:02:30Z"
    assert "startSchedule" not in profile["chargingSchedule"]
    assert "duration" not in profile["chargingSchedule"]


def test_the_transaction_is_left_out_where_it_has_to_be() -> None:
    fields = Version16().set_profile(1, _lease(how=replace(AC_TERMS, sends_transaction_id=False))).payload
    assert "transactionId" not in fields["csChargingProfiles"]


def test_a_lease_that_is_over_or_as_good_as_over_is_none() -> None:
    for lasts_s in (0.9, 0.0, -5.0):
        ended = lease(
            limit=1,
            fallback=0,
            ends_at=NOW + timedelta(seconds=lasts_s),
            now=NOW,
            reference="1",
            wired=AC,
            terms=AC_TERMS,
            stack_level=0,
        )
        assert ended is None


@pytest.mark.parametrize(
    ("value", "limit"), [(16_000, 16.0), (16_099, 16.0), (16_100, 16.1), (99, 0.0), (0, 0.0), (8_150, 8.1)]
)
def test_amperes_are_cut_to_one_decimal(value: int, limit: float) -> None:
    assert limit_for(value, AC, AC_TERMS) == limit


def test_watts_are_reckoned_at_the_lowest_voltage() -> None:
    in_w = replace(AC_TERMS, unit=RateUnit.W)
    # 16 A x 3 x (400 V - 5 %) / sqrt 3
    assert limit_for(16_000, AC, in_w) == 10_530.0
    one_phase = wired_connectors(depot(ac_point("CP1", connector(phases=(Phase.L2,)))))["CP1"][0]
    assert limit_for(16_000, one_phase, in_w) == 3510.0
    across = connector(phases=(Phase.L1, Phase.L2), line_to_line=True)
    line_to_line = wired_connectors(depot(ac_point("CP1", across)))["CP1"][0]
    assert line_to_line.phase_count == 1
    assert limit_for(16_000, line_to_line, in_w) == 6080.0


def test_the_voltage_is_that_of_the_circuit() -> None:
    site = depot(ac_point())
    circuits = (
        Circuit(id="GC", default_operating_capacity=ActivePower(w=1), voltage_v=11_000),
        Circuit(id="S", parent="GC", default_operating_capacity=ActivePower(w=1), voltage_v=208),
        Circuit(id="C1", parent="S", default_operating_capacity=ActivePower(w=1)),
    )
    (wired,) = wired_connectors(replace(site, circuits=circuits))["CP1"]
    assert wired.meter.voltage_v == 208
    (wired,) = wired_connectors(site)["CP1"]
    assert wired.meter.voltage_v == 400


def test_dc_in_amperes_is_reckoned_at_the_highest_voltage() -> None:
    in_a = replace(DC_TERMS, unit=RateUnit.A)
    assert limit_for(150_000, DC, in_a) == 150.0
    assert limit_for(150_000, DC, replace(in_a, dc_voltage_v=920)) == 163.0


@pytest.mark.parametrize(("value", "limit"), [(32_000, 16.0), (15_999, 13.0), (6000, 6.0), (5999, 0.0), (0, 0.0)])
def test_only_allowed_values_are_sent_rounded_down(value: int, limit: float) -> None:
    some = replace(AC_TERMS, allowed_ma=(6000, 8000, 10_000, 13_000, 16_000))
    assert limit_for(value, AC, some) == limit


def test_connectors_are_numbered_as_they_are_called_or_else_counted() -> None:
    def numbers(*names: str) -> list[int]:
        point = ac_point("CP1", *(connector(name) for name in names))
        return [wired.evse for wired in wired_connectors(depot(point))["CP1"]]

    assert numbers("1", "2") == [1, 2]
    assert numbers("2", "1") == [2, 1]
    assert numbers("left", "right") == [1, 2]
    assert numbers("1", "left") == [1, 2]
    assert numbers("01", "1") == [1, 2]
    assert numbers("0", "1") == [1, 2]


@given(
    value=st.integers(0, 1_000_000),
    unit=st.sampled_from(RateUnit),
    is_ac=st.booleans(),
    allowed=st.lists(st.integers(1, 100_000), max_size=4).map(lambda some: tuple(sorted(some))),
)
@settings(deadline=None, max_examples=300)
def test_no_limit_that_is_sent_is_above_the_setpoint(
    value: int, unit: RateUnit, is_ac: bool, allowed: tuple[int, ...]
) -> None:
    wired, how = (AC, AC_TERMS) if is_ac else (DC, DC_TERMS)
    limit = Fraction(limit_for(value, wired, replace(how, unit=unit, allowed_ma=allowed))).limit_denominator(10)
    if is_ac and unit is RateUnit.W:
        # What a unit that divides by its own, not lower, voltage makes of it.
        limit = limit / (wired.lowest_v * wired.phase_count) * 1000
    elif is_ac:
        limit *= 1000
    elif unit is RateUnit.A:
        limit *= how.dc_voltage_v
    assert 0 <= limit <= value


@given(
    limit=st.integers(0, 500_000),
    lasts_s=st.floats(1, 100_000),
    kind=st.sampled_from(ProfileKind),
    two=st.booleans(),
    sends=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_every_profile_keeps_the_schemas_and_never_outlasts_its_lease(
    limit: int, lasts_s: float, kind: ProfileKind, two: bool, sends: bool
) -> None:
    how = replace(AC_TERMS, kind=kind, has_two_periods=two, sends_transaction_id=sends)
    profile = _lease(how=how, limit=limit, lasts_s=lasts_s)
    for version in VERSIONS:
        action, payload = version.set_profile(1, profile)
        request_validators(version.protocol)[action].validate(payload)
        action, payload = version.start(1, "T" * 40, 5, replace(profile, reference=None))
        request_validators(version.protocol)[action].validate(payload)
    if profile.starts_at is not None:
        ends_after_s = profile.duration_s if profile.duration_s is not None else profile.periods[1][0]
        assert profile.starts_at + timedelta(seconds=ends_after_s) <= NOW + timedelta(seconds=lasts_s)
    else:
        assert profile.valid_to is not None
        assert profile.valid_to <= NOW + timedelta(seconds=lasts_s)
