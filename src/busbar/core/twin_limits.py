"""The twin's limits: what is available at every node and row, exactly, straight from the stored records.

Shares no code with `limits`, `frame` and `rooms`. This is design sections 3 and 4, line by line.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection
from busbar.core.rows import Row
from busbar.core.snapshot import Mode, Snapshot
from busbar.core.units import PHASES, SQRT3, ActivePower, Amount, ApparentPower, Current, Phase

Exact = Fraction | int
"""What is whole stays an int, which is many times as cheap to count with."""
Load = tuple[Exact, Exact, Exact, Exact]
"""mA on L1, L2 and L3, referred to the depot's nominal voltage, and W in total."""
Limit = tuple[Exact | None, Exact | None, Exact | None, Exact | None]
"""The same four rows; None: not limited here."""
OPEN: Limit = (None, None, None, None)
NOTHING: Load = (0, 0, 0, 0)


def twin_available(projection: Projection, snapshot: Snapshot) -> list[list[Exact | None]]:
    """[N][rows] what charge points together may draw at each node; None where a row is not limited.

    A connector's own rating caps its request and limits no row. Nodes that are alike share their list.
    """
    base = twin_base_loads(projection, snapshot)
    phasor, lines = _lines_bounded_as_phasor(projection), [_line_of(row) for row in projection.rows]
    voltages_v: list[int] = projection.voltage_v.tolist()
    unlimited: list[Exact | None] = [None] * len(projection.rows)
    alike: dict[tuple[object, ...], list[Exact | None]] = {}
    available = []
    for node, subject in enumerate(projection.subjects):
        if isinstance(subject, Connector):
            available.append(unlimited)
            continue
        if not isinstance(subject, ChargePoint) or projection.node_ids[node] in snapshot.envelopes:
            four = _available(projection, snapshot, node, base[node])
            available.append(_all_rows(projection, four, lines, phasor[node]))
            continue
        # There are thousands of them and a few kinds; nothing but this makes their limits differ.
        kind = (
            *(subject.current, subject.max_rating, subject.efficiency_permille),
            *(voltages_v[node], projection.phases[node], phasor[node]),
        )
        if kind not in alike:
            four = _available(projection, snapshot, node, base[node])
            alike[kind] = _all_rows(projection, four, lines, phasor[node])
        available.append(alike[kind])
    return available


def twin_base_loads(projection: Projection, snapshot: Snapshot) -> list[Load]:
    """[N] what each node carries that Busbar does not control; the assumed load where it is SAFE."""
    depot = projection.depot
    base = [NOTHING] * len(projection.subjects)
    below = [NOTHING] * len(projection.subjects)
    idle_w = [0] * len(projection.subjects)
    parents: list[int] = projection.parent.tolist()
    for node in reversed(range(len(projection.subjects))):
        subject = projection.subjects[node]
        if isinstance(subject, Connector):
            continue
        parent = parents[node]
        if isinstance(subject, ChargePoint):
            # What a charge point draws by itself is its circuit's to carry.
            idle_w[parent] += subject.idle_load_w if subject.in_service else 0
            continue
        node_id = projection.node_ids[node]
        phases, voltage_v = projection.phases[node], int(projection.voltage_v[node])
        if isinstance(subject, Circuit) and subject.base_load is not None:
            known = _whole(_load(subject.base_load, depot, voltage_v, phases))
        else:
            known = below[node]
            if idle_w[node]:
                known = _sum(known, _whole(_load(ActivePower(w=idle_w[node]), depot, voltage_v, phases)))
        if snapshot.modes.get(node_id) is Mode.SAFE:
            base[node] = _most(_assumed(projection, node), known)
        elif node_id in snapshot.base_load:
            base[node] = _whole(_load(snapshot.base_load[node_id], depot, voltage_v, phases))
        else:
            base[node] = known
        if node > 0:
            below[parent] = _sum(below[parent], _whole(base[node]))
    return base


