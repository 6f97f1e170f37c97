"""OCPP 1.6J, the charge point's side."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from busbar.simulator.stations.composite import composite_schedule
from busbar.simulator.stations.obeying import may_come_with_start, place_of_transaction, place_to_start, take_profile
from busbar.simulator.stations.outlets import Draw, Outlet, Stage
from busbar.simulator.stations.profiles import Profile, Purpose, RateUnit, cleared
from busbar.simulator.stations.reading import read_profile
from busbar.simulator.stations.samples import Sample
from busbar.simulator.stations.schemas import V16
from busbar.simulator.stations.settings16 import change_setting, settings
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

_REASONS = {
    Reason.VEHICLE_LEFT: "EVDisconnected",
    Reason.REMOTE: "Remote",
    Reason.NOT_AUTHORIZED: "DeAuthorized",
    Reason.REBOOT: "SoftReset",
    Reason.POWER_LOST: "PowerLoss",
}
_STAGES = {
    Stage.FREE: "Available",
    Stage.PLUGGED: "Preparing",
    Stage.ASKED: "Preparing",
    Stage.ENDED: "Finishing",
}
_DRAWS = {
    Draw.CHARGING: "Charging",
    Draw.HELD_BY_VEHICLE: "SuspendedEV",
    Draw.HELD_BY_STATION: "SuspendedEVSE",
}
_TRIGGERS = {
    "BootNotification": CallKind.BOOT,
    "Heartbeat": CallKind.HEARTBEAT,
    "MeterValues": CallKind.SAMPLE,
    "StatusNotification": CallKind.STATUS,
}


class Speech16:
    """Says everything in OCPP 1.6J (the protocol `Speech`)."""

    subprotocol = "ocpp1.6"
    schemas = V16
    names_transactions = False

    def boot(self, state: State, at_s: float) -> Call:
        """BootNotification."""
        content = {
            "chargePointVendor": "Busbar",
            "chargePointModel": state.model,
            "chargePointSerialNumber": state.id[:25],
            "firmwareVersion": "simulated 1",
        }
        return Call(kind=CallKind.BOOT, action="BootNotification", make=lambda: content, at_s=at_s)

    def heartbeat(self, at_s: float) -> Call:
        """Heartbeat."""
        return Call(kind=CallKind.HEARTBEAT, action="Heartbeat", make=dict, at_s=at_s)

    def status(self, state: State, place: int | None, at_s: float) -> Call | None:
        """StatusNotification; connector 0 is the whole unit."""
        outlet = None if place is None else state.outlets[place]
        content = {
            "connectorId": 0 if outlet is None else outlet.number,
            "errorCode": "NoError",
            "status": "Available" if outlet is None else self.status_of(outlet),
            "timestamp": stamp(at_s),
        }
        return Call(kind=CallKind.STATUS, action="StatusNotification", make=lambda: content, at_s=at_s, outlet=place)

    def status_of(self, outlet: Outlet) -> str:
        """Available, Preparing, Charging, SuspendedEV, SuspendedEVSE or Finishing."""
        return _STAGES.get(outlet.stage) or _DRAWS[outlet.reason]

    def authorize(self, state: State, place: int, id_tag: str, at_s: float) -> Call:
        """Authorize."""
        content = {"idTag": id_tag}
        return Call(kind=CallKind.AUTHORIZE, action="Authorize", make=lambda: content, at_s=at_s, outlet=place)

    def begin(self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool) -> Call:
        """StartTransaction; its answer names the transaction."""
        transaction = outlet.transaction
        assert transaction is not None
        content = {
            "connectorId": outlet.number,
            "idTag": transaction.id_tag,
            "meterStart": int(outlet.energy_wh),
            "timestamp": stamp(at_s),
        }
        return Call(
            kind=CallKind.START,
            action="StartTransaction",
            make=lambda: content,
            at_s=at_s,
            outlet=place,
            transaction=transaction,
        )

    def change(
        self, place: int, outlet: Outlet, at_s: float, *, is_offline: bool, is_asked: bool = False
    ) -> Call | None:
        """StatusNotification says it already."""
        return None

    def end(self, place: int, outlet: Outlet, at_s: float, reason: Reason, *, is_offline: bool) -> Call:
        """StopTransaction; the transaction's id may still have to come when this is made."""
        transaction = outlet.transaction
        assert transaction is not None
        content: Payload = {
            "meterStop": int(outlet.energy_wh),
            "timestamp": stamp(at_s),
            "idTag": transaction.id_tag,
            "reason": _REASONS[reason],
        }
        return Call(
            kind=CallKind.STOP,
            action="StopTransaction",
            # One that was never named (the StartTransaction got lost for good) has the id that stands for none.
            make=lambda: {"transactionId": int(transaction.id or -1), **content},
            at_s=at_s,
            outlet=place,
            transaction=transaction,
        )

    def sample(
        self, place: int, outlet: Outlet, samples: tuple[Sample, ...], at_s: float, context: str, *, is_offline: bool
    ) -> Call:
        """MeterValues."""
        transaction = outlet.transaction
        content: Payload = {
            "connectorId": outlet.number,
            "meterValue": [{"timestamp": stamp(at_s), "sampledValue": [_written(each, context) for each in samples]}],
        }

        def make() -> Payload:
            if transaction is None or transaction.id is None:
                return content
            return {**content, "transactionId": int(transaction.id)}

        return Call(
            kind=CallKind.SAMPLE, action="MeterValues", make=make, at_s=at_s, outlet=place, transaction=transaction
        )

    def reply(self, call: Call, payload: Payload) -> Reply:
        """Understand an answer."""
        if call.kind is CallKind.BOOT:
            interval = payload.get("interval")
            return Reply(
                is_accepted=payload.get("status") == "Accepted",
                interval_s=interval if isinstance(interval, int) else None,
            )
        tag = payload.get("idTagInfo")
        is_accepted = not isinstance(tag, dict) or tag.get("status") == "Accepted"
        transaction = payload.get("transactionId")
        return Reply(is_accepted=is_accepted, transaction=None if transaction is None else str(transaction))

    def obey(self, state: State, action: str, payload: Payload, at_s: float) -> Done | Fault:
        """Do as told and answer."""
        handler = _HANDLERS.get(action)
        if handler is None:
            return Fault(code="NotImplemented", description=f"{action} is not implemented.")
        return handler(state, payload, at_s)


