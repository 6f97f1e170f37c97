"""The JSON of `/api/v1`. Times are UTC (RFC 3339); loads are mA referred to the depot's voltage, and W.

What the page, a DERMS and anybody else builds on: names are added, never changed.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["FAILED", "PARTIAL", "CONSTRAINED", "APPLIED", "UNCHANGED"]
State = Literal["BREACHED", "UNKNOWN", "SAFE", "CONSTRAINED", "OK"]
Kind = Literal["MICROGRID", "GRID_CONNECTION", "CIRCUIT", "CHARGE_POINT", "CONNECTOR"]
Row = Literal["L1", "L2", "L3", "total"]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Quantity = Annotated[
    str, Field(min_length=1, max_length=200, examples=["700 kW", "640 A", "{L1: 32 A, L2: 32 A, L3: 25 A}"])
]


class Model(BaseModel):
    """Further keys are an error."""

    model_config = ConfigDict(extra="forbid")


class Rows(Model):
    """Four numbers; null where not limited, or not known."""

    L1_ma: int | None
    L2_ma: int | None
    L3_ma: int | None
    total_w: int | None


class Value(Model):
    """In the connector's own unit and on its side: AC mA per phase, DC W at the vehicle."""

    value: int
    unit: Literal["mA", "W"]


class Binding(Model):
    """What stopped a connector (`bound_by` of the allocation contract)."""

    node: str
    row: Row | None
    limit: str
    reason: Literal["full", "minimum", "restart_gap"] | None


# The wiring


class LimitsGiven(Model):
    """As the depot file gives them, in its own words; null: not given."""

    rating: str | None = None
    default_operating_capacity: str | None = None
    safe_operating_capacity: str | None = None
    max_rating: str | None = None
    min: str | None = None
    step: str | None = None
    fallback: str | None = None
    limit: str | None = None


class WiringNode(Model):
    """One power node of the projection."""

    id: str
    kind: Kind
    parent: str | None
    name: str
    voltage_v: int
    phases: list[str]
    current: Literal["AC", "DC"] | None
    """Of charge points and connectors."""
    is_metered: bool
    in_service: bool
    grid_connection_id: int | None
    """Of a grid connection: its id in the store, the only power nodes that are stored."""
    given: LimitsGiven
    rating: Rows
    default: Rows
    safe: Rows
    """The same derived: what each limit caps on the four rows."""


class Microgrid(Model):
    """`GET depots/{id}/microgrid`: the projection, derived from the stored depot; parents first."""

    depot_id: str
    name: str
    revision: int
    strategy: str
    """As the depot is stored; what the last cycle went by, its status says."""
    leaves: Literal["connector", "charge_point"]
    fair_in: Literal["power", "current"]
    voltage_v: int
    timezone: str
    nodes: list[WiringNode]


class DepotSummary(Model):
    """One of `GET depots`."""

    id: str
    name: str
    timezone: str
    state: State
    """UNKNOWN until its first cycle."""
    strategy: str
    leaves: Literal["connector", "charge_point"]
    fair_in: Literal["power", "current"]
    grid_connections: list[str]
    charge_points: int
    connectors: int
    cycle: int
    at: datetime | None
    """Of its last cycle."""


class Depots(Model):
    """`GET depots`."""

    depots: list[DepotSummary]


# Status


class Cause(Model):
    """Why a node is in SAFE, or unknown, or not raised."""

    code: str
    text: str
    since: datetime | None


class NodeStatus(Model):
    """One node now. Limits are rounded down, loads up."""

    id: str
    kind: Kind
    parent: str | None
    state: State
    mode: Literal["NORMAL", "SAFE"]
    cause: Cause | None
    limit: Rows
    """In force now, base load included."""
    limit_names: dict[str, str]
    """Row (L1, L2, L3, total) -> which limit that is: rating, default_operating_capacity, safe_operating_capacity,
    max_rating or envelope; rows that are not limited are missing."""
    available: Rows
    base_load: Rows
    allocated: Rows
    reserved: Rows
    committed: Rows
    """The most that everything below may still draw, given everything ever sent."""
    headroom: Rows
    measured: Rows | None
    """null: not known."""
    measured_at: datetime | None
    age_s: float | None
    """How old the oldest sample in it is."""
    in_transition: bool
    """Above a limit that fell within the allowed reaction time: not a breach yet."""
    breaches: list[str]
    """Ids of its open breaches."""


