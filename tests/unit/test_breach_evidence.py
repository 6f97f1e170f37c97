"""What a breach is put down to, in figures, names and words; and the samples that are kept of it (design section 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from busbar.core.breach import BreachRules
from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.units import Current, Phase
from busbar.engine.breach_causes import Case, Finding, decide, is_worse, leaf_weights
from busbar.engine.breach_chart import MOST_SAMPLES, extended
from busbar.engine.breach_looks import Fall, Looks
from busbar.engine.breach_record import BreachCause, BreachRecord, Sample
from busbar.engine.breach_sight import BreachSight
from busbar.engine.breaches import Breaches
from busbar.engine.moment import Flows

A = KW = 1000
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LIMIT = Current(l1_ma=100 * A, l2_ma=100 * A, l3_ma=100 * A)
TOTAL = 3


def yard(count: int = 5, *, names: Sequence[str] = ("G",)) -> Projection:
    """Posts of 64 A below the first circuit; the last one is wired to L2 only."""
    connector = Connector(id="1", max_rating=64 * A, minimum=6 * A, step=A)
    posts = [
        ChargePoint(
            id=f"CP{number}", circuit=names[0], current=CurrentKind.AC, max_rating=64 * A, connectors=(connector,)
        )
        for number in range(1, count + 1)
    ]
    posts[-1] = replace(posts[-1], connectors=(replace(connector, phases=(Phase.L2,)),))
    circuits = tuple(Circuit(id=name, default_operating_capacity=LIMIT) for name in names)
    return project(Depot(id="yard", voltage_v=400, circuits=circuits, charge_points=tuple(posts)))


def sight(
    projection: Projection, *, base: float = np.nan, at_s: float = 0.0, **leaves: Mapping[int, float]
) -> BreachSight:
    """Amperes by the number of the post: `drawn`, `told` and `committed`; nothing else."""
    n, count = len(projection.node_ids), len(projection.leaf_ids)

    def amperes(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([leaves.get(name, {}).get(number, 0.0) * A for number in range(1, count + 1)])

    return BreachSight(
        at=AT + timedelta(seconds=at_s),
        now_s=1000.0 + at_s,
        flows=Flows(rows=np.full((n, 4), 90.0 * A), age_s=np.zeros(n)),
        limit=np.full((n, 4), 100.0 * A),
        limit_name=lambda node, row: "default_operating_capacity",
        base_load=np.full((n, 4), base * A),
        drawn=amperes("drawn"),
        committed=amperes("committed" if "committed" in leaves else "told").astype(np.int64),
        told=amperes("told").astype(np.int64),
        disobeys=np.zeros(count, dtype=np.bool_),
    )


RULES = BreachRules()


def found(
    projection: Projection,
    look: BreachSight,
    flow_a: float,
    *,
    fall: Fall | None = None,
    rise_a: float = 0.0,
    row: int = 0,
    is_excused: bool = False,
    rules: BreachRules = RULES,
) -> Finding:
    case = Case(node=1, row=row, flow=flow_a * A, limit=100.0 * A, fall=fall, rise=rise_a * A, is_excused=is_excused)
    return decide(look, projection, leaf_weights(projection), case, rules)


def fell_by(a: float) -> Fall:
    return Fall(fell_s=990.0, at=AT, before=(100.0 + a) * A, to=100.0 * A)


@pytest.mark.parametrize(
    ("above", "words"),
    [
        ({2: 30.0}, "CP2/1 draws 30 A more than it may."),
        ({1: 10.0, 2: 30.0}, "CP2/1 and CP1/1 draw 40 A more than they may."),
        ({1: 10.0, 2: 30.0, 3: 20.0}, "CP2/1, CP3/1 and CP1/1 draw 60 A more than they may."),
        ({1: 10.0, 2: 30.0, 3: 20.0, 4: 5.0}, "CP2/1, CP3/1, CP1/1 and 1 more draw 65 A more than they may."),
    ],
)
def test_whoever_draws_more_than_they_may_is_named_the_furthest_above_first(
    above: Mapping[int, float], words: str
) -> None:
    projection = yard()
    told = dict.fromkeys(range(1, 5), 20.0)
    drawn = {number: 20.0 + above.get(number, 0.0) for number in range(1, 5)}
    finding = found(projection, sight(projection, told=told, drawn=drawn), 80.0 + sum(above.values()))
    assert (finding.cause, finding.is_certain) == (BreachCause.CHARGE_POINT_DISOBEYS, True)
    assert finding.sentence == words
    assert finding.evidence["charge_points"] == [f"CP{number}/1" for number in sorted(above, key=lambda n: -above[n])]


def test_who_is_a_little_above_is_not_named_beside_one_who_disobeys() -> None:
    projection = yard()
    told = {1: 40.0, 2: 40.0}
    finding = found(projection, sight(projection, told=told, drawn={1: 41.0, 2: 70.0}), 111.0)
    assert finding.sentence == "CP2/1 draws 30 A more than it may."


@pytest.mark.parametrize("drawn_a", [2.9, 3.0])
def test_nobody_disobeys_by_an_ampere_or_less_however_little_they_were_given(drawn_a: float) -> None:
    projection = yard()
    finding = found(projection, sight(projection, told={1: 2.0}, drawn={1: drawn_a}), 101.5)
    assert finding.cause is BreachCause.UNACCOUNTED_LOAD


def test_no_cause_is_worse_than_itself_and_our_own_fault_is_worse_than_any_other() -> None:
    for cause in BreachCause:
        assert not is_worse(cause, cause)
        assert is_worse(BreachCause.COMMANDED, cause) == (cause is not BreachCause.COMMANDED)


def test_who_does_not_load_the_line_is_not_named_for_it() -> None:
    projection = yard()
    told, drawn = {1: 40.0, 5: 40.0}, {1: 60.0, 5: 64.0}
    assert found(projection, sight(projection, told=told, drawn=drawn), 105.0).evidence["charge_points"] == ["CP1/1"]


def test_many_who_are_each_a_little_above_are_named_but_not_for_certain() -> None:
    projection = yard()
    told = dict.fromkeys(range(1, 5), 24.9)
    drawn = dict.fromkeys(range(1, 5), 25.5)
    finding = found(projection, sight(projection, told=told, drawn=drawn), 102.0)
    assert (finding.cause, finding.is_certain) == (BreachCause.CHARGE_POINT_DISOBEYS, False)
    assert finding.evidence["charge_points"] == ["CP1/1", "CP2/1", "CP3/1", "CP4/1"]


def test_who_is_a_milliampere_above_is_named_last() -> None:
    projection = yard()
    told = {1: 25.0, 2: 24.9, 3: 24.9, 4: 24.9}
    drawn = {1: 25.001, 2: 25.7, 3: 25.7, 4: 25.7}
    finding = found(projection, sight(projection, told=told, drawn=drawn), 102.1)
    assert finding.evidence["charge_points"] == ["CP2/1", "CP3/1", "CP4/1", "CP1/1"]


def test_of_many_who_are_as_far_above_the_first_twenty_are_named() -> None:
    projection = yard(61)
    everybody = range(1, 61)
    drawn = {number: 8.0 if number % 2 else 6.0 for number in everybody}
    look = sight(projection, told=dict.fromkeys(everybody, 2.0), drawn=drawn)
    assert found(projection, look, 420.0).evidence["charge_points"] == [f"CP{number}/1" for number in range(1, 41, 2)]


def test_who_is_a_little_above_is_not_blamed_for_what_that_does_not_explain() -> None:
    projection = yard()
    told = dict.fromkeys(range(1, 5), 24.9)
    drawn = dict.fromkeys(range(1, 5), 25.5)
    finding = found(projection, sight(projection, told=told, drawn=drawn), 150.0)
    assert (finding.cause, finding.is_certain) == (BreachCause.UNACCOUNTED_LOAD, False)


def test_the_furthest_above_is_who_loads_the_line_most() -> None:
    """60 kW at the vehicle are some 90 A on the line, more than the other's 62 A."""
    cabinet = ChargePoint(
        id="CP0", circuit="G", current=CurrentKind.DC, max_rating=100 * KW, efficiency_permille=940,
        connectors=(Connector(id="1", max_rating=100 * KW, minimum=0, step=KW),),
    )  # fmt: skip
    plain = yard(2).depot
    projection = project(replace(plain, charge_points=(cabinet, *plain.charge_points)))
    finding = found(projection, sight(projection, drawn={1: 60.0, 2: 62.0}), 155.0)
    assert finding.evidence["charge_points"] == ["CP0/1", "CP1/1"]
    assert finding.sentence == "CP0/1 and CP1/1 draw 161 A more than they may."


