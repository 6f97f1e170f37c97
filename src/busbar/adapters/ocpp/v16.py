"""OCPP 1.6J."""

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
from busbar.adapters.ocpp.profiles import Profile, profile_fields, schedule_fields, stamp
from busbar.engine.events import ConnectorState

HEARTBEAT_S = 300
_ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
_STATES = {
    "available": ConnectorState.FREE,
    "preparing": ConnectorState.OCCUPIED,
    "reserved": ConnectorState.OCCUPIED,
    "charging": ConnectorState.CHARGING,
    "suspendedev": ConnectorState.PAUSED_BY_VEHICLE,
    "suspendedevse": ConnectorState.PAUSED_BY_CHARGE_POINT,
    "finishing": ConnectorState.FINISHING,
    "unavailable": ConnectorState.UNAVAILABLE,
    "faulted": ConnectorState.FAULTED,
    # 1.5's word, which some units still use.
    "occupied": ConnectorState.OCCUPIED,
}
_KEYS = (
    "SupportedFeatureProfiles",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "NumberOfConnectors",
    "ConnectorSwitch3to1PhaseSupported",
    "MeterValueSampleInterval",
    "MeterValuesSampledData",
    "ClockAlignedDataInterval",
    "MeterValuesAlignedData",
    "WebSocketPingInterval",
)


