"""The fallback proof: what a charge point really does when it is left alone (design section 6).

A vehicle draws more than the fallback; the connection is cut for longer than a lease; when the charge point returns,
its meter has to show the fallback; and told to go on, the vehicle has to draw more again: it was not the vehicle that
stopped. Only that raises trust from accepted to verified. Synchronous; the loop carries out what it asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from busbar.core.commitment import is_beyond
from busbar.core.depot import Depot
from busbar.engine.events import Disconnected, Event, Measured, Ready, VehicleLeft
from busbar.engine.ports import CommissioningRequest, Evidence, TrustLevel
from busbar.engine.timing import Timing

DRAW_WITHIN_S = 180.0
"""A vehicle has to draw more than the fallback within this time."""
RETURN_WITHIN_S = 1200.0
"""The charge point has to return so long after it may (one that was tried dials again only after 6 to 19 min)."""
SAMPLE_WITHIN_S = 120.0
RESUME_WITHIN_S = 300.0


class Phase(StrEnum):
    """How far a proof has come."""

    WAITING_FOR_DRAW = "waiting_for_draw"
    AWAY = "away"
    WATCHING = "watching"
    RESUMING = "resuming"
    DONE = "done"


@dataclass(slots=True)
class _Proof:
    """One charge point's proof. (Mutable: it follows events.)"""

    request: CommissioningRequest
    fallbacks: dict[str, int]
    """Its connectors, and what each is to do when left alone."""
    phase: Phase
    deadline_s: float
    draws: dict[str, int] = field(default_factory=dict)
    """By the last sample of the present phase."""
    before: dict[str, int] = field(default_factory=dict)
    """What connectors drew before the connection was cut."""
    alone: dict[str, int] = field(default_factory=dict)
    """What they drew when they came back."""
    again: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Vehicles that left in the meantime."""
    back_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CommissioningStep:
    """What the loop is to do now."""

    cut: tuple[tuple[str, float], ...] = ()
    """Charge points to disconnect, and for how long to turn them away, s."""
    updates: tuple[tuple[int, str, dict[str, Any]], ...] = ()
    """Request, state and result to keep."""
    evidence: tuple[Evidence, ...] = ()
    withheld: frozenset[str] = frozenset()
    """Connectors on which nothing is to be raised."""


class Commissioning:
    """All proofs that run in one depot."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._proofs: dict[int, _Proof] = {}

    def take(self, event: Event, now_s: float) -> None:
        """Follow an event."""
        for proof in self._proofs.values():
            match event:
                case Measured(connector=name, draw=int(draw)) if name in proof.fallbacks:
                    sampled_s = event.received_s - event.age_s
                    if proof.phase is not Phase.WATCHING or (proof.back_s is not None and sampled_s >= proof.back_s):
                        proof.draws[name] = draw
                case VehicleLeft(connector=name) if name in proof.fallbacks:
                    proof.gone.add(name)
                case Ready(charge_point=name) if name == proof.request.charge_point and proof.phase is Phase.AWAY:
                    proof.back_s = now_s
                case Disconnected(charge_point=name) if name == proof.request.charge_point:
                    if proof.phase in (Phase.WATCHING, Phase.RESUMING):
                        proof.deadline_s = now_s

    def step(
        self, requests: Sequence[CommissioningRequest], *, depot: Depot, at: datetime, now_s: float
    ) -> CommissioningStep:
        """Begin what is asked for, and go on with what runs. `requests`: those asked or running."""
        updates: list[tuple[int, str, dict[str, Any]]] = []
        cut: list[tuple[str, float]] = []
        evidence: list[Evidence] = []
        for request in requests:
            if request.id not in self._proofs:
                updates.append(self._begin(request, depot, now_s))
        for proof in list(self._proofs.values()):
            is_cut = self._advance(proof, now_s)
            if is_cut:
                cut.append((proof.request.charge_point, self._away_s()))
                updates.append((proof.request.id, "running", {"phase": proof.phase.value, "drew": dict(proof.before)}))
            if proof.phase is Phase.DONE:
                del self._proofs[proof.request.id]
                result = self._result(proof)
                proven = [name for name, row in result.items() if row["verdict"] == "verified"]
                evidence += [_evidence(name, proof, at) for name in proven]
                updates.append((proof.request.id, "passed" if proven else "failed", {"connectors": result}))
        return CommissioningStep(
            cut=tuple(cut), updates=tuple(updates), evidence=tuple(evidence), withheld=frozenset(self._withheld())
        )

    def _begin(self, request: CommissioningRequest, depot: Depot, now_s: float) -> tuple[int, str, dict[str, Any]]:
        if request.state == "running":
            reason = "Busbar was restarted in the middle of it; ask again."
            return (request.id, "failed", {"reason": reason})
        unit = next((unit for unit in depot.charge_points if unit.id == request.charge_point), None)
        if unit is None:
            return (request.id, "failed", {"reason": f"There is no charge point {request.charge_point}."})
        self._proofs[request.id] = _Proof(
            request=request,
            fallbacks={f"{unit.id}/{connector.id}": connector.fallback for connector in unit.connectors},
            phase=Phase.WAITING_FOR_DRAW,
            deadline_s=now_s + DRAW_WITHIN_S,
        )
        return (request.id, "running", {"phase": Phase.WAITING_FOR_DRAW.value})

    def _away_s(self) -> float:
        return self._timing.expiry_s + 2 * self._timing.sample_s

    def _advance(self, proof: _Proof, now_s: float) -> bool:
        """Go to the next phase when its time has come; whether the connection is to be cut now."""
        match proof.phase:
            case Phase.WAITING_FOR_DRAW:
                above = {name: draw for name, draw in proof.draws.items() if is_beyond(draw, proof.fallbacks[name])}
                if above:
                    proof.before, proof.phase = above, Phase.AWAY
                    proof.draws, proof.gone = {}, set()
                    proof.deadline_s = now_s + self._away_s() + RETURN_WITHIN_S
                    return True
            case Phase.AWAY if proof.back_s is not None:
                proof.phase, proof.draws, proof.deadline_s = Phase.WATCHING, {}, now_s + SAMPLE_WITHIN_S
                return False
            case Phase.WATCHING if proof.before.keys() <= proof.draws.keys() | proof.gone:
                proof.alone, proof.draws = dict(proof.draws), {}
                proof.phase = Phase.RESUMING if self._fell(proof) else Phase.DONE
                proof.deadline_s = now_s + RESUME_WITHIN_S
                return False
            case Phase.RESUMING:
                proof.again = {
                    **proof.again,
                    **{n: d for n, d in proof.draws.items() if is_beyond(d, proof.fallbacks[n])},
                }
                if self._fell(proof) <= proof.again.keys() | proof.gone:
                    proof.phase = Phase.DONE
        if now_s >= proof.deadline_s:
            proof.phase = Phase.DONE
        return False

    @staticmethod
    def _fell(proof: _Proof) -> set[str]:
        return {name for name, draw in proof.alone.items() if not is_beyond(draw, proof.fallbacks[name])}

    def _withheld(self) -> list[str]:
        phases = (Phase.AWAY, Phase.WATCHING)
        return [name for proof in self._proofs.values() if proof.phase in phases for name in proof.fallbacks]

    @staticmethod
    def _result(proof: _Proof) -> dict[str, dict[str, Any]]:
        """Connector -> what was seen, and the verdict."""
        rows: dict[str, dict[str, Any]] = {}
        for name, fallback in proof.fallbacks.items():
            before, alone, again = proof.before.get(name), proof.alone.get(name), proof.again.get(name)
            if before is None:
                verdict = "not tested: no vehicle drew more than the fallback"
            elif name in proof.gone:
                verdict = "not proven: the vehicle left during the test"
            elif proof.back_s is None:
                verdict = "not proven: the charge point did not come back"
            elif alone is None:
                verdict = "not proven: no sample came after it was back"
            elif is_beyond(alone, fallback):
                verdict = "failed: it drew more than its fallback when it was left alone"
            elif again is None:
                verdict = "not proven: the vehicle did not want more afterwards either"
            else:
                verdict = "verified"
            rows[name] = {"fallback": fallback, "before": before, "alone": alone, "again": again, "verdict": verdict}
        return rows


def _evidence(name: str, proof: _Proof, at: datetime) -> Evidence:
    fallback = proof.fallbacks[name]
    detail = (
        f"commissioning {proof.request.id} by {proof.request.by}: drew {proof.before[name]}, "
        f"left alone {proof.alone[name]} (fallback {fallback}), told to go on {proof.again[name]}"
    )
    return Evidence(connector=name, trust=TrustLevel.VERIFIED, fallback=fallback, at=at, detail=detail)
