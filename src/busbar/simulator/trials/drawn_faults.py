"""Faults drawn at random for a depot: every kind, seldom many at once, and pairs that are made to overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from busbar.core.depot import ChargePoint, CurrentKind
from busbar.core.depot_rules import check_depot
from busbar.core.units import ActivePower, Amount, Current
from busbar.simulator.fault import FAULT_RULES, FaultEvent, FaultKind, Place
from busbar.simulator.scenario import with_capacity
from busbar.simulator.times import Span
from busbar.simulator.trials.drawn_depot import DrawnDepot, fallback_excesses, scaled
from busbar.simulator.trials.pairs import WITHIN_S, aimed_pairs, gap_s

FEWEST, MOST = 22, 32
AT_ONCE = 3
"""More are under way at the same time only where no better place was found."""
_TRIES = 12
_LOWEST_SHARE, _HIGHEST_SHARE = 0.4, 0.8
"""What is left of a limit that is cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How often a kind is drawn, and how long it lasts."""

    shortest_s: int
    longest_s: int
    weight: float = 1.0
    after_s: int = 0
    """How long its consequences go on beyond its span: they end before the calm at the end too."""


RULES: Mapping[FaultKind, Rule] = MappingProxyType(
    {
        FaultKind.MESSAGE_LOST: Rule(shortest_s=10, longest_s=60, weight=1.5),
        FaultKind.MESSAGE_DELAYED: Rule(shortest_s=10, longest_s=60),
        FaultKind.MESSAGE_DUPLICATED: Rule(shortest_s=10, longest_s=60),
        FaultKind.MESSAGE_REORDERED: Rule(shortest_s=10, longest_s=60),
        FaultKind.ANSWER_LATE: Rule(shortest_s=10, longest_s=60),
        FaultKind.ANSWER_NEVER: Rule(shortest_s=10, longest_s=60, weight=1.5),
        FaultKind.IGNORED: Rule(shortest_s=10, longest_s=60),
        FaultKind.REFUSED: Rule(shortest_s=10, longest_s=60),
        FaultKind.CONNECTION_DROPPED: Rule(shortest_s=5, longest_s=60, weight=1.5),
        FaultKind.CONNECTION_FLAPPING: Rule(shortest_s=20, longest_s=60),
        FaultKind.CONNECTION_HALF_OPEN: Rule(shortest_s=5, longest_s=60),
        FaultKind.REBOOT_TO_FALLBACK: Rule(shortest_s=3, longest_s=40),
        FaultKind.REBOOT_TO_RATING: Rule(shortest_s=3, longest_s=40, after_s=60),
        FaultKind.REBOOT_KEEPING_PROFILES: Rule(shortest_s=3, longest_s=40),
        FaultKind.REBOOT_LOSING_PROFILES: Rule(shortest_s=3, longest_s=40),
        FaultKind.PROFILE_EXPIRED: Rule(shortest_s=31, longest_s=80, weight=0.5),
        FaultKind.RAMPS_SLOWLY: Rule(shortest_s=30, longest_s=120),
        FaultKind.DRAWS_MORE: Rule(shortest_s=20, longest_s=90),
        FaultKind.OPERATOR_OVERRIDE: Rule(shortest_s=20, longest_s=120),
        FaultKind.METER_SILENT: Rule(shortest_s=20, longest_s=150),
        FaultKind.METER_FROZEN: Rule(shortest_s=20, longest_s=150),
        FaultKind.METER_NAN: Rule(shortest_s=20, longest_s=150),
        FaultKind.METER_NEGATIVE_SPIKE: Rule(shortest_s=20, longest_s=150),
        FaultKind.METER_WRONG_UNIT: Rule(shortest_s=20, longest_s=150),
        FaultKind.METER_OLD: Rule(shortest_s=20, longest_s=150),
        FaultKind.BASE_LOAD_STEP: Rule(shortest_s=30, longest_s=240, weight=1.5),
        FaultKind.LIMIT_CUT: Rule(shortest_s=30, longest_s=240, weight=1.5),
        FaultKind.ENVELOPE_LAPSES: Rule(shortest_s=30, longest_s=240),
        FaultKind.CLOCK_STEP: Rule(shortest_s=60, longest_s=300, weight=0.5),
        FaultKind.STORE_FAILS: Rule(shortest_s=5, longest_s=60),
        FaultKind.STORE_SLOW: Rule(shortest_s=5, longest_s=60),
        FaultKind.PROCESS_KILLED: Rule(shortest_s=1, longest_s=20, weight=1.5, after_s=90),
        FaultKind.DEPOT_EDITED: Rule(shortest_s=1, longest_s=1),
        FaultKind.DEPOT_EDITED_WRONGLY: Rule(shortest_s=1, longest_s=1),
    }
)
"""`PROFILE_EXPIRED` lasts so much longer than the lease."""

_REBOOTS = frozenset(kind for kind in FaultKind if kind.value.startswith("reboot_"))
_OFTEN_FOR_ALL = frozenset(
    kind for kind in FaultKind if kind.value.startswith(("message_", "answer_", "connection_dropped"))
)
_ALL_SHARE = 0.35
_SHARES = (0.3, 0.7, 1.0)


def drawn_faults(
    random: Random, drawn: DrawnDepot, *, seed: int, from_s: int, until_s: int, lease_s: int
) -> tuple[FaultEvent, ...]:
    """At least twenty, in order of time, all of them over by `until_s`. The seed's pairs come first, while there is
    room; the others fill the time between."""
    drawing = _Drawing(random, drawn, from_s, until_s, lease_s)
    for first, second in aimed_pairs(seed):
        drawing.add_pair(first, second)
    drawing.fill(random.randint(FEWEST, MOST))
    return in_order(drawing.found)


def faults_between(
    random: Random,
    drawn: DrawnDepot,
    *,
    seed: int,
    wanted: int,
    from_s: int,
    until_s: int,
    lease_s: int,
    known: Sequence[FaultEvent],
    parts: Mapping[str, frozenset[str]],
) -> tuple[FaultEvent, ...]:
    """So many more in a depot in which others are `known` to happen, all of them over by `until_s`.

    `parts`: node -> the charge points that are concerned where it is struck; how many are under way at once is counted
    for each part of the depot by itself.
    """
    drawing = _Drawing(random, drawn, from_s, until_s, lease_s, known=known, parts=parts)
    for first, second in aimed_pairs(seed):
        drawing.add_pair(first, second)
    drawing.fill(wanted)
    return in_order(drawing.found)


def in_order(faults: Sequence[FaultEvent]) -> tuple[FaultEvent, ...]:
    """By time, kind and place."""
    return tuple(sorted(faults, key=lambda fault: (fault.span.from_s, fault.kind.value, fault.node or "")))


class _Drawing:
    """The faults of one trial while they are drawn. (Mutable.)"""

    def __init__(
        self,
        random: Random,
        drawn: DrawnDepot,
        from_s: int,
        until_s: int,
        lease_s: int,
        *,
        known: Sequence[FaultEvent] = (),
        parts: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> None:
        self.found: list[FaultEvent] = []
        self._known, self._parts = known, parts
        self._random, self._drawn, self._lease_s = random, drawn, lease_s
        self._from_s, self._until_s = from_s, until_s
        depot = drawn.depot
        self._units = {unit.id: unit for unit in depot.charge_points}
        self._meters = list(drawn.meters)
        self._circuits = {circuit.id: circuit for circuit in depot.circuits}

    def fill(self, wanted: int) -> None:
        """As many as are wanted, of all kinds, as often as each is drawn."""
        kinds = tuple(RULES)
        weights = [RULES[kind].weight for kind in kinds]
        tries = _TRIES * wanted
        while len(self.found) < wanted and tries:
            tries -= 1
            self.add(self._random.choices(kinds, weights)[0])

    def add(self, kind: FaultKind) -> None:
        """One of a kind, where the least goes on; none where it would contradict others wherever it is."""
        best: FaultEvent | None = None
        busy = 0
        for _ in range(_TRIES):
            fault = self._one(kind, self._start(kind, self._lasts(kind)))
            if fault is None or self._contradicts(fault):
                continue
            others = self._at_once(fault)
            if best is None or others < busy:
                best, busy = fault, others
            if others < AT_ONCE:
                break
        if best is not None:
            self.found.append(best)

    def add_pair(self, first: FaultKind, second: FaultKind) -> None:
        """Two that overlap, as often as not at the same place."""
        for _ in range(4 * _TRIES):
            one = self._one(first, self._start(first, self._lasts(first)))
            if one is None or self._contradicts(one) or self._at_once(one) > 1:
                continue
            lasts_s = self._lasts(second)
            earliest_s = max(self._from_s, one.span.from_s - lasts_s + 1)
            latest_s = min(self._latest_s(second, lasts_s), one.span.until_s - 1)
            if earliest_s > latest_s:
                continue
            from_s = self._random.randint(earliest_s, latest_s)
            span = Span(from_s=from_s, until_s=from_s + lasts_s)
            other = self._one(second, span, near=one.node if self._random.random() < 0.6 else None)
            if other is None or self._contradicts(other) or _contradict(one, other):
                continue
            self.found += [one, other]
            return

    def _lasts(self, kind: FaultKind) -> int:
        rule = RULES[kind]
        lasts_s = self._random.randint(rule.shortest_s, rule.longest_s)
        return lasts_s + self._lease_s if kind is FaultKind.PROFILE_EXPIRED else lasts_s

    def _latest_s(self, kind: FaultKind, lasts_s: int) -> int:
        return self._until_s - lasts_s - RULES[kind].after_s

    def _start(self, kind: FaultKind, lasts_s: int) -> Span:
        from_s = self._random.randint(self._from_s, self._latest_s(kind, lasts_s))
        return Span(from_s=from_s, until_s=from_s + lasts_s)

    def _contradicts(self, fault: FaultEvent) -> bool:
        return any(_contradict(fault, other) for other in (*self.found, *self._known))

    def _at_once(self, fault: FaultEvent) -> int:
        """How many others are under way in the same part of the depot during its span."""
        span, here = fault.span, self._part(fault)
        return sum(
            other.span.from_s < span.until_s
            and span.from_s < other.span.until_s
            and (here is None or (there := self._part(other)) is None or not here.isdisjoint(there))
            for other in (*self.found, *self._known)
        )

    def _part(self, fault: FaultEvent) -> frozenset[str] | None:
        """The charge points that it concerns; None: all of them."""
        return None if fault.node is None else self._parts.get(fault.node)

    def _one(self, kind: FaultKind, span: Span, near: str | None = None) -> FaultEvent | None:
        """One of a kind; None where this depot has no place for it. `near`: there, where it can be there."""
        node = self._node(kind, near)
        if node is None and FAULT_RULES[kind].place not in (Place.NOWHERE, Place.CLOCK, Place.CHARGE_POINTS):
            return None
        amount, takes = self._amount(kind, node), (*FAULT_RULES[kind].needs, *FAULT_RULES[kind].may)
        if amount is None and "amount" in takes:
            return None
        return FaultEvent(
            span=span,
            kind=kind,
            node=node,
            share=self._random.choice(_SHARES) if "share" in takes else 1.0,
            delay_s=self._delay_s(kind) if "delay" in takes else 0.0,
            factor=self._factor(kind) if "factor" in takes else 1.0,
            step_s=self._random.choice((-3600, 3600)) if "step" in takes else 0,
            nth=self._random.randint(1, 200) if "nth" in takes else 1,
            amount=amount,
        )

    # Where

    def _node(self, kind: FaultKind, near: str | None) -> str | None:
        places = self._places(kind)
        if near in places:
            return near
        if kind in _OFTEN_FOR_ALL and self._random.random() < _ALL_SHARE:
            return None
        return self._random.choice(places) if places else None

    def _places(self, kind: FaultKind) -> list[str]:
        if kind is FaultKind.BASE_LOAD_STEP:
            return list(self._drawn.base_w)
        if kind in (FaultKind.LIMIT_CUT, FaultKind.ENVELOPE_LAPSES):
            return [name for name, lowest in self._drawn.lowest_share.items() if lowest <= _HIGHEST_SHARE]
        match FAULT_RULES[kind].place:
            case Place.CHARGE_POINT | Place.CHARGE_POINTS:
                return list(self._units)
            case Place.METER:
                return self._meters
            case _:
                return []

    # How much

    def _delay_s(self, kind: FaultKind) -> float:
        match kind:
            case FaultKind.STORE_SLOW:
                return round(self._random.uniform(0.05, 3.0), 2)
            case FaultKind.METER_OLD:
                return float(self._random.randint(5, 60))
            case _:
                return round(self._random.uniform(0.5, 20.0), 1)

    def _factor(self, kind: FaultKind) -> float:
        match kind:
            case FaultKind.METER_WRONG_UNIT:
                return self._random.choice((1000.0, 0.001))
            case FaultKind.DRAWS_MORE:
                return self._random.choice((1.05, 1.1, 1.3, 1.5))
            case _:
                return self._random.choice((2.0, 3.0, 5.0))

    def _amount(self, kind: FaultKind, node: str | None) -> Amount | None:
        if node is None:
            return None
        match kind:
            case FaultKind.OPERATOR_OVERRIDE:
                return _override(self._random, self._units[node])
            case FaultKind.BASE_LOAD_STEP:
                return _base_step(self._random, self._drawn.base_w[node])
            case FaultKind.LIMIT_CUT | FaultKind.ENVELOPE_LAPSES:
                lowest = max(_LOWEST_SHARE, self._drawn.lowest_share[node])
                limit = self._circuits[node].default_operating_capacity
                cut = scaled(limit, self._random.uniform(lowest, _HIGHEST_SHARE))
                return cut if self._fits(node, cut) else None
            case _:
                return None

    def _fits(self, node: str, cut: Amount) -> bool:
        """Whether what charge points do by themselves fits even so: nobody can ask for more than that."""
        depot = with_capacity(self._drawn.depot, node, cut)
        return not check_depot(depot) and not fallback_excesses(depot)


def _override(random: Random, unit: ChargePoint) -> Amount:
    if unit.current is CurrentKind.DC:
        return ActivePower(w=random.randint(0, unit.max_rating // 1000) * 1000)
    ma = random.choice((0, 6_000, 10_000, 16_000))
    return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)


def _base_step(random: Random, most_w: int) -> Amount:
    """Within what is left of a circuit's base load; sometimes generation."""
    step_w = max(100, round(most_w * random.uniform(0.15, 0.4)) // 100 * 100)
    return ActivePower(w=-step_w if random.random() < 0.25 else step_w)


def _contradict(one: FaultEvent, other: FaultEvent) -> bool:
    """Whether the two cannot both be done: the same thing twice, or a charge point switched off that is off."""
    if one.node is not None and other.node is not None and one.node != other.node:
        return False
    is_same = one.kind is other.kind or (one.kind in _REBOOTS and other.kind in _REBOOTS)
    # What follows from a kill, or from a reboot, is waited for before the next.
    wait_s = max(RULES[one.kind].after_s, RULES[other.kind].after_s, WITHIN_S)
    return is_same and gap_s(one, other) <= wait_s
