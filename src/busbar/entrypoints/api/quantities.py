"""Limits and energies as they are written in JSON: `700 kW`, `640 A`, `{L1: 32 A, L2: 32 A, L3: 25 A}`, `210 kWh`."""

import re
from math import ceil

from busbar.core.nearest import known_names, suggestion
from busbar.core.units import PHASES, Amount, Current, Phase, UnitError, current_per_phase, parse_amount, parse_quantity
from busbar.entrypoints.api.refusals import refuse

_PER_PHASE = re.compile(r"\s*\{(.*)\}\s*", re.DOTALL)


def limit_of(text: str, path: str) -> Amount:
    """A limit. Raises NotServedError (422)."""
    try:
        by_phase = _PER_PHASE.fullmatch(text)
        return parse_amount(text, is_limit=True) if by_phase is None else _per_phase(by_phase[1])
    except UnitError as error:
        refuse(422, path, error.rule, error.fix, value=text)


def energy_wh_of(text: str, path: str) -> int:
    """Rounded up: a vehicle that needs a little more does not leave with a little less. Raises NotServedError."""
    try:
        return ceil(parse_quantity(text, dimensions=("energy",))[1])
    except UnitError as error:
        refuse(422, path, error.rule, error.fix, value=text)


def _per_phase(text: str) -> Amount:
    names = tuple(phase.value for phase in PHASES)
    values: dict[Phase, int] = {}
    for part in text.split(","):
        name, colon, value = (piece.strip().strip("\"'") for piece in part.partition(":"))
        if not colon or name not in names:
            fix = f"{suggestion(name, known_names(names))} Write for example {{L1: 32 A, L2: 32 A, L3: 25 A}}."
            raise UnitError("Values per phase are named by their phase.", fix)
        if Phase(name) in values:
            raise UnitError(f"{name} is given twice.", "Give each phase once.")
        amount = parse_amount(value, is_limit=True)
        if not isinstance(amount, Current) or amount.l1_ma is None:
            raise UnitError("Per phase a limit is given in A.", "Write for example {L1: 32 A, L2: 32 A, L3: 25 A}.")
        values[Phase(name)] = amount.l1_ma
    return current_per_phase(values)
