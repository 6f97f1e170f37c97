"""OCPP 2.0.1, the charge point's side. Each outlet is an EVSE with one connector."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from busbar.simulator.stations.composite import composite_schedule
from busbar.simulator.stations.obeying import may_come_with_start, place_of_transaction, place_to_start, take_profile
from busbar.simulator.stations.outlets import Draw, Outlet, Stage
from busbar.simulator.stations.profiles import Profile, Purpose, RateUnit, cleared
from busbar.simulator.stations.reading import read_profile
from busbar.simulator.stations.samples import Sample
from busbar.simulator.stations.schemas import V201
from busbar.simulator.stations.speech import (
    Call,
    CallKind,
    Done,
    Fault,
    Payload,
    Reason,
    Reply,
    Restart,
    Say,
    Start,
    State,
    Stop,
    stamp,
)
from busbar.simulator.stations.variables201 import change_variable, read_variable

_EXTERNAL = "ChargingStationExternalConstraints"
_REASONS = {
    Reason.VEHICLE_LEFT: ("EVDisconnected", "EVCommunicationLost"),
    Reason.REMOTE: ("Remote", "RemoteStop"),
    Reason.NOT_AUTHORIZED: ("DeAuthorized", "Deauthorized"),
    Reason.REBOOT: ("Reboot", "ResetCommand"),
    Reason.POWER_LOST: ("PowerLoss", "AbnormalCondition"),
}
_STATES = {
    Draw.CHARGING: "Charging",
    Draw.HELD_BY_VEHICLE: "SuspendedEV",
    Draw.HELD_BY_STATION: "SuspendedEVSE",
}
_TRIGGERS = {
    "BootNotification": CallKind.BOOT,
    "Heartbeat": CallKind.HEARTBEAT,
    "MeterValues": CallKind.SAMPLE,
    "StatusNotification": CallKind.STATUS,
    "TransactionEvent": CallKind.CHANGE,
}


class Speech201:
    """Says everything in OCPP 2.0.1 (the protocol `Speech`)."""

    subprotocol = "ocpp2.0.1"
    schemas = V201
    names_transactions = True

    def boot(self, state: State, at_s: float) -> Call:
        """BootNotification."""
        content = {
            "chargingStation": {
                "vendorName": "Busbar",
                "model": state.model[:20],
                "serialNumber": state.id[:25],
                "firmwareVersion": "simulated 1",
            },
            "reason": state.booted_by,
        }
        return Call(kind=CallKind.BOOT, action="BootNotification", make=lambda: content, at_s=at_s)

    def heartbeat(self, at_s: float) -> Call:
        """Heartbeat."""
        return Call(kind=CallKind.HEARTBEAT, action="Heartbeat", make=dict, at_s=at_s)

    def status(self, state: State, place: int | None, at_s: float) -> Call | None:
        """StatusNotification of one connector; the whole unit has none."""
        if place is None:
            return None
        outlet = state.outlets[place]
        content = {
            "timestamp": stamp(at_s),
            "connectorStatus": self.status_of(outlet),
            "evseId": outlet.number,
            "connectorId": 1,
        }
        return Call(kind=CallKind.STATUS, action="StatusNotification", make=lambda: content, at_s=at_s, outlet=place)

    def status_of(self, outlet: Outlet) -> str:
        """Available or Occupied."""
        return "Available" if outlet.stage is Stage.FREE else "Occupied"

    def authorize(self, state: State, place: int, id_tag: str, at_s: float) -> Call:
        """Authorize."""
        content = {"idToken": _token(id_tag)}
        return Call(kind=CallKind.AUTHORIZE, action="Authorize", make=lambda: content, at_s=at_s, outlet=place)

    def begin(self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool) -> Call:
        """TransactionEvent Started."""
        transaction = outlet.transaction
        assert transaction is not None
        trigger = "Authorized" if transaction.remote_start is None else "RemoteStart"
        more = {"idToken": _token(transaction.id_tag)}
        return _event(CallKind.START, "Started", trigger, place, outlet, at_s, is_offline=is_offline, more=more)

    def change(
        self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool, is_asked: bool = False
    ) -> Call | None:
        """TransactionEvent Updated, because the charging state changed."""
        if outlet.transaction is None:
            return None
        trigger = "Trigger" if is_asked else "ChargingStateChanged"
        return _event(CallKind.CHANGE, "Updated", trigger, place, outlet, at_s, is_offline=is_offline)

    def end(self, place: int, outlet: Outlet, at_s: float, reason: Reason, *, is_offline: bool) -> Call:
        """TransactionEvent Ended."""
        stopped, trigger = _REASONS[reason]
        call = _event(CallKind.STOP, "Ended", trigger, place, outlet, at_s, is_offline=is_offline, state="EVConnected")
        content = call.make()
        content["transactionInfo"]["stoppedReason"] = stopped
        return call

    def sample(
        self, place: int, outlet: Outlet, samples: tuple[Sample, ...], at_s: float, context: str, *, is_offline: bool
    ) -> Call:
        """TransactionEvent Updated inside a transaction, MeterValues outside."""
        values: list[Payload] = [
            {"timestamp": stamp(at_s), "sampledValue": [_written(each, context) for each in samples]}
        ]
        if outlet.transaction is not None and context == "Sample.Periodic":
            more = {"meterValue": values}
            trigger = "MeterValuePeriodic"
            return _event(CallKind.SAMPLE, "Updated", trigger, place, outlet, at_s, is_offline=is_offline, more=more)
        content = {"evseId": outlet.number, "meterValue": values}
        return Call(kind=CallKind.SAMPLE, action="MeterValues", make=lambda: content, at_s=at_s, outlet=place)

    def reply(self, call: Call, payload: Payload) -> Reply:
        """Understand an answer."""
        if call.kind is CallKind.BOOT:
            interval = payload.get("interval")
            return Reply(
                is_accepted=payload.get("status") == "Accepted",
                interval_s=interval if isinstance(interval, int) else None,
            )
        token = payload.get("idTokenInfo")
        return Reply(is_accepted=not isinstance(token, dict) or token.get("status") == "Accepted")

    def obey(self, state: State, action: str, payload: Payload, at_s: float) -> Done | Fault:
        """Do as told and answer."""
        handler = _HANDLERS.get(action)
        if handler is None:
            return Fault(code="NotImplemented", description=f"{action} is not implemented.")
        return handler(state, payload, at_s)


def _token(id_tag: str) -> Payload:
    return {"idToken": id_tag, "type": "ISO14443"}


def _event(
    kind: CallKind,
    event: str,
    trigger: str,
    place: int,
    outlet: Outlet,
    at_s: float,
    *,
    is_offline: bool,
    state: str | None = None,
    more: Payload | None = None,
) -> Call:
    """A TransactionEvent; numbered when it is made, so that what came first has the lower number."""
    transaction = outlet.transaction
    assert transaction is not None
    about: Payload = {
        "transactionId": transaction.id,
        "chargingState": state or _STATES[outlet.reason],
    }
    if transaction.remote_start is not None and event == "Started":
        about["remoteStartId"] = transaction.remote_start
    content: Payload = {
        "eventType": event,
        "timestamp": stamp(at_s),
        "triggerReason": trigger,
        "seqNo": transaction.messages,
        "offline": is_offline,
        "transactionInfo": about,
        "evse": {"id": outlet.number, "connectorId": 1},
        **(more or {}),
    }
    transaction.messages += 1
    return Call(
        kind=kind,
        action="TransactionEvent",
        make=lambda: content,
        at_s=at_s,
        outlet=place,
        transaction=transaction,
    )


def _written(sample: Sample, context: str) -> Payload:
    written: Payload = {
        "value": sample.value,
        "context": context,
        "measurand": sample.measurand,
        "unitOfMeasure": {"unit": sample.unit},
    }
    return written if sample.phase is None else {**written, "phase": sample.phase}


def _status(status: str, *, why: str = "", more: Payload | None = None, **facts: Any) -> Done:
    payload: Payload = {"status": status, **(more or {})}
    if why:
        payload["statusInfo"] = {"reasonCode": why}
    return Done(payload=payload, status=status, **facts)


def _get_variables(state: State, payload: Payload, at_s: float) -> Done | Fault:
    results = []
    for each in payload["getVariableData"]:
        status, value = read_variable(state, each)
        asked = {key: each[key] for key in ("attributeType", "component", "variable") if key in each}
        found = {"attributeStatus": status, **asked}
        results.append(found if value is None else {**found, "attributeValue": value})
    return Done(payload={"getVariableResult": results})


def _set_variables(state: State, payload: Payload, at_s: float) -> Done | Fault:
    results = []
    for each in payload["setVariableData"]:
        asked = {key: each[key] for key in ("attributeType", "component", "variable") if key in each}
        results.append({"attributeStatus": change_variable(state, each), **asked})
    return Done(payload={"setVariableResult": results}, status=results[0]["attributeStatus"])


def _set_charging_profile(state: State, payload: Payload, at_s: float) -> Done | Fault:
    given = payload["chargingProfile"]
    if given["chargingProfilePurpose"] == _EXTERNAL:
        # Only a system on site sets it, never the central one (K01.FR.22).
        return _status("Rejected", why="InvalidProfile")
    try:
        profile = read_profile(given, connector=payload["evseId"])
    except ValueError as error:
        return Fault(code="PropertyConstraintViolation", description=str(error)[:255])
    taken = take_profile(state, profile)
    status = "Rejected" if taken.why else "Accepted"
    return _status(status, why=taken.why, profile=profile, outlet=taken.place)


def _clear_charging_profile(state: State, payload: Payload, at_s: float) -> Done | Fault:
    which = payload.get("chargingProfileCriteria", {})
    named = which.get("chargingProfilePurpose")
    if named == _EXTERNAL:
        return _status("Unknown")
    purpose = Purpose.STATION_MAX if named == "ChargingStationMaxProfile" else None if named is None else Purpose(named)
    left = cleared(
        state.profiles,
        id=payload.get("chargingProfileId"),
        connector=which.get("evseId"),
        purpose=purpose,
        stack_level=which.get("stackLevel"),
    )
    status = "Unknown" if left == state.profiles else "Accepted"
    state.profiles = left
    return _status(status)


def _get_composite_schedule(state: State, payload: Payload, at_s: float) -> Done | Fault:
    number, duration_s = payload["evseId"], payload["duration"]
    place = state.place(number)
    unit = RateUnit(payload.get("chargingRateUnit") or ("A" if state.is_ac else "W"))
    if place is None and number != 0:
        return _status("Rejected", why="UnknownEvse")
    if (unit is RateUnit.A and not state.is_ac) or duration_s < 1:
        return _status("Rejected", why="UnsupportedRateUnit")
    schedule = {
        "chargingSchedulePeriod": composite_schedule(state, place, at_s=at_s, duration_s=duration_s, unit=unit),
        "evseId": number,
        "duration": duration_s,
        "scheduleStart": stamp(at_s),
        "chargingRateUnit": unit.value,
    }
    return _status("Accepted", more={"schedule": schedule}, outlet=place)


def _trigger_message(state: State, payload: Payload, at_s: float) -> Done | Fault:
    kind = _TRIGGERS.get(payload["requestedMessage"])
    number = payload.get("evse", {}).get("id")
    place = None if number is None else state.place(number)
    if kind is None:
        return _status("NotImplemented")
    if number and place is None:
        return _status("Rejected", why="UnknownEvse")
    return _status("Accepted", outlet=place, wish=Say(kind=kind, outlet=place))


def _request_start(state: State, payload: Payload, at_s: float) -> Done | Fault:
    place = place_to_start(state, payload.get("evseId"))
    if place is None:
        return _status("Rejected", why="NoVehicle")
    profile: Profile | None = None
    if "chargingProfile" in payload:
        try:
            profile = read_profile(payload["chargingProfile"], connector=state.outlets[place].number)
        except ValueError as error:
            return Fault(code="PropertyConstraintViolation", description=str(error)[:255])
        # Its transaction does not exist yet (F01.FR.11).
        if not may_come_with_start(state, profile):
            return _status("Rejected", why="InvalidProfile", profile=profile, outlet=place)
    tag, remote_start = payload["idToken"]["idToken"], payload["remoteStartId"]
    wish = Start(outlet=place, id_tag=tag, profile=profile, remote_start=remote_start)
    return _status("Accepted", profile=profile, outlet=place, wish=wish)


def _request_stop(state: State, payload: Payload, at_s: float) -> Done | Fault:
    place = place_of_transaction(state, payload["transactionId"])
    if place is None:
        return _status("Rejected", why="TxNotFound")
    return _status("Accepted", outlet=place, wish=Stop(outlet=place))


def _reset(state: State, payload: Payload, at_s: float) -> Done | Fault:
    return _status("Accepted", wish=Restart())


_HANDLERS: Mapping[str, Callable[[State, Payload, float], Done | Fault]] = MappingProxyType(
    {
        "GetVariables": _get_variables,
        "SetVariables": _set_variables,
        "SetChargingProfile": _set_charging_profile,
        "ClearChargingProfile": _clear_charging_profile,
        "GetCompositeSchedule": _get_composite_schedule,
        "TriggerMessage": _trigger_message,
        "RequestStartTransaction": _request_start,
        "RequestStopTransaction": _request_stop,
        "Reset": _reset,
    }
)
