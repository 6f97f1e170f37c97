"""What connectors draw, as far as their own samples tell: bounds of what they put on the four rows at an instant.

All in arrays: n leaves in projection order; rows are mA on L1, L2, L3 (referred to the depot's voltage) and W in total.

What a draw puts on a row is known exactly where the charge point measures it: amperes of each wire, W of an AC draw.
The rest is bounded both ways. The upper bound is the projection's weight (`rows.weight`), the lower one

- mA of a DC draw: at the highest voltage, where it takes the least current;
- W of an AC draw: at the lowest voltage; power factors and efficiencies are taken as stated;
- mA of an AC draw whose wires are not told: a vehicle loads the wires it uses alike and uses the first ones (IEC
  62196-2); how many, its power tells, and where that is not told either, all of them, as its setpoint counts;
- a line that also carries line-to-line loads: the part along that line's voltage, whichever way the current leads.

Base load is flow less draw: less the lower bound it is the most that it can be, less the upper bound the least.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from busbar.core.depot import Connector
from busbar.core.projection import Projection
from busbar.core.rows import TOTAL
from busbar.core.units import PHASES, SQRT3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SLOTS = 8
SLOT_S = 8.0
"""Samples that lie closer together share a slot; eight slots reach back further than a minute."""


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """How every leaf's draw sits on the rows."""

    is_ac: Bools
    """[n]"""
    line_to_line: Bools
    """[n]"""
    wire_phase: Ints
    """[n, 3] the grid phase (0 to 2) of each of its wires, in order; -1: no such wire."""
    most: Floats
    """[n, 4] mA or W per unit of draw at most: the projection's weights."""
    least: Floats
    """[n, 4] and at least, for a DC draw."""
    referred: Floats
    """[n] mA at the depot's voltage per mA at the leaf's."""
    along: Floats
    """[n] the smallest part of an AC current that lies along its line's voltage, where lines are counted as phasors."""
    wire_least_w: Floats
    """[n] W per mA of each wire (of the pair, line to line) at the lowest voltage and the stated power factor."""
    wire_most_w: Floats
    """[n] at the highest."""


def sitting(projection: Projection) -> Sitting:
    """Read off the projection, once per projection."""
    n = len(projection.leaf_ids)
    classes = projection.classes
    kind = projection.leaf_class
    margin = projection.depot.voltage_margin_permille / 1000
    weights = np.array([[float(value) for value in row] for row in projection.weights[:4]]).reshape(4, len(classes))
    line_to_line = np.array([load.line_to_line for load in classes], dtype=np.bool_)
    factor = np.array([load.power_factor_permille / 1000 for load in classes])
    volts = np.array([float(load.voltage_v) for load in classes])
    across_v = np.where(line_to_line, volts, volts / float(SQRT3))
    angle = np.arccos(factor) + np.where(line_to_line, np.pi / 6, 0.0)
    along = np.maximum(0.0, np.cos(angle)) if line_to_line.any() else np.ones(len(classes))
    least = weights.T.copy()
    least[:, :TOTAL] *= (1 - margin) / (1 + margin)
    wires = np.full((n, 3), -1, dtype=np.int64)
    for leaf, node in enumerate(projection.leaf_node.tolist()):
        connector = projection.subjects[node]
        assert isinstance(connector, Connector)
        phases = connector.phases if projection.is_ac[leaf] else PHASES
        wires[leaf, : len(phases)] = [PHASES.index(phase) for phase in phases]
    return Sitting(
        is_ac=projection.is_ac,
        line_to_line=line_to_line[kind],
        wire_phase=wires,
        most=weights.T[kind],
        least=least[kind],
        referred=(volts / projection.depot.voltage_v)[kind],
        along=along[kind],
        wire_least_w=(across_v * (1 - margin) * factor / 1000)[kind],
        wire_most_w=(across_v * (1 + margin) * factor / 1000)[kind],
    )


