"""Documents as the audit log keeps them: nothing but what JSON has."""

from typing import Any

import orjson


def kept_document(document: dict[str, Any]) -> dict[str, Any]:
    """The same with times as texts."""
    found = orjson.loads(orjson.dumps(document, option=orjson.OPT_UTC_Z))
    assert isinstance(found, dict)
    return found
