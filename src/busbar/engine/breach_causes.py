"""Why more flows at a node than may, decided from evidence and said in words.

The first that holds, in this order, because each one explains away what stands below it:

1. `charge_point_disobeys`: without what some draw above what they may, the flow would be within the limit. Whatever
   else has changed, it is theirs.
2. `base_load`: what Busbar does not control is above the limit by itself. No order could have helped.
3. `limit_lowered` or `base_load`: the limit fell, or base load rose, within the time that it takes to react and to
   open before the flow went over; of both, the larger change. Orders that fitted before do not fit now, so what is
   committed says nothing yet.
4. `unaccounted_load`: what is drawn below and the base load fit the limit, and what flows beyond them does not.
5. `charge_point_disobeys` once more: they do not explain all of it, but whoever is above what they may is named before
   our own orders are blamed.
6. `commanded`: nobody disobeys, nothing has changed, and what is committed does not fit with the base load: our fault.
7. What is left: many charge points that are each a little above what they may, or connectors of one unit that are so
   together (`charge_point_disobeys`), or else nobody knows (`unaccounted_load`). Neither is certain, so neither
   replaces a cause that was found before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from busbar.core.breach import BreachRules, is_over
from busbar.core.commitment import EXCESS_LEAST, EXCESS_PERMILLE
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.snapshot import Floats, Ints
from busbar.core.units import format_ma, format_w
from busbar.engine.breach_looks import Fall
from busbar.engine.breach_record import BreachCause
from busbar.engine.breach_sight import BreachSight

MOST_NAMED = 20
"""Charge points that the evidence names; a sentence names three."""
_SEVERITY = (
    BreachCause.LIMIT_LOWERED,
    BreachCause.BASE_LOAD,
    BreachCause.UNACCOUNTED_LOAD,
    BreachCause.CHARGE_POINT_DISOBEYS,
    BreachCause.COMMANDED,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One node and row that is over its limit."""

    node: int
    row: int
    flow: float
    limit: float
    fall: Fall | None
    """The limit fell shortly before it went over."""
    rise: float
    """So much base load rose shortly before; 0: it did not."""
    is_excused: bool = False
    """That either was so was found by an earlier process: what is committed is not held against us."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A cause, and what it rests on."""

    cause: BreachCause
    sentence: str
    evidence: dict[str, Any]
    is_certain: bool = True
    """False: nothing better was found."""


def is_worse(cause: BreachCause, than: BreachCause) -> bool:
    """Whether a cause lies closer to us than another: our own orders are the worst, a limit that fell is the least."""
    return _SEVERITY.index(cause) > _SEVERITY.index(than)


def leaf_weights(projection: Projection) -> Floats:
    """[4, n] mA or W that one unit of each leaf's setpoint puts on a row."""
    classes = np.array([[float(value) for value in row] for row in projection.weights[:4]]).reshape(4, -1)
    found: Floats = classes[:, projection.leaf_class]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figures:
    """What is known below one node, on one row."""

    base: float | None
    drawn: float
    """Those of whom it is not known count for what is committed."""
    may: float
    """What all of them may draw together."""
    disobeyed: float
    """What some draw above what they may, by more than meters may be off."""
    above: float
    """What everybody draws above what is committed, however little."""
    names: tuple[str, ...]
    """Who disobeys, whoever is furthest above first; nobody: everybody who is above, likewise."""


def decide(sight: BreachSight, projection: Projection, weights: Floats, case: Case, rules: BreachRules) -> Finding:
    """The cause of one case, with its sentence and evidence."""
    found = _figures(sight, projection, weights, case)
    cause, is_certain = _cause(found, case, rules)
    evidence: dict[str, Any] = {
        "flow": round(case.flow),
        "limit": round(case.limit),
        "base_load": None if found.base is None else round(found.base),
        "drawn": round(found.drawn),
        "committed": round(found.may),
        "charge_points": list(found.names[:MOST_NAMED]) if cause is BreachCause.CHARGE_POINT_DISOBEYS else [],
    }
    if case.fall is not None:
        evidence["limit_before"] = round(case.fall.before) if isfinite(case.fall.before) else None
        evidence["limit_fell_at"] = case.fall.at.isoformat()
    if case.rise:
        evidence["base_load_rose_by"] = round(case.rise)
    sentence = _sentence(cause, found, case, rules, _zone(projection.depot.timezone))
    return Finding(cause=cause, sentence=sentence, evidence=evidence, is_certain=is_certain)


