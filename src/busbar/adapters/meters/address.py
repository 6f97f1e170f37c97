"""Where a circuit's meter is, as its `meter` says: `modbus://...`, `mqtt://...`, or true for values that are pushed.

    modbus://HOST[:PORT]/UNIT[?map=sunspec|NAME.yaml][&every=1s][&timeout=1s][&reversed=true]
    mqtt[s]://[USER@]HOST[:PORT]/TOPIC[?unit=kW] or [?power=KEY&l1=KEY&l2=KEY&l3=KEY&at=KEY]
                                      [&power_unit=W|kW|MW][&current_unit=mA|A][&reversed=true]

A key of a JSON payload may lead into it with points: `meter.power.total`. Without any key, a payload is a plain number
in `unit`, or else a JSON object as it is pushed by HTTP (`push.py`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from busbar.adapters.meters.registers import SUNSPEC, RegisterMap, load_map
from busbar.core.depot import Depot
from busbar.core.errors import Problem, RefusedError

_SECONDS = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)(ms|s)")
_POWER_UNITS = {"W": 1.0, "kW": 1e3, "MW": 1e6}
_CURRENT_UNITS = {"mA": 1e-3, "A": 1.0}
_EXAMPLE = "Write for example `modbus://10.0.0.20:502/1?map=sunspec&every=1s` or `mqtt://10.0.0.5:1883/site/gc1`."
_MODBUS_KEYS = ("map", "every", "timeout", "reversed")
_MQTT_KEYS = ("unit", "power", "l1", "l2", "l3", "at", "power_unit", "current_unit", "reversed")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModbusAddress:
    """A meter that is asked."""

    host: str
    port: int
    unit: int
    map: RegisterMap | None
    """None: the meter is asked for its SunSpec model."""
    every_s: float
    timeout_s: float
    reversed: bool
    """The meter counts export as positive."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttAddress:
    """A topic on which a meter speaks."""

    host: str
    port: int
    user: str | None
    is_tls: bool
    topic: str
    number_w: float | None
    """A payload is a plain number, in so many W; None: it is JSON."""
    keys: Mapping[str, str]
    """`power`, `l1`, `l2`, `l3`, `at`: where they are in the payload; empty: as it is pushed by HTTP."""
    power_w: float
    """What one unit of power in the payload is."""
    current_a: float
    reversed: bool


Address = ModbusAddress | MqttAddress


def check_addresses(depot: Depot, *, maps: Path | None = None) -> tuple[Problem, ...]:
    """Every meter's address that cannot be used; empty: all can. `maps` is a folder of register maps."""
    found: list[Problem] = []
    for index, circuit in enumerate(depot.circuits):
        if isinstance(circuit.meter, str):
            try:
                parse_address(circuit.meter, path=f"circuits[{index}].meter", maps=maps)
            except RefusedError as refusal:
                found += refusal.problems
    return tuple(found)


def parse_address(text: str, *, path: str = "meter", maps: Path | None = None) -> Address:
    """The address in parts. Raises RefusedError with everything that is wrong with it."""
    reading = _Reading(text, path)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise reading.refused(f"This is no address: {error}.", _EXAMPLE) from error
    if url.scheme not in ("modbus", "mqtt", "mqtts"):
        raise reading.refused(f"There is no way to read a meter by {url.scheme or text!r}.", _EXAMPLE)
    if not url.hostname:
        raise reading.refused("The address names no host.", _EXAMPLE)
    if url.password is not None:
        fix = "Leave the password out here; it is given to the server beside its other secrets."
        raise RefusedError(
            (Problem(path=path, rule="An address holds no password: depots are shown to people.", fix=fix),)
        )
    options = reading.options(url, _MODBUS_KEYS if url.scheme == "modbus" else _MQTT_KEYS)
    address = (
        _modbus(reading, url, port, options, maps) if url.scheme == "modbus" else _mqtt(reading, url, port, options)
    )
    if reading.problems or address is None:
        raise RefusedError(tuple(reading.problems))
    return address


