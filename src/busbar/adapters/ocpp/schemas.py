"""The JSON schemas of OCPP, compiled once: strict for what we send, a gauge of oddity for what we receive."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import jsonschema_rs
import orjson

_FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
# 1.6 names its requests like the action, the later ones append a word.
_REQUEST = {"ocpp1.6": "", "ocpp2.0.1": "Request", "ocpp2.1": "Request"}


class Validator(Protocol):
    """A compiled schema."""

    def is_valid(self, instance: Any) -> bool:
        """Whether the value keeps it."""
        ...

    def validate(self, instance: Any) -> None:
        """Raises jsonschema_rs.ValidationError for the first thing that does not."""
        ...


@cache
def request_validators(protocol: str) -> Mapping[str, Validator]:
    """Action -> schema of its request, for `ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`."""
    suffix = _REQUEST[protocol]
    return {
        name.removesuffix(suffix): validator
        for name, validator in _compiled(protocol).items()
        if not name.endswith("Response") and name.endswith(suffix)
    }


@cache
def response_validators(protocol: str) -> Mapping[str, Validator]:
    """Action -> schema of its response."""
    return {
        name.removesuffix("Response"): validator
        for name, validator in _compiled(protocol).items()
        if name.endswith("Response")
    }


@cache
def _compiled(protocol: str) -> Mapping[str, Validator]:
    folder = files("ocpp") / _FOLDERS[protocol] / "schemas"
    return {
        entry.name.removesuffix(".json"): jsonschema_rs.validator_for(
            # Some of the files begin with a byte order mark.
            orjson.loads(entry.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        )
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }


def fault(validator: Validator, payload: Any) -> str | None:
    """What is wrong first: the keyword broken and where (`maxLength at chargePointSerialNumber`); None: nothing is."""
    try:
        validator.validate(payload)
    except jsonschema_rs.ValidationError as error:
        where = ".".join(str(part) for part in error.instance_path if isinstance(part, str))
        keyword = str(error.schema_path[-1]) if error.schema_path else "schema"
        return f"{keyword} at {where}" if where else keyword
    return None