def on_rows(sits: Sitting, leaves: Ints, draw: Floats, phases_ma: Floats, power_w: Floats) -> tuple[Floats, Floats]:
    """[m, 4] and [m, 4]: the least and the most that these samples put on the rows.

    `draw` [m] in the leaf's unit, `phases_ma` [m, 3] on its own wires in order, `power_w` [m]; NaN where not told. Of a
    DC unit the amperes are taken as those of its supply; its W are those at the vehicle, which `draw` says already.
    """
    low, high = draw[:, None] * sits.least[leaves], draw[:, None] * sits.most[leaves]
    wire = sits.wire_phase[leaves]
    exists, told = wire >= 0, np.isfinite(phases_ma) & (wire >= 0)
    is_ac, pair = sits.is_ac[leaves], sits.line_to_line[leaves]

    least_ma, most_ma = _on_wires(sits, leaves, draw, np.where(told, phases_ma, np.nan), power_w)

    knows_lines = is_ac | told.all(axis=1)
    rows = np.flatnonzero(knows_lines)
    low[rows, :TOTAL] = high[rows, :TOTAL] = 0.0
    for index in range(3):
        here = rows[exists[rows, index]]
        onto = wire[here, index]
        refer = sits.referred[leaves[here]]
        high[here, onto] += most_ma[here, index] * refer
        low[here, onto] += least_ma[here, index] * refer * sits.along[leaves[here]]

    # Line to line both wires carry one current, which counts once.
    once = np.where(pair, 0.5, 1.0)
    low[:, TOTAL] = np.where(is_ac, least_ma.sum(axis=1) * once * sits.wire_least_w[leaves], low[:, TOTAL])
    high[:, TOTAL] = np.where(is_ac, most_ma.sum(axis=1) * once * sits.wire_most_w[leaves], high[:, TOTAL])
    has_power = np.isfinite(power_w) & is_ac
    low[has_power, TOTAL] = high[has_power, TOTAL] = power_w[has_power]
    return low, high


def _on_wires(sits: Sitting, leaves: Ints, draw: Floats, phases_ma: Floats, power_w: Floats) -> tuple[Floats, Floats]:
    """[m, 3] and [m, 3]: the least and the most mA on each wire of AC draws, at the leaf's own voltage."""
    exists, told = sits.wire_phase[leaves] >= 0, np.isfinite(phases_ma)
    wires = exists.sum(axis=1)
    knows_power = np.isfinite(power_w) & (draw > 0) & ~sits.line_to_line[leaves]
    one_wire_w = np.where(knows_power, draw, 1.0) * (sits.wire_least_w[leaves] + sits.wire_most_w[leaves]) / 2
    watts = np.where(knows_power, power_w, 0.0)
    used = np.where(knows_power, np.clip(np.rint(watts / one_wire_w), 1, wires), wires)
    is_used = exists & (np.arange(3) < used[:, None])
    # What the power may put on the other wires, if the vehicle does not load alike those that it uses.
    left_ma = np.where(knows_power, watts / sits.wire_least_w[leaves] - used * draw, 0.0)
    others_ma = np.clip(left_ma, 0.0, draw)[:, None]
    most_ma = np.where(is_used, draw[:, None], np.where(exists, others_ma, 0.0))
    least_ma = np.where(is_used, draw[:, None], 0.0)
    return np.where(told, phases_ma, least_ma), np.where(told, phases_ma, most_ma)


@dataclass(frozen=True, kw_only=True)
class DrawHistory:
    """The last minute of every leaf's own samples, in slots. (The arrays are written in place by `remember`.)"""

    first_s: Floats
    """[SLOTS, n] when the first sample of a slot was taken; infinite where the slot is empty."""
    last_s: Floats
    """[SLOTS, n] and the last; minus infinity where it is empty."""
    low: Floats
    """[SLOTS, n, 4]"""
    high: Floats
    """[SLOTS, n, 4]"""
    counted: Floats
    """[SLOTS, n, 4] the least in time of the most in size: what the smallest draw of the slot may count at most."""
    slot: Ints
    """[n] the newest."""
    newest_s: Floats
    """[n] when the newest sample was taken; minus infinity: there is none."""
    newest_high: Floats
    """[n, 4] the most that it says."""
    draw: Floats
    """[n] the newest draw, in the leaf's unit."""
    draw_before: Floats
    """[n] the one before it."""


def empty_history(n: int) -> DrawHistory:
    """Nothing is known of n leaves."""
    return DrawHistory(
        first_s=np.full((SLOTS, n), np.inf),
        last_s=np.full((SLOTS, n), -np.inf),
        low=np.zeros((SLOTS, n, 4)),
        high=np.zeros((SLOTS, n, 4)),
        counted=np.zeros((SLOTS, n, 4)),
        slot=np.zeros(n, dtype=np.int64),
        newest_s=np.full(n, -np.inf),
        newest_high=np.zeros((n, 4)),
        draw=np.zeros(n),
        draw_before=np.zeros(n),
    )


