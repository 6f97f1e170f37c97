"""Expectations that hold over time: when, about what, and what has to be true."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from busbar.core.describe import NodeState
from busbar.core.snapshot import Mode
from busbar.core.units import Amount
from busbar.engine.breach_record import BreachCause
from busbar.simulator.times import FOREVER_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Always:
    """At every moment from the first second up to, not including, the last."""

    from_s: int = 0
    until_s: int = FOREVER_S


@dataclass(frozen=True, kw_only=True, slots=True)
class At:
    """At this second."""

    at_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class By:
    """At some moment up to and including this second."""

    by_s: int
    stays: bool = False
    """And from this second on to the end: what became true has stayed true."""


When = Always | At | By


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowAtMost:
    """No more than this flows at a node."""

    amount: Amount | None
    """None: the limit in force there at that moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InMode:
    """A node is in this mode."""

    mode: Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class InState:
    """A node is shown in this state."""

    state: NodeState


@dataclass(frozen=True, kw_only=True, slots=True)
class SetpointAtLeast:
    """A connector (or a charge point that is a leaf) is told at least this."""

    value: int
    """mA per phase (AC) or W at the vehicle (DC)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetpointAtMost:
    """A connector (or a charge point that is a leaf) is told at most this."""

    value: int
    """mA per phase (AC) or W at the vehicle (DC)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawAtLeast:
    """At least this is drawn at a connector (or a charge point that is a leaf)."""

    value: int
    """mA per phase (AC) or W at the vehicle (DC)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawAtMost:
    """At most this is drawn at a connector (or a charge point that is a leaf)."""

    value: int
    """mA per phase (AC) or W at the vehicle (DC)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SocAtLeast:
    """A vehicle's battery is at least this full."""

    at_least: float
    """0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reachable:
    """A charge point can be reached, or cannot."""

    reachable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NoBreach:
    """No breach is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreachOf:
    """A breach with this cause was recorded."""

    cause: BreachCause


Condition = (
    FlowAtMost
    | InMode
    | InState
    | SetpointAtLeast
    | SetpointAtMost
    | DrawAtLeast
    | DrawAtMost
    | SocAtLeast
    | Reachable
    | NoBreach
    | BreachOf
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """A condition that has to be true at certain times."""

    when: When
    subject: str | None
    """The node, connector, vehicle or charge point it is about; None: every node (flow), anywhere (breaches)."""
    condition: Condition
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConditionRule:
    """How a scenario file writes a condition."""

    subject: str
    """The key that names what it is about."""
    value: str
    """What stands behind the condition's own key, as an example."""
    says: str
    """One sentence."""
    may_be_everywhere: bool = False
    """The subject may be left out."""


CONDITION_RULES: Mapping[str, ConditionRule] = MappingProxyType(
    {
        "flow_at_most": ConditionRule(
            subject="node",
            value="250 A",
            says="No more than this flows there; `limit`: the limit in force there, or anywhere without a `node`.",
        ),
        "mode": ConditionRule(subject="node", value="SAFE", says="The circuit is in this mode: NORMAL or SAFE."),
        "state": ConditionRule(
            subject="node", value="CONSTRAINED", says="The node is shown in this state: OK, CONSTRAINED, BREACHED, ..."
        ),
        "setpoint_at_least": ConditionRule(
            subject="connector", value="20 kW", says="Busbar gives the connector at least this."
        ),
        "setpoint_at_most": ConditionRule(
            subject="connector", value="0 kW", says="Busbar gives the connector at most this."
        ),
        "draw_at_least": ConditionRule(subject="connector", value="20 kW", says="At least this is really drawn there."),
        "draw_at_most": ConditionRule(subject="connector", value="20 kW", says="At most this is really drawn there."),
        "soc_at_least": ConditionRule(
            subject="vehicle", value="80 %", says="The vehicle's battery is at least this full, while it is there."
        ),
        "reachable": ConditionRule(
            subject="charge_point", value="false", says="Busbar holds the charge point to be reachable, or not."
        ),
        "breaches": ConditionRule(
            subject="node",
            value="none",
            says="No breach is open there, or anywhere without a `node`; with `by` it needs `stays: true`.",
            may_be_everywhere=True,
        ),
        "breach": ConditionRule(
            subject="node",
            value="charge_point_disobeys",
            says="A breach with this cause was recorded there, or anywhere without a `node`; not with `always`.",
            may_be_everywhere=True,
        ),
    }
)
"""By the condition's key."""
