"""What was recorded of a run, and conditions over its time: when each was true, and what was there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from busbar.core.projection import Projection
from busbar.core.snapshot import Mode
from busbar.core.units import Amount, format_ma, format_w
from busbar.engine.breach_record import BreachRecord
from busbar.simulator.expectation import (
    BreachOf,
    DrawAtLeast,
    DrawAtMost,
    FlowAtMost,
    Holds,
    InMode,
    InState,
    NoBreach,
    Reachable,
    SetpointAtLeast,
    SetpointAtMost,
    SocAtLeast,
)
from busbar.simulator.physics import NO_LIMIT, limit_rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ROWS = ("on L1", "on L2", "on L3", "in all")


class CycleLike(Protocol):
    """One cycle of the run; it holds until the next."""

    @property
    def at_s(self) -> float:
        """Seconds since the start."""

    @property
    def modes(self) -> Mapping[str, Mode]:
        """By node; a node that is not named is NORMAL."""

    @property
    def states(self) -> Mapping[str, str]:
        """By node."""

    @property
    def setpoint(self) -> Ints:
        """[n] mA (AC) or W (DC) by leaf."""

    @property
    def reachable(self) -> frozenset[str]:
        """The charge points that could be reached."""


class TrailLike(Protocol):
    """What was recorded of a run."""

    @property
    def start(self) -> datetime:
        """The scenario's start (aware)."""

    @property
    def projection(self) -> Projection:
        """The depot; its leaves are those of `draw` and of the cycles."""

    @property
    def at_s(self) -> npt.NDArray[np.generic]:
        """[T] seconds since the start, ascending."""

    @property
    def flow(self) -> Ints:
        """[T, M, 4] what flows at the inner nodes: mA (referred) on L1, L2, L3, and W."""

    @property
    def limit(self) -> Ints:
        """[T, M, 4] what may flow there; NO_LIMIT where nothing limits."""

    @property
    def draw(self) -> Ints:
        """[T, n] mA (AC) or W (DC) by leaf."""

    @property
    def soc(self) -> Mapping[str, Floats]:
        """[T] by vehicle; NaN while it is not there."""

    @property
    def cycles(self) -> Sequence[CycleLike]:
        """In order."""

    @property
    def breaches(self) -> Sequence[BreachRecord]:
        """Every one, with its cause and end as last known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """A condition over time: K moments, ascending."""

    at_s: Floats
    holds: Bools
    known: Bools
    """False: nothing can be said of that moment (a vehicle that is not there)."""
    seen: Callable[[int], str]
    """What was there at one of the moments."""
    lasts: bool
    """Each moment's truth lasts until the next, as a cycle's does; otherwise it is a sample."""

    def last(self, at_s: float) -> int | None:
        """The moment at this second or the last one before it."""
        index = int(np.searchsorted(self.at_s, at_s, side="right")) - 1
        return index if index >= 0 else None

    def within(self, from_s: float, until_s: float) -> list[int]:
        """The moments in force from one second up to, not including, another."""
        inside = np.flatnonzero((self.at_s >= from_s) & (self.at_s < until_s)).tolist()
        before = self.last(from_s)
        if before is not None and before not in inside and (self.lasts or not inside):
            inside = [before, *inside]
        return [index for index in inside if self.known[index]]


def course_of(trail: TrailLike, holds: Holds) -> Course:
    """A condition over time; breaches have their own times."""
    subject = holds.subject or ""
    match holds.condition:
        case FlowAtMost():
            return _flow(trail, holds.subject, holds.condition)
        case SocAtLeast(at_least=least):
            return _soc(trail, subject, least)
        case DrawAtLeast(value=value):
            return _drawn(trail, subject, lambda drawn: drawn >= value)
        case DrawAtMost(value=value):
            return _drawn(trail, subject, lambda drawn: drawn <= value)
        case SetpointAtLeast(value=value):
            return _told(trail, subject, lambda told: told >= value)
        case SetpointAtMost(value=value):
            return _told(trail, subject, lambda told: told <= value)
        case InMode(mode=mode):
            modes = [cycle.modes.get(subject, Mode.NORMAL) for cycle in trail.cycles]
            return _cycles(trail, [each == mode for each in modes], lambda index: f"it was {modes[index]}")
        case InState(state=state):
            states = [cycle.states.get(subject, "in no state") for cycle in trail.cycles]
            return _cycles(trail, [each == state for each in states], lambda index: f"it was {states[index]}")
        case Reachable(reachable=wanted):
            could = [subject in cycle.reachable for cycle in trail.cycles]
            return _cycles(
                trail,
                [each == wanted for each in could],
                lambda index: "it could be reached" if could[index] else "it could not be reached",
            )
        case NoBreach() | BreachOf():
            raise AssertionError("breaches are judged by their own times")


def _samples(trail: TrailLike, holds: Bools, seen: Callable[[int], str], known: Bools | None = None) -> Course:
    at_s = np.asarray(trail.at_s, dtype=np.float64)
    everywhere = np.ones(len(at_s), dtype=np.bool_)
    return Course(at_s=at_s, holds=holds, known=everywhere if known is None else known, seen=seen, lasts=False)


def _cycles(trail: TrailLike, holds: Sequence[bool], seen: Callable[[int], str]) -> Course:
    at_s = np.array([cycle.at_s for cycle in trail.cycles], dtype=np.float64)
    true = np.array(holds, dtype=np.bool_)
    return Course(at_s=at_s, holds=true, known=np.ones(len(at_s), dtype=np.bool_), seen=seen, lasts=True)


def _flow(trail: TrailLike, node: str | None, condition: FlowAtMost) -> Course:
    projection = trail.projection
    inner = list(range(len(projection.frame.nodes)))
    if node is not None:
        inner = [int(projection.frame.inner_of[projection.node_index[node]])]
    flow = trail.flow[:, inner, :]
    limit = trail.limit[:, inner, :]
    if condition.amount is not None:
        rows = [_rows(projection, int(projection.frame.nodes[each]), condition.amount) for each in inner]
        limit = np.broadcast_to(np.array(rows, dtype=np.int64), flow.shape)

    def seen(moment: int) -> str:
        """Where most flows, measured by what may."""
        share = flow[moment] / np.maximum(limit[moment], 1)
        share[limit[moment] == NO_LIMIT] = -np.inf
        which, row = (int(each) for each in np.unravel_index(int(share.argmax()), share.shape))
        if limit[moment, which, row] == NO_LIMIT:
            return "nothing limits it"
        name = projection.node_ids[int(projection.frame.nodes[inner[which]])]
        write = format_w if row == len(_ROWS) - 1 else format_ma
        most, may = int(flow[moment, which, row]), int(limit[moment, which, row])
        return f"{write(most)} at {name} {_ROWS[row]}, of {write(may)}"

    return _samples(trail, np.logical_and.reduce(flow <= limit, axis=(1, 2)), seen)


def _rows(projection: Projection, node: int, amount: Amount) -> list[int]:
    nominal_v, phases = int(projection.voltage_v[node]), projection.phases[node]
    return limit_rows(amount, projection.depot, nominal_v=nominal_v, phases=phases)


def _soc(trail: TrailLike, vehicle: str, least: float) -> Course:
    soc = trail.soc.get(vehicle)
    if soc is None:
        soc = np.full(len(trail.at_s), np.nan)
    known = ~np.isnan(soc)

    def seen(moment: int) -> str:
        return f"it had {100 * soc[moment]:.1f} %" if known[moment] else "it was not there"

    full: Bools = np.greater_equal(np.fmax(soc, -1.0), least)
    return _samples(trail, full, seen, known)


def _drawn(trail: TrailLike, name: str, test: Callable[[Ints], Bools]) -> Course:
    leaf = trail.projection.leaf_of(name)
    drawn = trail.draw[:, leaf]
    return _samples(trail, test(drawn), lambda moment: f"it drew {_value(trail.projection, leaf, drawn[moment])}")


def _told(trail: TrailLike, name: str, test: Callable[[Ints], Bools]) -> Course:
    leaf = trail.projection.leaf_of(name)
    told = np.array([cycle.setpoint[leaf] for cycle in trail.cycles], dtype=np.int64)

    def seen(moment: int) -> str:
        return f"it was given {_value(trail.projection, leaf, told[moment])}"

    return _cycles(trail, test(told).tolist(), seen)


def _value(projection: Projection, leaf: int, value: np.int64) -> str:
    return format_ma(int(value)) if projection.is_ac[leaf] else format_w(int(value))
