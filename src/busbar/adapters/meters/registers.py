"""Register maps: where a Modbus meter keeps its currents and powers. `maps/README.md` says how to write one."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from busbar.adapters.meters.values import Three, Values
from busbar.core.errors import Problem, RefusedError

SUNSPEC = "sunspec"
"""The map's name that stands for asking the meter."""
_SCHEMA = "busbar/meter-map/1"
_MOST_BYTES = 100_000
_MOST_AT_ONCE = 100
"""Registers read by one request; Modbus allows 125, some gateways fewer."""
_LARGEST_GAP = 16
"""Registers that nobody wants are read along rather than asked around."""
_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_UNITS = {
    "A": ("current", 1.0),
    "mA": ("current", 1e-3),
    "W": ("power", 1.0),
    "kW": ("power", 1e3),
    "MW": ("power", 1e6),
}
_NAMES = {
    "current_l1": "current",
    "current_l2": "current",
    "current_l3": "current",
    "power_l1": "power",
    "power_l2": "power",
    "power_l3": "power",
    "power": "power",
}
_FIELDS = ("address", "type", "unit", "function", "scale", "reversed", "absent")


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One value."""

    name: str
    """As in `Values`: `current_l1` to `power`."""
    function: int
    """3: holding registers; 4: input registers."""
    address: int
    """Of its first register, counted from 0."""
    type: str
    factor: float
    """What a raw one is, in A or W; negative where the meter counts export as positive."""
    absent: int | None = None
    """The raw registers as one unsigned number where there is no value; None: there always is one."""

    @property
    def size(self) -> int:
        """How many registers."""
        return struct.calcsize(_FORMATS[self.type]) // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Registers that are read by one request."""

    function: int
    address: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterMap:
    """A meter's values and the requests that fetch them."""

    name: str
    registers: tuple[Register, ...]
    blocks: tuple[Block, ...]
    low_word_first: bool = False


def values_of(found: RegisterMap, read: Mapping[Block, Sequence[int]]) -> Values:
    """The values in what was read, block by block; NaN stays NaN."""
    values: dict[str, float | None] = {}
    for register in found.registers:
        block = next(
            block
            for block in found.blocks
            if block.function == register.function and block.address <= register.address < block.address + block.count
        )
        offset = register.address - block.address
        words = list(read[block][offset : offset + register.size])
        values[register.name] = _value(register, words[::-1] if found.low_word_first else words)
    return Values(
        current_a=_three(values, "current"), phase_power_w=_three(values, "power"), power_w=values.get("power")
    )


def _three(values: Mapping[str, float | None], kind: str) -> Three:
    return (values.get(f"{kind}_l1"), values.get(f"{kind}_l2"), values.get(f"{kind}_l3"))


def _value(register: Register, words: Sequence[int]) -> float | None:
    raw = struct.pack(f">{len(words)}H", *words)
    if register.absent is not None and int.from_bytes(raw, "big") == register.absent:
        return None
    return float(struct.unpack(f">{_FORMATS[register.type]}", raw)[0]) * register.factor


def blocks_of(registers: Sequence[Register]) -> tuple[Block, ...]:
    """The fewest requests that fetch all of them."""
    found: list[Block] = []
    for register in sorted(registers, key=lambda register: (register.function, register.address)):
        end = register.address + register.size
        last = found[-1] if found else None
        if (
            last is not None
            and last.function == register.function
            and register.address - (last.address + last.count) <= _LARGEST_GAP
            and end - last.address <= _MOST_AT_ONCE
        ):
            found[-1] = Block(function=last.function, address=last.address, count=max(last.count, end - last.address))
        else:
            found.append(Block(function=register.function, address=register.address, count=register.size))
    return tuple(found)


@lru_cache(maxsize=64)
def load_map(name: str, *, maps: Path | None = None) -> RegisterMap:
    """A map by its file's name: from the operator's folder, else one that ships. Raises RefusedError."""
    # A name and no path: an address in a depot file does not say which files of this machine are read.
    if not name.endswith(".yaml") or any(char in name for char in "/\\") or name.startswith("."):
        raise _refused(name, "map", f"{name!r} is no name of a register map.", "Write `sunspec` or `NAME.yaml`.")
    text = None
    for folder in (maps, files("busbar.adapters.meters") / "maps"):
        place = None if folder is None else folder / name
        if place is not None and place.is_file():
            text = place.read_bytes()
            break
    if text is None:
        shipped = ", ".join(shipped_maps())
        raise _refused(name, "map", "There is no register map of this name.", f"These ship: {shipped}, and sunspec.")
    return parse_map(text, file=name)


