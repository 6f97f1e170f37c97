"""Who says it is whom: the path, the password and the certificate of a new connection."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from busbar.core.errors import BusbarError

LONGEST_IDENTITY = 100
"""OCPP allows 48 characters; longer ones are cut where they are noted."""


def path_identities(path: str) -> tuple[str | None, str]:
    """`/ocpp/north/CP1?x=1` -> (`north`, `CP1`): the last segment is the identity, the one before may be the depot.

    Percent-encoded characters are decoded, `/` among them. Raises BusbarError where there is no identity.
    """
    segments = [segment for segment in path.split("?", 1)[0].split("/") if segment]
    if not segments:
        raise BusbarError("The path has no identity in it.")
    try:
        decoded = [unquote(segment, errors="strict") for segment in segments[-2:]]
    except UnicodeDecodeError as error:
        raise BusbarError("The path is not encoded in UTF-8.") from error
    if any(not character.isprintable() for character in decoded[-1]):
        raise BusbarError("The identity has characters that cannot be printed.")
    return (decoded[0] if len(decoded) == 2 else None, decoded[-1])


def basic_password(authorization: str | None, identity: str) -> bytes | None:
    """The password of an `Authorization: Basic` header whose user name is the identity; None: there is no such.

    The identity may hold a colon, and the password any bytes (OCPP 1.6 security whitepaper, section 3.1).
    """
    if authorization is None:
        return None
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user = identity.encode() + b":"
    return decoded[len(user) :] if decoded.startswith(user) else None


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Every name in a client certificate, as `ssl` gives it: common names of the subject, and alternative names."""
    if not certificate:
        return frozenset()
    common = {
        value for entry in certificate.get("subject", ()) for name, value in entry if name == "commonName" and value
    }
    alternative = {value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")}
    return frozenset(common | alternative)
