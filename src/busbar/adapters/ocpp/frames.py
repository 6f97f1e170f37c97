"""OCPP-J frames: `[2, id, action, payload]`, `[3, id, payload]`, `[4, id, code, description, details]`."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from busbar.adapters.ocpp.counts import Counts

CALL, RESULT, ERROR = 2, 3, 4
_LONGEST_WORDS = 255

# Most of what arrives are meter values. They are told from the rest, and answered, without being parsed.
_SAMPLES = re.compile(rb'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,36})"\s*,\s*"MeterValues"\s*,\s*\{')
_PLACE = re.compile(rb'"(?:connectorId|evseId)"\s*:\s*([0-9]{1,9})\s*[,}]')


class Asked(NamedTuple):
    """A CALL from a charge point."""

    id: Any
    """As it came, to be given back."""
    action: str
    payload: Mapping[str, Any]


class Result(NamedTuple):
    """What a charge point answered."""

    id: Any
    payload: Mapping[str, Any]


class Refusal(NamedTuple):
    """A CALLERROR."""

    id: Any
    words: str
    """Code and description."""


def read(raw: bytes | bytearray, counts: Counts) -> Asked | Result | Refusal | None:
    """A frame, as tolerantly as its meaning allows; None (counted) where it has none."""
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        counts.add("frame: not JSON")
        return None
    if not isinstance(frame, list) or len(frame) < 3:
        counts.add("frame: not a message")
        return None
    match frame[0]:
        case 2 | "2" if isinstance(frame[2], str):
            return Asked(frame[1], frame[2], _object(frame[3] if len(frame) > 3 else {}, counts))
        case 3 | "3":
            return Result(frame[1], _object(frame[2], counts))
        case 4 | "4":
            words = ": ".join(str(word) for word in frame[2:4] if word)
            return Refusal(frame[1], words[:_LONGEST_WORDS] or "CALLERROR")
    counts.add("frame: not a message")
    return None


def _object(payload: Any, counts: Counts) -> Mapping[str, Any]:
    if isinstance(payload, dict):
        return payload
    # Some write null or [] where there is nothing to say.
    counts.add("frame: payload is no object")
    return {}


def samples_id(raw: bytes | bytearray) -> bytes | None:
    """The id of a CALL with MeterValues, by its first characters; None: it is something else, or written oddly."""
    found = _SAMPLES.match(raw)
    return None if found is None else bytes(found[1])


def samples_place(raw: bytes | bytearray) -> int | None:
    """The connector that MeterValues are about; None: it does not say in the usual way."""
    found = _PLACE.search(raw)
    return None if found is None else int(found[1])


def write_call(message_id: str, action: str, payload: Mapping[str, Any]) -> bytes:
    """A CALL."""
    return orjson.dumps([CALL, message_id, action, payload])


def write_result(message_id: Any, payload: Mapping[str, Any]) -> bytes:
    """A CALLRESULT."""
    return orjson.dumps([RESULT, message_id, payload])


def write_error(message_id: Any, code: str, description: str) -> bytes:
    """A CALLERROR."""
    return orjson.dumps([ERROR, message_id, code, description, {}])