def test_a_load_between_two_lines_weighs_on_four_rows_like_any_other() -> None:
    plain = yard(2).depot
    first, second = plain.charge_points
    between = replace(second.connectors[0], phases=(Phase.L1, Phase.L2), line_to_line=True)
    projection = project(replace(plain, charge_points=(first, replace(second, connectors=(between,)))))
    assert len(projection.rows) > 4
    assert leaf_weights(projection).shape == (4, 2)


def test_where_nobody_is_above_what_they_may_nobody_is_named() -> None:
    projection = yard()
    finding = found(projection, sight(projection, told={1: 50.0}, drawn={1: 50.0}), 150.0)
    assert finding.cause is BreachCause.UNACCOUNTED_LOAD
    assert finding.evidence["charge_points"] == []
    both = found(projection, sight(projection, told={1: 60.0, 2: 60.0}, drawn={1: 61.0, 2: 60.0}, base=10.0), 131.0)
    assert both.cause is BreachCause.COMMANDED
    assert both.evidence["charge_points"] == []
    assert both.sentence == "Our own order: 120 A committed to charge points and 10 A of base load do not fit 100 A."


@pytest.mark.parametrize(("row", "before", "to"), [(0, "120 A", "100 A"), (TOTAL, "120 kW", "100 kW")])
def test_a_limit_that_fell_is_told_in_its_own_unit_and_in_the_time_of_the_depot(row: int, before: str, to: str) -> None:
    projection = yard()
    fall = Fall(fell_s=990.0, at=AT, before=120.0 * KW, to=100.0 * KW)
    finding = found(projection, sight(projection), 110.0, fall=fall, row=row)
    assert finding.cause is BreachCause.LIMIT_LOWERED
    assert finding.sentence == (
        f"The limit was lowered from {before} to {to} at 10:00:00 and the load did not follow within 15 s."
    )


