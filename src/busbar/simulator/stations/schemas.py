"""The JSON schemas of OCPP, as the `ocpp` package brings them: a charge point refuses what does not keep them."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from busbar.simulator.stations.speech import Fault, Payload

V16, V201 = "v16", "v201"


def fault_in(version: str, action: str, payload: Payload) -> Fault | None:
    """What is wrong with an order; None: nothing."""
    validator = schema_of(version, action)
    if validator is None:
        return Fault(code="NotImplemented", description=f"There is no {action}."[:255])
    if validator.is_valid(payload):
        return None
    error = next(iter(validator.iter_errors(payload)))
    code = "FormationViolation" if version == V16 else "FormatViolation"
    return Fault(code=code, description=str(error.message)[:255])


@lru_cache(maxsize=256)
def schema_of(version: str, action: str, *, is_answer: bool = False) -> Any:
    """The validator of an action; None where OCPP has no such action."""
    ending = "Response" if is_answer else "" if version == V16 else "Request"
    name = f"{action}{ending}.json"
    folder = files(f"ocpp.{version}") / "schemas"
    if not action.isalnum() or not (path := folder / name).is_file():
        return None
    return jsonschema_rs.validator_for(orjson.loads(path.read_text(encoding="utf-8-sig")))