class Readiness(Model):
    """Whether a vehicle will be ready when it departs, if it goes on being given what it is given now."""

    state: Literal["ready", "on_track", "at_risk", "late", "unknown"]
    ready_at: datetime | None
    """null: never at this pace, or not known."""
    missing_wh: int | None
    """What it would lack at its departure, at the vehicle; 0: nothing."""
    text: str


class ConnectorStatus(Model):
    """One connector now."""

    id: str
    charge_point: str
    current: Literal["AC", "DC"]
    is_connected: bool
    """Whether its charge point can be told something."""
    state: str | None
    """What it says of itself: free, occupied, charging, paused_by_vehicle, ...; null: nothing yet."""
    order: Literal["hold", "stop", "out_of_service"] | None
    """What a person ordered."""
    has_vehicle: bool
    vehicle: str | None
    id_tag: str | None
    arrived: datetime | None
    departs: datetime | None
    energy_needed_wh: int | None
    """What is left of it."""
    charged_wh: int | None
    soc: float | None
    priority: int | None
    request: Value | None
    request_reason: str | None
    """rating, draws_less, tapering, paused, full, makes_room, growing, follows, cannot_charge, held, unmeasured."""
    setpoint: Value | None
    """What the last cycle gave it."""
    acknowledged: Value | None
    """What its charge point has acknowledged and holds."""
    committed: Value
    draw: Value | None
    power_w: int | None
    """Of the setpoint, on the supply side."""
    measured_w: int | None
    """Of the draw, on the supply side."""
    age_s: float | None
    """Of the draw."""
    bound_by: Binding | None
    why: str
    """One short sentence; empty without a vehicle."""
    held_back: str | None
    """Why what it is meant to have has not been sent yet."""
    trouble: Literal["refused", "no_answer", "disobeys"] | None
    readiness: Readiness | None


class AlarmStatus(Model):
    """Something a person should look at."""

    kind: str
    node: str
    text: str


class Status(Model):
    """`GET depots/{id}/status`: one consistent cycle."""

    depot_id: str
    epoch: str
    sequence: int
    at: datetime
    age_s: float
    """Of `at`, when this was answered."""
    stale_after_s: float
    """Older than that, it is not to be shown as live."""
    cycle: int
    trigger: str
    outcome: Outcome
    strategy: str
    leaves: Literal["connector", "charge_point"]
    fair_in: Literal["power", "current"]
    state: State
    charge_points_connected: int
    charge_points: int
    last_event: str
    """For `Last-Event-ID`: events after this status."""
    nodes: list[NodeStatus]
    connectors: list[ConnectorStatus]
    alarms: list[AlarmStatus]


# Cycles


class CycleSummary(Model):
    """One of `GET depots/{id}/cycles`."""

    number: int
    at: datetime
    trigger: str
    strategy: str
    leaves: str | None
    outcome: Outcome
    duration_us: int
    vehicles: int | None
    limited: int | None
    """How many got less than their request because of a limit."""
    node_states: dict[str, State]
    """Nodes that were not OK."""


class Cycles(Model):
    """The newest first."""

    cycles: list[CycleSummary]
    next: int | None
    """Give it as `before` for the next page; null: there is none."""


class CycleAllocation(Model):
    """What one connector was given."""

    leaf: str
    request: Value
    setpoint: Value
    power_w: int
    bound_by: Binding | None


class CycleSetpoint(Model):
    """What became of a setpoint since the cycle before."""

    connector: str
    value: int | None
    state: str
    """sent, acknowledged, settled, refused, no_answer or held_back."""
    reason: str | None


class Cycle(CycleSummary):
    """`GET depots/{id}/cycles/{number}`."""

    inputs: dict[str, Any]
    """leaves, fair_in, and by node: base_load, modes, envelopes."""
    allocations: list[CycleAllocation]
    setpoints: list[CycleSetpoint]
    violations: list[str]


# Breaches