def test_what_it_was_decided_from_is_told_in_full() -> None:
    projection = yard()
    look = sight(projection, told={1: 40.0, 2: 20.0}, drawn={1: 38.0, 2: 20.0}, base=30.0)
    plain = {
        "flow": 130_000,
        "limit": 100_000,
        "base_load": 30_000,
        "drawn": 58_000,
        "committed": 60_000,
        "charge_points": [],
    }
    assert found(projection, look, 130.0).evidence == plain
    changed = found(projection, look, 130.0, fall=fell_by(20), rise_a=8.0).evidence
    assert changed == plain | {
        "limit_before": 120_000,
        "limit_fell_at": "2026-11-23T10:00:00+00:00",
        "base_load_rose_by": 8_000,
    }


@pytest.mark.parametrize(
    ("flow", "drawn", "told", "base", "fell", "rise", "cause"),
    [
        (130, 90, 20, 0, 0, 0, BreachCause.CHARGE_POINT_DISOBEYS),
        (130, 20, 20, 110, 0, 0, BreachCause.BASE_LOAD),
        (130, 60, 60, 60, 20, 0, BreachCause.LIMIT_LOWERED),
        (130, 60, 60, 60, 20, 20, BreachCause.LIMIT_LOWERED),
        (130, 60, 60, 60, 0, 20, BreachCause.BASE_LOAD),
        (130, 60, 60, 60, 19, 20, BreachCause.BASE_LOAD),
        (130, 60, 60, 40, 0, 0, BreachCause.UNACCOUNTED_LOAD),
        (170, 70, 60, 60, 0, 0, BreachCause.CHARGE_POINT_DISOBEYS),
        (130, 60, 60, 60, 0, 0, BreachCause.COMMANDED),
    ],
)
def test_these_causes_are_certain(
    flow: float, drawn: float, told: float, base: float, fell: float, rise: float, cause: BreachCause
) -> None:
    projection = yard()
    look = sight(projection, told={1: told}, drawn={1: drawn}, base=base)
    finding = found(projection, look, flow, fall=fell_by(fell) if fell else None, rise_a=rise)
    assert (finding.cause, finding.is_certain) == (cause, True)


