"""Whatever the bytes are: a depot or a RefusedError, and nothing else. No disk."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from busbar.adapters.files.depot_file import parse_depot
from busbar.adapters.files.document import parse_document
from busbar.adapters.files.snapshot_file import parse_snapshot
from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError
from busbar.core.projection import project

DEPOT = """\
schema: busbar/depot/1
depot: {id: north, voltage: 415 V, voltage_margin: 5 %, limit: 2 MVA, timezone: UTC, leaves: connector}
circuits:
  - {id: GC1, rating: 1500 kVA, default_operating_capacity: 1200 kVA, safe_operating_capacity: 600 kVA, meter: true}
  - &c {id: C1, parent: GC1, default_operating_capacity: {L1: 9 A, L2: 9 A, L3: 8 A}, base_load: 1 kW, voltage: 230 V}
  - {<<: *c, id: C2, phases: [L1, L2, L3]}
charge_points:
  - {id: CP1, circuit: C1, current: DC, max_rating: 400 kW, efficiency: 94 %, power_factor: 0.98, idle_load: 50 W,
     connectors: [{id: 1, max_rating: 150 kW, min: 10 kW, step: 1 kW, fallback: 0 kW, steps: [20 kW, 30 kW]}]}
  - {id: CP2, circuit: GC1, current: AC, max_rating: 32 A, in_service: false,
     connectors: [{id: 1, max_rating: 32 A, min: 6 A, phases: [L2, L3], line_to_line: true}]}
"""
SNAPSHOT = """\
at: 2026-11-22T22:00:00+08:00
sessions:
  - {connector: CP1/1, request: 120 kW, arrived: 2026-11-22T21:10:00+08:00, departs: 2026-11-23T05:10:00+08:00,
     energy_needed: 210 kWh, soc: 0.31, priority: 2, weight: 1, charging: true, waiting_since: null}
base_load: {GC1: 85 kW, C1: {L1: 3 A}}
modes: {C1: SAFE}
envelopes: {GC1: 700 kW}
committed: {CP2/1: 30 A}
"""
WORDS = [
    *("", "null", "nan", "-1", "1e99 A", "9" * 5000, "{}", "[]", "[[]]", "{a: b}", "*c", "&c x", "!!int 3", "<<"),
    *("A", "0", "9999-12-31T23:59:59-23:59", "2026-W01", "\U0001f68c", "\u0663 A", "- ", "? ", ": ", "\t", "'", '"'),
    *("\n", "#", "%", "/", "true", "L1", "GC1", "1 A", "1 kW", "C2"),
]


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """The text with some of its words replaced, doubled or cut."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 12)))
        text = text[:begin] + draw(st.sampled_from(WORDS) | st.text(max_size=4)) + text[end:]
    return text.encode("utf-8", errors="surrogatepass")


def depot_or_problems(content: bytes, file: str = "x.yaml") -> Depot | tuple[Problem, ...]:
    try:
        return parse_depot(parse_document(content, file=file))
    except RefusedError as refused:
        return refused.problems


@settings(deadline=None, max_examples=400)
@given(mutated(DEPOT))
@example(DEPOT.encode())
def test_a_spoilt_depot_is_refused_or_can_be_projected(content: bytes) -> None:
    found = depot_or_problems(content)
    if isinstance(found, Depot):
        project(found)
    else:
        assert found
        assert all(problem.file == "x.yaml" and problem.line and problem.fix for problem in found)


@settings(deadline=None, max_examples=300)
@given(mutated(SNAPSHOT))
@example(SNAPSHOT.encode())
def test_a_spoilt_snapshot_is_refused_or_read(content: bytes) -> None:
    projection = project(parse_depot(parse_document(DEPOT.encode(), file="depot.yaml")))
    problems: tuple[Problem, ...] = ()
    try:
        parse_snapshot(parse_document(content, file="x.yaml"), projection)
    except RefusedError as refused:
        problems = refused.problems
    assert all(problem.file == "x.yaml" and problem.line and problem.fix for problem in problems)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(["x.yaml", "x.json"]))
def test_any_bytes_are_refused_or_read(content: bytes, file: str) -> None:
    assert depot_or_problems(content, file)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@`#~<ab01 \n\t\\", max_size=60), st.sampled_from(["x.yaml", "x.json"]))
def test_any_punctuation_is_refused_or_read(text: str, file: str) -> None:
    assert depot_or_problems(text.encode(), file)
