"""The device model of an OCPP 2.0.1 charge point, as far as a central system needs it here."""

from busbar.simulator.stations.settings16 import interval_s, measurands_in
from busbar.simulator.stations.speech import Payload, State

Name = tuple[str, str, str]
"""Component, variable, and the variable's instance (empty: none)."""

_INTERVALS: dict[Name, str] = {
    ("OCPPCommCtrlr", "HeartbeatInterval", ""): "heartbeat_s",
    ("OCPPCommCtrlr", "WebSocketPingInterval", ""): "ping_s",
    ("SampledDataCtrlr", "TxUpdatedInterval", ""): "sample_s",
    ("AlignedDataCtrlr", "Interval", ""): "aligned_s",
}
_MEASURANDS: Name = ("SampledDataCtrlr", "TxUpdatedMeasurands", "")
_PASSWORD: Name = ("SecurityCtrlr", "BasicAuthPassword", "")


def variables(state: State) -> dict[Name, str]:
    """Every variable that can be read."""
    own, abilities = state.configuration, state.abilities
    return {
        **{name: str(getattr(own, field)) for name, field in _INTERVALS.items()},
        _MEASURANDS: ",".join(own.measurands),
        ("SampledDataCtrlr", "Available", ""): "true",
        ("SampledDataCtrlr", "Enabled", ""): "true",
        ("AlignedDataCtrlr", "Available", ""): "true",
        ("ChargingStation", "VendorName", ""): "Busbar",
        ("ChargingStation", "Model", ""): state.model,
        ("ChargingStation", "SupplyPhases", ""): "3",
        ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", ""): "true",
        ("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables"): "50",
        ("DeviceDataCtrlr", "ItemsPerMessage", "SetVariables"): "50",
        ("SmartChargingCtrlr", "Available", ""): "true",
        ("SmartChargingCtrlr", "Enabled", ""): "true",
        ("SmartChargingCtrlr", "RateUnit", ""): ",".join(unit.value for unit in abilities.units),
        ("SmartChargingCtrlr", "ProfileStackLevel", ""): str(abilities.most_stack_level),
        ("SmartChargingCtrlr", "PeriodsPerSchedule", ""): str(abilities.most_periods),
        ("SmartChargingCtrlr", "Entries", "ChargingProfiles"): str(abilities.most_profiles),
        ("SmartChargingCtrlr", "LimitChangeSignificance", ""): "0",
        ("SmartChargingCtrlr", "Phases3to1", ""): "false",
    }


def read_variable(state: State, asked: Payload) -> tuple[str, str | None]:
    """Status and value."""
    if asked.get("attributeType", "Actual") != "Actual":
        return "NotSupportedAttributeType", None
    name = _name(asked)
    known = variables(state)
    if name in known:
        return "Accepted", known[name]
    if name == _PASSWORD:
        return "Rejected", None
    is_known = any(component == name[0] for component, _, _ in known)
    return ("UnknownVariable" if is_known else "UnknownComponent"), None


def change_variable(state: State, asked: Payload) -> str:
    """Change one; what is answered."""
    own, name, value = state.configuration, _name(asked), asked["attributeValue"]
    if asked.get("attributeType", "Actual") != "Actual":
        return "NotSupportedAttributeType"
    if name in _INTERVALS:
        seconds = interval_s(value)
        if seconds is None:
            return "Rejected"
        setattr(own, _INTERVALS[name], seconds)
        return "Accepted"
    if name == _MEASURANDS:
        wanted = measurands_in(value)
        if wanted is None:
            return "Rejected"
        own.measurands = wanted
        return "Accepted"
    if name == _PASSWORD:
        # From 16 to 40 characters (A01.FR.02); it holds from the next connection on.
        if not 16 <= len(value) <= 40:
            return "Rejected"
        own.secret = value
        return "Accepted"
    status, _ = read_variable(state, asked)
    return "Rejected" if status == "Accepted" else status


def _name(asked: Payload) -> Name:
    variable = asked["variable"]
    return asked["component"]["name"], variable["name"], variable.get("instance", "")