def test_what_is_known_and_fits_by_itself_is_not_short_by_what_flows_within_the_tolerance() -> None:
    projection = yard()
    finding = found(projection, sight(projection, told={1: 60.0, 2: 40.0}, drawn={1: 60.0, 2: 40.0}), 100.5)
    assert (finding.cause, finding.is_certain) == (BreachCause.UNACCOUNTED_LOAD, False)


def test_three_percent_above_is_not_disobeying() -> None:
    projection = yard()
    finding = found(projection, sight(projection, told={1: 50.0}, drawn={1: 51.5}), 101.2)
    assert (finding.cause, finding.is_certain) == (BreachCause.UNACCOUNTED_LOAD, True)


def test_what_is_counted_for_disobedience_is_neither_permission_nor_our_order() -> None:
    projection = yard()
    rogue = np.array([True, False, False, False, False])
    look = sight(projection, told={1: 20.0, 2: 30.0}, committed={1: 64.0, 2: 30.0}, drawn={1: 64.0, 2: 30.0})
    finding = found(projection, replace(look, disobeys=rogue), 130.0)
    assert (finding.cause, finding.is_certain) == (BreachCause.CHARGE_POINT_DISOBEYS, True)
    assert finding.sentence == "CP1/1 draws 44 A more than it may."
    assert finding.evidence["committed"] == 50_000


def test_who_hangs_below_another_circuit_is_neither_counted_nor_named() -> None:
    plain = yard(2, names=("G", "H")).depot
    first, second = plain.charge_points
    projection = project(
        replace(plain, charge_points=(first, replace(second, circuit="H", connectors=first.connectors)))
    )
    finding = found(projection, sight(projection, told={1: 10.0, 2: 10.0}, drawn={1: 50.0, 2: 60.0}), 130.0)
    assert finding.sentence == "CP1/1 draws 40 A more than it may."
    assert (finding.evidence["drawn"], finding.evidence["committed"]) == (50_000, 10_000)


@pytest.mark.parametrize(("row", "is_explained"), [(0, False), (TOTAL, True)])
def test_what_explains_a_power_is_held_against_the_tolerance_of_powers(row: int, is_explained: bool) -> None:
    """58 A too much are 40 kW; without them 102.5 kW, or A, would flow."""
    projection = yard()
    too_much = 58.0 * float(leaf_weights(projection)[row, 0])
    look = sight(projection, told={1: 6.0}, drawn={1: 64.0})
    finding = found(projection, look, 102.5 + too_much, row=row, rules=BreachRules(least_ma=1_000, least_w=5_000))
    assert (finding.cause is BreachCause.CHARGE_POINT_DISOBEYS) == is_explained


def test_what_is_missing_is_told_in_the_unit_of_its_row() -> None:
    projection = yard()
    look = sight(projection, told={1: 10.0}, drawn={1: 10.0})
    assert found(projection, look, 151.051).sentence == "141.1 A flow that no meter or charge point below accounts for."
    kilowatts = 151.0 - 10.0 * float(leaf_weights(projection)[TOTAL, 0])
    assert found(projection, look, 151.0, row=TOTAL).sentence == (
        f"{kilowatts:.1f} kW flow that no meter or charge point below accounts for."
    )


