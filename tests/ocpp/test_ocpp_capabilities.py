"""What charge points say they can do, in whatever words."""

from typing import Any

import pytest

from busbar.adapters.ocpp.capabilities import rate_units
from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.quirks import RateUnit
from busbar.adapters.ocpp.v16 import Version16
from busbar.adapters.ocpp.v201 import Version201


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Current", (RateUnit.A,)),
        ("Current,Power", (RateUnit.A, RateUnit.W)),
        ("power", (RateUnit.W,)),
        ("W", (RateUnit.W,)),
        ("A, W", (RateUnit.A, RateUnit.W)),
        ("A;A", (RateUnit.A,)),
        ("", ()),
        (None, ()),
        ("Joule", ()),
    ],
)
def test_units_are_read_whatever_they_are_called(text: str | None, units: tuple[RateUnit, ...]) -> None:
    assert rate_units(text, Counts()) == units


def _configuration(**values: str | None) -> dict[str, Any]:
    return {"configurationKey": [{"key": key, "readonly": False, "value": value} for key, value in values.items()]}


def test_a_configuration_is_read() -> None:
    said = Version16().capabilities(
        _configuration(
            SupportedFeatureProfiles="Core, SmartCharging",
            ChargeProfileMaxStackLevel="8",
            ChargingScheduleAllowedChargingRateUnit="Current",
            ChargingScheduleMaxPeriods="24",
            MaxChargingProfilesInstalled="10",
            NumberOfConnectors="2",
            ConnectorSwitch3to1PhaseSupported="true",
            MeterValueSampleInterval="60",
        ),
        Counts(),
    )
    assert said.rate_units == (RateUnit.A,)
    assert (said.most_stack_level, said.most_periods, said.most_profiles, said.connectors) == (8, 24, 10, 2)
    assert said.has_smart_charging is True
    assert said.switches_phases is True
    assert said.settings["MeterValueSampleInterval"] == "60"


def test_absurd_figures_are_as_if_nothing_had_been_said() -> None:
    counts = Counts()
    said = Version16().capabilities(
        _configuration(
            NumberOfConnectors="1634030126", ChargeProfileMaxStackLevel="many", ChargingScheduleMaxPeriods="0"
        ),
        counts,
    )
    assert (said.connectors, said.most_stack_level, said.most_periods) == (None, None, None)
    assert counts.by_kind() == {
        "absurd number of connectors": 1,
        "unreadable stack level": 1,
        "absurd number of periods": 1,
    }


@pytest.mark.parametrize(
    "answer",
    [{}, {"configurationKey": None}, {"configurationKey": [None, 7, {}, {"key": 3}, {"key": "NumberOfConnectors"}]}],
)
def test_a_configuration_of_junk_says_nothing(answer: dict[str, Any]) -> None:
    said = Version16().capabilities(answer, Counts())
    assert said.rate_units == ()
    assert said.connectors is None


def test_settings_that_cannot_be_changed_are_not_tried() -> None:
    answer = {"configurationKey": [{"key": "MeterValueSampleInterval", "readonly": True, "value": "60"}]}
    assert Version16().capabilities(answer, Counts()).settings == {}


def _variable(name: str, value: str, instance: str | None = None, status: str = "Accepted") -> dict[str, Any]:
    variable = {"name": name, "instance": instance} if instance else {"name": name}
    return {
        "attributeStatus": status,
        "attributeValue": value,
        "component": {"name": "SmartChargingCtrlr"},
        "variable": variable,
    }


def test_variables_are_read() -> None:
    answer = {
        "getVariableResult": [
            _variable("Available", "true"),
            _variable("Enabled", "true"),
            _variable("RateUnit", "W"),
            _variable("ProfileStackLevel", "5"),
            _variable("Entries", "20", instance="ChargingProfiles"),
            _variable("PeriodsPerSchedule", "1"),
            _variable("Phases3to1", "9", status="UnknownVariable"),
        ]
    }
    said = Version201().capabilities(answer, Counts())
    assert said.rate_units == (RateUnit.W,)
    assert (said.most_stack_level, said.most_periods, said.most_profiles) == (5, 1, 20)
    assert said.has_smart_charging is True
    assert said.switches_phases is None


def test_smart_charging_that_is_not_enabled_is_none() -> None:
    answer = {"getVariableResult": [_variable("Available", "true"), _variable("Enabled", "false")]}
    assert Version201().capabilities(answer, Counts()).has_smart_charging is False