def shipped_maps() -> tuple[str, ...]:
    """The names of the maps that come with Busbar."""
    folder = files("busbar.adapters.meters") / "maps"
    return tuple(sorted(each.name for each in folder.iterdir() if each.name.endswith(".yaml")))


def parse_map(text: bytes, *, file: str) -> RegisterMap:
    """A map from the content of its file. Raises RefusedError with everything that is wrong with it."""
    if len(text) > _MOST_BYTES:
        raise _refused(file, "map", "The file is too large to be a register map.", "Keep one meter in it.")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(file, "map", "This is not YAML.", "Check indentation, quotes and brackets.") from error
    problems: list[Problem] = []

    def report(path: str, rule: str, fix: str) -> None:
        problems.append(Problem(path=path, rule=rule, fix=fix, file=file))

    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise _refused(file, "schema", "This is not a register map.", f"Begin with `schema: {_SCHEMA}`.")
    for key in document:
        if key not in ("schema", "name", "word_order", "values"):
            report(str(key), "There is no such key.", "It takes schema, name, word_order and values.")
    if document.get("word_order", "high_first") not in ("high_first", "low_first"):
        report("word_order", "The word order is not known.", "Write `high_first` or `low_first`.")
    given = document.get("values")
    if not isinstance(given, dict) or not given:
        raise _refused(file, "values", "The map names no values.", f"Name some of {', '.join(_NAMES)}.")
    registers = [found for name, fields in given.items() if (found := _register(name, fields, report)) is not None]
    names = {str(name) for name in given}
    if "power" not in names and not {"current_l1", "current_l2", "current_l3"} <= names:
        report("values", "The map gives neither power nor three currents.", "Add `power`, or the currents.")
    if problems:
        raise RefusedError(tuple(problems))
    return RegisterMap(
        name=str(document.get("name", file)),
        registers=tuple(registers),
        blocks=blocks_of(registers),
        low_word_first=document.get("word_order") == "low_first",
    )


def _register(name: Any, fields: Any, report: Any) -> Register | None:
    path = f"values.{name}"
    if name not in _NAMES:
        report(path, "There is no such value.", f"It takes {', '.join(_NAMES)}.")
        return None
    if not isinstance(fields, dict):
        report(path, "A value is a mapping.", "Write `{address: 6, type: float32, unit: A}`.")
        return None
    wrong = [key for key in fields if key not in _FIELDS]
    for key in wrong:
        report(f"{path}.{key}", "There is no such key.", f"It takes {', '.join(_FIELDS)}.")
    address, kind, unit = fields.get("address", -1), str(fields.get("type")), str(fields.get("unit"))
    function, scale, absent = fields.get("function", 3), fields.get("scale", 1), fields.get("absent")
    checks = [
        (_is_whole(address, 0xFFFF), "address", "It is a whole number from 0 to 65535.", "Write for example `0x0034`."),
        (kind in _FORMATS, "type", "The type is not known.", f"Write one of {', '.join(_FORMATS)}."),
        (
            unit in _UNITS and _UNITS[unit][0] == _NAMES[name],
            "unit",
            f"That is no unit of {_NAMES[name]}.",
            f"Write one of {', '.join(unit for unit, (kind, _) in _UNITS.items() if kind == _NAMES[name])}.",
        ),
        (function in (3, 4), "function", "Registers are read by function 3 or 4.", "Write 3 (holding) or 4 (input)."),
        (_is_scale(scale), "scale", "It is a number other than 0.", "Write for example `0.1`."),
        (isinstance(fields.get("reversed", False), bool), "reversed", "It is true or false.", "Write `true`."),
        (
            absent is None or _is_whole(absent, 2**64 - 1),
            "absent",
            "It is a raw number.",
            "Write for example `0x8000`.",
        ),
    ]
    for is_right, field, rule, fix in checks:
        if not is_right:
            report(f"{path}.{field}", rule, fix)
    if wrong or not all(is_right for is_right, *_ in checks):
        return None
    sign = -1.0 if fields.get("reversed", False) else 1.0
    factor = _UNITS[unit][1] * float(scale) * sign
    return Register(name=name, function=function, address=address, type=kind, factor=factor, absent=absent)


def _is_whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_scale(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value != 0


def _refused(file: str, path: str, rule: str, fix: str) -> RefusedError:
    return RefusedError((Problem(path=path, rule=rule, fix=fix, file=file),))