@pytest.mark.parametrize("drawn", [55.0, 56.0])
def test_where_everything_is_accounted_for_nothing_is_said_to_be_missing(drawn: float) -> None:
    projection = yard()
    look = sight(projection, told={1: 55.0, 2: 55.0}, drawn={1: drawn, 2: 55.0})
    finding = found(projection, look, 110.0, is_excused=True)
    assert finding.sentence == "110 A flow, and nothing that is known below explains it."


def test_base_load_at_the_limit_is_not_above_it_by_itself() -> None:
    projection = yard()
    finding = found(projection, sight(projection, told={1: 20.0}, drawn={1: 20.0}, base=100.0), 120.0, rise_a=50.0)
    assert finding.sentence == "Base load rose by 50 A within 35 s, faster than the charge points gave way."


# What is kept


def looked(*looks_at: tuple[float, float], base: Sequence[float] = ()) -> Looks:
    """After looks (second, when the sample was taken)."""
    projection = yard(1)
    n = len(projection.node_ids)
    found = Looks(n, together_s=35.0)
    for number, (at_s, taken_s) in enumerate(looks_at):
        seen = sight(projection, at_s=at_s, base=base[number] if base else np.nan)
        found.note(seen, np.full(n, 1000.0 + taken_s))
    return found


def seconds_of(looks: Looks, since_s: float = 0.0) -> list[float]:
    return [(each.at - AT).total_seconds() for each in looks.samples(1, 0, since_s=1000.0 + since_s)]


def test_samples_are_those_since_then_at_the_time_when_they_were_taken() -> None:
    looks = looked((0, -2), (5, 4), (10, 7))
    assert seconds_of(looks, -10) == [-2, 4, 7]
    assert seconds_of(looks, 4) == [4, 7]
    assert seconds_of(looks, 5) == [7]


def test_a_sample_that_was_looked_at_twice_is_there_once() -> None:
    assert seconds_of(looked((0, 0), (5, 0), (10, 0.5))) == [0, 0.5]


def test_looks_are_kept_four_seconds_apart_and_the_newest_always() -> None:
    assert seconds_of(looked(*((k, k) for k in range(11)))) == [0, 4, 8, 10]


@pytest.mark.parametrize(("last_s", "kept"), [(110, [0, 60, 110]), (111, [60, 111])])
def test_looks_are_kept_for_110_seconds(last_s: float, kept: list[float]) -> None:
    assert seconds_of(looked((0, 0), (60, 60), (last_s, last_s))) == kept


@pytest.mark.parametrize(
    ("from_s", "to_s", "rise"), [(0, 20, 30), (0, 19, 10), (1, 20, 20), (5, 20, 20), (10, 10, 0), (30, 40, 0)]
)
def test_base_load_rises_from_the_lowest_to_the_highest_after_it_both_ends_included(
    from_s: float, to_s: float, rise: float
) -> None:
    looks = looked((0, 0), (10, 10), (20, 20), base=(40, 50, 70))
    assert looks.base_rise(1, 0, from_s=1000.0 + from_s, to_s=1000.0 + to_s) == rise * A


@pytest.mark.parametrize(("apart_s", "before"), [(35.0, 100.0), (36.0, 80.0)])
def test_falls_within_the_time_to_react_and_to_open_are_one(apart_s: float, before: float) -> None:
    projection = yard(1)
    n = len(projection.node_ids)
    looks = Looks(n, together_s=35.0)
    for at_s, limit in ((0.0, 100.0), (5.0, 80.0), (5.0 + apart_s, 60.0)):
        seen = replace(sight(projection, at_s=at_s), limit=np.full((n, 4), limit * A))
        looks.note(seen, np.full(n, 1000.0 + at_s))
    fell = looks.fall(1, 0)
    assert fell is not None
    assert (fell.before, fell.to) == (before * A, 60.0 * A)
    assert fell.at == AT + timedelta(seconds=5.0 + apart_s)


