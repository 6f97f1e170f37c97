"""Who is admitted, compiled: minima reserved in order, each where it fits."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from busbar.core.kernel_room import fits, next_value, take

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

NOTHING_WANTED, ADMITTED, NO_ROOM, RESTART_GAP = 0, 1, 2, 3
"""Verdicts of the admission (`allocation.Verdict`)."""


def _margins(
    request: Ints,
    minimum: Ints,
    step: Ints,
    steps_first: Indices,
    steps_last: Indices,
    allowed: Ints,
    needs_margin: Bools,
) -> tuple[Ints, bool]:
    """[n] what has to fit for a leaf to start again, 0 where the minimum is enough; and whether any has one."""
    margin = np.zeros(len(request), dtype=np.int64)
    any_margin = False
    for leaf in range(len(request)):
        if needs_margin[leaf] and request[leaf] > 0:
            any_margin = True
            margin[leaf] = next_value(
                minimum[leaf], minimum[leaf], step[leaf], steps_first[leaf], steps_last[leaf], allowed
            )
    return margin, any_margin


margins: Any = njit(cache=True, error_model="numpy")(_margins)


def _admit(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    request: Ints,
    minimum: Ints,
    margin: Ints,
    reserved: Ints,
    verdict: Bytes,
) -> None:
    """In order, reserve each minimum along its path where it fits; updates left, reserved and verdict.

    `margin` [n] is what has to fit for a leaf to start again; 0 where the minimum is enough.
    """
    for leaf in order:
        if request[leaf] <= 0:
            continue
        node, load = leaf_parent[leaf], leaf_class[leaf]
        more = max(0, minimum[leaf] - reserved[leaf])
        if not fits(left, first, group, up, node, weight, load, more, bits):
            verdict[leaf] = NO_ROOM
            continue
        spare = margin[leaf] - reserved[leaf]
        if spare > more and not fits(left, first, group, up, node, weight, load, spare, bits):
            verdict[leaf] = RESTART_GAP
            continue
        take(left, first, group, up, node, weight, load, more, bits)
        reserved[leaf] += more
        verdict[leaf] = ADMITTED


admit: Any = njit(cache=True, error_model="numpy")(_admit)


def _is_any_overfull(left: Ints) -> bool:
    """Whether any row holds more than is available."""
    top = left.shape[1] - 1
    for entry in range(left.shape[0]):  # noqa: SIM110 (compiled)
        if left[entry, top] < 0:
            return True
    return False


is_any_overfull: Any = njit(cache=True, error_model="numpy")(_is_any_overfull)


def _admit_all(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    request: Ints,
    minimum: Ints,
    reserved: Ints,
    verdict: Bytes,
) -> bool:
    """Reserve every minimum; False where they do not all fit, and then left and reserved are of no use."""
    for leaf in range(len(request)):
        if request[leaf] > 0:
            more = max(0, minimum[leaf] - reserved[leaf])
            take(left, first, group, up, leaf_parent[leaf], weight, leaf_class[leaf], more, bits)
            reserved[leaf] += more
            verdict[leaf] = ADMITTED
    return not is_any_overfull(left)


admit_all: Any = njit(cache=True, error_model="numpy")(_admit_all)


def _admit_fairly(
    left: Ints,
    first: Indices,
    group: Indices,
    up: Indices,
    leaf_parent: Indices,
    leaf_class: Indices,
    weight: Ints,
    bits: int,
    order: Indices,
    request: Ints,
    minimum: Ints,
    margin: Ints,
    any_margin: bool,
    idle: Ints,
) -> tuple[Ints, Ints, Bytes]:
    """What is left [E, L], reserved and the verdict [n]. Where everything fits, nobody has to be asked in order."""
    everything = left.copy()
    reserved, verdict = idle.copy(), np.zeros(len(request), dtype=np.int8)
    if not any_margin and admit_all(
        everything, first, group, up, leaf_parent, leaf_class, weight, bits, request, minimum, reserved, verdict
    ):
        return everything, reserved, verdict
    reserved, verdict = idle.copy(), np.zeros(len(request), dtype=np.int8)
    admit(
        left,
        first,
        group,
        up,
        leaf_parent,
        leaf_class,
        weight,
        bits,
        order,
        request,
        minimum,
        margin,
        reserved,
        verdict,
    )
    return left, reserved, verdict


admit_fairly: Any = njit(cache=True, error_model="numpy")(_admit_fairly)
