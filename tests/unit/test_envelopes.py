"""Envelopes: which hold when, merged by minimum, and by how much one cannot be met."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from made_moments import depot_projection, made_moment

from busbar.core.audit import audit
from busbar.core.balance import balance
from busbar.core.limits import Caps, caps_ticks
from busbar.core.projection import project
from busbar.core.rooms import headroom, rooms
from busbar.core.snapshot import Mode
from busbar.core.twin_limits import twin_available
from busbar.core.units import ActivePower, Amount, ApparentPower, Current
from busbar.engine.envelopes import in_force, next_change, shortfalls, state_at
from busbar.engine.ports import Envelope


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def envelope(amount: Amount, starts: datetime, *, node: str = "GC1", **changes: object) -> Envelope:
    given = Envelope(id=1, node=node, amount=amount, starts_at=starts, ends_at=None, by="grid", at=starts)
    return replace(given, **changes)  # type: ignore[arg-type]


def kw(value: int) -> ActivePower:
    return ActivePower(w=value * 1000)


def amperes(l1: int | None, l2: int | None = None, l3: int | None = None) -> Current:
    given = [None if value is None else value * 1000 for value in (l1, l2 or l1, l3 or l1)]
    return Current(l1_ma=given[0], l2_ma=given[1], l3_ma=given[2])


def test_an_envelope_holds_from_its_start_to_its_end_and_then_what_holds_after() -> None:
    at = now()
    hour = timedelta(hours=1)
    given = envelope(kw(700), at, ends_at=at + hour, after=kw(900))
    moments = (at - timedelta(seconds=1), at, at + hour - timedelta(seconds=1), at + hour, at + 1000 * hour)
    found = [in_force([given], when).get("GC1") for when in moments]
    assert found == [None, kw(700), kw(700), kw(900), kw(900)]
    assert [state_at(given, when) for when in moments] == ["coming", "in_force", "in_force", "after", "after"]


def test_one_that_has_ended_or_was_withdrawn_holds_no_more() -> None:
    at = now()
    ended = envelope(kw(700), at - timedelta(hours=2), ends_at=at)
    withdrawn = envelope(kw(600), at, after=kw(1), withdrawn_at=at)
    assert in_force([ended, withdrawn], at) == {}
    assert [state_at(each, at) for each in (ended, withdrawn)] == ["ended", "withdrawn"]


def test_those_of_one_node_are_merged_by_minimum_row_by_row() -> None:
    at = now()
    two = [envelope(amperes(32, 20, 40), at), envelope(amperes(25, 25, 50), at), envelope(kw(500), at, node="C1")]
    assert in_force(two, at) == {"GC1": amperes(25, 20, 40), "C1": kw(500)}


def test_a_phase_that_one_leaves_open_is_limited_by_the_other() -> None:
    at = now()
    one = Current(l1_ma=10_000, l2_ma=None, l3_ma=None)
    two = Current(l1_ma=None, l2_ma=20_000, l3_ma=None)
    merged = in_force([envelope(one, at), envelope(two, at)], at)["GC1"]
    assert merged == Current(l1_ma=10_000, l2_ma=20_000, l3_ma=None)


def test_of_several_units_all_hold_and_the_merge_is_not_looser_than_any() -> None:
    at = now()
    projection = depot_projection()
    node = projection.node_index["GC1"]
    amounts: list[Amount] = [kw(500), amperes(900), ApparentPower(va=600_000), kw(450), ApparentPower(va=700_000)]
    merged = in_force([envelope(amount, at) for amount in amounts], at)["GC1"]
    assert merged == (amperes(900), ApparentPower(va=600_000), kw(450))

    def ticks(caps: Caps) -> tuple[int | None, ...]:
        return caps_ticks(caps, projection.frame.scale, voltage_v=415, phases=projection.phases[node])

    together = ticks(merged)
    for row in range(4):
        each = [value for amount in amounts if (value := ticks(amount)[row]) is not None]
        assert together[row] == min(each)


def test_the_balance_and_its_audit_keep_to_all_of_them() -> None:
    caps: Caps = (amperes(900), ApparentPower(va=800_000), kw(450))
    moment = made_moment(vehicles=64, limits={"GC1": caps})
    projection, snapshot = moment.projection, moment.snapshot
    node = projection.node_index["GC1"]
    here = headroom(projection, rooms(projection, snapshot), int(projection.frame.inner_of[node]))
    scale = projection.frame.scale
    whole = [None if ticks is None else ticks // scale.per_unit(row) for row, ticks in enumerate(here.limit)]
    assert whole == [900_000, 900_000, 900_000, 450_000]
    exact = twin_available(projection, snapshot)[node]
    assert [value for value in exact if value is not None][-1] == 450_000 - 85_000
    assert not audit(projection, snapshot, balance(projection, snapshot))


def test_when_the_next_of_them_changes() -> None:
    at = now()
    minute = timedelta(minutes=1)
    given = [
        envelope(kw(1), at - minute, ends_at=at + 3 * minute),
        envelope(kw(1), at + 5 * minute),
        envelope(kw(1), at + minute, withdrawn_at=at),
    ]
    assert next_change(given, at) == at + 3 * minute
    assert next_change(given, at + 3 * minute) == at + 5 * minute
    assert next_change(given, at + 5 * minute) is None


def test_an_envelope_that_can_be_met_has_no_shortfall() -> None:
    moment = made_moment(vehicles=64)
    assert shortfalls(moment, "GC1", kw(85)) == ()
    assert shortfalls(moment, "C1", kw(2)) == ()


def test_base_load_above_an_envelope_is_its_shortfall() -> None:
    found = shortfalls(made_moment(vehicles=64), "GC1", kw(60))
    assert [(each.row, each.by) for each in found] == [("total", 25_000)]
    assert found[0].text == "GC1 cannot keep to 60 kW in total: 85 kW of base load are 25 kW too much."


def test_fallbacks_and_what_is_out_of_reach_cannot_be_lowered() -> None:
    depot = depot_projection().depot
    unit = depot.charge_points[0]
    connectors = tuple(replace(each, fallback=47_000) for each in unit.connectors)
    projection = project(replace(depot, charge_points=(replace(unit, connectors=connectors), *depot.charge_points[1:])))
    moment = made_moment(projection, vehicles=64)
    out_of_reach = np.zeros(64, dtype=np.bool_)
    committed = np.zeros(64, dtype=np.int64)
    out_of_reach[4], committed[4] = True, 94_000
    snapshot = replace(moment.snapshot, out_of_reach=out_of_reach, committed=committed)
    found = shortfalls(replace(moment, snapshot=snapshot), "C1", kw(250))
    # Four fallbacks of 50 kW and one commitment of 100 kW at the supply, and idle charge points.
    assert [(each.row, each.by) for each in found] == [("total", 51_200)]
    assert "300 kW that connectors may draw and that cannot be lowered" in found[0].text


def test_no_charge_point_counts_for_more_than_its_rating() -> None:
    moment = made_moment(vehicles=64)
    out_of_reach = np.zeros(64, dtype=np.bool_)
    committed = np.zeros(64, dtype=np.int64)
    out_of_reach[:4], committed[:4] = True, 150_000
    snapshot = replace(moment.snapshot, out_of_reach=out_of_reach, committed=committed)
    found = shortfalls(replace(moment, snapshot=snapshot), "PU1", kw(400))
    assert [each.by for each in found] == [25_532]


def test_a_safe_node_counts_its_assumed_base_load() -> None:
    found = shortfalls(made_moment(vehicles=0, modes={"GC1": Mode.SAFE}), "GC1", ApparentPower(va=300_000))
    assert {each.row for each in found} == {"L1", "L2", "L3"}
    assert "assumed: it is SAFE" in found[0].text


def test_generation_makes_room() -> None:
    moment = made_moment(vehicles=0, base_load={"GC1": ActivePower(w=-50_000)})
    assert shortfalls(moment, "GC1", kw(0)) == ()
    out_of_reach = np.zeros(64, dtype=np.bool_)
    committed = np.zeros(64, dtype=np.int64)
    out_of_reach[0], committed[0] = True, 94_000
    snapshot = replace(moment.snapshot, out_of_reach=out_of_reach, committed=committed)
    found = shortfalls(replace(moment, snapshot=snapshot), "GC1", kw(10))
    assert [each.by for each in found] == [40_000]
    assert found[0].text.endswith("cannot be lowered, less 50 kW of generation, are 40 kW too much.")


def test_a_connector_or_an_unknown_node_has_no_envelope() -> None:
    for node in ("PU1/1", "nowhere"):
        with pytest.raises(KeyError):
            shortfalls(made_moment(vehicles=0), node, kw(1))