class Version16:
    """How OCPP 1.6J says things (the protocol `Version`)."""

    protocol = "ocpp1.6"
    samples_answer = b"{}"
    numbers_transactions = True
    has_charging_states = False

    def hear(self, action: str, payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard | None:
        """What a message says; None: there is no such action here."""
        reader = _READERS.get(action)
        return None if reader is None else reader(payload, now, counts)

    def set_profile(self, evse: int, profile: Profile) -> Call:
        """Install a profile."""
        return Call("SetChargingProfile", {"connectorId": evse, "csChargingProfiles": _profile(profile)})

    def clear_profile(self, profile_id: int) -> Call:
        """Remove exactly that one."""
        return Call("ClearChargingProfile", {"id": profile_id})

    def stop(self, reference: str) -> Call:
        """End a transaction."""
        return Call("RemoteStopTransaction", {"transactionId": int(reference)})

    def start(self, evse: int, id_tag: str, start_id: int, profile: Profile | None) -> Call:
        """Begin a transaction from here. 1.6 has no id for a start."""
        payload: dict[str, Any] = {"connectorId": evse, "idTag": id_tag[:20]}
        if profile is not None:
            payload["chargingProfile"] = _profile(profile)
        return Call("RemoteStartTransaction", payload)

    def trigger(self, message: str) -> Call:
        """Ask for `BootNotification` or `StatusNotification`."""
        return Call("TriggerMessage", {"requestedMessage": message})

    def questions(self) -> tuple[Call, ...]:
        """The keys that matter; and all keys, for units that choke on a list of them."""
        return (Call("GetConfiguration", {"key": list(_KEYS)}), Call("GetConfiguration", {}))

    def capabilities(self, answer: Mapping[str, Any], counts: Counts) -> Capabilities:
        """What the answer to GetConfiguration says."""
        said: dict[str, str] = {}
        fixed: set[str] = set()
        for entry in map(mapping, sequence(answer.get("configurationKey"))):
            key, value = text(entry.get("key")), text(entry.get("value"), most=500)
            if key is not None and key in _KEYS:
                said[key] = value or ""
                if entry.get("readonly") is True:
                    fixed.add(key)
        profiles = said.get("SupportedFeatureProfiles")
        return Capabilities(
            rate_units=can.rate_units(said.get("ChargingScheduleAllowedChargingRateUnit"), counts),
            most_stack_level=can.stack_level(said.get("ChargeProfileMaxStackLevel"), counts),
            most_periods=can.periods(said.get("ChargingScheduleMaxPeriods"), counts),
            most_profiles=can.profiles(said.get("MaxChargingProfilesInstalled"), counts),
            connectors=can.connector_count(said.get("NumberOfConnectors"), counts),
            has_smart_charging="smartcharging" in profiles.replace(" ", "").lower() if profiles else None,
            switches_phases=can.flag(said.get("ConnectorSwitch3to1PhaseSupported")),
            settings={key: value for key, value in said.items() if key not in fixed},
        )

    def settings(self, wishes: Wishes) -> tuple[Setting, ...]:
        """Intervals, and what is measured."""
        measurands = (",".join(wishes.measurands), ",".join(wishes.few_measurands))
        return (
            Setting("MeterValueSampleInterval", _intervals(wishes.sample_s)),
            Setting("MeterValuesSampledData", measurands),
            Setting("ClockAlignedDataInterval", _intervals(wishes.idle_sample_s)),
            Setting("MeterValuesAlignedData", measurands),
            Setting("WebSocketPingInterval", (str(wishes.ping_s),)),
        )

    def change(self, key: str, value: str) -> Call:
        """Change one setting."""
        return Call("ChangeConfiguration", {"key": key, "value": value})

    def change_status(self, answer: Mapping[str, Any]) -> str:
        """The word that a change was answered with; empty: there was none."""
        return text(answer.get("status")) or ""


def _intervals(wanted_s: int) -> tuple[str, ...]:
    """The interval wanted, then the larger ones that are usual."""
    return tuple(str(value) for value in (wanted_s, *(usual for usual in (10, 30, 60) if usual > wanted_s)))


def _profile(profile: Profile) -> dict[str, Any]:
    fields = {"chargingProfileId": profile.id, **profile_fields(profile), "chargingSchedule": schedule_fields(profile)}
    if profile.reference is not None:
        fields["transactionId"] = int(profile.reference)
    return fields


def _boot(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    boot = Boot(
        vendor=text(payload.get("chargePointVendor")),
        model=text(payload.get("chargePointModel")),
        firmware=text(payload.get("firmwareVersion")),
        serial=text(payload.get("chargePointSerialNumber")) or text(payload.get("chargeBoxSerialNumber")),
    )
    return Heard((boot,), {"status": "Accepted", "currentTime": stamp(now), "interval": HEARTBEAT_S})


def _heartbeat(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    return Heard((), {"currentTime": stamp(now)})


def _status(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    evse = number(payload.get("connectorId"))
    state = _STATES.get((text(payload.get("status")) or "").lower())
    if state is None:
        counts.add("unknown status")
    if evse is None or state is None or evse == 0:
        return Heard((), {})
    error = text(payload.get("errorCode")) or ""
    words = (error if error != "NoError" else "", text(payload.get("info")), text(payload.get("vendorErrorCode")))
    detail = ", ".join(word for word in words if word)
    return Heard((Status(evse=evse, state=state, at=when(payload.get("timestamp"), counts), detail=detail),), {})


def _authorize(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    tag = text(payload.get("idTag"))
    return Heard((Tag(id_tag=tag),) if tag else (), _ACCEPTED)


def _start(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    evse = number(payload.get("connectorId"))
    if evse is None or evse < 1:
        # A unit with one connector may leave it out or say 0.
        counts.add("transaction without a connector")
        evse = 1
    begin = Begin(
        evse=evse,
        reference=None,
        at=when(payload.get("timestamp"), counts),
        id_tag=text(payload.get("idTag")),
        meter_start_wh=number(payload.get("meterStart")),
    )
    return Heard((begin,), _ACCEPTED, names_transaction=True)


def _stop(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    reference = number(payload.get("transactionId"))
    if reference is None:
        counts.add("end without a transaction")
        return Heard((), _ACCEPTED)
    reason = text(payload.get("reason")) or "Local"
    end = End(reference=str(reference), at=when(payload.get("timestamp"), counts), reason=reason)
    return Heard((end,), _ACCEPTED)


def _meter_values(payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard:
    reference = number(payload.get("transactionId"))
    evse = number(payload.get("connectorId"))
    values = sequence(payload.get("meterValue"))
    reports: tuple[Report, ...] = ()
    if evse and values:
        named = str(reference) if reference is not None and reference > 0 else None
        reports = (Samples(evse=evse, reference=named, values=values),)
    return Heard(reports, {})


def _plain(answer: Mapping[str, Any]) -> Callable[[Mapping[str, Any], datetime, Counts], Heard]:
    heard = Heard((), answer)
    return lambda payload, now, counts: heard


_READERS: Mapping[str, Callable[[Mapping[str, Any], datetime, Counts], Heard]] = {
    "BootNotification": _boot,
    "Heartbeat": _heartbeat,
    "StatusNotification": _status,
    "Authorize": _authorize,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "MeterValues": _meter_values,
    "DataTransfer": _plain({"status": "UnknownVendorId"}),
    "DiagnosticsStatusNotification": _plain({}),
    "FirmwareStatusNotification": _plain({}),
    "SecurityEventNotification": _plain({}),
    "LogStatusNotification": _plain({}),
    "SignedFirmwareStatusNotification": _plain({}),
    "SignCertificate": _plain({"status": "Rejected"}),
}
