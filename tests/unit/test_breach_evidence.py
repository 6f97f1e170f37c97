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


def found(
    projection: Projection, look: BreachSight, flow_a: float, *, fall: Fall | None = None, row: int = 0
) -> Finding:
    case = Case(node=1, row=row, flow=flow_a * A, limit=100.0 * A, fall=fall, rise=0.0)
    return decide(look, projection, leaf_weights(projection), case, BreachRules())


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


# What is kept


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
