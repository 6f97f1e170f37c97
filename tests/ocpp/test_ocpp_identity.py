"""Paths, passwords and certificates of new connections."""

import base64

import pytest

from busbar.adapters.ocpp.identity import basic_password, certificate_names, path_identities
from busbar.core.errors import BusbarError


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/CP1", (None, "CP1")),
        ("/ocpp/CP1", ("ocpp", "CP1")),
        ("/ocpp/north/CP1/", ("north", "CP1")),
        ("/a%20b/C%2FP%231?token=x", ("a b", "C/P#1")),
        ("/Stra%C3%9Fe", (None, "Straße")),
    ],
)
def test_the_last_segment_is_the_identity(path: str, found: tuple[str | None, str]) -> None:
    assert path_identities(path) == found


@pytest.mark.parametrize("path", ["/", "", "/?x", "/%ff", "/a%0ab"])
def test_a_path_without_a_readable_identity_is_refused(path: str) -> None:
    with pytest.raises(BusbarError):
        path_identities(path)


def _basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_the_user_name_has_to_be_the_identity() -> None:
    assert basic_password(_basic("CP1:secret"), "CP1") == b"secret"
    assert basic_password(_basic("CP2:secret"), "CP1") is None
    assert basic_password(_basic("CP1"), "CP1") is None


def test_identities_with_colons_and_passwords_of_any_bytes_are_understood() -> None:
    assert basic_password(_basic("a:b:c:d"), "a:b") == b"c:d"
    assert basic_password(_basic(b"CP1:\xff\x00"), "CP1") == b"\xff\x00"
    assert basic_password("basic   " + base64.b64encode(b"CP1:x").decode(), "CP1") == b"x"


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic !!!", "Bearer abc", "Basic Q1AxOng=x"])
def test_a_header_that_is_none_has_no_password(header: str | None) -> None:
    assert basic_password(header, "CP1") is None


def test_a_certificate_names_its_common_name_and_its_alternative_names() -> None:
    certificate = {
        "subject": ((("organizationName", "Depot"),), (("commonName", "CP1"),)),
        "subjectAltName": (("DNS", "cp1.example"), ("IP Address", "10.0.0.1"), ("URI", "urn:cp1")),
    }
    assert certificate_names(certificate) == {"CP1", "cp1.example", "urn:cp1"}
    assert certificate_names(None) == frozenset()
