"""`GET depots/{id}/connectors/{connector}/explanation`: why one connector gets what it got in the last cycle."""

from typing import Any

from busbar.core.allocation import Outcome
from busbar.core.demand import Reason
from busbar.core.explain import Explanation, explain_allocation
from busbar.core.strategies import STRATEGIES
from busbar.engine.moment import Moment
from busbar.engine.ports import OverrideKind
from busbar.engine.status import allocation_in_force, node_states_now
from busbar.entrypoints import words
from busbar.entrypoints.api.rows import utc
from busbar.entrypoints.api.sentences import FAILED, held_text, order_text, trouble_text, wish_text


def explanation_document(moment: Moment, connector: str) -> dict[str, Any]:
    """`models.Explanation`, of the cycle's own allocation. Raises KeyError for an unknown connector."""
    projection, snapshot = moment.projection, moment.snapshot
    leaf = projection.leaf_index[connector]
    has_failed = moment.allocation.outcome is Outcome.FAILED
    # What would be otherwise is worked out with the cycle's own strategy, if that goes by a name that is known.
    strategy = moment.record.strategy if moment.record.strategy in STRATEGIES and not has_failed else None
    found = _explained(moment, connector, strategy, has_failed=has_failed)
    document = found.document()
    states = node_states_now(moment)
    for node in document["chain"]:
        node["state"] = states[node["id"]].value
    if has_failed and snapshot.present[leaf]:
        kept = words.setpoint(found.setpoint, is_ac=bool(projection.is_ac[leaf]))
        document["sentence"] = f"{connector} goes on with {kept}. {FAILED}"
    return {
        **document,
        "cycle": moment.record.number,
        "at": utc(moment.at),
        "beside": _beside(moment, connector, leaf),
    }


def _explained(moment: Moment, connector: str, strategy: str | None, *, has_failed: bool) -> Explanation:
    """Where charge points share, what binds is what bound the charge point, and the rest is its own split."""
    shared = moment.shared
    if shared is None or has_failed:
        in_force = allocation_in_force(moment)
        return explain_allocation(moment.projection, moment.snapshot, in_force, connector, strategy=strategy)
    return explain_allocation(shared.projection, shared.snapshot, shared.allocation, connector, strategy=strategy)


def _beside(moment: Moment, connector: str, leaf: int) -> list[str]:
    """What else keeps it from drawing what it is given, in sentences."""
    projection = moment.projection
    unit = projection.node_ids[int(projection.parent[int(projection.leaf_node[leaf])])]
    found = [
        order_text(each)
        for each in moment.overrides
        if each.ended_at is None and each.kind is not OverrideKind.SAFE and each.subject in (connector, unit)
    ]
    if unit not in moment.reachable and projection.in_service[leaf]:
        found.append(f"{unit} is out of reach: what it was told last holds until its lease ends.")
    if connector in moment.troubled:
        found.append(trouble_text(moment.troubled[connector]))
    plugged = moment.plugged.get(connector)
    if plugged is None:
        return found
    if connector in moment.held:
        found.append(f"Not sent yet: {_lowered_first(held_text(moment.held[connector]))}")
    found += _not_there_yet(moment, leaf)
    wish = wish_text(plugged.reason)
    if wish and plugged.reason not in (Reason.RATING, Reason.HELD):
        found.append(wish)
    return found


def _not_there_yet(moment: Moment, leaf: int) -> list[str]:
    """Where what its charge point holds, or what it may still draw, is not what the cycle gave it."""
    is_ac = bool(moment.projection.is_ac[leaf])
    setpoint, acknowledged = int(moment.setpoint[leaf]), int(moment.acknowledged[leaf])
    committed, fallback = int(moment.committed[leaf]), int(moment.projection.fallback[leaf])
    found = []
    if acknowledged < 0:
        found.append("Its charge point has not acknowledged any setpoint yet.")
    elif acknowledged != setpoint:
        found.append(f"Its charge point still holds {words.setpoint(acknowledged, is_ac=is_ac)}.")
    if committed > max(setpoint, fallback, acknowledged):
        most = words.setpoint(committed, is_ac=is_ac)
        found.append(f"{most} stay counted for it, until it is certain that it draws no more.")
    return found


def _lowered_first(text: str) -> str:
    return text[:1].lower() + text[1:]
