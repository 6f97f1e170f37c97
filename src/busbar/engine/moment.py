"""One depot at one instant, whole: what status, explanations, what-if and metrics are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from busbar.core.allocation import Allocation
from busbar.core.demand import Reason
from busbar.core.metering import Condition
from busbar.core.projection import Projection
from busbar.core.snapshot import Floats, Ints, Session, Snapshot
from busbar.engine.breach_record import BreachRecord
from busbar.engine.cycle import Shared
from busbar.engine.events import ConnectorState
from busbar.engine.ports import CycleRecord, Envelope, Override


@dataclass(frozen=True, kw_only=True, slots=True)
class Flows:
    """What flows at every node by the meters, at one instant."""

    rows: Floats
    """[nodes, 4]: mA on L1, L2, L3, referred to the depot's voltage, and W in total; NaN: not known.

    Of a metered node: its meter's newest good sample. Of a connector: its own newest sample. Of any other node: the
    sum of those below it, and its constant base load, as far as all of them are known."""
    age_s: Floats
    """[nodes]: how old the oldest sample in it is; NaN where nothing is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugged:
    """A vehicle on a connector, as it is known."""

    session: Session
    reason: Reason
    """Why its request is what it is."""
    id_tag: str | None
    vehicle: str | None
    charged_wh: int
    """Since it arrived, as far as its register was seen."""
    draw: int | None
    """In the connector's unit, by the newest sample."""
    draw_age_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """Something a person should look at, for as long as it is so."""

    kind: str
    """`envelope_shortfall`, `fallbacks_do_not_fit`, `charge_point_disobeys`, `meter` or `raises_frozen`."""
    node: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One depot as one cycle left it. Arrays are copies: nothing of it changes any more."""

    depot_id: str
    epoch: str
    """Random, one per start of the process."""
    sequence: int
    """Counts moments within the epoch, from 1."""
    at: datetime
    """When it was looked at, after the cycle (aware UTC)."""
    projection: Projection
    snapshot: Snapshot
    allocation: Allocation
    setpoint: Ints
    """[n] what holds from this cycle on."""
    record: CycleRecord
    """The cycle's record; without allocations where it changed nothing."""
    committed: Ints
    """[n] the most each connector may still draw, held down to the charge points' ratings."""
    acknowledged: Ints
    """[n] what each connector has acknowledged and holds; -1: nothing."""
    held: Mapping[str, str]
    """Connector -> why what it is meant to have is held back."""
    troubled: Mapping[str, str]
    """Connector -> `refused`, `no_answer` or `disobeys`."""
    reachable: frozenset[str]
    """Charge points that can be told something now."""
    states: Mapping[str, ConnectorState]
    """What connectors say of themselves."""
    plugged: Mapping[str, Plugged]
    """By connector with a vehicle."""
    flows: Flows
    conditions: Mapping[str, Condition]
    """Metered nodes, and those that a person put into SAFE: mode, cause, age."""
    safe_since: Mapping[str, datetime] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    envelopes: tuple[Envelope, ...] = ()
    """Those that hold now or later."""
    shared: Shared | None = None
    """The balance among charge points that the allocation was split from; None: connectors share."""
    breaches: tuple[BreachRecord, ...] = ()
    """The open ones."""
    in_transition: frozenset[str] = frozenset()
    """Nodes above a limit that fell, or a base load that rose, within the allowed reaction time."""
    alarms: tuple[Alarm, ...] = ()