def remember(history: DrawHistory, leaves: Ints, taken_s: Floats, draw: Floats, low: Floats, high: Floats) -> None:
    """Write one sample for each of these leaves, no leaf twice; those not newer than the last are left out."""
    newer = taken_s > history.newest_s[leaves]
    leaves, taken_s, draw, low, high = leaves[newer], taken_s[newer], draw[newer], low[newer], high[newer]
    slot = history.slot[leaves]
    opens = ~(taken_s - history.first_s[slot, leaves] < SLOT_S) | ~np.isfinite(history.first_s[slot, leaves])
    slot = np.where(opens, (slot + 1) % SLOTS, slot)
    history.slot[leaves] = slot
    history.first_s[slot, leaves] = np.where(opens, taken_s, history.first_s[slot, leaves])
    history.last_s[slot, leaves] = taken_s
    opens_rows = opens[:, None]
    history.low[slot, leaves] = np.where(opens_rows, low, np.minimum(low, history.low[slot, leaves]))
    history.high[slot, leaves] = np.where(opens_rows, high, np.maximum(high, history.high[slot, leaves]))
    history.counted[slot, leaves] = np.where(opens_rows, high, np.minimum(high, history.counted[slot, leaves]))
    history.draw_before[leaves] = history.draw[leaves]
    history.draw[leaves] = draw
    history.newest_s[leaves] = taken_s
    history.newest_high[leaves] = high


def moved(history: DrawHistory, *, n: int, to: Ints, of: Ints) -> DrawHistory:
    """The same for another projection with n leaves: leaf `of[i]` is `to[i]` there; the others begin anew."""
    fresh = empty_history(n)
    for name in ("first_s", "last_s", "low", "high", "counted"):
        getattr(fresh, name)[:, to] = getattr(history, name)[:, of]
    for name in ("slot", "newest_s", "newest_high", "draw", "draw_before"):
        getattr(fresh, name)[to] = getattr(history, name)[of]
    return fresh


def bounds_at(history: DrawHistory, leaves: slice, at_s: float, *, slack_s: float) -> tuple[Floats, Floats, Bools]:
    """[m, 4] least, [m, 4] most, and [m] whether samples enclose it: what leaves drew at an instant.

    A draw lies between the sample before that instant and the one after it; clocks may differ by `slack_s`, so samples
    closer than that are neither, and count as well. Nothing known: 0 and 0.
    """
    counts, is_enclosed = _slots_around(history, leaves, at_s, slack_s=slack_s)
    low = np.where(counts[..., None], history.low[:, leaves], np.inf).min(axis=0)
    high = np.where(counts[..., None], history.high[:, leaves], -np.inf).max(axis=0)
    unknown = ~counts.any(axis=0)
    low[unknown] = high[unknown] = 0.0
    return low, high, is_enclosed


def counted_at(history: DrawHistory, leaves: slice, at_s: float, *, slack_s: float) -> tuple[Floats, Bools]:
    """[m, 4] what the least that leaves drew at an instant may count at most, and [m] whether samples enclose it.

    0 where they do not.
    """
    counts, is_enclosed = _slots_around(history, leaves, at_s, slack_s=slack_s)
    counted = np.where(counts[..., None], history.counted[:, leaves], np.inf).min(axis=0)
    return np.where(is_enclosed[:, None], counted, 0.0), is_enclosed


def _slots_around(history: DrawHistory, leaves: slice, at_s: float, *, slack_s: float) -> tuple[Bools, Bools]:
    """[SLOTS, m] which slots tell of an instant, and [m] whether some are from before it and some from after."""
    first_s, last_s = history.first_s[:, leaves], history.last_s[:, leaves]
    before_s = np.where(last_s <= at_s - slack_s, last_s, -np.inf).max(axis=0)
    after_s = np.where(first_s >= at_s + slack_s, first_s, np.inf).min(axis=0)
    counts = (last_s >= before_s) & (first_s <= after_s) & np.isfinite(last_s)
    # A sample from after may share its slot with one from before.
    has_after = history.newest_s[leaves] >= at_s + slack_s
    return counts, np.isfinite(before_s) & has_after
