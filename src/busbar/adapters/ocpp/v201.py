"""OCPP 2.0.1, and 2.1 as the same with profiles that lapse when the charge point is offline."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from busbar.adapters.ocpp import capabilities as can
from busbar.adapters.ocpp.capabilities import Capabilities
from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.messages import (
    Begin,
    Boot,
    Call,
    Charging,
    End,
    Heard,
    Report,
    Samples,
    Setting,
    Status,
    Tag,
    Wishes,
    mapping,
    number,
    sequence,
    text,
    when,
)
from busbar.adapters.ocpp.profiles import STATION_MAX_PROFILE, Profile, profile_fields, schedule_fields, stamp
from busbar.engine.events import ConnectorState

HEARTBEAT_S = 300
_STATES = {
    "available": ConnectorState.FREE,
    "occupied": ConnectorState.OCCUPIED,
    "reserved": ConnectorState.OCCUPIED,
    "unavailable": ConnectorState.UNAVAILABLE,
    "faulted": ConnectorState.FAULTED,
}
_CHARGING = {
    "charging": ConnectorState.CHARGING,
    "evconnected": ConnectorState.OCCUPIED,
    "suspendedev": ConnectorState.PAUSED_BY_VEHICLE,
    "suspendedevse": ConnectorState.PAUSED_BY_CHARGE_POINT,
    "idle": ConnectorState.FINISHING,
}
_VARIABLES = (
    "SmartChargingCtrlr.Available",
    "SmartChargingCtrlr.Enabled",
    "SmartChargingCtrlr.RateUnit",
    "SmartChargingCtrlr.ProfileStackLevel",
    "SmartChargingCtrlr.Entries[ChargingProfiles]",
    "SmartChargingCtrlr.PeriodsPerSchedule",
    "SmartChargingCtrlr.Phases3to1",
    "SampledDataCtrlr.TxUpdatedInterval",
    "SampledDataCtrlr.TxUpdatedMeasurands",
    "AlignedDataCtrlr.Interval",
    "AlignedDataCtrlr.Measurands",
    "OCPPCommCtrlr.WebSocketPingInterval",
)
_ACCEPTED = {"idTokenInfo": {"status": "Accepted"}}


class Version201:
    """How OCPP 2.0.1 and 2.1 say things (the protocol `Version`)."""

    samples_answer = b"{}"
    numbers_transactions = False
    has_charging_states = True

    def __init__(self, protocol: str = "ocpp2.0.1") -> None:
        self._protocol = protocol
        self._lapses = protocol == "ocpp2.1"

    @property
    def protocol(self) -> str:
        """`ocpp2.0.1` or `ocpp2.1`."""
        return self._protocol

    def hear(self, action: str, payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard | None:
        """What a message says; None: there is no such action here."""
        reader = _READERS.get(action)
        return None if reader is None else reader(payload, now, counts)

    def set_profile(self, evse: int, profile: Profile) -> Call:
        """Install a profile."""
        return Call("SetChargingProfile", {"evseId": evse, "chargingProfile": self._profile(profile)})

    def clear_profile(self, profile_id: int) -> Call:
        """Remove exactly that one."""
        return Call("ClearChargingProfile", {"chargingProfileId": profile_id})

    def stop(self, reference: str) -> Call:
        """End a transaction."""
        return Call("RequestStopTransaction", {"transactionId": reference})

    def start(self, evse: int, id_tag: str, start_id: int, profile: Profile | None) -> Call:
        """Begin a transaction from here."""
        payload: dict[str, Any] = {
            "evseId": evse,
            "remoteStartId": start_id,
            "idToken": {"idToken": id_tag[:36], "type": "Central"},
        }
        if profile is not None:
            payload["chargingProfile"] = self._profile(profile)
        return Call("RequestStartTransaction", payload)

    def trigger(self, message: str) -> Call:
        """Ask for `BootNotification` or `StatusNotification`."""
        return Call("TriggerMessage", {"requestedMessage": message})

    def questions(self) -> tuple[Call, ...]:
        """All at once; and only what matters most, for units that take few at a time."""
        few = [variable for variable in _VARIABLES if variable.startswith("SmartChargingCtrlr.")][2:6]
        return (_get(_VARIABLES), _get(few))

    def capabilities(self, answer: Mapping[str, Any], counts: Counts) -> Capabilities:
        """What the answer to GetVariables says."""
        said: dict[str, str] = {}
        for entry in map(mapping, sequence(answer.get("getVariableResult"))):
            value = text(entry.get("attributeValue"), most=2500)
            if (text(entry.get("attributeStatus")) or "").lower() == "accepted" and value is not None:
                said[_variable_name(entry)] = value
        ctrlr = "SmartChargingCtrlr."
        entries = said.get(f"{ctrlr}Entries[ChargingProfiles]") or said.get(f"{ctrlr}Entries")
        has = [can.flag(said.get(f"{ctrlr}{word}")) for word in ("Available", "Enabled")]
        return Capabilities(
            rate_units=can.rate_units(said.get(f"{ctrlr}RateUnit"), counts),
            most_stack_level=can.stack_level(said.get(f"{ctrlr}ProfileStackLevel"), counts),
            most_periods=can.periods(said.get(f"{ctrlr}PeriodsPerSchedule"), counts),
            most_profiles=can.profiles(entries, counts),
            has_smart_charging=None if has == [None, None] else False not in has,
            switches_phases=can.flag(said.get(f"{ctrlr}Phases3to1")),
            settings={key: value for key, value in said.items() if not key.startswith(ctrlr)},
        )

    def settings(self, wishes: Wishes) -> tuple[Setting, ...]:
        """Intervals, and what is measured."""
        measurands = (",".join(wishes.measurands), ",".join(wishes.few_measurands))
        return (
            Setting("SampledDataCtrlr.TxUpdatedInterval", _intervals(wishes.sample_s)),
            Setting("SampledDataCtrlr.TxUpdatedMeasurands", measurands),
            Setting("AlignedDataCtrlr.Interval", _intervals(wishes.idle_sample_s)),
            Setting("AlignedDataCtrlr.Measurands", measurands),
            Setting("OCPPCommCtrlr.WebSocketPingInterval", (str(wishes.ping_s),)),
        )

    def change(self, key: str, value: str) -> Call:
        """Change one variable."""
        return Call("SetVariables", {"setVariableData": [{"attributeValue": value, **_variable(key)}]})

    def change_status(self, answer: Mapping[str, Any]) -> str:
        """The word that a change was answered with; empty: there was none."""
        results = sequence(answer.get("setVariableResult"))
        return (text(mapping(results[0]).get("attributeStatus")) or "") if results else ""

    def _profile(self, profile: Profile) -> dict[str, Any]:
        schedule = {"id": profile.id, **schedule_fields(profile)}
        fields = {"id": profile.id, **profile_fields(profile), "chargingSchedule": [schedule]}
        if profile.purpose == STATION_MAX_PROFILE:
            fields["chargingProfilePurpose"] = "ChargingStationMaxProfile"
        if profile.reference is not None:
            fields["transactionId"] = profile.reference
        if self._lapses and profile.most_offline_s is not None:
            fields["maxOfflineDuration"] = profile.most_offline_s
            fields["invalidAfterOfflineDuration"] = True
        return fields


def _intervals(wanted_s: int) -> tuple[str, ...]:
    return tuple(str(value) for value in (wanted_s, *(usual for usual in (10, 30, 60) if usual > wanted_s)))


def _get(variables: tuple[str, ...] | list[str]) -> Call:
    return Call("GetVariables", {"getVariableData": [_variable(variable) for variable in variables]})


def _variable(key: str) -> dict[str, Any]:
    """`Ctrlr.Name[Instance]` -> component and variable."""
    component, _, name = key.partition(".")
    name, _, instance = name.rstrip("]").partition("[")
    variable = {"name": name, "instance": instance} if instance else {"name": name}
    return {"component": {"name": component}, "variable": variable}


def _variable_name(entry: Mapping[str, Any]) -> str:
    component, variable = mapping(entry.get("component")), mapping(entry.get("variable"))
    instance = text(variable.get("instance"))
    name = f"{text(component.get('name'))}.{text(variable.get('name'))}"
    return f"{name}[{instance}]" if instance else name


def _boot(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    station = mapping(payload.get("chargingStation"))
    boot = Boot(
        vendor=text(station.get("vendorName")),
        model=text(station.get("model")),
        firmware=text(station.get("firmwareVersion")),
        serial=text(station.get("serialNumber")),
    )
    return Heard((boot,), {"status": "Accepted", "currentTime": stamp(now), "interval": HEARTBEAT_S})


def _heartbeat(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    return Heard((), {"currentTime": stamp(now)})


def _status(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    evse = number(payload.get("evseId"))
    state = _STATES.get((text(payload.get("connectorStatus")) or "").lower())
    if state is None:
        counts.add("unknown status")
    if not evse or state is None:
        return Heard((), {})
    return Heard((Status(evse=evse, state=state, at=when(payload.get("timestamp"), counts)),), {})


def _authorize(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    tag = text(mapping(payload.get("idToken")).get("idToken"))
    return Heard((Tag(id_tag=tag),) if tag else (), _ACCEPTED)


def _transaction(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    transaction = mapping(payload.get("transactionInfo"))
    token = mapping(payload.get("idToken"))
    answer = _ACCEPTED if token else {}
    reference = text(transaction.get("transactionId"), most=36)
    if reference is None:
        counts.add("transaction without an id")
        return Heard((), answer)
    at = when(payload.get("timestamp"), counts)
    event = (text(payload.get("eventType")) or "").lower()
    evse = number(mapping(payload.get("evse")).get("id"))
    values = sequence(payload.get("meterValue"))
    reports: list[Report] = []
    if event != "ended":
        reports.append(_begin(token, reference, evse, at, is_found=event != "started"))
        state = _CHARGING.get((text(transaction.get("chargingState")) or "").lower())
        if state is not None:
            reports.append(Charging(reference=reference, state=state, at=at))
    if values:
        reports.append(Samples(evse=evse, reference=reference, values=values))
    if event == "ended":
        reason = text(transaction.get("stoppedReason")) or "Local"
        reports.append(End(reference=reference, at=at, reason=reason))
    return Heard(tuple(reports), answer)


def _begin(token: Mapping[str, Any], reference: str, evse: int | None, at: datetime | None, *, is_found: bool) -> Begin:
    tag = text(token.get("idToken"))
    kind = (text(token.get("type")) or "").lower()
    # A contract (eMAID) or an address of its own names the vehicle as such, a card names whoever holds it.
    names_vehicle = kind in ("emaid", "macaddress", "vin")
    return Begin(
        evse=evse, reference=reference, at=at, id_tag=tag, vehicle=tag if names_vehicle else None, is_found=is_found
    )


def _meter_values(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    evse = number(payload.get("evseId"))
    values = sequence(payload.get("meterValue"))
    return Heard((Samples(evse=evse, reference=None, values=values),) if evse and values else (), {})


def _plain(answer: Mapping[str, Any]) -> Callable[[Mapping[str, Any], datetime, Counts], Heard]:
    heard = Heard((), answer)
    return lambda payload, now, counts: heard


_READERS: Mapping[str, Callable[[Mapping[str, Any], datetime, Counts], Heard]] = {
    "BootNotification": _boot,
    "Heartbeat": _heartbeat,
    "StatusNotification": _status,
    "Authorize": _authorize,
    "TransactionEvent": _transaction,
    "MeterValues": _meter_values,
    "DataTransfer": _plain({"status": "UnknownVendorId"}),
    "SignCertificate": _plain({"status": "Rejected"}),
    # A profile follows with the next setpoint.
    "NotifyEVChargingNeeds": _plain({"status": "Accepted"}),
    "NotifyEVChargingSchedule": _plain({"status": "Accepted"}),
    **{
        action: _plain({})
        for action in (
            "ClearedChargingLimit",
            "FirmwareStatusNotification",
            "LogStatusNotification",
            "NotifyChargingLimit",
            "NotifyCustomerInformation",
            "NotifyDisplayMessages",
            "NotifyEvent",
            "NotifyMonitoringReport",
            "NotifyPriorityCharging",
            "NotifyReport",
            "PublishFirmwareStatusNotification",
            "ReportChargingProfiles",
            "ReservationStatusUpdate",
            "SecurityEventNotification",
        )
    },
}
