"""Small made-up sites as the kernels see them, and what the kernels do, done by hand with Python's whole numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from busbar.core import kernel_admit, kernel_fill, kernel_raise, kernel_room, kernel_round, kernel_tiers
from busbar.core.frame import from_limbs, to_limbs

LIMBS = ((2, 60), (3, 30))
"""Limbs and their bits, as a frame has them."""
LARGE = {60: 2**53 + 1, 30: 2**57 + 1}
"""By bits of a limb, what rooms and weights are multiplied by now and then, so that sums take every limb."""

BOTH = ("plain", "compiled")
MODULES = (kernel_room, kernel_admit, kernel_raise, kernel_round, kernel_tiers, kernel_fill)
Kernel = Callable[[str], Callable[..., Any]]
"""A kernel by its name."""


def kernel_of(name: str, kind: str) -> Callable[..., Any]:
    """The function of that name as it was written, or compiled."""
    module = next(each for each in MODULES if hasattr(each, f"_{name}"))
    found: Callable[..., Any] = getattr(module, name if kind == "compiled" else f"_{name}")
    return found


def limbs_of(values: Any, limbs: int, bits: int) -> Any:
    """Whole numbers of any shape, each as [limbs]."""
    found = np.asarray(values, dtype=object)
    flat = [to_limbs(int(value), limbs, bits) for value in found.ravel()]
    return np.array(flat, dtype=np.int64).reshape(*found.shape, limbs)


def numbers_of(array: Any, bits: int) -> Any:
    """The other way round, as nested lists."""
    if array.ndim == 1:
        return from_limbs(array, bits)
    return [numbers_of(each, bits) for each in array]


@dataclass(kw_only=True)
class Site:
    """Nodes (parents first) with a room per node and row group, and leaves of a few load classes below them."""

    limbs: int
    bits: int
    parent: list[int]
    room: list[list[int]]
    weight: list[list[int]]
    """[K][G]"""
    leaf_parent: list[int]
    leaf_class: list[int]
    left: list[list[int]] = field(default_factory=list)
    """Of the room, by hand."""

    def __post_init__(self) -> None:
        self.left = [list(row) for row in self.room]

    @property
    def leaves(self) -> range:
        """Their numbers."""
        return range(len(self.leaf_parent))

    def path(self, leaf: int) -> Iterator[int]:
        """The nodes above a leaf, going up."""
        node = self.leaf_parent[leaf]
        while node >= 0:
            yield node
            node = self.parent[node]

    def fits(self, leaf: int, amount: int) -> bool:
        """Whether so much more of a leaf fits along its whole path."""
        weighs = self.weight[self.leaf_class[leaf]]
        return amount <= 0 or all(
            self.left[node][group] >= each * amount
            for node in self.path(leaf)
            for group, each in enumerate(weighs)
            if each
        )

    def take(self, leaf: int, amount: int) -> None:
        """Take so much more, or give it back."""
        for node in self.path(leaf):
            for group, each in enumerate(self.weight[self.leaf_class[leaf]]):
                self.left[node][group] -= each * amount

    def is_overfull(self, leaf: int) -> bool:
        """Whether a row that the leaf weighs on holds more than is available."""
        weighs = self.weight[self.leaf_class[leaf]]
        return any(self.left[node][group] < 0 for node in self.path(leaf) for group, each in enumerate(weighs) if each)

    def arrays(self) -> tuple[Any, ...]:
        """left, first, group, up, leaf_parent, leaf_class, weight and bits, with every row kept."""
        nodes, groups = len(self.parent), len(self.weight[0])
        return (
            limbs_of(self.room, self.limbs, self.bits).reshape(nodes * groups, self.limbs),
            np.arange(0, nodes * groups + 1, groups, dtype=np.int32),
            np.tile(np.arange(groups, dtype=np.int32), nodes),
            np.array(self.parent, dtype=np.int32),
            np.array(self.leaf_parent, dtype=np.int32),
            np.array(self.leaf_class, dtype=np.int32),
            limbs_of(self.weight, self.limbs, self.bits),
            self.bits,
        )

    def read(self, left: Any) -> list[list[int]]:
        """What a kernel has left, as `left` by hand."""
        flat = numbers_of(left, self.bits)
        groups = len(self.weight[0])
        return [flat[begin : begin + groups] for begin in range(0, len(flat), groups)]


@st.composite
def sites(draw: st.DrawFn, *, least_room: int = 0, most_room: int = 40, fewest: int = 1, is_large: bool = True) -> Site:
    """Up to four nodes, two row groups, two load classes and four leaves; small numbers, so that much is just full.

    Depth first, as a projection is: a node's leaves come before the nodes below it. There may be several roots, where
    the node above them all refuses nothing.
    """
    limbs, bits = draw(st.sampled_from(LIMBS))
    scale = LARGE[bits] if is_large and draw(st.booleans()) else 1
    wide = draw(st.sampled_from([1, 16])) if scale > 1 else 1
    nodes, leaves = draw(st.integers((fewest + 1) // 2, 4)), draw(st.integers(fewest, 4))
    few = st.integers(0, 2)
    parent = [-1]
    while len(parent) < nodes:
        above, paths = len(parent) - 1, [-1]
        while above >= 0:
            paths.append(above)
            above = parent[above]
        parent.append(draw(st.sampled_from(paths)))
    return Site(
        limbs=limbs,
        bits=bits,
        parent=parent,
        room=[[scale * wide * draw(st.integers(least_room, most_room)) for _ in range(2)] for _ in range(nodes)],
        weight=[[scale * draw(few), scale * draw(few)] for _ in range(2)],
        leaf_parent=sorted(draw(st.integers(0, nodes - 1)) for _ in range(leaves)),
        leaf_class=[draw(st.integers(0, 1)) for _ in range(leaves)],
    )


@dataclass(frozen=True, kw_only=True)
class Wants:
    """What the leaves of a site want and take."""

    request: list[int]
    minimum: list[int]
    step: list[int]
    steps: list[tuple[int, ...]]
    order: list[int]

    def next(self, leaf: int, value: int) -> int | None:
        """The next value above that a leaf takes."""
        if self.steps[leaf]:
            return next((each for each in self.steps[leaf] if each > value), None)
        if value < self.minimum[leaf]:
            return self.minimum[leaf]
        return (value // self.step[leaf] + 1) * self.step[leaf]

    def listed(self) -> tuple[Any, Any, Any]:
        """steps_first, steps_last and allowed."""
        ends = np.cumsum([0, *(len(each) for each in self.steps)]).astype(np.int32)
        return ends[:-1], ends[1:], np.array([value for each in self.steps for value in each], dtype=np.int64)


@st.composite
def wants(draw: st.DrawFn, leaves: int) -> Wants:
    """A request from the minimum up, or none."""
    steps = [draw(st.sampled_from([(), (), (4, 6, 12), (5,)])) for _ in range(leaves)]
    minimum = [listed[0] if listed else draw(st.integers(0, 6)) for listed in steps]
    return Wants(
        request=[draw(st.sampled_from([0, each, each + 1, each + 3, each + 10, 20])) for each in minimum],
        minimum=minimum,
        step=[draw(st.integers(1, 4)) for _ in range(leaves)],
        steps=steps,
        order=draw(st.permutations(range(leaves))),
    )


def ints(values: Sequence[int] | Sequence[Sequence[int]]) -> Any:
    """As int64."""
    return np.array(values, dtype=np.int64)


def indices(values: Sequence[int]) -> Any:
    """[n] as int32."""
    return np.array(values, dtype=np.int32)