@pytest.mark.parametrize("by_ma", [1.0, 2.0])
def test_a_limit_that_is_lower_by_a_milliampere_has_not_fallen(by_ma: float) -> None:
    projection = yard(1)
    n = len(projection.node_ids)
    looks = Looks(n, together_s=35.0)
    looks.note(sight(projection), np.full(n, 1000.0))
    seen = replace(sight(projection, at_s=5.0), limit=np.full((n, 4), 100.0 * A - by_ma))
    assert looks.note(seen, np.full(n, 1005.0)).all() == (by_ma > 1)


def samples(*flows: int | None) -> list[Sample]:
    return [Sample(at=AT + timedelta(seconds=k), flow=flow, limit=100 * A) for k, flow in enumerate(flows)]


def test_a_chart_that_is_full_keeps_its_beginning_its_newest_and_the_higher_of_every_two_between() -> None:
    full = samples(*(100 + 7 * (number % 5) for number in range(MOST_SAMPLES)))
    new = Sample(at=AT + timedelta(hours=1), flow=50, limit=100 * A)
    assert extended(full[:-1], new) == (*full[:-1], new)
    pairs = zip(full[60::2], full[61::2], strict=True)
    assert extended(full, new) == (
        *full[:60],
        *(first if (first.flow or 0) >= (second.flow or 0) else second for first, second in pairs),
        new,
    )


def test_of_a_sample_and_silence_the_sample_is_kept() -> None:
    flows = [100 if number % 2 else None for number in range(MOST_SAMPLES)]
    kept = extended(samples(*flows), Sample(at=AT + timedelta(hours=1), flow=-5, limit=None))
    assert [each.flow for each in kept[60:]] == [*[100] * 90, -5]


def test_a_limit_that_fell_is_remembered_for_a_node_that_moves_and_not_for_one_that_is_new() -> None:
    before, after = yard(1, names=("G",)), yard(1, names=("F", "G"))
    looks = Looks(len(before.node_ids), together_s=35.0)
    first = sight(before)
    looks.note(first, np.full(len(before.node_ids), 1000.0))
    lowered = replace(sight(before, at_s=5.0), limit=np.full((len(before.node_ids), 4), 80.0 * A))
    fell = looks.note(lowered, np.full(len(before.node_ids), 1005.0))
    assert fell.all()
    looks.move(len(after.node_ids), to=np.array([after.node_index["G"]]), of=np.array([before.node_index["G"]]))
    moved = looks.fall(after.node_index["G"], 0)
    assert moved is not None
    assert (moved.before, moved.to, moved.fell_s) == (100.0 * A, 80.0 * A, 1005.0)
    assert looks.fall(after.node_index["F"], 0) is None
    assert [each.flow for each in looks.samples(after.node_index["G"], 0, since_s=0.0)] == [90 * A, 90 * A]
    assert looks.samples(after.node_index["F"], 0, since_s=0.0) == []


def test_the_limit_that_is_named_is_that_of_the_node_and_the_row() -> None:
    projection = yard()
    breaches = Breaches(projection, new_id=lambda: "B1")
    opened: list[BreachRecord] = []
    for at_s in range(0, 30, 5):
        seen = sight(projection, at_s=at_s)
        seen.flows.rows[1, 2] = 120.0 * A
        named = replace(seen, limit_name=lambda node, row: f"{projection.node_ids[node]} {row}")
        opened += breaches.look(named).opened
    assert [(record.node, record.row, record.limit_name) for record in opened] == [("G", "L3", "G 2")]