class Breach(Model):
    """One of `GET depots/{id}/breaches`."""

    id: str
    node: str
    row: Row
    unit: Literal["mA", "W"]
    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None
    """null: it goes on."""
    duration_s: float
    """Until now where it goes on."""
    limit: int
    limit_name: str
    peak: int
    peak_at: datetime
    energy_over_wh: int
    cause: Literal["charge_point_disobeys", "base_load", "limit_lowered", "unaccounted_load", "commanded"]
    severity: Literal["critical", "major"]
    """critical: our own fault."""
    sentence: str
    charge_points: list[str]
    """Those that drew more than they may."""
    parent: str | None
    """The id of the breach at the node above."""
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    note: str


class BreachSample(Model):
    """One moment of its chart."""

    at: datetime
    flow: int | None
    limit: int | None


class BreachInFull(Breach):
    """`GET depots/{id}/breaches/{breach}`."""

    children: list[str]
    series: list[BreachSample]


class Breaches(Model):
    """Open ones first, then the newest first."""

    breaches: list[Breach]
    next: datetime | None
    """Give it as `before` for the next page."""


class Acknowledgement(Model):
    """`POST depots/{id}/breaches/{breach}/acknowledgement`."""

    by: Text
    """The person's name."""
    note: Annotated[str, Field(max_length=2000)] = ""


# Explanation and history


class Raise(Model):
    """More room on one row of one node."""

    node: str
    row: Row
    more: Value


class Counterfactual(Model):
    """What the same balance gives when something is otherwise."""

    raises: list[Raise]
    setpoint: Value
    sentence: str


class ChainNode(Model):
    """One node from the connector up to the microgrid (the allocation contract's `nodes`)."""

    id: str
    kind: Kind
    parent: str | None
    mode: Literal["NORMAL", "SAFE"]
    state: State
    limit: Rows
    available: Rows
    base_load: Rows
    allocated: Rows
    reserved: Rows
    flow: Rows
    headroom: Rows


class Share(Model):
    """A connector's part of what its charge point was given."""

    connector: str
    request: Value
    setpoint: Value


class Explanation(Model):
    """`GET depots/{id}/connectors/{charge point}/{connector}/explanation`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    schema_name: Annotated[Literal["busbar/explanation/1"], Field(alias="schema")] = "busbar/explanation/1"
    cycle: int
    at: datetime
    strategy: str
    leaves: Literal["connector", "charge_point"]
    fair_in: Literal["power", "current"]
    leaf: str
    request: Value
    setpoint: Value
    power_w: int
    current_ma: list[int]
    sentence: str
    beside: list[str]
    """What else keeps it from drawing that, in sentences: not yet sent, refused, disobeys, held by a person."""
    bound_by: Binding | None
    also_bound_by: list[Binding]
    chain: list[ChainNode]
    counterfactuals: list[Counterfactual]
    split: list[Share] | None = None
    """Where charge points share: what each connector of this one gets."""


class History(Model):
    """`GET depots/{id}/connectors/{charge point}/{connector}/history`: columns, oldest first, since the process began
    and at most half an hour."""

    unit: Literal["mA", "W"]
    at: list[datetime]
    request: list[int | None]
    setpoint: list[int | None]
    committed: list[int | None]
    draw: list[int | None]
    soc: list[float | None]


class NodeHistory(Model):
    """`GET depots/{id}/nodes/{node}/history`: the same of a node's row nearest its limit, or of the one asked for."""

    row: Row
    unit: Literal["mA", "W"]
    at: list[datetime]
    limit: list[int | None]
    committed: list[int | None]
    measured: list[int | None]


# What-if


class WhatIfVehicle(Model):
    """A vehicle to add, or in place of the one that is there."""

    connector: Text
    request: Quantity | None = None
    """None: the connector's rating."""
    departs: datetime | None = None
    energy_needed: Quantity | None = None
    soc: Annotated[float, Field(ge=0, le=1)] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class WhatIf(Model):
    """`POST depots/{id}/what-if`: the last cycle's balance with this otherwise; nothing sent, nothing stored."""

    limits: Annotated[dict[str, Quantity], Field(max_length=100)] = {}
    """Node -> its default operating capacity (circuits), or maximum rating, in place of the stored one."""
    strategy: Text | None = None
    leaves: Literal["connector", "charge_point"] | None = None
    fair_in: Literal["power", "current"] | None = None
    add: Annotated[list[WhatIfVehicle], Field(max_length=1000)] = []
    remove: Annotated[list[Text], Field(max_length=1000)] = []
    """Connectors without their vehicle."""


