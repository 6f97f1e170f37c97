"""Who is let in: known identities that prove who they are, not too many at a time."""

import time
from http import HTTPStatus
from typing import NamedTuple

from websockets.datastructures import Headers
from websockets.http11 import Request

from busbar.adapters.ocpp.directory import Directory
from busbar.adapters.ocpp.identity import (
    LONGEST_IDENTITY,
    basic_password,
    certificate_names,
    path_identities,
)
from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.ocpp.messages import Version
from busbar.adapters.ocpp.station import Station
from busbar.adapters.ocpp.v16 import Version16
from busbar.adapters.ocpp.v201 import Version201
from busbar.adapters.ocpp.wire import StationWire
from busbar.adapters.secrets import BusyError, SecretChecker
from busbar.core.errors import BusbarError
from busbar.engine.ports import ChargePointRecords

VERSIONS: tuple[Version, ...] = (Version201("ocpp2.1"), Version201("ocpp2.0.1"), Version16())
"""The best first: profiles that lapse when the charge point is offline are worth having."""


class Denial(NamedTuple):
    """Why somebody is turned away."""

    status: HTTPStatus
    reason: str
    identity: str = ""
    is_noted: bool = False
    """It goes on the list of those who wait to be made known."""
    retry_s: int | None = None


class Admitted(NamedTuple):
    """Who is let in."""

    station: Station
    version: Version


class Admission:
    """Decides about every new connection."""

    def __init__(
        self, *, listening: Listening, directory: Directory, records: ChargePointRecords, checker: SecretChecker
    ) -> None:
        self._listening = listening
        self._directory = directory
        self._records = records
        self._checker = checker
        self._tokens = listening.connects_per_s
        self._tokens_at_s = time.monotonic()

    async def decide(self, wire: StationWire, request: Request) -> Admitted | Denial:
        """Let in or turn away."""
        if not self._may_connect():
            return Denial(HTTPStatus.SERVICE_UNAVAILABLE, "too many connect at once", retry_s=5)
        try:
            depot_id, identity = path_identities(request.path)
        except BusbarError as error:
            return Denial(HTTPStatus.NOT_FOUND, str(error))
        station = self._directory.find(depot_id, identity)
        shown = identity[:LONGEST_IDENTITY]
        if isinstance(station, str):
            return Denial(HTTPStatus.NOT_FOUND, station, shown, is_noted=True)
        if (left_s := station.refused_until_s - time.monotonic()) > 0:
            return Denial(HTTPStatus.SERVICE_UNAVAILABLE, "turned away for a while", retry_s=int(left_s) + 1)
        offered = _offered(request.headers)
        version = next((one for one in VERSIONS if one.protocol in offered), None)
        if version is None:
            reason = f"speaks none of {', '.join(one.protocol for one in VERSIONS)}: {', '.join(offered)[:100] or '-'}"
            return Denial(HTTPStatus.BAD_REQUEST, reason, shown, is_noted=True)
        denial = await self._prove(station, wire, request.headers.get("Authorization"))
        return denial if denial is not None else Admitted(station, version)

    async def _prove(self, station: Station, wire: StationWire, authorization: str | None) -> Denial | None:
        """None: it is who it says it is."""
        proof = self._listening.proof
        if proof is Proof.NOTHING:
            return None
        shown = station.id[:LONGEST_IDENTITY]
        if proof in (Proof.CERTIFICATE, Proof.EITHER):
            names = certificate_names(wire.transport.get_extra_info("peercert"))
            if station.id in names:
                return None
            if names or proof is Proof.CERTIFICATE:
                reason = f"its certificate is for {', '.join(sorted(names))[:100] or 'nobody'}"
                return Denial(HTTPStatus.UNAUTHORIZED, reason, shown, is_noted=True)
        return await self._check_password(station, basic_password(authorization, station.id))

    async def _check_password(self, station: Station, password: bytes | None) -> Denial | None:
        shown = station.id[:LONGEST_IDENTITY]
        if password is None:
            return Denial(HTTPStatus.UNAUTHORIZED, "no password", shown, is_noted=True)
        try:
            credential = await self._records.credential("charge_point", station.depot_id, station.id)
            if credential is None:
                return Denial(HTTPStatus.UNAUTHORIZED, "has been given no password yet", shown, is_noted=True)
            is_right = await self._checker.verify(password, credential.secret_hash)
        except BusyError:
            return Denial(HTTPStatus.SERVICE_UNAVAILABLE, "too many connect at once", retry_s=5)
        except BusbarError as error:
            return Denial(HTTPStatus.SERVICE_UNAVAILABLE, f"cannot be checked: {error}", retry_s=10)
        return None if is_right else Denial(HTTPStatus.UNAUTHORIZED, "wrong password", shown, is_noted=True)

    def _may_connect(self) -> bool:
        per_s, now_s = self._listening.connects_per_s, time.monotonic()
        self._tokens = min(per_s, self._tokens + (now_s - self._tokens_at_s) * per_s)
        self._tokens_at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _offered(headers: Headers) -> list[str]:
    return [
        word.strip() for line in headers.get_all("Sec-WebSocket-Protocol") for word in line.split(",") if word.strip()
    ]
