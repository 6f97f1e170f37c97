"""What a person most likely meant."""

import pytest

from busbar.core.nearest import known_names, nearest, suggestion

MANY = known_names(f"CP{number}/{connector}" for number in range(50_000) for connector in (1, 2))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("CP77/11", "CP77/1"), ("cp40000/2", "CP40000/2"), ("XCP123/1", "CP123/1"), ("PC9/1", "CP9/1"), ("zebra", None)],
)
def test_of_many_names_the_neighbours_are_compared(word: str, meant: str | None) -> None:
    assert nearest(word, MANY) == meant


def test_capital_letters_alone_are_the_nearest() -> None:
    assert nearest("gc1", known_names(["GC2", "gd1", "GC1"])) == "GC1"


def test_without_likeness_the_first_few_are_named() -> None:
    assert suggestion("zebra", known_names("abc")) == "There is `a`, `b`, `c`."
    assert suggestion("zebra", known_names(f"C{number:02}" for number in range(9))).endswith("`C07` and more.")
    assert suggestion("zebra", known_names([])) == "There is none."


def test_a_very_long_word_is_like_nothing() -> None:
    assert nearest("a" * 10_000_000, known_names(["a"])) is None