def _available(projection: Projection, snapshot: Snapshot, node: int, base: Load) -> Limit:
    """Section 4: what may flow, less the base load, never above the rating; SAFE: never above the safe capacity."""
    subject, node_id = projection.subjects[node], projection.node_ids[node]
    rating, default, safe = _stored(projection, node)
    envelope = OPEN
    if node_id in snapshot.envelopes:
        given = snapshot.envelopes[node_id]
        voltage_v, phases = int(projection.voltage_v[node]), projection.phases[node]
        each = given if isinstance(given, tuple) else (given,)
        envelope = _least(*(_limit(amount, projection.depot, voltage_v, phases) for amount in each))
    flow = _least(rating, default, envelope)
    # Generation never lifts what charge points draw above the rating (where none is given, the default).
    most = [default[row] if rating[row] is None else rating[row] for row in range(4)]
    is_safe = snapshot.modes.get(node_id) is Mode.SAFE
    found: list[Exact | None] = []
    for row in range(4):
        limit = flow[row]
        if limit is None:
            found.append(None)
            continue
        # A charge point's rating is counted at the vehicle, where no base load hangs.
        room = limit if isinstance(subject, ChargePoint) else limit - base[row]
        for cap in (most[row], safe[row] if is_safe else None):
            room = room if cap is None else min(room, cap)
        found.append(max(0, room))
    return (found[0], found[1], found[2], found[3])


def _stored(projection: Projection, node: int) -> tuple[Limit, Limit, Limit]:
    """Rating, default and safe operating capacity of a node, as far as they are stored."""
    depot, subject = projection.depot, projection.subjects[node]
    voltage_v, phases = int(projection.voltage_v[node]), projection.phases[node]
    match subject:
        case Depot():
            limit = _limit(subject.limit, depot, voltage_v, phases)
            return OPEN, limit, limit
        case Circuit():
            default = _limit(subject.default_operating_capacity, depot, voltage_v, phases)
            safe = subject.safe_operating_capacity
            return (
                _limit(subject.rating, depot, voltage_v, phases),
                default,
                default if safe is None else _limit(safe, depot, voltage_v, phases),
            )
        case ChargePoint(current=CurrentKind.DC):
            supply = Fraction(subject.max_rating * 1000, subject.efficiency_permille)
            limit = (None, None, None, supply)
            return limit, limit, limit
        case _:
            ma = subject.max_rating
            limit = _limit(Current(l1_ma=ma, l2_ma=ma, l3_ma=ma), depot, voltage_v, phases)
            return limit, limit, limit


def _limit(amount: Amount | None, depot: Depot, voltage_v: int, phases: tuple[Phase, ...]) -> Limit:
    return OPEN if amount is None else _rows_of_limit(amount, depot.voltage_v, voltage_v, phases)


@lru_cache(maxsize=1024)
def _rows_of_limit(amount: Amount, nominal_v: int, voltage_v: int, phases: tuple[Phase, ...]) -> Limit:
    """Section 3: A cap each phase, referred; kVA each phase at 3 S / (n sqrt 3 V); kW the total.

    The same few limits are stored from cycle to cycle.
    """
    match amount:
        case ActivePower(w=w):
            return (None, None, None, w)
        case ApparentPower(va=va):
            line = _apparent_ma(va, nominal_v, phases)
            return (*(line if phase in phases else None for phase in PHASES), None)  # type: ignore[return-value]
        case Current():
            lines = (
                None if ma is None or phase not in phases else _exact(ma * voltage_v, nominal_v)
                for phase, ma in zip(PHASES, amount.per_phase_ma(), strict=True)
            )
            return (*lines, None)  # type: ignore[return-value]


def _exact(numerator: int, denominator: int) -> Exact:
    whole, rest = divmod(numerator, denominator)
    return Fraction(numerator, denominator) if rest else whole


def _load(amount: Amount, depot: Depot, voltage_v: int, phases: tuple[Phase, ...]) -> Load:
    """A base load on all four rows. Generation counts only on the rows it is measured on."""
    match amount:
        case ActivePower(w=w):
            ma, total = _ma_of_watts(max(0, w), depot, phases), w
        case ApparentPower(va=va):
            ma, total = _apparent_ma(max(0, va), depot.voltage_v, phases), va
        case Current():
            lines = [limit or 0 for limit in _limit(amount, depot, voltage_v, phases)[:3]]
            return (lines[0], lines[1], lines[2], _watts_of_lines(lines, depot))
    lines = [ma if phase in phases else 0 for phase in PHASES]
    return (lines[0], lines[1], lines[2], total)


def _apparent_ma(va: int, nominal_v: int, phases: tuple[Phase, ...]) -> Exact:
    return 3 * 1000 * va / (len(phases) * SQRT3 * nominal_v)