def _written(sample: Sample, context: str) -> Payload:
    written = {
        "value": f"{sample.value:g}" if sample.value < 100_000 else f"{sample.value:.0f}",
        "context": context,
        "measurand": sample.measurand,
        "unit": sample.unit,
    }
    return written if sample.phase is None else {**written, "phase": sample.phase}


def _status(status: str, **more: Any) -> Done:
    return Done(payload={"status": status}, status=status, **more)


def _get_configuration(state: State, payload: Payload, at_s: float) -> Done | Fault:
    known = settings(state)
    wanted = payload.get("key") or list(known)
    found = [{"key": key, "readonly": known[key].is_fixed, "value": known[key].value} for key in wanted if key in known]
    return Done(payload={"configurationKey": found, "unknownKey": [key for key in wanted if key not in known]})


def _change_configuration(state: State, payload: Payload, at_s: float) -> Done | Fault:
    return _status(change_setting(state, payload["key"], payload["value"]))


def _set_charging_profile(state: State, payload: Payload, at_s: float) -> Done | Fault:
    try:
        profile = read_profile(payload["csChargingProfiles"], connector=payload["connectorId"])
    except ValueError as error:
        return Fault(code="PropertyConstraintViolation", description=str(error)[:255])
    taken = take_profile(state, profile)
    return _status("Rejected" if taken.why else "Accepted", profile=profile, outlet=taken.place)


def _clear_charging_profile(state: State, payload: Payload, at_s: float) -> Done | Fault:
    purpose = payload.get("chargingProfilePurpose")
    left = cleared(
        state.profiles,
        id=payload.get("id"),
        connector=payload.get("connectorId"),
        purpose=None if purpose is None else Purpose(purpose),
        stack_level=payload.get("stackLevel"),
    )
    status = "Unknown" if left == state.profiles else "Accepted"
    state.profiles = left
    return _status(status)


def _get_composite_schedule(state: State, payload: Payload, at_s: float) -> Done | Fault:
    number, duration_s = payload["connectorId"], payload["duration"]
    place = state.place(number)
    unit = RateUnit(payload.get("chargingRateUnit") or ("A" if state.is_ac else "W"))
    if (place is None and number != 0) or (unit is RateUnit.A and not state.is_ac) or duration_s < 1:
        return _status("Rejected")
    periods = composite_schedule(state, place, at_s=at_s, duration_s=duration_s, unit=unit)
    return Done(
        payload={
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": stamp(at_s),
            "chargingSchedule": {
                "duration": duration_s,
                "startSchedule": stamp(at_s),
                "chargingRateUnit": unit.value,
                "chargingSchedulePeriod": periods,
            },
        },
        status="Accepted",
        outlet=place,
    )


def _trigger_message(state: State, payload: Payload, at_s: float) -> Done | Fault:
    kind = _TRIGGERS.get(payload["requestedMessage"])
    number = payload.get("connectorId")
    place = None if number is None else state.place(number)
    if kind is None:
        return _status("NotImplemented")
    if number and place is None:
        return _status("Rejected")
    return _status("Accepted", outlet=place, wish=Say(kind=kind, outlet=place))


def _remote_start(state: State, payload: Payload, at_s: float) -> Done | Fault:
    place = place_to_start(state, payload.get("connectorId"))
    if place is None:
        return _status("Rejected")
    profile: Profile | None = None
    if "chargingProfile" in payload:
        try:
            profile = read_profile(payload["chargingProfile"], connector=state.outlets[place].number)
        except ValueError as error:
            return Fault(code="PropertyConstraintViolation", description=str(error)[:255])
        if not may_come_with_start(state, profile):
            return _status("Rejected", profile=profile, outlet=place)
    wish = Start(outlet=place, id_tag=payload["idTag"], profile=profile)
    return _status("Accepted", profile=profile, outlet=place, wish=wish)


def _remote_stop(state: State, payload: Payload, at_s: float) -> Done | Fault:
    place = place_of_transaction(state, str(payload["transactionId"]))
    return _status("Rejected") if place is None else _status("Accepted", outlet=place, wish=Stop(outlet=place))


def _reset(state: State, payload: Payload, at_s: float) -> Done | Fault:
    return _status("Accepted", wish=Restart())


_HANDLERS: Mapping[str, Callable[[State, Payload, float], Done | Fault]] = MappingProxyType(
    {
        "GetConfiguration": _get_configuration,
        "ChangeConfiguration": _change_configuration,
        "SetChargingProfile": _set_charging_profile,
        "ClearChargingProfile": _clear_charging_profile,
        "GetCompositeSchedule": _get_composite_schedule,
        "TriggerMessage": _trigger_message,
        "RemoteStartTransaction": _remote_start,
        "RemoteStopTransaction": _remote_stop,
        "Reset": _reset,
    }
)
