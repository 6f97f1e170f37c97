"""Reading the options of `busbar charge-points`: every mistake at once, each with its fix."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TypeVar
from urllib.parse import urlsplit

from busbar.adapters.files import values
from busbar.adapters.files.tree import Scalar
from busbar.core.depot import ChargePoint, Circuit
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import Projection
from busbar.core.units import Amount, UnitError, parse_amount
from busbar.simulator.stations.behaviours import BEHAVIOURS, HONEST, Behaviour, together
from busbar.simulator.stations.simulated_depot import PROTOCOLS
from busbar.simulator.stations.traffic import DAY_AND_NIGHT, Traffic
from busbar.simulator.times import duration_s

Value = TypeVar("Value")

FASTEST = 3600.0
LONGEST_PASSWORD_FILE = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The options as they were written."""

    url: str
    passwords: str | None
    protocol: str
    behaviour: Sequence[str]
    mix: str | None
    seed: int
    vehicles: str
    speed: float
    for_: str | None
    meters: str | None
    base_load: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The options, understood."""

    behaviours: Mapping[str, Behaviour]
    """By charge point; the honest ones are not named."""
    passwords: Mapping[str, str]
    traffic: Traffic
    base_load: Mapping[str, Amount]
    for_s: int | None
    """None: until somebody stops it."""


@dataclass(slots=True)
class _Reading:
    projection: Projection
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, option: str, value: str | None, rule: str, fix: str) -> None:
        self.problems.append(Problem(path=option, value=value, rule=rule, fix=fix))

    def read(self, option: str, text: str, reader: Callable[[str], Value], instead: Value) -> Value:
        try:
            return reader(text)
        except UnitError as error:
            self.refuse(option, text, error.rule, error.fix)
            return instead


def understood(given: Given, projection: Projection) -> Wanted:
    """What was asked for. Raises RefusedError with every offender."""
    reading = _Reading(projection)
    _check_url(reading, "--url", given.url, ("ws", "wss"), "ws://127.0.0.1:9000")
    if given.meters is not None:
        _check_url(reading, "--meters", given.meters, ("http", "https"), "http://127.0.0.1:8000")
    if given.protocol not in PROTOCOLS:
        fix = suggestion(given.protocol, known_names(PROTOCOLS))
        reading.refuse("--protocol", given.protocol, f"This is none of {', '.join(PROTOCOLS)}.", fix)
    if not 0 < given.speed <= FASTEST:
        rule = f"The speed is above 0 and at most {FASTEST:g}."
        reading.refuse("--speed", f"{given.speed:g}", rule, "Write for example `60`: an hour passes in a minute.")
    everywhere = given.vehicles == "all"
    share = 1.0 if everywhere else reading.read("--vehicles", given.vehicles, _share("`all` or `60 %`"), 1.0)
    wanted = Wanted(
        behaviours=_behaviours(reading, given),
        passwords=_passwords(reading, given.passwords),
        traffic=replace(DAY_AND_NIGHT, share=share),
        base_load=_base_load(reading, given.base_load),
        for_s=None if given.for_ is None else reading.read("--for", given.for_, _duration_s, None),
    )
    if reading.problems:
        raise RefusedError(tuple(reading.problems))
    return wanted


def _check_url(reading: _Reading, option: str, url: str, schemes: tuple[str, ...], example: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        reading.refuse(option, url, f"Not an address that begins with {wanted}.", f"Write for example `{example}`.")


def _share(example: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            return values.state_of_charge(Scalar(text, 1, True))
        except UnitError as error:
            raise UnitError("Not a share from 0 to 1.", f"Write {example}.") from error

    return read


def _duration_s(text: str) -> int | None:
    return duration_s(Scalar(text, 1, True))


def _behaviours(reading: _Reading, given: Given) -> dict[str, Behaviour]:
    units = [subject.id for subject in _charge_points(reading.projection)]
    known_units, known_kinds = known_names(units), known_names(BEHAVIOURS)
    pieces: dict[str, list[Behaviour]] = {}
    for text in given.behaviour:
        kind, _, names = text.partition("=")
        kind = kind.strip()
        if not names.strip():
            reading.refuse("--behaviour", text, "Which charge points?", f"Write for example `{kind}={units[0]}`.")
            continue
        if kind not in BEHAVIOURS:
            reading.refuse("--behaviour", text, f"There is no behaviour {kind!r}.", suggestion(kind, known_kinds))
        for name in (each.strip() for each in names.split(",")):
            if name not in units:
                rule = f"There is no charge point {name!r} in service in this depot."
                reading.refuse("--behaviour", text, rule, suggestion(name, known_units))
            elif kind in BEHAVIOURS:
                pieces.setdefault(name, []).append(BEHAVIOURS[kind])
    if given.mix is not None:
        share = reading.read("--mix", given.mix, _share("for example `20 %`"), 0.0)
        random = Random(f"{given.seed}/mix")
        others = [name for name in units if name not in pieces]
        kinds = [each for each in BEHAVIOURS.values() if each is not HONEST]
        for name in random.sample(others, round(share * len(others))):
            pieces[name] = [random.choice(kinds)]
    return {name: together(found) for name, found in pieces.items()}


def _charge_points(projection: Projection) -> list[ChargePoint]:
    return [each for each in projection.subjects if isinstance(each, ChargePoint) and each.in_service]


def _passwords(reading: _Reading, file: str | None) -> dict[str, str]:
    """Lines `CP1 secret`; empty ones and those that begin with # say nothing."""
    if file is None:
        return {}
    try:
        path = Path(file)
        if path.stat().st_size > LONGEST_PASSWORD_FILE:
            reading.refuse("--passwords", file, "This file is too large to be one of passwords.", "Check its name.")
            return {}
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        reading.refuse("--passwords", file, f"This file cannot be read: {why}.", "Name a file with lines `CP1 secret`.")
        return {}
    units = [each.id for each in _charge_points(reading.projection)]
    known, found = known_names(units), dict[str, str]()
    for number, line in enumerate(lines, start=1):
        name, _, secret = line.strip().partition(" ")
        place = f"--passwords, line {number}"
        if not name or name.startswith("#"):
            continue
        if not secret.strip():
            # Not the line itself: it may be a password.
            reading.refuse(place, None, "A charge point and its password are wanted.", "Write `CP1 secret`.")
        elif name not in units:
            reading.refuse(place, name, "There is no such charge point in service.", suggestion(name, known))
        elif name in found:
            reading.refuse(place, name, "This charge point has a password already.", "Leave one of the two out.")
        else:
            found[name] = secret.strip()
    return found


def _base_load(reading: _Reading, given: Sequence[str]) -> dict[str, Amount]:
    circuits = [each.id for each in reading.projection.subjects if isinstance(each, Circuit)]
    declared = {each.id for each in reading.projection.subjects if isinstance(each, Circuit) and each.base_load}
    known, found = known_names(circuits), dict[str, Amount]()
    for text in given:
        name, _, amount = (part.strip() for part in text.partition("="))
        if name not in circuits:
            reading.refuse("--base-load", text, f"There is no circuit {name!r}.", suggestion(name, known))
        elif name in declared:
            rule = f"The depot declares {name}'s base load already."
            reading.refuse("--base-load", text, rule, "Leave it out.")
        elif name in found:
            reading.refuse("--base-load", text, f"{name} has a base load already.", "Leave one of the two out.")
        try:
            found[name] = parse_amount(amount, is_limit=False, signed=True)
        except UnitError as error:
            reading.refuse("--base-load", text, error.rule, error.fix)
    return found
