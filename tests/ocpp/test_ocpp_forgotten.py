"""What is left of a connection that is gone, while the collector does not look: nothing."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop
from ocpp_peers import PATIENCE_S, Central, central, ready_peer

from busbar.adapters.ocpp.session import Session
from busbar.adapters.ocpp.wire import StationWire
from busbar.engine.events import Disconnected


@pytest.fixture
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _marked() -> list[weakref.ref[Any]]:
    # Some proxies that are no objects any more say what they are only by their type.
    wires = [each for each in gc.get_objects() if type(each) is StationWire]
    return [weakref.ref(part) for wire in wires for part in (wire, wire.protocol)]


async def _lose(to: Central, protocol: str, *, is_cut: bool, times: int) -> list[weakref.ref[Any]]:
    async with ready_peer(to, protocol) as point:
        await point.meter(1000)
        marked = _marked()
        if is_cut:
            point.socket.transport.abort()
        else:
            await point.socket.close()
        await to.inbox.until(Disconnected, times)
    return marked


@pytest.mark.usefixtures("without_the_collector")
@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_lost_connection_leaves_nothing_to_collect(protocol: str, is_cut: bool) -> None:
    async def story() -> None:
        async with central() as to, asyncio.timeout(PATIENCE_S):
            marked = await _lose(to, protocol, is_cut=is_cut, times=1)
            assert len(marked) == 2
            while any(mark() is not None for mark in marked):
                await asyncio.sleep(0.02)
            assert not [each for each in gc.get_objects() if type(each) is Session]

    uvloop.run(story())
