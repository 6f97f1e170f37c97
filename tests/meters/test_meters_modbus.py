"""Modbus meters, each a pymodbus server in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from meter_peers import Events, depot_with, floats, free_port, modbus_peer

from busbar.adapters.meters.meters import Meters
from busbar.engine.events import NodeMeasured

SUNS = [0x5375, 0x6E53]
COMMON = [1, 4, 0, 0, 0, 0]
END = [0xFFFF, 0]
MISSING = 0x8000


def _model_203(*, w_scale: int = 1) -> list[int]:
    """120.5 A, 98 A and 3 A of export on L3; 45 kW in total."""
    body = [MISSING] * 105
    body[1:5] = [1205, 980, 30, 0xFFFF]
    body[16:21] = [4500, 2800, 1765, 0x10000 - 65, w_scale]
    return [203, 105, *body]


def _model_213() -> list[int]:
    body = floats(*[float("nan")] * 62)
    body[2:8] = floats(120.5, 98.0, 3.0)
    body[26:34] = floats(45_000.0, 28_000.0, 17_650.0, -650.0)
    return [213, 124, *body]


def _sunspec(model: list[int], base: int = 40000) -> dict[int, dict[int, list[int]]]:
    return {3: {base: [*SUNS, *COMMON, *model, *END]}}


@asynccontextmanager
async def _reading(meters: Mapping[str, str | bool]) -> AsyncIterator[Events]:
    events = Events()
    reader = Meters(events.put)
    reader.use(depot_with(meters))
    await reader.start()
    try:
        yield events
    finally:
        await reader.stop()


def _has_value(event: NodeMeasured) -> bool:
    return not event.fault


def _has_fault(event: NodeMeasured) -> bool:
    return bool(event.fault)


@pytest.mark.parametrize("base", [40000, 50000, 0])
@pytest.mark.parametrize("model", [_model_203(), _model_213()], ids=["whole numbers", "floats"])
def test_a_sunspec_meter_is_found_and_read(model: list[int], base: int) -> None:
    async def play(port: int) -> NodeMeasured:
        async with _reading({"GC": f"modbus://127.0.0.1:{port}/1?every=200ms"}) as events:
            return await events.next(_has_value)

    with modbus_peer(_sunspec(model, base)) as peer:
        event = asyncio.run(play(peer.port))
    assert event.node == "GC"
    # The current of L3 has no sign of its own; its power says that it is export.
    assert event.phases_ma == (120_500, 98_000, -3_000)
    assert event.power_w == 45_000
    assert 0 <= event.age_s < 10


def test_a_scale_factor_that_is_not_implemented_leaves_the_currents() -> None:
    async def play(port: int) -> NodeMeasured:
        async with _reading({"GC": f"modbus://127.0.0.1:{port}/1?every=200ms"}) as events:
            return await events.next(_has_value)

    with modbus_peer(_sunspec(_model_203(w_scale=MISSING))) as peer:
        event = asyncio.run(play(peer.port))
    assert event.phases_ma == (120_500, 98_000, 3_000)
    assert event.power_w is None


def test_what_a_meter_gave_before_and_does_not_give_any_more_is_a_fault() -> None:
    async def play(port: int) -> NodeMeasured:
        async with _reading({"GC": f"modbus://127.0.0.1:{port}/1?every=200ms"}) as events:
            await events.next(_has_value)
            peer.tell(f"set {40000 + 2 + len(COMMON) + 2 + 20} {MISSING}")
            return await events.next(_has_fault)

    with modbus_peer(_sunspec(_model_203())) as peer:
        event = asyncio.run(play(peer.port))
    assert "power" in event.fault
    assert event.phases_ma is None
    assert event.power_w is None


def test_a_meter_without_a_sunspec_model_says_so() -> None:
    async def play(port: int) -> NodeMeasured:
        async with _reading({"GC": f"modbus://127.0.0.1:{port}/1?every=200ms"}) as events:
            return await events.next(_has_fault)

    with modbus_peer({3: {0: [1, 2, 3, 4]}}) as peer:
        assert "SunSpec" in asyncio.run(play(peer.port)).fault


SDM630 = {4: {0: floats(230, 230, 230, 10.0, 12.5, 2.0, 2300.0, 2800.0, -460.0), 52: floats(4640.0)}}


def test_a_meter_is_read_by_its_register_map() -> None:
    async def play(port: int) -> NodeMeasured:
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms"
        async with _reading({"C1": address}) as events:
            return await events.next(_has_value)

    with modbus_peer(SDM630) as peer:
        event = asyncio.run(play(peer.port))
    assert event.phases_ma == (10_000, 12_500, -2_000)
    assert event.power_w == 4640


def test_a_meter_that_counts_export_as_positive_is_turned_round() -> None:
    async def play(port: int) -> NodeMeasured:
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms&reversed=true"
        async with _reading({"C1": address}) as events:
            return await events.next(_has_value)

    with modbus_peer(SDM630) as peer:
        event = asyncio.run(play(peer.port))
    assert event.phases_ma == (-10_000, -12_500, 2_000)
    assert event.power_w == -4640


def test_a_register_that_is_not_a_number_is_a_fault_and_passes() -> None:
    async def play(port: int) -> list[NodeMeasured]:
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms"
        async with _reading({"C1": address}) as events:
            found = [await events.next(_has_value)]
            peer.tell("set 52 32704")  # 0x7FC0: the high word of NaN.
            found.append(await events.next(_has_fault))
            peer.tell(f"set 52 {floats(5000.0)[0]}")
            peer.tell(f"set 53 {floats(5000.0)[1]}")
            found.append(await events.next(_has_value))
            return found

    with modbus_peer(SDM630) as peer:
        before, during, after = asyncio.run(play(peer.port))
    assert before.power_w == 4640
    assert "not a number" in during.fault
    assert after.power_w == 5000


def test_a_meter_that_refuses_is_a_fault_and_is_asked_again() -> None:
    async def play(port: int) -> NodeMeasured:
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms"
        async with _reading({"C1": address}) as events:
            await events.next(_has_value)
            peer.tell("refuse")
            refused = await events.next(_has_fault)
            peer.tell("obey")
            await events.next(_has_value)
            return refused

    with modbus_peer(SDM630) as peer:
        assert "exception 4" in asyncio.run(play(peer.port)).fault


def test_a_mute_meter_is_a_fault_and_is_asked_again() -> None:
    async def play(port: int) -> NodeMeasured:
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms&timeout=300ms"
        async with _reading({"C1": address}) as events:
            await events.next(_has_value)
            peer.tell("mute")
            silent = await events.next(_has_fault)
            peer.tell("obey")
            await events.next(_has_value)
            return silent

    with modbus_peer(SDM630) as peer:
        assert asyncio.run(play(peer.port)).fault == "no answer within 0.3 s"


def test_a_meter_that_is_not_there_yet_is_read_when_it_comes() -> None:
    async def play() -> list[NodeMeasured]:
        port = free_port()
        async with _reading({"C1": f"modbus://127.0.0.1:{port}/1?every=200ms&timeout=200ms"}) as events:
            return [await events.next(_has_fault), await events.next(_has_fault)]

    for event in asyncio.run(play()):
        assert event.fault.startswith(("no connection", "no answer"))


def test_it_ends_at_once_in_the_middle_of_a_question() -> None:
    async def play(port: int, tell: Callable[[str], None]) -> bool:
        events = Events()
        meters = Meters(events.put)
        meters.use(depot_with({"A": f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms&timeout=5s"}))
        await meters.start()
        await events.next(lambda event: event.node == "A")
        (reading,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("meters at")]
        tell("mute")
        # By now it has asked again, and waits for an answer.
        await asyncio.sleep(0.5)
        async with asyncio.timeout(4):
            await meters.stop()
        return reading.done()

    with modbus_peer(SDM630) as peer:
        assert asyncio.run(play(peer.port, peer.tell))


def test_two_circuits_share_one_connection_and_an_edit_changes_who_is_read() -> None:
    async def play(port: int) -> tuple[set[str], set[str], int]:
        events = Events()
        meters = Meters(events.put)
        address = f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml&every=200ms"
        await meters.start()
        meters.use(depot_with({"A": address, "B": address, "P": True}))
        await events.next(lambda event: event.node == "A")
        await events.next(lambda event: event.node == "B")
        lines = sum(task.get_name().startswith("meters at") for task in asyncio.all_tasks())
        before = {event.node for event in events.all}
        meters.use(depot_with({"B": address, "C": address}))
        events.all.clear()
        await events.next(lambda event: event.node == "C")
        await events.next(lambda event: event.node == "B")
        after = {event.node for event in events.all}
        await meters.stop()
        return before, after, lines

    with modbus_peer(SDM630) as peer:
        before, after, lines = asyncio.run(play(peer.port))
    assert before == {"A", "B"}
    assert after == {"B", "C"}
    assert lines == 1


def test_stopping_leaves_nothing_running() -> None:
    async def play(port: int) -> set[str]:
        async with _reading({"C1": f"modbus://127.0.0.1:{port}/1?map=eastron_sdm630.yaml"}) as events:
            await events.next(_has_value)
        await asyncio.sleep(0)
        return {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]

    with modbus_peer(SDM630) as peer:
        assert asyncio.run(play(peer.port)) == set()
