"""Meters that speak MQTT, by way of a Mosquitto of our own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiomqtt
import orjson
from meter_peers import Broker, Events, depot_with

from busbar.adapters.meters.meters import Meters
from busbar.engine.events import NodeMeasured


@asynccontextmanager
async def _listening(meters: Mapping[str, str | bool]) -> AsyncIterator[Events]:
    events = Events()
    reader = Meters(events.put)
    await reader.start()
    reader.use(depot_with(meters))
    try:
        yield events
    finally:
        await reader.stop()


async def _say(broker: Broker, topic: str, payload: object, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        text = payload if isinstance(payload, str | bytes) else orjson.dumps(payload)
        await client.publish(topic, text, qos=1, retain=retain)


async def _heard(broker: Broker, events: Events, topic: str, payload: object) -> NodeMeasured:
    """What becomes of a message that is said until it is heard: nobody knows when the reader has subscribed."""
    is_heard = asyncio.Event()

    async def say() -> None:
        # Told to end, not cancelled: the client swallows a cancellation that comes together with an answer.
        while not is_heard.is_set():
            await _say(broker, topic, payload)
            await asyncio.sleep(0.1)

    saying = asyncio.create_task(say())
    try:
        return await events.next(lambda event: not event.fault.startswith("no connection"))
    finally:
        is_heard.set()
        await asyncio.gather(saying, return_exceptions=True)


def test_values_come_as_they_are_pushed_by_http(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc"}) as events:
            body = {"power_w": -1500, "phases_ma": {"L1": 10_000, "L2": -2_000, "L3": 0}}
            return await _heard(broker, events, "site/gc", body)

    event = asyncio.run(play())
    assert (event.node, event.power_w, event.phases_ma) == ("GC", -1500, (10_000, -2_000, 0))


def test_a_plain_number_has_the_unit_of_the_address(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc?unit=kW"}) as events:
            return await _heard(broker, events, "site/gc", "85.25")

    assert asyncio.run(play()).power_w == 85_250


def test_keys_lead_into_the_payload(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        options = "power=meter.p&l1=i.0&l2=i.1&l3=i.2&power_unit=kW&reversed=true"
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/em?{options}"}) as events:
            body = {"meter": {"p": 1.5, "other": "x"}, "i": {"0": 2.5, "1": 3, "2": 4}}
            return await _heard(broker, events, "em", body)

    event = asyncio.run(play())
    assert event.power_w == -1500
    # Magnitudes without powers of their phases are never taken for generation.
    assert event.phases_ma == (2500, 3000, 4000)


def test_a_retained_message_is_as_old_as_it_says(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        body = {"power_w": 7, "at": (datetime.now(UTC) - timedelta(minutes=5)).isoformat()}
        await _say(broker, "site/gc", body, retain=True)
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc"}) as events:
            return await events.next(lambda event: True)

    event = asyncio.run(play())
    assert event.power_w == 7
    assert 299 <= event.age_s <= 400


def test_a_retained_message_that_does_not_say_its_age_is_no_value(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        await _say(broker, "site/gc", {"power_w": 7}, retain=True)
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc"}) as events:
            return await events.next(lambda event: True)

    event = asyncio.run(play())
    assert "retained" in event.fault
    assert event.power_w is None


def test_nonsense_is_a_fault_and_the_next_message_is_taken(broker: Broker) -> None:
    async def play() -> list[NodeMeasured]:
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc"}) as events:
            nonsense = ("{", "[]", b"\xff\x00", {"power_w": "many"}, {"power_w": 1e30})
            found = [await _heard(broker, events, "site/gc", each) for each in nonsense]
            return [*found, await _heard(broker, events, "site/gc", {"power_w": 7})]

    *faults, value = asyncio.run(play())
    assert all(event.fault and event.power_w is None for event in faults)
    assert (value.fault, value.power_w) == ("", 7)


def test_two_topics_share_one_connection(broker: Broker) -> None:
    async def play() -> int:
        meters = {name: f"mqtt://127.0.0.1:{broker.port}/{name}" for name in ("A", "B")}
        async with _listening(meters) as events:
            for name in ("A", "B"):
                assert (await _heard(broker, events, name, {"power_w": 1})).node == name
            return sum(task.get_name().startswith("meters at") for task in asyncio.all_tasks())

    assert asyncio.run(play()) == 1


def test_a_broker_that_goes_away_is_a_fault_and_is_found_again(broker: Broker) -> None:
    async def play() -> tuple[NodeMeasured, NodeMeasured]:
        async with _listening({"GC": f"mqtt://127.0.0.1:{broker.port}/site/gc"}) as events:
            await _heard(broker, events, "site/gc", {"power_w": 1})
            broker.stop()
            lost = await events.next(lambda event: bool(event.fault))
            broker.start()
            return lost, await _heard(broker, events, "site/gc", {"power_w": 2})

    lost, found = asyncio.run(play())
    assert lost.fault.startswith("no connection")
    assert found.power_w == 2


def test_a_topic_is_changed_while_the_broker_is_connected(broker: Broker) -> None:
    async def play() -> NodeMeasured:
        events = Events()
        meters = Meters(events.put)
        await meters.start()
        meters.use(
            depot_with({"GC": f"mqtt://127.0.0.1:{broker.port}/old", "C1": f"mqtt://127.0.0.1:{broker.port}/c1"})
        )
        await _heard(broker, events, "old", {"power_w": 1})
        meters.use(
            depot_with({"GC": f"mqtt://127.0.0.1:{broker.port}/new", "C1": f"mqtt://127.0.0.1:{broker.port}/c1"})
        )
        found = await _heard(broker, events, "new", {"power_w": 2})
        await meters.stop()
        return found

    assert asyncio.run(play()).power_w == 2