def _figures(sight: BreachSight, projection: Projection, weights: Floats, case: Case) -> _Figures:
    leaves = slice(int(projection.first_leaf[case.node]), int(projection.last_leaf[case.node]))
    weight, drawn = weights[case.row, leaves], sight.drawn[leaves]
    told, committed = sight.told[leaves], sight.committed[leaves]
    # What disobedience is counted for is no permission. And connectors of one unit may each draw what they were told,
    # but together no more than the unit, which only `committed` knows.
    may = np.where(sight.disobeys[leaves], told, np.maximum(committed, told))
    counted = np.where(sight.disobeys[leaves], np.minimum(committed, told), committed)
    is_known = ~np.isnan(drawn) & (weight > 0)
    excess = np.where(is_known, np.maximum(0.0, drawn - may), 0.0)
    disobeys = (excess > EXCESS_LEAST) & (excess * 1000 > may * EXCESS_PERMILLE)
    surplus = np.where(is_known, np.maximum(0.0, drawn - counted), 0.0)
    chosen, by = (disobeys, excess) if disobeys.any() else (surplus > 0, surplus)
    base = float(sight.base_load[case.node, case.row])
    return _Figures(
        base=base if isfinite(base) else None,
        drawn=float((np.where(np.isnan(drawn), counted, drawn) * weight).sum()),
        may=float((counted * weight).sum()),
        disobeyed=float((excess * weight)[disobeys].sum()),
        above=float((surplus * weight).sum()),
        names=_names(projection, leaves.start, by * weight, np.flatnonzero(chosen)),
    )


def _names(projection: Projection, first: int, on_row: Floats, chosen: Ints) -> tuple[str, ...]:
    furthest = chosen[np.argsort(-on_row[chosen], kind="stable")]
    return tuple(projection.leaf_ids[first + leaf] for leaf in furthest.tolist())


def _cause(found: _Figures, case: Case, rules: BreachRules) -> tuple[BreachCause, bool]:
    def is_too_much(flow: float) -> bool:
        return is_over(flow, case.limit, rules, is_power=case.row == TOTAL)

    base = found.base or 0.0
    accounted = found.drawn + base
    if found.disobeyed and not is_too_much(case.flow - found.disobeyed):
        return BreachCause.CHARGE_POINT_DISOBEYS, True
    if base > case.limit:
        return BreachCause.BASE_LOAD, True
    if case.fall is not None and case.fall.before - case.fall.to >= case.rise:
        return BreachCause.LIMIT_LOWERED, True
    if case.rise:
        return BreachCause.BASE_LOAD, True
    if accounted <= case.limit and is_too_much(case.limit + case.flow - accounted):
        return BreachCause.UNACCOUNTED_LOAD, True
    if found.disobeyed:
        return BreachCause.CHARGE_POINT_DISOBEYS, True
    if found.may + base > case.limit and not case.is_excused:
        return BreachCause.COMMANDED, True
    if found.above and not is_too_much(case.flow - found.above):
        return BreachCause.CHARGE_POINT_DISOBEYS, False
    return BreachCause.UNACCOUNTED_LOAD, False


# In words


def _sentence(cause: BreachCause, found: _Figures, case: Case, rules: BreachRules, zone: tzinfo) -> str:
    def amount(value: float) -> str:
        return as_text(value, case.row)

    base = found.base or 0.0
    match cause:
        case BreachCause.CHARGE_POINT_DISOBEYS:
            who, is_one = _listed(found.names), len(found.names) == 1
            verb, they = ("draws", "it") if is_one else ("draw", "they")
            return f"{who} {verb} {amount(found.disobeyed or found.above)} more than {they} may."
        case BreachCause.BASE_LOAD if base > case.limit:
            return f"Base load alone is {amount(base)}; {amount(case.limit)} may flow."
        case BreachCause.BASE_LOAD:
            within_s = round(rules.open_s + rules.reaction_s)
            return f"Base load rose by {amount(case.rise)} within {within_s} s, faster than the charge points gave way."
        case BreachCause.LIMIT_LOWERED:
            assert case.fall is not None
            return _fall_sentence(case.fall, case, rules, zone)
        case BreachCause.UNACCOUNTED_LOAD:
            missing = case.flow - found.drawn - base
            if missing <= 0:
                return f"{amount(case.flow)} flow, and nothing that is known below explains it."
            return f"{amount(missing)} flow that no meter or charge point below accounts for."
        case _:
            sum_of = f"{amount(found.may)} committed to charge points"
            if found.base:
                sum_of += f" and {amount(base)} of base load"
            return f"Our own order: {sum_of} do not fit {amount(case.limit)}."


def _fall_sentence(fall: Fall, case: Case, rules: BreachRules, zone: tzinfo) -> str:
    to, at = as_text(fall.to, case.row), fall.at.astimezone(zone).strftime("%H:%M:%S")
    lowered = f"lowered from {as_text(fall.before, case.row)} to {to}" if isfinite(fall.before) else f"set to {to}"
    return f"The limit was {lowered} at {at} and the load did not follow within {round(rules.reaction_s)} s."


def as_text(value: float, row: int) -> str:
    """`61.2 A`, `150 kW`: to a tenth of an ampere or of a kilowatt."""
    tenths = round(value / 100) * 100
    return format_w(tenths) if row == TOTAL else format_ma(tenths)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{', '.join(names[:3])} and {len(names) - 3} more"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
