"""The configuration keys of an OCPP 1.6 charge point."""

from dataclasses import dataclass

from busbar.simulator.stations.samples import KNOWN_MEASURANDS
from busbar.simulator.stations.speech import State

LONGEST_INTERVAL_S = 86_400
_INTERVALS = {
    "HeartbeatInterval": "heartbeat_s",
    "MeterValueSampleInterval": "sample_s",
    "ClockAlignedDataInterval": "aligned_s",
    "WebSocketPingInterval": "ping_s",
}
_UNITS = {"A": "Current", "W": "Power"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One key."""

    value: str
    is_fixed: bool = True
    """It can be read only."""


def settings(state: State) -> dict[str, Setting]:
    """Every key that can be read."""
    own, abilities = state.configuration, state.abilities
    changeable = {key: str(getattr(own, field)) for key, field in _INTERVALS.items()}
    changeable["MeterValuesSampledData"] = ",".join(own.measurands)
    fixed = {
        "AllowOfflineTxForUnknownId": "true",
        "AuthorizeRemoteTxRequests": "false",
        "ConnectionTimeOut": "60",
        "ConnectorSwitch3to1PhaseSupported": "false",
        "GetConfigurationMaxKeys": "50",
        "LocalPreAuthorize": "false",
        "MeterValuesSampledDataMaxLength": str(len(KNOWN_MEASURANDS)),
        "NumberOfConnectors": str(len(state.outlets)),
        "StopTransactionOnEVSideDisconnect": "true",
        "StopTransactionOnInvalidId": "true",
        "SupportedFeatureProfiles": "Core,RemoteTrigger,SmartCharging",
        "ChargeProfileMaxStackLevel": str(abilities.most_stack_level),
        "ChargingScheduleAllowedChargingRateUnit": ",".join(_UNITS[unit.value] for unit in abilities.units),
        "ChargingScheduleMaxPeriods": str(abilities.most_periods),
        "MaxChargingProfilesInstalled": str(abilities.most_profiles),
    }
    return {
        **{key: Setting(value=value, is_fixed=False) for key, value in changeable.items()},
        **{key: Setting(value=value) for key, value in fixed.items()},
    }


def change_setting(state: State, key: str, value: str) -> str:
    """Change one; what is answered."""
    own = state.configuration
    if key in _INTERVALS:
        seconds = interval_s(value)
        if seconds is None:
            return "Rejected"
        setattr(own, _INTERVALS[key], seconds)
        return "Accepted"
    if key == "MeterValuesSampledData":
        wanted = measurands_in(value)
        if wanted is None:
            return "Rejected"
        own.measurands = wanted
        return "Accepted"
    if key == "AuthorizationKey":
        # At least 16 characters (OCPP 1.6 security whitepaper, section 2.5); it holds from the next connection on.
        if not 16 <= len(value) <= 40:
            return "Rejected"
        own.secret = value
        return "Accepted"
    return "Rejected" if key in settings(state) else "NotSupported"


def interval_s(text: str) -> int | None:
    """Whole seconds up to a day; None where it is no such thing."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 6 or int(text) > LONGEST_INTERVAL_S:
        return None
    return int(text)


def measurands_in(text: str) -> tuple[str, ...] | None:
    """`Power.Active.Import,SoC`; None where one of them cannot be measured."""
    wanted = tuple(each.strip() for each in text.split(",") if each.strip())
    return wanted if wanted and set(wanted) <= set(KNOWN_MEASURANDS) else None
