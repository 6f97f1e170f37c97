"""Made-up moments live with the unit tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from asking import Asking, asking_of


@pytest.fixture
def asking() -> Iterator[Asking]:
    """The WA-PTA depot after its first cycle."""
    with asking_of() as found:
        yield found