class WhatIfChange(Model):
    """One connector that gets something else."""

    leaf: str
    before: Value
    after: Value
    before_w: int
    after_w: int
    bound_by: Binding | None
    """After."""


class WhatIfSide(Model):
    """One of the two balances."""

    outcome: str
    strategy: str
    leaves: str
    fair_in: str
    total_w: int
    """What all connectors are given, on the supply side."""
    limited: int
    at_risk: int
    """Vehicles that will not be ready when they depart, at this pace."""
    nodes: list[ChainNode]
    allocations: list[CycleAllocation]


class WhatIfAnswer(Model):
    """Before and after, side by side."""

    cycle: int
    at: datetime
    before: WhatIfSide
    after: WhatIfSide
    changes: list[WhatIfChange]


# Writes


class Order(Model):
    """What a named person ordered."""

    id: int
    kind: Literal["hold", "stop", "out_of_service", "safe"]
    subject: str
    by: str
    reason: str
    at: datetime


class NewOrder(Model):
    """`POST depots/{id}/orders`."""

    kind: Literal["hold", "stop", "out_of_service", "safe"]
    subject: Text
    """A connector (hold, stop), a charge point (out_of_service) or a node (safe)."""
    by: Text
    reason: Annotated[str, Field(max_length=500)] = ""


class Orders(Model):
    """Those in force."""

    orders: list[Order]


class Plan(Model):
    """What is known of a vehicle beforehand."""

    key: str
    """`connector:CP1/1`, `id_tag:04A2` or `vehicle:BUS17`."""
    departs: datetime | None
    energy_needed_wh: int | None
    priority: int | None
    by: str
    at: datetime


class NewPlan(Model):
    """`PUT depots/{id}/plans/{key}`: replaces the plan with that key."""

    departs: datetime | None = None
    energy_needed: Quantity | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    by: Text


class Plans(Model):
    """All that are kept."""

    plans: list[Plan]


class Settings(Model):
    """`PATCH depots/{id}/settings`: what is given is changed."""

    strategy: Text | None = None
    leaves: Literal["connector", "charge_point"] | None = None
    fair_in: Literal["power", "current"] | None = None
    by: Text


class Shortfall(Model):
    """By how much an envelope cannot be met on a row: what flows or may flow whatever Busbar does."""

    row: Row
    by: int
    """mA referred, or W."""
    text: str


class Envelope(Model):
    """A time-bound limit from outside."""

    id: int
    node: str
    value: str
    starts_at: datetime
    ends_at: datetime | None
    after: str | None
    by: str
    reason: str
    at: datetime
    state: Literal["coming", "in_force", "after", "ended", "withdrawn"]
    shortfalls: list[Shortfall]
    """Of one in force, and of one just given as if it were: empty where it can be met."""


class NewEnvelope(Model):
    """`POST depots/{id}/envelopes`."""

    node: Text
    value: Quantity
    starts_at: datetime | None = None
    """None: now."""
    ends_at: datetime | None = None
    """None: until it is withdrawn."""
    after: Quantity | None = None
    """What holds once it has ended, until it is withdrawn; None: nothing of it."""
    by: Text
    reason: Annotated[str, Field(max_length=500)] = ""


class Envelopes(Model):
    """Those that hold now or later."""

    envelopes: list[Envelope]


class Write(Model):
    """One entry of the audit log."""

    id: int
    at: datetime
    by: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Writes(Model):
    """The newest first."""

    writes: list[Write]
    next: int | None


class Me(Model):
    """`GET me`: whose token this is."""

    name: str
    role: Literal["viewer", "operator", "derms"]
    depot_id: str | None
    nodes: list[str]


class Problem(Model):
    """One thing that was wrong with what was asked."""

    path: str
    value: str | None = None
    rule: str
    fix: str
    file: str | None = None
    line: int | None = None


class Refusal(Model):
    """Every answer of 4xx and 5xx."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    schema_name: Annotated[str, Field(alias="schema")] = "busbar/refusal/1"
    problems: list[Problem]
