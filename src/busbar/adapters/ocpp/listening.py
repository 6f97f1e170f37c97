"""Where charge points connect, how they prove who they are, and how much of anything they may do."""

import ipaddress
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from busbar.core.errors import BusbarError


class Proof(StrEnum):
    """How a charge point proves who it is."""

    PASSWORD = "password"
    """HTTP basic authentication (security profile 1; with a certificate of ours, profile 2)."""
    CERTIFICATE = "certificate"
    """A client certificate that names it (security profile 3); nobody connects without one."""
    EITHER = "either"
    """A client certificate, or else the password: for a depot on its way from profile 2 to 3."""
    NOTHING = "nothing"
    """Whoever says so is believed. Only on loopback, for demos and tests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listening:
    """The port for charge points. `check_listening` says what does not go together."""

    host: str = "127.0.0.1"
    port: int = 9000
    """0: any free one; the server says which."""
    proof: Proof = Proof.PASSWORD
    certificate_file: Path | None = None
    """Our certificate and what signed it (PEM); None: no TLS."""
    key_file: Path | None = None
    client_ca_file: Path | None = None
    """Who signs the certificates of charge points (PEM)."""
    most_connections: int = 12_000
    """Beyond it connections are closed at once."""
    connects_per_s: float = 500.0
    """Beyond it connections are asked to come back later (HTTP 503)."""
    most_message_bytes: int = 128 * 1024
    """A longer message closes the connection."""
    messages_per_s: float = 20.0
    """Per connection; beyond it meter values are answered and not looked at."""
    messages_at_once: int = 200
    """What a connection may send in one go, having been silent: a station that comes back sends what it kept."""
    most_unanswered_bytes: int = 256 * 1024
    """A charge point that does not read what it is sent is disconnected beyond it."""
    ping_s: float = 30.0
    """A connection that was silent so long is asked whether it is there."""
    silent_s: float = 75.0
    """A connection that was silent so long is gone."""
    boot_wait_s: float = 2.0
    """How long a new connection has to say that its charge point booted, before it is taken as one that did not."""


def check_listening(listening: Listening) -> None:
    """Raises BusbarError for what cannot be or must not be."""
    if listening.proof is Proof.NOTHING and not _is_loopback(listening.host):
        raise BusbarError(
            f"Charge points that prove nothing are only let in on loopback, and {listening.host} is not: "
            "give them passwords, or listen on 127.0.0.1."
        )
    if (listening.certificate_file is None) != (listening.key_file is None):
        raise BusbarError("TLS needs both, a certificate file and its key file.")
    wants_certificates = listening.proof in (Proof.CERTIFICATE, Proof.EITHER)
    if wants_certificates and (listening.client_ca_file is None or listening.certificate_file is None):
        raise BusbarError("Client certificates need TLS and the file of the CA that signs them.")
    if listening.client_ca_file is not None and not wants_certificates:
        raise BusbarError("A CA for client certificates is given, and they are not asked for: set proof.")


def tls_context(listening: Listening) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the files given; None where there are none. Raises BusbarError where they are unfit."""
    if listening.certificate_file is None or listening.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listening.certificate_file, listening.key_file)
        if listening.client_ca_file is not None:
            context.load_verify_locations(cafile=listening.client_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BusbarError(f"The files for TLS cannot be used: {error}.") from error
    if listening.proof is Proof.CERTIFICATE:
        context.verify_mode = ssl.CERT_REQUIRED
    elif listening.proof is Proof.EITHER:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
