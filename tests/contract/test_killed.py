"""A process that is killed has kept everything that it said it had."""

import asyncio
import subprocess
import sys

import pytest
from store_examples import NOON, TWO_FEEDERS
from store_places import Place

SAVES_AND_TELLS = """
import asyncio, sys
from datetime import UTC, datetime
from busbar.adapters.store.store import open_store
from busbar.engine.ports import StoredSetpoint

async def main(url):
    store = await open_store(url)
    number = 0
    while True:
        number += 1
        given = [
            StoredSetpoint(
                connector=f"CP{unit}/1", value=number, expiry_s=145.0, order_id=f"{number}", at=datetime.now(UTC)
            )
            for unit in range(300)
        ]
        await store.save_setpoints("elizabeth", given)
        print(number, flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("after", [1, 7, 30])
def test_every_setpoint_that_was_said_to_be_kept_is_there_after_kill_9(database_url: str, after: int) -> None:
    async def depot() -> None:
        async with Place(url=database_url).store() as store:
            await store.import_depot(TWO_FEEDERS, at=NOON)

    asyncio.run(depot())
    said = ""
    with subprocess.Popen(
        [sys.executable, "-c", SAVES_AND_TELLS, database_url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            while said != str(after):
                said = process.stdout.readline().strip()
                assert said, "it ended by itself"
        finally:
            process.kill()
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else after

    async def look() -> None:
        async with Place(url=database_url).store() as store:
            kept = await store.stored_setpoints("elizabeth")
            assert len(kept) == 300
            # One save, whole: the last that was said, or the one that was being saved when it was killed.
            assert {one.value for one in kept} in ({last}, {last + 1})
            assert {one.order_id for one in kept} == {str(kept[0].value)}

    asyncio.run(look())
