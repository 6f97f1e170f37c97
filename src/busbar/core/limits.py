"""What a node's limits and base load are on the four rows, as exact whole ticks, and its base load in whole mA and W.

A tick is a fraction of a mA (rows L1, L2, L3, referred to the depot's nominal voltage) or of a W (row total), so fine
that every limit a depot can state is a whole number of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from busbar.core.depot import ChargePoint, Circuit, CurrentKind, Depot
from busbar.core.rows import TOTAL
from busbar.core.units import PHASES, SQRT3, ActivePower, Amount, ApparentPower, Current, Phase

Ticks = tuple[int, int, int, int]
"""A load on L1, L2, L3 and total, in ticks."""
Load = tuple[int, int, int, int]
"""A base load on L1, L2, L3 in whole mA (referred) and total in whole W."""
OpenTicks = tuple[int | None, int | None, int | None, int | None]
"""A limit on L1, L2, L3 and total; None: not limited here."""
Caps = Amount | tuple[Amount, ...]
"""A limit; several of them where it is given in several units: all of them hold."""
NO_LOAD: Ticks = (0, 0, 0, 0)
NO_LIMIT: OpenTicks = (None, None, None, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """A depot's constants of conversion."""

    nominal_v: int
    margin_permille: int
    base_power_factor_permille: int
    per_ma: int
    """Ticks per mA on the lines."""
    per_w: int
    """Ticks per W on the total."""

    def per_unit(self, row: int) -> int:
        """Ticks per mA or W of one of the four rows."""
        return self.per_w if row == TOTAL else self.per_ma


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeLimits:
    """The limits stored for one node."""

    given: tuple[tuple[str, OpenTicks], ...] = ()
    """Name of the limit (as in `bound_by`) and its value; all of them cap the flow."""
    default: OpenTicks = NO_LIMIT
    safe: OpenTicks = NO_LIMIT
    cap: OpenTicks = NO_LIMIT
    """What charge points together never draw more than, however much is generated."""


def scale_of(depot: Depot) -> Scale:
    """The smallest convenient ticks for this depot."""
    low = 1000 - depot.voltage_margin_permille
    power_factor = depot.base_power_factor_permille
    per_ma = 6 * SQRT3.numerator * depot.voltage_v * power_factor * low
    efficiencies = {unit.efficiency_permille for unit in depot.charge_points if unit.current is CurrentKind.DC}
    return Scale(
        nominal_v=depot.voltage_v,
        margin_permille=depot.voltage_margin_permille,
        base_power_factor_permille=power_factor,
        per_ma=per_ma,
        per_w=per_ma * SQRT3.numerator * 10**6 * lcm(1, *efficiencies),
    )


def limit_ticks(amount: Amount | None, scale: Scale, *, voltage_v: int, phases: Sequence[Phase]) -> OpenTicks:
    """A limit on the rows that it caps (design section 3); amperes are given at the node's own voltage."""
    if amount is None:
        return NO_LIMIT
    match amount:
        case ActivePower(w=w):
            return (None, None, None, w * scale.per_w)
        case ApparentPower():
            each = _apparent_ticks(amount, scale, len(phases))
            line = [each if phase in phases else None for phase in PHASES]
        case Current():
            line = [
                None if value is None or phase not in phases else _referred(value, scale, voltage_v)
                for phase, value in zip(PHASES, amount.per_phase_ma(), strict=True)
            ]
    return (line[0], line[1], line[2], None)


def caps_ticks(caps: Caps, scale: Scale, *, voltage_v: int, phases: Sequence[Phase]) -> OpenTicks:
    """The same for limits that all hold: the smallest on each row."""
    if not isinstance(caps, tuple):
        return limit_ticks(caps, scale, voltage_v=voltage_v, phases=phases)
    return least_ticks([limit_ticks(amount, scale, voltage_v=voltage_v, phases=phases) for amount in caps])


def least_ticks(limits: Sequence[OpenTicks]) -> OpenTicks:
    """Row by row the smallest of what is given; None: no limit there."""
    row = [
        min((value for value in values if value is not None), default=None)
        for values in zip(NO_LIMIT, *limits, strict=True)
    ]
    return (row[0], row[1], row[2], row[3])


