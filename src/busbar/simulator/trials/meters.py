"""Meters of circuits: each says every few seconds what flows, as well as it can."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from busbar.core.depot import Circuit
from busbar.core.projection import Projection
from busbar.engine.events import NodeMeasured
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.physics import Flow

EVERY_S = 2
"""A meter speaks so often."""
_SPIKE_SHARE = 0.15
_REMEMBERED = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a meter shows: mA at its own voltage, and W; import positive."""

    phases_ma: tuple[int, int, int]
    power_w: int


@dataclass(slots=True)
class Meter:
    """One circuit's meter. (Mutable: it remembers what it showed.)"""

    node: str
    inner: int
    turn: float
    """From mA referred to the depot's voltage to mA at its own."""
    phase_s: int
    faults: dict[int, FaultEvent] = field(default_factory=dict)
    frozen: Shown | None = None
    shown: deque[tuple[int, Shown]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    said: NodeMeasured | None = None
    """What it said last."""

    def say(self, at_s: int, now_s: float, flow: Flow, random: Random) -> NodeMeasured | None:
        """What it says at this second; None: nothing."""
        truth = _shown(flow, self.inner, self.turn)
        self.shown.append((at_s, truth))
        value, age_s, kinds = truth, 0.0, {fault.kind: fault for fault in self.faults.values()}
        if FaultKind.METER_FROZEN not in kinds:
            self.frozen = truth
        if (at_s + self.phase_s) % EVERY_S or FaultKind.METER_SILENT in kinds:
            return None
        if FaultKind.METER_NAN in kinds:
            self.said = NodeMeasured(node=self.node, received_s=now_s, fault="not a number")
            return self.said
        if FaultKind.METER_FROZEN in kinds and self.frozen is not None:
            value = self.frozen
        if (old := kinds.get(FaultKind.METER_OLD)) is not None:
            age_s, value = self._aged(at_s, old.delay_s, value)
        if FaultKind.METER_NEGATIVE_SPIKE in kinds and random.random() < _SPIKE_SHARE:
            value = _times(value, -5.0)
        if (wrong := kinds.get(FaultKind.METER_WRONG_UNIT)) is not None:
            value = _times(value, wrong.factor)
        self.said = NodeMeasured(
            node=self.node, received_s=now_s, age_s=age_s, phases_ma=value.phases_ma, power_w=value.power_w
        )
        return self.said

    def _aged(self, at_s: int, delay_s: float, value: Shown) -> tuple[float, Shown]:
        for taken_s, shown in self.shown:
            if taken_s >= at_s - delay_s:
                return float(at_s - taken_s), shown
        return 0.0, value


def meters_of(projection: Projection, random: Random) -> Mapping[str, Meter]:
    """The meters of a depot, by node; they do not speak at one moment."""
    found = {}
    for inner, node in enumerate(projection.frame.nodes.tolist()):
        subject = projection.subjects[node]
        if isinstance(subject, Circuit) and subject.meter:
            turn = projection.depot.voltage_v / int(projection.voltage_v[node])
            found[subject.id] = Meter(subject.id, inner, turn, random.randrange(EVERY_S))
    return found


def _shown(flow: Flow, inner: int, turn: float) -> Shown:
    line_ma = flow.line_ma[inner]
    one, two, three = (
        round(length * (-1.0 if real < 0 else 1.0) * turn)
        for length, real in zip(np.abs(line_ma).tolist(), line_ma.real.tolist(), strict=True)
    )
    return Shown(phases_ma=(one, two, three), power_w=round(float(flow.total_w[inner])))


def _times(shown: Shown, by: float) -> Shown:
    one, two, three = shown.phases_ma
    return Shown(phases_ma=(round(one * by), round(two * by), round(three * by)), power_w=round(shown.power_w * by))
