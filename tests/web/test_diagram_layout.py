"""Where nodes stand in the drawing: all of them, none on another, and less when parts are folded."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_depots import large_projection

from busbar.adapters.files.depot_file import load_depot
from busbar.core.projection import NodeKind, Projection, project
from busbar.entrypoints.web.diagram import diagram_svg, is_large
from busbar.entrypoints.web.layout import Place, Wanted, lay_out
from busbar.entrypoints.web.static_files import templates

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module", params=["wa_pta_depot", "small_ac_depot", "nrel_depot_site"])
def projection(request: pytest.FixtureRequest) -> Projection:
    return project(load_depot(SCENARIOS / f"{request.param}.yaml"))


def overlap(one: Place, other: Place) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("is_compact", [False, True])
def test_every_node_has_one_place_in_tree_order(projection: Projection, is_compact: bool) -> None:
    layout = lay_out(projection, Wanted(is_compact=is_compact))
    placed = [place.node for place in layout.places]
    assert sorted(placed) == list(range(len(projection.node_ids)))
    seen: set[int] = set()
    for place in layout.places:
        parent = int(projection.parent[place.node])
        assert parent < 0 or parent in seen
        seen.add(place.node)


@pytest.mark.parametrize("is_compact", [False, True])
def test_no_two_nodes_stand_on_one_another_and_connectors_stand_in_theirs(
    projection: Projection, is_compact: bool
) -> None:
    layout = lay_out(projection, Wanted(is_compact=is_compact))
    connectors = [place for place in layout.places if projection.kinds[place.node] is NodeKind.CONNECTOR]
    others = [place for place in layout.places if projection.kinds[place.node] is not NodeKind.CONNECTOR]
    assert not [pair for pair in combinations(others, 2) if overlap(*pair)]
    assert not [pair for pair in combinations(connectors, 2) if overlap(*pair)]
    by_node = {place.node: place for place in others}
    for place in connectors:
        around = by_node[int(projection.parent[place.node])]
        assert around.x < place.x
        assert place.x + place.width <= around.x + around.width
        assert around.y < place.y
        assert place.y + place.height <= around.y + around.height
    assert all(place.x + place.width <= layout.width and place.y + place.height <= layout.height for place in others)


def test_what_is_folded_is_counted_and_not_drawn() -> None:
    projection = project(load_depot(SCENARIOS / "wa_pta_depot.yaml"))
    layout = lay_out(projection, Wanted(folded=frozenset({"GC1"})))
    drawn = {projection.node_ids[place.node] for place in layout.places}
    assert "GC2" in drawn
    assert not drawn & {"SB1", "C1", "PU1", "PU1/1"}
    (folded,) = (place for place in layout.places if projection.node_ids[place.node] == "GC1")
    assert folded.hidden == len(projection.node_ids) - len(drawn)


def test_names_cannot_bring_markup_of_their_own() -> None:
    depot = load_depot(SCENARIOS / "small_ac_depot.yaml")
    rogue = replace(depot, name='</g><script>alert("x")</script>')
    text = diagram_svg(templates().get_template("diagram.svg.j2"), project(rogue), Wanted())
    assert "<script" not in text
    ElementTree.fromstring(text)


def test_a_thousand_connectors_are_marks_until_they_are_wanted() -> None:
    projection = large_projection()
    assert is_large(projection)
    layout = lay_out(projection, Wanted(is_compact=True, opened=frozenset({"CP7"})))
    compact = {projection.node_ids[place.node] for place in layout.places if place.is_compact}
    assert "CP8/1" in compact
    assert "CP7/1" not in compact