def load_rows(amount: Amount, scale: Scale, *, voltage_v: int, phases: Sequence[Phase]) -> Load:
    """A base load on all four rows, each rounded up to whole mA and W where it is taken in.

    kW and kVA are balanced over the phases. Generation (negative) counts only on the row it is given for.
    """
    match amount:
        case ActivePower(w=w):
            each, total = _power_ma(max(0, w), scale, len(phases)), w
        case ApparentPower(va=va):
            volts = len(phases) * SQRT3.numerator * scale.nominal_v
            each, total = -(-max(0, va) * 3000 * SQRT3.denominator // volts), va
        case Current():
            given = [
                0 if value is None or phase not in phases else value * voltage_v
                for phase, value in zip(PHASES, amount.per_phase_ma(), strict=True)
            ]
            line = [-(-value // scale.nominal_v) for value in given]
            highest = (1000 + scale.margin_permille) * SQRT3.denominator
            consumed = sum(value for value in given if value > 0)
            return (line[0], line[1], line[2], -(-consumed * highest // (10**6 * SQRT3.numerator)))
    line = [each if phase in phases else 0 for phase in PHASES]
    return (line[0], line[1], line[2], total)


def balanced_rows(amount: Current, watts_per_ma: tuple[int, int]) -> Load:
    """`load_rows` of amperes at the depot's own voltage on all three phases, where most base loads are measured.

    `watts_per_ma` is numerator and denominator of what one mA counts on the total (`watts_per_ma`).
    """
    l1, l2, l3 = amount.l1_ma or 0, amount.l2_ma or 0, amount.l3_ma or 0
    consumed = (l1 if l1 > 0 else 0) + (l2 if l2 > 0 else 0) + (l3 if l3 > 0 else 0)
    return (l1, l2, l3, -(-consumed * watts_per_ma[0] // watts_per_ma[1]))


def watts_per_ma(scale: Scale) -> tuple[int, int]:
    """At unity power factor and the highest voltage, on one phase."""
    highest = scale.nominal_v * (1000 + scale.margin_permille) * SQRT3.denominator
    return highest, 10**6 * SQRT3.numerator


def _power_ma(w: int, scale: Scale, phase_count: int) -> int:
    """mA on each line of a balanced power at the base power factor and the lowest voltage; rounded up."""
    low = 1000 - scale.margin_permille
    volts = phase_count * SQRT3.numerator * scale.nominal_v * scale.base_power_factor_permille * low
    return -(-w * 3 * 10**9 * SQRT3.denominator // volts)


def _referred(value_ma: int, scale: Scale, voltage_v: int) -> int:
    return value_ma * voltage_v * (scale.per_ma // scale.nominal_v)


def _apparent_ticks(amount: ApparentPower, scale: Scale, phase_count: int) -> int:
    """mA = VA x 1000 x 3 / (phases x sqrt 3 x V): S / (sqrt 3 x V) where there are three."""
    sqrt3_volts = SQRT3.numerator * scale.nominal_v * phase_count
    return amount.va * 1000 * 3 * SQRT3.denominator * (scale.per_ma // sqrt3_volts)


def power_on_lines(power_ticks: int, scale: Scale, phase_count: int) -> int:
    """Ticks on each line of a balanced power at the base power factor and the lowest voltage; rounded up."""
    numerator = power_ticks * 10**9 * 3 * SQRT3.denominator * scale.per_ma
    low = 1000 - scale.margin_permille
    volts = SQRT3.numerator * scale.nominal_v * scale.base_power_factor_permille * low
    return -(-numerator // (phase_count * volts * scale.per_w))


def lines_as_power(line_ticks: Sequence[int], scale: Scale) -> int:
    """Ticks of total power that currents may stand for: unity power factor, highest voltage; consumption only."""
    highest = scale.nominal_v * (1000 + scale.margin_permille) * SQRT3.denominator
    per_tick = highest * (scale.per_w // (scale.per_ma * 10**6 * SQRT3.numerator))
    return sum(max(0, value) for value in line_ticks) * per_tick


def circuit_limits(circuit: Circuit, scale: Scale, *, voltage_v: int, phases: Sequence[Phase]) -> NodeLimits:
    """A circuit's own capacities (a grid connection's are those of its top-level circuit)."""

    def ticks(amount: Amount | None) -> OpenTicks:
        return limit_ticks(amount, scale, voltage_v=voltage_v, phases=phases)

    default, rating = ticks(circuit.default_operating_capacity), ticks(circuit.rating)
    safe = default if circuit.safe_operating_capacity is None else ticks(circuit.safe_operating_capacity)
    given = [("default_operating_capacity", default)]
    if circuit.rating is not None:
        given.append(("rating", rating))
    return NodeLimits(
        given=tuple(given),
        default=default,
        safe=safe,
        cap=tuple(d if r is None else r for r, d in zip(rating, default, strict=True)),  # type: ignore[arg-type]
    )


def microgrid_limits(depot: Depot, scale: Scale) -> NodeLimits:
    """The limit on the sum of all grid connections, if there is one."""
    if depot.limit is None:
        return NodeLimits()
    ticks = limit_ticks(depot.limit, scale, voltage_v=depot.voltage_v, phases=PHASES)
    return NodeLimits(given=(("default_operating_capacity", ticks),), default=ticks, safe=ticks, cap=ticks)


def rating_limits(
    charge_point: ChargePoint, max_rating: int, scale: Scale, *, voltage_v: int, phases: Sequence[Phase]
) -> NodeLimits:
    """A maximum rating of a charge point or connector, referred to the supply side."""
    if charge_point.current is CurrentKind.DC:
        supply = max_rating * 1000 * (scale.per_w // charge_point.efficiency_permille)
        return _only_max_rating((None, None, None, supply))
    line = [_referred(max_rating, scale, voltage_v) if phase in phases else None for phase in PHASES]
    return _only_max_rating((line[0], line[1], line[2], None))


def _only_max_rating(ticks: OpenTicks) -> NodeLimits:
    return NodeLimits(given=(("max_rating", ticks),), default=ticks, safe=ticks, cap=ticks)


def assumed_base(limits: NodeLimits, scale: Scale, phase_count: int) -> Ticks:
    """Base load taken for granted while a node is SAFE: default - safe, converted to the rows it is not given on."""
    gap = [
        None if default is None or safe is None else default - safe
        for default, safe in zip(limits.default, limits.safe, strict=True)
    ]
    lines = gap[:TOTAL]
    total = gap[TOTAL]
    if total is None:
        total = lines_as_power([value or 0 for value in lines], scale)
    elif all(value is None for value in lines):
        each = power_on_lines(total, scale, phase_count)
        lines = [each, each, each]
    return (lines[0] or 0, lines[1] or 0, lines[2] or 0, total)


def assumed_rows(limits: NodeLimits, scale: Scale, phase_count: int) -> Load:
    """The same as the nodes above carry it: whole mA and W, rounded up."""
    ticks = assumed_base(limits, scale, phase_count)
    row = [-(-value // scale.per_unit(index)) for index, value in enumerate(ticks)]
    return (row[0], row[1], row[2], row[3])


def flow_limit(limits: NodeLimits, envelope: OpenTicks) -> OpenTicks:
    """What may flow, base load included: the smallest of everything given, row by row."""
    if envelope is NO_LIMIT and len(limits.given) == 1:
        # Every charge point.
        return limits.given[0][1]
    return least_ticks([envelope, *(ticks for _, ticks in limits.given)])


def available_ticks(limits: NodeLimits, envelope: OpenTicks, *, base: Ticks, is_safe: bool) -> OpenTicks:
    """What charge points together may draw (design section 4). `base` is the assumed one where the node is SAFE."""
    row: list[int | None] = []
    limit = flow_limit(limits, envelope)
    for most, load, safe, cap in zip(limit, base, limits.safe, limits.cap, strict=True):
        if most is None:
            row.append(safe if is_safe else None)
            continue
        room = most - load
        for bound in (safe if is_safe else None, cap):
            if bound is not None:
                room = min(room, bound)
        row.append(max(0, room))
    return (row[0], row[1], row[2], row[3])
