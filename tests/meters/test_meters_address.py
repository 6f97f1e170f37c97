"""Addresses of meters, register maps and pushed values: what is read, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from meter_peers import depot_with

from busbar.adapters.meters.address import ModbusAddress, MqttAddress, check_addresses, parse_address
from busbar.adapters.meters.meters import Meters
from busbar.adapters.meters.push import parse_push
from busbar.adapters.meters.registers import load_map, parse_map, shipped_maps
from busbar.core.errors import RefusedError

NOW = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)


def test_a_modbus_address_says_whom_to_ask_and_how_often() -> None:
    address = parse_address("modbus://10.0.0.20/3?every=500ms&timeout=2s&reversed=true")
    assert isinstance(address, ModbusAddress)
    assert (address.host, address.port, address.unit, address.map) == ("10.0.0.20", 502, 3, None)
    assert (address.every_s, address.timeout_s, address.reversed) == (0.5, 2.0, True)


def test_a_modbus_address_may_name_a_map_of_the_operators_own(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(
        "schema: busbar/meter-map/1\nvalues: {power: {address: 1, type: int16, unit: kW}}\n"
    )
    address = parse_address("modbus://meter:1502?map=ours.yaml", maps=tmp_path)
    assert isinstance(address, ModbusAddress)
    assert address.map is not None
    assert [register.factor for register in address.map.registers] == [1000.0]
    assert (address.port, address.unit) == (1502, 1)


def test_an_mqtt_address_says_where_to_listen_and_for_what() -> None:
    address = parse_address("mqtts://site%40a@broker/site%20a/gc1?power=p.total&at=t&power_unit=kW")
    assert isinstance(address, MqttAddress)
    assert (address.host, address.port, address.user, address.is_tls) == ("broker", 8883, "site@a", True)
    assert address.topic == "site a/gc1"
    assert dict(address.keys) == {"power": "p.total", "at": "t"}
    assert address.power_w == 1000.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.20", "no way to read"),
        ("http://10.0.0.20/1", "no way to read"),
        ("modbus:///1", "no host"),
        ("modbus://10.0.0.20:99999/1", "no address"),
        ("modbus://10.0.0.20/256", "0 to 255"),
        ("modbus://10.0.0.20/one", "0 to 255"),
        ("modbus://u@10.0.0.20/1", "no users"),
        ("modbus://10.0.0.20/1?every=1", "every is no time"),
        ("modbus://10.0.0.20/1?every=1h", "every is no time"),
        ("modbus://10.0.0.20/1?every=60s", "every is no time"),
        ("modbus://10.0.0.20/1?often=1s", "no option 'often'"),
        ("modbus://10.0.0.20/1?every=1s&every=2s", "twice"),
        ("modbus://10.0.0.20/1?map=missing.yaml", "no register map of this name"),
        ("modbus://10.0.0.20/1?map=../secret.yaml", "no name of a register map"),
        ("modbus://10.0.0.20/1?map=/etc/passwd", "no name of a register map"),
        ("mqtt://10.0.0.5", "no topic"),
        ("mqtt://10.0.0.5/site/+/power", "wildcards"),
        ("mqtt://10.0.0.5/t?unit=VA", "no unit"),
        ("mqtt://10.0.0.5/t?at=when", "lead to no value"),
        ("mqtt://10.0.0.5/t?unit=W&power=p", "no keys"),
        ("mqtt://10.0.0.5/t?reversed=yes", "true or false"),
    ],
)
def test_a_wrong_address_is_refused_with_the_reason_and_a_fix(text: str, said: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_address(text, path="circuits[0].meter")
    problems = refusal.value.problems
    assert any(said in problem.rule for problem in problems)
    assert all(problem.path == "circuits[0].meter" and problem.fix for problem in problems)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_address("mqtt://user:hunter2@broker/t")
    assert "hunter2" not in str(refusal.value)


def test_every_wrong_address_of_a_depot_is_named_at_once() -> None:
    depot = depot_with({"A": True, "B": "modbus://h/999", "C": "mqtt://h/t", "D": "mqtt://h"})
    assert [problem.path for problem in check_addresses(depot)] == ["circuits[1].meter", "circuits[3].meter"]


def test_a_depot_with_a_wrong_address_changes_nothing() -> None:
    meters = Meters(lambda depot_id, event: None)
    with pytest.raises(RefusedError):
        meters.use(depot_with({"A": "mqtt://h/t", "D": "mqtt://h"}))


@pytest.mark.parametrize("name", shipped_maps())
def test_every_map_that_ships_can_be_used(name: str) -> None:
    found = load_map(name)
    assert {"power", "current_l1", "current_l2", "current_l3"} <= {register.name for register in found.registers}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("schema: other", "schema"),
        ("schema: busbar/meter-map/1", "values"),
        ("schema: busbar/meter-map/1\nvalues: {power: 3}", "values.power"),
        ("schema: busbar/meter-map/1\nvalues: {watts: {address: 1, type: int16, unit: W}}", "values.watts"),
        ("schema: busbar/meter-map/1\nvalues: {power: {address: -1, type: int16, unit: W}}", "values.power.address"),
        ("schema: busbar/meter-map/1\nvalues: {power: {address: 1, type: [1], unit: W}}", "values.power.type"),
        ("schema: busbar/meter-map/1\nvalues: {power: {address: 1, type: int16, unit: A}}", "values.power.unit"),
        (
            "schema: busbar/meter-map/1\nvalues: {power: {address: 1, type: int16, unit: W, scale: 0}}",
            "values.power.scale",
        ),
        ("schema: busbar/meter-map/1\nvalues: {power: {address: 1, type: int16, unit: W, s: 1}}", "values.power.s"),
        ("schema: busbar/meter-map/1\nvalues: {current_l1: {address: 1, type: int16, unit: A}}", "values"),
        (
            "schema: busbar/meter-map/1\nword_order: any\nvalues: {power: {address: 1, type: int16, unit: W}}",
            "word_order",
        ),
        ("{", "map"),
    ],
)
def test_a_wrong_map_is_refused_where_it_is_wrong(text: str, where: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_map(text.encode(), file="ours.yaml")
    assert where in [problem.path for problem in refusal.value.problems]


# Pushed values


def test_a_pushed_sample_is_read() -> None:
    body = {"power_w": 85_000.4, "phases_ma": {"L1": 120_000, "L3": -5}, "at": (NOW - timedelta(seconds=3)).isoformat()}
    event = parse_push("GC", body, now=NOW, received_s=100.0)
    assert (event.node, event.power_w, event.phases_ma) == ("GC", 85_000, (120_000, None, -5))
    assert (event.received_s, event.age_s) == (100.0, 3.0)


def test_a_clock_that_is_a_little_ahead_makes_a_sample_new() -> None:
    event = parse_push("GC", {"power_w": 1, "at": (NOW + timedelta(seconds=30)).isoformat()}, now=NOW, received_s=1.0)
    assert event.age_s == 0.0


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (None, "body"),
        ([], "body"),
        ({}, "body"),
        ({"power_w": None, "phases_ma": None}, "body"),
        ({"power_w": "85 kW"}, "power_w"),
        ({"power_w": True}, "power_w"),
        ({"power_w": float("nan")}, "power_w"),
        ({"power_w": float("inf")}, "power_w"),
        ({"power_w": 10**400}, "power_w"),
        ({"power": 3}, "power"),
        ({"phases_ma": [1, 2, 3]}, "phases_ma"),
        ({"phases_ma": {}}, "phases_ma"),
        ({"phases_ma": {"L4": 1}}, "phases_ma"),
        ({"phases_ma": {"L1": "1 A"}}, "phases_ma.L1"),
        ({"power_w": 1, "at": "yesterday"}, "at"),
        ({"power_w": 1, "at": 12}, "at"),
        ({"power_w": 1, "at": "2026-11-22T22:00:00"}, "at"),
        ({"power_w": 1, "at": "2027-11-22T22:00:00Z"}, "at"),
    ],
)
def test_a_wrong_push_is_refused_where_it_is_wrong(body: object, where: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_push("GC", body, now=NOW, received_s=1.0)
    assert where in [problem.path for problem in refusal.value.problems]
