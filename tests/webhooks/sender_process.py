"""A sender as a process of its own, for the test that kills it."""

import asyncio
from pathlib import Path

from sending import kept, sending


async def main(folder: str) -> None:
    """Send until killed; a minute at most."""
    async with kept(Path(folder), "sqlite") as access, sending(access):
        await asyncio.sleep(60)
