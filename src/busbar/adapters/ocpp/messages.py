"""What charge points say and are asked, the same for all versions of OCPP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from busbar.adapters.ocpp.capabilities import Capabilities
from busbar.adapters.ocpp.counts import Counts
from busbar.adapters.ocpp.profiles import Profile
from busbar.engine.events import ConnectorState


class Call(NamedTuple):
    """A question to a charge point."""

    action: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Boot:
    """It started."""

    vendor: str | None
    model: str | None
    firmware: str | None
    serial: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """A connector says how it is."""

    evse: int
    state: ConnectorState
    at: datetime | None
    """None: it was not stamped."""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """A transaction began, or is going on (`is_found`) and it may be that we never heard of it."""

    evse: int | None
    """None: it does not say; then it is one we know, or nothing can be done."""
    reference: str | None
    """The charge point's own name for it; None: we are to name it (1.6)."""
    at: datetime | None
    id_tag: str | None = None
    vehicle: str | None = None
    meter_start_wh: int | None = None
    is_found: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A transaction ended."""

    reference: str
    at: datetime | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Charging:
    """How the vehicle of a transaction is charging (2.0.1)."""

    reference: str
    state: ConnectorState
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Meter values as they came."""

    evse: int | None
    """None: the connector of the transaction."""
    reference: str | None
    values: list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """Somebody showed a tag."""

    id_tag: str


Report = Boot | Status | Begin | End | Charging | Samples | Tag


class Heard(NamedTuple):
    """What a message says, and what it is answered."""

    reports: tuple[Report, ...]
    answer: Mapping[str, Any]
    names_transaction: bool = False
    """The answer lacks the transaction's id, which is known when the beginning has been kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What charge points are set to, where they let themselves."""

    sample_s: int
    idle_sample_s: int
    ping_s: int
    measurands: tuple[str, ...]
    few_measurands: tuple[str, ...]
    """Where the others are refused."""


class Setting(NamedTuple):
    """One setting and the values that would do, the best first."""

    key: str
    values: tuple[str, ...]


class Version(Protocol):
    """How one version of OCPP says things. Everything here is a plain function of what it is given."""

    @property
    def protocol(self) -> str:
        """`ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`."""
        ...

    @property
    def numbers_transactions(self) -> bool:
        """Transactions are named by numbers of ours (1.6)."""
        ...

    @property
    def has_charging_states(self) -> bool:
        """Transactions say how the vehicle charges (2.0.1), where a connector only says that one is there."""
        ...

    @property
    def samples_answer(self) -> bytes:
        """What meter values are answered: a payload in JSON."""
        ...

    def hear(self, action: str, payload: Mapping[str, Any], now: datetime, counts: Counts) -> Heard | None:
        """What a message says; None: there is no such action here."""
        ...

    def set_profile(self, evse: int, profile: Profile) -> Call:
        """Install a profile."""
        ...

    def clear_profile(self, profile_id: int) -> Call:
        """Remove exactly that one."""
        ...

    def stop(self, reference: str) -> Call:
        """End a transaction."""
        ...

    def start(self, evse: int, id_tag: str, start_id: int, profile: Profile | None) -> Call:
        """Begin a transaction from here."""
        ...

    def trigger(self, message: str) -> Call:
        """Ask for `BootNotification` or `StatusNotification`."""
        ...

    def questions(self) -> tuple[Call, ...]:
        """What is asked first of all; later ones only where the earlier ones failed."""
        ...

    def capabilities(self, answer: Mapping[str, Any], counts: Counts) -> Capabilities:
        """What the answer to a question says."""
        ...

    def settings(self, wishes: Wishes) -> tuple[Setting, ...]:
        """What is to be set."""
        ...

    def change(self, key: str, value: str) -> Call:
        """Change one setting."""
        ...

    def change_status(self, answer: Mapping[str, Any]) -> str:
        """The word that a change was answered with; empty: there was none."""
        ...


def text(value: Any, *, most: int = 200) -> str | None:
    """A text, or what stands for one, without spaces around it; None for nothing."""
    if isinstance(value, bool | dict | list) or value is None:
        return None
    cleaned = str(value).strip()[:most]
    return cleaned or None


def number(value: Any) -> int | None:
    """A whole number, also from `"3"` or 3.0; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def when(value: Any, counts: Counts) -> datetime | None:
    """An instant in UTC from any ISO 8601, as UTC where it names no zone. None (counted) for nothing such."""
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(str(value).strip().replace(" ", "T", 1))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        counts.add("unreadable timestamp")
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """A list, or an empty one where there is none."""
    return value if isinstance(value, list) else []