class _Reading:
    """One address being read: what is wrong with it is gathered."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path
        self.problems: list[Problem] = []

    def report(self, rule: str, fix: str) -> None:
        self.problems.append(Problem(path=self.path, value=self.text, rule=rule, fix=fix))

    def refused(self, rule: str, fix: str) -> RefusedError:
        self.report(rule, fix)
        return RefusedError(tuple(self.problems))

    def options(self, url: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in parse_qsl(url.query, keep_blank_values=True):
            if key not in known:
                self.report(f"There is no option {key!r}.", f"It takes {', '.join(known)}.")
            elif key in found:
                self.report(f"The option {key} is there twice.", "Keep one of them.")
            elif not value:
                self.report(f"The option {key} is empty.", f"Give it a value, or leave out `{key}=`.")
            else:
                found[key] = value
        return found

    def seconds(self, options: Mapping[str, str], key: str, *, default: float, least: float, most: float) -> float:
        if key not in options:
            return default
        match = _SECONDS.fullmatch(options[key])
        value = float(match[1]) * (0.001 if match[2] == "ms" else 1.0) if match else -1.0
        if not least <= value <= most:
            self.report(f"{key} is no time from {least:g}s to {most:g}s.", f"Write for example `{key}={default:g}s`.")
            return default
        return value

    def choice(self, options: Mapping[str, str], key: str, known: Mapping[str, float], *, default: str) -> float:
        value = options.get(key, default)
        if value not in known:
            self.report(f"{value!r} is no {key} that is known.", f"Write one of {', '.join(known)}.")
            return 1.0
        return known[value]

    def yes(self, options: Mapping[str, str], key: str) -> bool:
        value = options.get(key, "false")
        if value not in ("true", "false"):
            self.report(f"{key} is true or false.", f"Write `{key}=true`, or leave it out.")
        return value == "true"


def _modbus(
    reading: _Reading, url: SplitResult, port: int | None, options: Mapping[str, str], maps: Path | None
) -> ModbusAddress | None:
    unit_text = url.path.strip("/") or "1"
    if not (unit_text.isascii() and unit_text.isdigit() and int(unit_text) <= 255):
        reading.report("The Modbus unit after the host is a number from 0 to 255.", "Write for example `/1`.")
        unit_text = "1"
    name = options.get("map", SUNSPEC)
    register_map = None
    if name != SUNSPEC:
        try:
            register_map = load_map(name, maps=maps)
        except RefusedError as refusal:
            for problem in refusal.problems:
                where = f"{problem.file or name}: {problem.path}"
                reading.report(f"The register map cannot be used: {where}: {problem.rule}", problem.fix)
    if url.username is not None:
        reading.report("Modbus knows no users.", "Leave out what stands before the `@`.")
    every_s = reading.seconds(options, "every", default=1.0, least=0.2, most=10.0)
    return ModbusAddress(
        host=url.hostname or "",
        port=502 if port is None else port,
        unit=int(unit_text),
        map=register_map,
        every_s=every_s,
        timeout_s=reading.seconds(options, "timeout", default=1.0, least=0.05, most=5.0),
        reversed=reading.yes(options, "reversed"),
    )


def _mqtt(reading: _Reading, url: SplitResult, port: int | None, options: Mapping[str, str]) -> MqttAddress | None:
    topic = unquote(url.path[1:])
    for problem in _topic_problems(topic):
        reading.report(problem, "Write the topic after the host: `mqtt://10.0.0.5:1883/site/gc1`.")
    keys = {key: options[key] for key in ("power", "l1", "l2", "l3", "at") if key in options}
    number_w = reading.choice(options, "unit", _POWER_UNITS, default="W") if "unit" in options else None
    if number_w is not None and keys:
        reading.report("A plain number has no keys.", "Leave out `unit`, or the keys; with keys say `power_unit`.")
    if keys and not {"power", "l1"} & set(keys):
        reading.report("The keys lead to no value.", "Name `power`, or `l1`, `l2` and `l3`.")
    is_tls = url.scheme == "mqtts"
    return MqttAddress(
        host=url.hostname or "",
        port=(8883 if is_tls else 1883) if port is None else port,
        user=None if url.username is None else unquote(url.username),
        is_tls=is_tls,
        topic=topic,
        number_w=number_w,
        keys=keys,
        power_w=reading.choice(options, "power_unit", _POWER_UNITS, default="W"),
        current_a=reading.choice(options, "current_unit", _CURRENT_UNITS, default="A"),
        reversed=reading.yes(options, "reversed"),
    )


def _topic_problems(topic: str) -> Iterator[str]:
    if not topic:
        yield "The address names no topic."
    if any(char in topic for char in "#+"):
        yield "A topic of one meter has no wildcards."
    if len(topic.encode()) > 1000 or "\x00" in topic:
        yield "That is no MQTT topic."
