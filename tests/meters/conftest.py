"""A broker for the tests that need one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from meter_peers import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto of our own. Where it is not installed a user's run skips these tests, and CI fails."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "no MQTT broker to test with; install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    broker = Broker(program, tmp_path)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
