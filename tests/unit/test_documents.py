"""Texts to positioned trees: what YAML and JSON may do to us, and what they may not. No disk."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.adapters.files.document import Document, parse_document
from busbar.adapters.files.tree import Mapping, Node, Scalar, Sequence, find
from busbar.core.errors import Problem, RefusedError

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def document(content: str | bytes, file: str = "x.yaml") -> Document:
    return parse_document(content.encode() if isinstance(content, str) else content, file=file)


def refusal(content: str | bytes, file: str = "x.yaml") -> Problem:
    with pytest.raises(RefusedError) as refused:
        document(content, file)
    return refused.value.problems[-1]


def plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.node) for key, entry in node.entries.items()}


@pytest.mark.parametrize(
    ("content", "file", "line", "rule", "fix"),
    [
        (b"", "x.yaml", 1, "empty", "schema"),
        (b" \n\n", "x.json", 1, "empty", "schema"),
        (b"# only words\n", "x.yaml", 1, "empty", "schema"),
        (b"---\n", "x.yaml", 1, "empty", "schema"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "x.yaml", 1, "binary file", "YAML or JSON"),
        (b"a: 1\nb: \x07\n", "x.yaml", 2, "U+0007", "YAML or JSON"),
        (b"a: 1\nb: \xe9\n", "x.yaml", 2, "not UTF-8: byte 0xe9", "Save it as UTF-8"),
        ("a: 1".encode("utf-16"), "x.yaml", 1, "UTF-16", "UTF-8"),
        (b"- a\n- b\n", "x.yaml", 1, "does not hold a mapping", "schema"),
        (b"[1]", "x.json", 1, "does not hold a mapping", "schema"),
        (b"just words", "x.yaml", 1, "does not hold a mapping", "schema"),
        (b"a: 1\n---\nb: 2\n", "x.yaml", 2, "second document", "one document"),
        (b"a: [1, 2\nb: 3\n", "x.yaml", 2, "not YAML", "brackets"),
        (b"a: 1\n\tb: 2\n", "x.yaml", 2, "not YAML", "indentation"),
        (b"a: *b\n", "x.yaml", 1, "no anchor", "`&b`"),
        (b"a: 1\nb: &b\n  c: *b\n", "x.yaml", 3, "refers to what it stands in", "Write the value out"),
        (("a: " + "[" * 100 + "]" * 100).encode(), "x.yaml", 1, "deeper than 100", "parent"),
        (("[" * 100_000).encode(), "x.json", 1, "deeper than 100", "parent"),
        (("{" * 100_000).encode(), "x.yaml", 1, "key in double quotes", ""),
        (LAUGHS.encode(), "x.yaml", 7, "More than 5000000", "aliases"),
        (b'{"a": 1,}', "x.yaml", 1, "expected, not this", "Remove the comma"),
        (b'{"a": [1,\n 2,]}', "x.json", 2, "expected, not this", "Write the value"),
        (b'{"a": 1\n "b": 2}', "x.json", 2, "`,` or `}` is expected", "Write"),
        (b'{"a": 01}', "x.json", 1, "a value is expected", "Write"),
        (b"{'a': 1}", "x.json", 1, "double quotes", "schema:"),
        (b'{"a": tru}', "x.json", 1, "a value is expected", "Write"),
        (b'{"a": 1\n', "x.json", 2, "ends where", "}"),
        (b'{"a": "b\n"}', "x.json", 1, "not closed", "`\\n`"),
        (b'{"a": "\\x"}', "x.json", 1, "backslash", "\\\\"),
        (b'{"a": "\\ud83d"}', "x.json", 1, "surrogate", "both halves"),
        (b'{"a": 1} {}', "x.json", 1, "the end of the file is expected", "Write"),
        (b'{// no\n"a": 1}', "x.json", 1, "expected", "no comments"),
    ],
)
def test_texts_that_are_refused(content: bytes, file: str, line: int, rule: str, fix: str) -> None:
    problem = refusal(content, file)
    assert (problem.file, problem.line) == (file, line)
    assert rule in problem.rule
    assert fix in problem.fix


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_json_knows_no_number_that_is_not_finite(word: str) -> None:
    (problem,) = document(f'{{"a":\n {word}}}', "x.json").problems
    assert (problem.path, problem.line, problem.value) == ("a", 2, word)
    assert "not finite" in problem.rule


@pytest.mark.parametrize(
    ("content", "file", "lines"),
    [("a:\n  b: 1\n  c: 2\n  b: 3\n", "x.yaml", (2, 4)), ('{"a": {"b": 1,\n"c": 2,\n\n"b": 3}}', "x.json", (1, 4))],
)
def test_a_key_written_twice_names_both_lines(content: str, file: str, lines: tuple[int, int]) -> None:
    (problem,) = document(content, file).problems
    assert (problem.path, problem.value, problem.line) == ("a.b", "3", lines[1])
    assert f"in lines {lines[0]} and {lines[1]}" in problem.rule


def test_texts_stay_as_they_are_written() -> None:
    words = ["NO", "010", "12:30", "2026-11-22", "1e3", "0x1F", "0.1", "~x", "=", "1_000", "true"]
    root = document("".join(f"k{number}: {word}\n" for number, word in enumerate(words))).root
    assert list(plain(root).values()) == words  # type: ignore[attr-defined]


def test_anchors_and_merge_keys_work() -> None:
    root = document("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [{b: 9}, *x], c: 4}\nw: *x\n").root
    assert plain(root) == {
        "x": {"a": "1", "b": "2"},
        "y": {"b": "3", "a": "1"},
        "z": {"c": "4", "b": "9", "a": "1"},
        "w": {"a": "1", "b": "2"},
    }


def test_only_mappings_are_merged() -> None:
    (problem,) = document("a: 1\nb:\n  <<: [x]\n").problems
    assert (problem.path, problem.line, problem.value) == ("b.<<", 3, "x")
    assert "can be merged" in problem.rule
    assert "`<<: *anchor`" in problem.fix


def test_a_key_is_a_text() -> None:
    (problem,) = document("? [a, b]\n: 1\n").problems
    assert (problem.line, problem.value) == (1, "a list of 2")
    assert "key" in problem.rule


def test_many_aliases_to_small_things_are_fine() -> None:
    text = "x: &x {a: 1, b: 2}\nall:\n" + "- *x\n" * 10_000
    assert len(plain(document(text).root)["all"]) == 10_000  # type: ignore[index]


def test_lines_are_found_by_path() -> None:
    root = document("a:\n  - b: 1\n    c:\n      d: 2\n").root
    assert find(root, "a[0].c.d") == (4, Scalar("2", 4, True))
    assert find(root, "a[0].x")[0] == 2
    assert find(root, "a[7]")[0] == 1


def test_json_keeps_surrogate_pairs_escapes_and_lines() -> None:
    text = '{\n"bus": "\\ud83d\\ude8c \\u00e4 \\/ \\"",\r\n\t"n": [1.50,\n true, null, "\u2028"]}'
    root = document(text, "x.json").root
    assert plain(root) == {"bus": '🚌 ä / "', "n": ["1.50", "true", "null", "\u2028"]}
    assert find(root, "n[1]")[0] == 4
    quoted = root.entries["bus"].node
    assert isinstance(quoted, Scalar)
    assert not quoted.plain


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert plain(document("\ufeffa: 1").root) == {"a": "1"}
    assert plain(document('\ufeff{"a": 1}').root) == {"a": "1"}


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _as_texts(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_texts(inner) for inner in value]
    return value if isinstance(value, str) else json.dumps(value)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.text(), JSONS, max_size=4), st.sampled_from([None, 1]))
def test_json_is_read_as_the_json_module_reads_it(value: dict[str, object], indent: int | None) -> None:
    assert plain(document(json.dumps(value, indent=indent), "x.json").root) == _as_texts(value)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.text(max_size=3), JSONS, min_size=1, max_size=3), st.data())
def test_json_is_refused_where_the_json_module_refuses_it(value: dict[str, object], data: st.DataObject) -> None:
    text = json.dumps(value)
    place = data.draw(st.integers(1, len(text)))
    spoilt = text[:place] + data.draw(st.sampled_from(list('{}[],:"\\ 0eE-.tn/'))) + text[place + 1 :]
    try:
        json.loads(spoilt)
        is_json = True
    except ValueError:
        is_json = False
    try:
        document(spoilt, "x.json")
        refused = ""
    except RefusedError as error:
        refused = str(error)
    # Half of a surrogate pair is let through by the json module, and cannot be written to any file.
    assert (refused == "") == is_json or "surrogate" in refused
