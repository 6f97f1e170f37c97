"""The quirk table: what is known of charge points by vendor, model and firmware. Data, checked when it is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from busbar.core.errors import BusbarError


class RateUnit(StrEnum):
    """What a limit is given in."""

    A = "A"
    W = "W"


class ProfileKind(StrEnum):
    """What a schedule's times count from."""

    ABSOLUTE = "Absolute"
    RELATIVE = "Relative"


class ZeroHandling(StrEnum):
    """What is sent for a setpoint of zero."""

    SET = "set"
    """A limit of 0: the vehicle pauses."""
    STOP = "stop"
    """The transaction is ended, and started anew when there is room: for units that a limit of 0 confuses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quirk:
    """One entry. What is None is left to what the charge point says of itself."""

    name: str
    vendor: str | None = None
    """Regular expressions; None: any."""
    model: str | None = None
    firmware: str | None = None
    rate_unit: RateUnit | None = None
    stack_level: int | None = None
    profile_kind: ProfileKind = ProfileKind.ABSOLUTE
    sends_transaction_id: bool = True
    """Whether a TxProfile names its transaction (`transaction_id: sent` or `absent`)."""
    zero: ZeroHandling = ZeroHandling.SET
    allowed_ma: tuple[int, ...] = ()
    """The only currents above 0 that it takes (`allowed_a`), ascending; empty: any."""
    shortest_interval_s: float = 0.0
    """It does not take setpoints more often than this."""
    ramp_s: float | None = None
    """How long its vehicles take to follow a setpoint; None: the usual."""
    sample_interval_s: int | None = None
    """The shortest meter interval it takes; None: what is asked of all."""
    measurands: tuple[str, ...] = ()
    """What it may be asked to measure; empty: what is asked of all."""
    remote_start: bool = False
    """It does not start charging by itself."""
    periods: int | None = None
    """How many periods a schedule may have; None: what it says."""
    dc_voltage_v: int = 1000
    """By what W become A for a DC unit that takes A only; the highest voltage it may have is the safe one."""
    clear_first: bool = False
    """It takes no profile id twice: what was set is cleared before."""
    trigger_messages: bool = True
    """Whether it may be asked to send messages."""
    station_limit_often: bool = False
    """Whether one limit for the whole unit (ChargePointMaxProfile, ChargingStationMaxProfile) may be sent often; many
    units write it to flash."""
    note: str = ""
    source: str = ""

    def matches(self, vendor: str | None, model: str | None, firmware: str | None) -> bool:
        """Whether it is about that charge point."""
        given = ((self.vendor, vendor), (self.model, model), (self.firmware, firmware))
        return all(
            pattern is None or (text is not None and re.search(pattern, text, re.IGNORECASE) is not None)
            for pattern, text in given
        )


NO_QUIRK = Quirk(name="")
"""For a charge point that nothing is known of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuirkTable:
    """All entries, the first that matches applies."""

    entries: tuple[Quirk, ...]

    def find(self, vendor: str | None, model: str | None, firmware: str | None) -> Quirk:
        """The entry for that charge point; `NO_QUIRK` where there is none."""
        for entry in self.entries:
            if entry.matches(vendor, model, firmware):
                return entry
        return NO_QUIRK


def load_quirks(own_file: Path | None = None) -> QuirkTable:
    """The table that ships, behind a person's own one. Raises BusbarError with every offender in a file."""
    shipped = files("busbar.adapters.ocpp") / "quirks.yaml"
    entries = read_quirks(shipped.read_text(encoding="utf-8"), "quirks.yaml")
    if own_file is not None:
        try:
            text = own_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BusbarError(f"{own_file} cannot be read: {error}.") from error
        entries = read_quirks(text, str(own_file)) + entries
    return QuirkTable(entries=entries)