def _ma_of_watts(w: Exact, depot: Depot, phases: tuple[Phase, ...]) -> Exact:
    """On each line: balanced, at the base power factor and the lowest voltage."""
    lowest_v = depot.voltage_v * Fraction(1000 - depot.voltage_margin_permille, 1000)
    apparent = w / Fraction(depot.base_power_factor_permille, 1000)
    return 3 * 1000 * apparent / (len(phases) * SQRT3 * lowest_v)


def _watts_of_lines(lines_ma: list[Exact], depot: Depot) -> Exact:
    """What is consumed at most: unity power factor and the highest voltage."""
    highest_v = depot.voltage_v * Fraction(1000 + depot.voltage_margin_permille, 1000) / SQRT3
    return sum((max(0, ma) for ma in lines_ma), 0) * highest_v / 1000


def _assumed(projection: Projection, node: int) -> Load:
    """Default - safe: a base load that is not seen, converted to the rows it is not given on."""
    _, default, safe = _stored(projection, node)
    gap = [None if d is None or s is None else d - s for d, s in zip(default, safe, strict=True)]
    lines, total = [ma or 0 for ma in gap[:3]], gap[3]
    if total is None:
        total = _watts_of_lines(lines, projection.depot)
    elif all(ma is None for ma in gap[:3]):
        lines = [_ma_of_watts(total, projection.depot, projection.phases[node])] * 3
    return (lines[0], lines[1], lines[2], total)


def _lines_bounded_as_phasor(projection: Projection) -> list[tuple[bool, bool, bool]]:
    """[N] lines that several loads share, line-to-line ones among them: their phasor sum is bounded, not the plain."""
    if not any(load.line_to_line or load.turned_deg for load in projection.classes):
        return [(False, False, False)] * len(projection.node_ids)
    sharing = [[0, 0, 0] for _ in projection.node_ids]
    line_to_line = [[False, False, False] for _ in projection.node_ids]
    for node, load in zip(projection.leaf_node.tolist(), projection.leaf_class.tolist(), strict=True):
        found = projection.classes[load]
        sharing[node] = [int(phase in found.phases) for phase in PHASES]
        is_turned = found.line_to_line or found.turned_deg > 0
        line_to_line[node] = [is_turned and phase in found.phases for phase in PHASES]
    parents: list[int] = projection.parent.tolist()
    for node in range(len(sharing) - 1, 0, -1):
        parent = parents[node]
        for line in range(3):
            sharing[parent][line] += sharing[node][line]
            line_to_line[parent][line] |= line_to_line[node][line]
    bounded = ([a and n > 1 for a, n in zip(*lines, strict=True)] for lines in zip(line_to_line, sharing, strict=True))
    return [(l1, l2, l3) for l1, l2, l3 in bounded]


def _line_of(row: Row) -> int:
    """Which of the four rows a row belongs to."""
    return 3 if row.label == "total" else PHASES.index(Phase(row.label))


def _all_rows(
    projection: Projection, four: Limit, lines: list[int], phasor: tuple[bool, bool, bool]
) -> list[Exact | None]:
    """The four rows, and the directions: limited only where a line is bounded as phasor, the plain line where not.

    Only directions lie inside the circle by a factor (`rows.Row.shrink`).
    """
    found: list[Exact | None] = []
    for row, line in zip(projection.rows, lines, strict=True):
        limit = four[line]
        applies = line == 3 or phasor[line] == (row.direction_deg is not None)
        if limit is None or not applies:
            found.append(None)
        else:
            found.append(limit if row.direction_deg is None else limit * row.shrink)
    return found


def _least(*limits: Limit) -> Limit:
    given = [limit for limit in limits if limit is not OPEN]
    if len(given) == 1:
        return given[0]
    found = [min((value for value in row if value is not None), default=None) for row in zip(OPEN, *given, strict=True)]
    return (found[0], found[1], found[2], found[3])


def _whole(load: Load) -> Load:
    """Base load is taken in as whole mA and W, rounded up."""
    return (ceil(load[0]), ceil(load[1]), ceil(load[2]), ceil(load[3]))


def _most(left: Load, right: Load) -> Load:
    return (max(left[0], right[0]), max(left[1], right[1]), max(left[2], right[2]), max(left[3], right[3]))


def _sum(left: Load, right: Load) -> Load:
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3])
