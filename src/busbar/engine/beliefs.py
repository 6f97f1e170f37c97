"""How far each connector's fallback is believed: stored evidence, not configuration (design section 6)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from busbar.core.depot import Connector, Depot, Trust
from busbar.core.fallbacks import Excess, fallbacks_that_do_not_fit
from busbar.core.projection import Projection
from busbar.core.release import within_ratings
from busbar.core.snapshot import Ints
from busbar.engine.events import FallbackAnswered
from busbar.engine.ports import Evidence, TrustLevel


def believed_fallback(connector: Connector, evidence: Evidence | None, require: Trust) -> int | None:
    """What counts as a connector's fallback; None: nothing is believed, and its rating counts.

    Evidence about another value than the depot's is worth nothing.
    """
    if evidence is None or evidence.fallback != connector.fallback:
        return None
    enough = (TrustLevel.VERIFIED,) if require is Trust.VERIFIED else (TrustLevel.ACCEPTED, TrustLevel.VERIFIED)
    return connector.fallback if evidence.trust in enough else None


def beliefs(depot: Depot, evidence: Mapping[str, Evidence]) -> dict[str, int | None]:
    """Connector -> what counts as its fallback, None for its rating."""
    return {
        f"{unit.id}/{connector.id}": believed_fallback(
            connector, evidence.get(f"{unit.id}/{connector.id}"), depot.require
        )
        for unit in depot.charge_points
        for connector in unit.connectors
    }


def counted_fallbacks(projection: Projection, evidence: Iterable[Evidence]) -> Ints:
    """[n] what each leaf counts for when it is left alone; no charge point for more than its rating."""
    believed = beliefs(projection.depot, {each.connector: each for each in evidence})
    counted = [
        int(projection.max_rating[leaf]) if (value := believed.get(connector)) is None else value
        for leaf, connector in enumerate(projection.leaf_ids)
    ]
    return within_ratings(projection, np.array(counted, dtype=np.int64))


@dataclass(frozen=True, kw_only=True, slots=True)
class FallbackProof:
    """Whether every circuit is within its safe operating capacity when Busbar cannot be heard (design section 6)."""

    verified: int
    """Connectors in service whose fallback was seen by meter."""
    accepted: int
    """Whose charge point acknowledged it, and nothing more."""
    unbelieved: int
    """That count at their rating."""
    excesses: tuple[Excess, ...]
    """Where what counts does not fit; empty: the proof holds."""


def prove_fallbacks(projection: Projection, evidence: Iterable[Evidence]) -> FallbackProof:
    """What is known about fallbacks, and where it does not fit the wiring."""
    known = {each.connector: each for each in evidence}
    believed = beliefs(projection.depot, known)
    counts: Counter[TrustLevel] = Counter()
    for connector, is_in_service in zip(projection.leaf_ids, projection.in_service.tolist(), strict=True):
        if is_in_service:
            counts[TrustLevel.NONE if believed[connector] is None else known[connector].trust] += 1
    counted = counted_fallbacks(projection, known.values())
    return FallbackProof(
        verified=counts[TrustLevel.VERIFIED],
        accepted=counts[TrustLevel.ACCEPTED],
        unbelieved=counts[TrustLevel.NONE],
        excesses=tuple(fallbacks_that_do_not_fit(projection, counted)),
    )


def when_answered(event: FallbackAnswered, known: Evidence | None, *, at: datetime) -> Evidence | None:
    """What a charge point's answer adds to the evidence; None: nothing new.

    An accepted fallback that was verified before stays verified; a refused one is believed no longer.
    """
    trust = TrustLevel.ACCEPTED if event.is_accepted else TrustLevel.NONE
    if known is not None and known.fallback == event.fallback:
        if known.trust is trust or (event.is_accepted and known.trust is TrustLevel.VERIFIED):
            return None
    elif known is None and trust is TrustLevel.NONE:
        return None
    detail = "the charge point accepted it" if event.is_accepted else f"the charge point refused it: {event.detail}"
    return Evidence(connector=event.connector, trust=trust, fallback=event.fallback, at=at, detail=detail)