def read_quirks(text: str, file: str) -> tuple[Quirk, ...]:
    """Entries from YAML. Raises BusbarError with every offender: unknown words, wrong types, bad expressions."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BusbarError(f"{file} is not YAML: {error}") from error
    if document is None:
        return ()
    if not isinstance(document, list):
        raise BusbarError(f"{file}: a list of entries is wanted, each beginning with `- name:`.")
    problems: list[str] = []
    entries = [_entry(raw, f"{file}, entry {number}", problems) for number, raw in enumerate(document, start=1)]
    if problems:
        raise BusbarError("\n".join(problems))
    return tuple(entry for entry in entries if entry is not None)


_MATCH = ("vendor", "model", "firmware")
_FIELDS = (
    "rate_unit",
    "stack_level",
    "profile_kind",
    "transaction_id",
    "zero",
    "allowed_a",
    "shortest_interval_s",
    "ramp_s",
    "sample_interval_s",
    "measurands",
    "remote_start",
    "periods",
    "dc_voltage_v",
    "clear_first",
    "trigger_messages",
    "station_limit_often",
    "note",
    "source",
)


def _entry(raw: Any, place: str, problems: list[str]) -> Quirk | None:
    if not isinstance(raw, Mapping):
        problems.append(f"{place}: is not an entry; begin it with `- name:`.")
        return None
    reader = _Reader(raw, f"{place} ({raw.get('name', 'without a name')})", problems)
    reader.refuse_unknown(("name", "match", *_FIELDS))
    patterns = reader.patterns()
    allowed_a = reader.numbers("allowed_a")
    zero = reader.text("zero", tuple(ZeroHandling)) or ZeroHandling.SET
    kind = reader.text("profile_kind", tuple(ProfileKind)) or ProfileKind.ABSOLUTE
    unit = reader.text("rate_unit", tuple(RateUnit))
    name = reader.text("name")
    if not name:
        reader.report("name", "is missing; it is shown to people.")
    before = len(problems)
    quirk = Quirk(
        name=name or "",
        vendor=patterns.get("vendor"),
        model=patterns.get("model"),
        firmware=patterns.get("firmware"),
        rate_unit=RateUnit(unit) if unit else None,
        stack_level=reader.whole("stack_level", least=0),
        profile_kind=ProfileKind(kind),
        sends_transaction_id=reader.text("transaction_id", ("sent", "absent")) != "absent",
        zero=ZeroHandling(zero),
        allowed_ma=tuple(sorted(round(value * 1000) for value in allowed_a)),
        shortest_interval_s=reader.number("shortest_interval_s") or 0.0,
        ramp_s=reader.number("ramp_s"),
        sample_interval_s=reader.whole("sample_interval_s", least=1),
        measurands=reader.texts("measurands"),
        remote_start=reader.flag("remote_start", usual=False),
        periods=reader.whole("periods", least=1),
        dc_voltage_v=reader.whole("dc_voltage_v", least=1) or 1000,
        clear_first=reader.flag("clear_first", usual=False),
        trigger_messages=reader.flag("trigger_messages", usual=True),
        station_limit_often=reader.flag("station_limit_often", usual=False),
        note=(reader.text("note") or "").strip(),
        source=(reader.text("source") or "").strip(),
    )
    return quirk if len(problems) == before else None


class _Reader:
    """Reads one entry's fields and writes down what is wrong with them."""

    def __init__(self, raw: Mapping[Any, Any], place: str, problems: list[str]) -> None:
        self._raw = raw
        self._place = place
        self._problems = problems

    def report(self, field: str, said: str) -> None:
        self._problems.append(f"{self._place}: {field} {said}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for field in self._raw:
            if field not in known:
                self.report(str(field), f"is not a word of this table; it has {', '.join(known)}.")

    def patterns(self) -> dict[str, str]:
        match = self._raw.get("match")
        if not isinstance(match, Mapping) or not match:
            self.report("match", "is missing: give vendor, model or firmware.")
            return {}
        found: dict[str, str] = {}
        for field, pattern in match.items():
            if field not in _MATCH or not isinstance(pattern, str):
                self.report(f"match.{field}", "is none of vendor, model and firmware with a text.")
                continue
            try:
                re.compile(pattern)
            except re.error as error:
                self.report(f"match.{field}", f"is no regular expression: {error}.")
                continue
            found[field] = pattern
        return found

    def text(self, field: str, choices: Sequence[str] = ()) -> str | None:
        value = self._raw.get(field)
        if value is None:
            return None
        if not isinstance(value, str) or (choices and value not in choices):
            self.report(field, f"is {value!r}; wanted is {' or '.join(choices) or 'a text'}.")
            return None
        return value

    def number(self, field: str) -> float | None:
        value = self._raw.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            self.report(field, f"is {value!r}; wanted is a number from 0.")
            return None
        return float(value)

    def whole(self, field: str, *, least: int) -> int | None:
        value = self._raw.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 10**6:
            self.report(field, f"is {value!r}; wanted is a whole number from {least}.")
            return None
        return value

    def flag(self, field: str, *, usual: bool) -> bool:
        value = self._raw.get(field, usual)
        if not isinstance(value, bool):
            self.report(field, f"is {value!r}; wanted is true or false.")
            return usual
        return value

    def numbers(self, field: str) -> list[float]:
        values = self._raw.get(field, [])
        sound = isinstance(values, list) and all(
            isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10**4 for value in values
        )
        if not sound:
            self.report(field, f"is {values!r}; wanted is a list of numbers above 0.")
            return []
        return [float(value) for value in values]

    def texts(self, field: str) -> tuple[str, ...]:
        values = self._raw.get(field, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.report(field, f"is {values!r}; wanted is a list of texts.")
            return ()
        return tuple(values)
