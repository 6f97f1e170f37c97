"""What an import changes: parts, and the grid connections of the microgrid."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from busbar.core.depot import Circuit, Depot
from busbar.core.errors import BusbarError
from busbar.core.units import ActivePower
from busbar.engine.ports import GridConnection
from busbar.engine.provisioning import Difference, Provisioning, difference, provision

AT = datetime(2026, 11, 22, tzinfo=UTC)
NOTHING = Provisioning(add={}, rename={}, bring_back={}, retire=())


def depot(*circuits: Circuit) -> Depot:
    return Depot(id="elizabeth", voltage_v=415, circuits=circuits)


def circuit(name: str, *, parent: str | None = None, called: str | None = None) -> Circuit:
    return Circuit(id=name, parent=parent, name=called, default_operating_capacity=ActivePower(w=1))


def node(number: int, circuit_id: str, *, name: str | None = None, retired: bool = False) -> GridConnection:
    return GridConnection(id=number, circuit_id=circuit_id, name=name or circuit_id, retired_at=AT if retired else None)


def test_a_new_top_level_circuit_adds_a_grid_connection_with_its_name() -> None:
    wanted = provision(depot(circuit("B", called="Feeder B"), circuit("C", parent="B"), circuit("A")), ())
    assert wanted == replace(NOTHING, add={"B": "Feeder B", "A": "A"})
    assert list(wanted.add) == ["B", "A"], "in the order of the depot"


def test_what_is_there_already_asks_for_nothing() -> None:
    assert provision(depot(circuit("A"), circuit("C", parent="A")), (node(7, "A"),)) == NOTHING


def test_a_new_name_renames_and_losing_the_name_falls_back_to_the_id() -> None:
    assert provision(depot(circuit("A", called="North")), (node(7, "A"),)) == replace(NOTHING, rename={7: "North"})
    assert provision(depot(circuit("A")), (node(7, "A", name="North"),)) == replace(NOTHING, rename={7: "A"})


def test_a_circuit_that_is_gone_or_nested_retires_its_grid_connection() -> None:
    stored = (node(7, "A"), node(8, "B"), node(9, "C"))
    wanted = provision(depot(circuit("A"), circuit("C", parent="A")), stored)
    assert wanted == replace(NOTHING, retire=(8, 9))


def test_what_is_retired_is_not_retired_again() -> None:
    assert provision(depot(circuit("A")), (node(7, "A"), node(8, "B", retired=True))) == NOTHING


def test_a_circuit_that_comes_back_brings_back_its_own_grid_connection_with_its_name_now() -> None:
    stored = (node(7, "A", retired=True), node(8, "B", retired=True))
    wanted = provision(depot(circuit("B", called="South"), circuit("A")), stored)
    assert wanted == replace(NOTHING, bring_back={7: "A", 8: "South"})


def test_a_new_id_is_a_new_circuit_whatever_its_name() -> None:
    wanted = provision(depot(circuit("A2", called="North")), (node(7, "A", name="North"),))
    assert wanted == replace(NOTHING, add={"A2": "North"}, retire=(7,))


@st.composite
def depots(draw: st.DrawFn) -> Depot:
    """Some of a few circuits, in any order; each is at the top or below an earlier one, named or not."""
    ids = draw(st.permutations("ABCDEF"))[: draw(st.integers(min_value=0, max_value=6))]
    circuits = []
    for index, name in enumerate(ids):
        parent = draw(st.none() | st.sampled_from(ids[:index])) if index else None
        circuits.append(circuit(name, parent=parent, called=draw(st.sampled_from([None, "North", "South"]))))
    return depot(*draw(st.permutations(circuits)))


class Imports(RuleBasedStateMachine):
    """Any depots one after the other, applied to the grid connections of one microgrid."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[int, GridConnection] = {}
        self.ids: dict[str, int] = {}
        """Circuit id -> the grid connection it got first."""
        self.latest = depot()

    @rule(wanted=depots())
    def import_depot(self, wanted: Depot) -> None:
        changes = provision(wanted, tuple(self.stored.values()))
        touched = [*changes.rename, *changes.bring_back, *changes.retire]
        assert len(touched) == len(set(touched)), "one thing happens to a grid connection at a time"
        for number in changes.rename:
            assert self.stored[number].retired_at is None
        for number in changes.bring_back:
            assert self.stored[number].retired_at is not None
        for number in changes.retire:
            assert self.stored[number].retired_at is None
            self.stored[number] = replace(self.stored[number], retired_at=AT)
        for number, name in (*changes.rename.items(), *changes.bring_back.items()):
            self.stored[number] = replace(self.stored[number], name=name, retired_at=None)
        for circuit_id, name in changes.add.items():
            number = len(self.stored) + 1
            self.stored[number] = node(number, circuit_id, name=name)
            self.ids.setdefault(circuit_id, number)
        self.latest = wanted

    @invariant()
    def every_top_level_circuit_has_one_grid_connection_in_use(self) -> None:
        in_use = [(one.circuit_id, one.name) for one in self.stored.values() if one.retired_at is None]
        top = [(one.id, one.name or one.id) for one in self.latest.circuits if one.parent is None]
        assert sorted(in_use) == sorted(top)

    @invariant()
    def importing_again_asks_for_nothing(self) -> None:
        assert provision(self.latest, tuple(self.stored.values())) == NOTHING

    @invariant()
    def an_id_stays_with_its_circuit_for_good(self) -> None:
        assert {one.circuit_id: one.id for one in self.stored.values()} == self.ids
        assert len(self.ids) == len(self.stored)


Imports.TestCase.settings = settings(max_examples=50, stateful_step_count=12, deadline=None)
TestImports = Imports.TestCase


def test_parts_are_told_apart_by_what_became_of_them() -> None:
    found = difference(
        known={"same": 1, "other": 1, "gone": 1, "long gone": 1, "back": 1},
        retired={"long gone", "back"},
        wanted=[("new", 1), ("back", 1), ("other", 2), ("same", 1)],
    )
    assert found == Difference(added=("new",), changed=("back", "other"), retired=("gone",), unchanged=1)


def test_an_id_that_is_there_twice_is_refused() -> None:
    with pytest.raises(BusbarError, match="C1 is in the depot twice"):
        difference(known={}, retired=(), wanted=[("C1", 1), ("C2", 1), ("C1", 1)])


PARTS = st.dictionaries(st.sampled_from("ABCDE"), st.integers(min_value=0, max_value=2))


@given(known=PARTS, wanted=PARTS, retired=st.sets(st.sampled_from("ABCDE")))
def test_every_part_is_counted_once(known: dict[str, int], wanted: dict[str, int], retired: set[str]) -> None:
    retired &= known.keys()
    found = difference(known=known, retired=retired, wanted=wanted.items())
    assert {*found.added, *found.changed} <= wanted.keys()
    assert len(found.added) + len(found.changed) + found.unchanged == len(wanted)
    assert set(found.added) == wanted.keys() - known.keys()
    assert set(found.retired) == known.keys() - wanted.keys() - retired
    again = difference(known={**known, **wanted}, retired={*retired, *found.retired} - {*wanted}, wanted=wanted.items())
    assert again == Difference(added=(), changed=(), retired=(), unchanged=len(wanted))