def test_of_a_new_node_the_first_fall_is_from_what_its_limit_was() -> None:
    before, after = yard(1, names=("G",)), yard(1, names=("F", "G"))
    looks = Looks(len(before.node_ids), together_s=35.0)
    looks.note(sight(before), np.full(len(before.node_ids), 1000.0))
    looks.move(len(after.node_ids), to=np.array([after.node_index["G"]]), of=np.array([before.node_index["G"]]))
    for at_s, limit in ((5.0, 90.0), (10.0, 70.0)):
        seen = replace(sight(after, at_s=at_s), limit=np.full((len(after.node_ids), 4), limit * A))
        looks.note(seen, np.full(len(after.node_ids), 1000.0 + at_s))
    fell = looks.fall(after.node_index["F"], 0)
    assert fell is not None
    assert (fell.before, fell.to) == (90.0 * A, 70.0 * A)


def test_a_flow_opens_by_its_newest_sample_however_old_another_in_it_is() -> None:
    projection = yard()
    breaches = Breaches(projection, new_id=lambda: "B1")
    opened: list[BreachRecord] = []
    for at_s in range(0, 30, 5):
        seen = sight(projection, at_s=at_s)
        seen.flows.rows[1, 0] = 120.0 * A
        old = Flows(rows=seen.flows.rows, age_s=np.full(len(projection.node_ids), 50.0 + at_s))
        opened += breaches.look(replace(seen, flows=old, taken_s=np.full(len(projection.node_ids), seen.now_s))).opened
    assert [(record.started_at, record.opened_at) for record in opened] == [(AT, AT + timedelta(seconds=25))]


def test_what_flows_without_anybody_knowing_when_is_not_known() -> None:
    projection = yard()
    breaches = Breaches(projection, new_id=lambda: "B1")
    for at_s in range(0, 100, 5):
        seen = sight(projection, at_s=at_s)
        seen.flows.rows[1, 0] = (120.0 if at_s < 30 else 80.0) * A
        if at_s >= 30:
            seen.flows.age_s[:] = np.nan
        news = breaches.look(seen)
    (record,) = news.open
    assert record.series[-1].flow is None


def test_no_more_than_a_thousand_are_watched_and_connectors_come_last() -> None:
    """What is at its limit is not over it, so it takes nobody's place."""
    projection = yard(400)
    names, n = projection.node_ids, len(projection.node_ids)
    numbers = iter(range(10_000))
    breaches = Breaches(projection, new_id=lambda: f"B{next(numbers)}", rules=BreachRules(open_s=1.0))
    inner = [node for node, name in enumerate(names) if "/" not in name]
    at_limit, over = inner[:10], inner[10:260]
    for at_s in range(4):
        seen = sight(projection, at_s=at_s)
        seen.flows.rows[at_limit] = 100.0 * A
        seen.flows.rows[over] = 120.0 * A
        if at_s == 0:
            # One place is left for the second look.
            seen.flows.rows[over[-1], 3] = 90.0 * A
        else:
            seen.flows.rows[[node for node in range(n) if node not in at_limit]] = 120.0 * A
        news = breaches.look(seen)
    assert {(record.node, record.row) for record in news.open} == {
        (names[node], row) for node in over for row in ("L1", "L2", "L3", "total")
    }


def test_where_more_than_a_thousand_are_restored_nothing_else_is_watched() -> None:
    projection = yard(400)
    names, n = projection.node_ids, len(projection.node_ids)
    record = BreachRecord(
        id="",
        node="",
        row="L1",
        started_at=AT,
        opened_at=AT,
        limit=100 * A,
        limit_name="",
        peak=120 * A,
        peak_at=AT,
        energy_over_wh=1,
        cause=BreachCause.COMMANDED,
        sentence="",
    )
    places = [(name, row) for name in names for row in ("L1", "L2", "L3", "total")][:1001]
    breaches = Breaches(projection, new_id=lambda: "B1", rules=BreachRules(open_s=1.0))
    breaches.restore([replace(record, id=f"{name} {row}", node=name, row=row) for name, row in places])
    for at_s in range(4):
        seen = sight(projection, at_s=at_s)
        seen.flows.rows[:] = 120.0 * A
        news = breaches.look(seen)
    assert n * 4 > 1001 == len(news.open)
