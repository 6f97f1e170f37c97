"""SunSpec: finding a meter's model among its registers, and reading it (SunSpec Information Models 201-204, 211-214).

The models begin with `SunS` at one of three addresses; each follows the one before it, with its number and length.
"""

import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import isnan

from busbar.adapters.meters.values import Three, Values

BASES = (40000, 50000, 0)
_MARK = (0x5375, 0x6E53)
_LAST = 0xFFFF
_MOST_MODELS = 64
WHOLE = range(201, 205)
"""Whole numbers with scale factors."""
FLOATS = range(211, 215)
_WHOLE_LENGTH, _FLOAT_LENGTH = 21, 34
"""Registers of the model, after its number and length, up to the last one that is wanted."""
_NO_INT16 = -0x8000

ReadHolding = Callable[[int, int], Awaitable[Sequence[int] | None]]
"""Address and count of holding registers; None: the meter says it has no such registers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Where a meter's model is."""

    number: int
    address: int
    """Of its first register after number and length."""

    @property
    def count(self) -> int:
        """How many registers are wanted."""
        return _WHOLE_LENGTH if self.number in WHOLE else _FLOAT_LENGTH


async def find_model(read: ReadHolding) -> Model | None:
    """The first meter model; None where the meter speaks no SunSpec, or has no meter model."""
    for base in BASES:
        mark = await read(base, 2)
        if mark is None or tuple(mark) != _MARK:
            continue
        address = base + 2
        for _ in range(_MOST_MODELS):
            header = await read(address, 2)
            if header is None or header[0] == _LAST or address + 2 > 0xFFFF:
                break
            number, length = header
            if (number in WHOLE and length >= _WHOLE_LENGTH) or (number in FLOATS and length >= _FLOAT_LENGTH):
                return Model(number=number, address=address + 2)
            address += 2 + length
    return None


def values_of(model: Model, words: Sequence[int]) -> Values:
    """What the registers of a model say; what the meter does not implement is None.

    Import is positive. Currents of the models 201 to 204 have a sign in some meters and none in others; the powers of
    the phases settle it (`values.event_of`).
    """
    if model.number in FLOATS:
        return Values(
            current_a=_three([_float(words, offset) for offset in (2, 4, 6)]),
            phase_power_w=_three([_float(words, offset) for offset in (28, 30, 32)]),
            power_w=_float(words, 26),
        )
    return Values(
        current_a=_three([_scaled(words, offset, 4) for offset in (1, 2, 3)]),
        phase_power_w=_three([_scaled(words, offset, 20) for offset in (17, 18, 19)]),
        power_w=_scaled(words, 16, 20),
    )


def _scaled(words: Sequence[int], offset: int, scale_offset: int) -> float | None:
    """A whole number times ten to its scale factor; without either there is no value."""
    raw, exponent = _int16(words[offset]), _int16(words[scale_offset])
    if raw == _NO_INT16 or exponent == _NO_INT16 or not -10 <= exponent <= 10:
        return None
    return raw * 10.0**exponent


def _int16(word: int) -> int:
    return word - 0x10000 if word >= 0x8000 else word


def _float(words: Sequence[int], offset: int) -> float | None:
    value = float(struct.unpack(">f", struct.pack(">2H", words[offset], words[offset + 1]))[0])
    return None if isnan(value) else value


def _three(values: Sequence[float | None]) -> Three:
    return (values[0], values[1], values[2])
