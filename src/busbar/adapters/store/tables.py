"""The tables. `id` is the row, for good; `depot_id`, `circuit_id` and so on are the ids of the depot file.

References go by the file's ids, so that rows can be read without joins; they are checked when a transaction
ends, so that it may write them in any order. What happened, what was ordered and what is known of charge points
names connectors and nodes by text alone: it stays as it was when they are retired.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from busbar.adapters.store.column_types import AmountText, PhasesText, UtcTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# SQLite numbers rows by itself only where the key's type is the very word INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

depots = Table(
    "depots",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, nullable=False),
    Column("name", Text),
    Column("timezone", Text, nullable=False),
    Column("voltage_v", BigInteger, nullable=False),
    Column("voltage_margin_permille", BigInteger, nullable=False),
    Column("base_power_factor_permille", BigInteger, nullable=False),
    Column("limit", AmountText),
    Column("strategy", Text, nullable=False),
    Column("leaves", Text, nullable=False),
    Column("fair_in", Text, nullable=False),
    Column("require", Text, nullable=False),
    Column("imported_at", UtcTime, nullable=False),
    # One more with every import and change of settings: whoever runs the depot sees by it that it was edited.
    Column("revision", BigInteger, nullable=False, server_default="1"),
    UniqueConstraint("depot_id"),
)

circuits = Table(
    "circuits",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("circuit_id", Text, nullable=False),
    Column("parent_id", Text),
    Column("name", Text),
    Column("default_operating_capacity", AmountText, nullable=False),
    Column("safe_operating_capacity", AmountText),
    Column("rating", AmountText),
    Column("voltage_v", BigInteger),
    Column("phases", PhasesText),
    Column("base_load", AmountText),
    Column("metered", Boolean, nullable=False),
    Column("meter_address", Text),
    Column("position", Integer, nullable=False),
    Column("retired_at", UtcTime),
    UniqueConstraint("depot_id", "circuit_id"),
    ForeignKeyConstraint(
        ["depot_id", "parent_id"],
        ["circuits.depot_id", "circuits.circuit_id"],
        deferrable=True,
        initially="DEFERRED",
    ),
)

# Ratings of charge points and connectors are in mA per phase (AC) or W at the vehicle (DC), whole; so are
# minimum, step, steps and fallback, and requests and setpoints below.
charge_points = Table(
    "charge_points",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("charge_point_id", Text, nullable=False),
    Column("circuit_id", Text, nullable=False),
    Column("name", Text),
    Column("current", Text, nullable=False),
    Column("max_rating", BigInteger, nullable=False),
    Column("efficiency_permille", BigInteger, nullable=False),
    Column("power_factor_permille", BigInteger, nullable=False),
    Column("idle_load_w", BigInteger, nullable=False),
    Column("in_service", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", UtcTime),
    Column("sharing", Text),
    Column("module_size", BigInteger),
    Column("outputs", BigInteger),
    UniqueConstraint("depot_id", "charge_point_id"),
    CheckConstraint("current IN ('AC', 'DC')", name="current"),
    ForeignKeyConstraint(
        ["depot_id", "circuit_id"],
        ["circuits.depot_id", "circuits.circuit_id"],
        deferrable=True,
        initially="DEFERRED",
    ),
)

connectors = Table(
    "connectors",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("charge_point_id", Text, nullable=False),
    Column("connector_id", Text, nullable=False),
    Column("max_rating", BigInteger, nullable=False),
    Column("minimum", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("fallback", BigInteger, nullable=False),
    Column("phases", PhasesText, nullable=False),
    Column("line_to_line", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", UtcTime),
    UniqueConstraint("depot_id", "charge_point_id", "connector_id"),
    ForeignKeyConstraint(
        ["depot_id", "charge_point_id"],
        ["charge_points.depot_id", "charge_points.charge_point_id"],
        deferrable=True,
        initially="DEFERRED",
    ),
)

microgrids = Table(
    "microgrids",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    UniqueConstraint("depot_id"),
)

# Only grid connections are stored; everything below them is derived from the depot (design section 2).
power_nodes = Table(
    "power_nodes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("microgrids.depot_id"), nullable=False),
    Column("circuit_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("retired_at", UtcTime),
    UniqueConstraint("depot_id", "circuit_id"),
    CheckConstraint("kind = 'GRID_CONNECTION'", name="kind"),
    ForeignKeyConstraint(
        ["depot_id", "circuit_id"],
        ["circuits.depot_id", "circuits.circuit_id"],
        deferrable=True,
        initially="DEFERRED",
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("connector", Text, nullable=False),
    Column("request", BigInteger),
    Column("arrived", UtcTime),
    Column("departs", UtcTime),
    Column("energy_needed_wh", BigInteger),
    Column("soc", Double),
    Column("priority", BigInteger, nullable=False),
    Column("weight", Double, nullable=False),
    Column("charging", Boolean, nullable=False),
    Column("charging_since", UtcTime),
    Column("waiting_since", UtcTime),
    Column("stopped_at", UtcTime),
    Column("opened_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)
_still_open = sessions.c.ended_at.is_(None)
Index(
    "ix_sessions_open",
    sessions.c.depot_id,
    sessions.c.connector,
    unique=True,
    sqlite_where=_still_open,
    postgresql_where=_still_open,
)

cycles = Table(
    "cycles",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("node_states", JSON, nullable=False),
    Column("violations", JSON, nullable=False),
    Column("setpoints", JSON, nullable=False, server_default="[]"),
    Column("inputs", JSON, nullable=False, server_default="{}"),
    UniqueConstraint("depot_id", "number"),
)
Index("ix_cycles_at", cycles.c.depot_id, cycles.c.at)
Index("ix_cycles_outcome", cycles.c.depot_id, cycles.c.outcome, cycles.c.number)

# Runs of cycles, by row id, in each of which a node was not OK or a leaf was given something: one row while it goes
# on, however many cycles that are. An index over all allocations would tell the same for a page per leaf and cycle.
cycle_nodes = Table(
    "cycle_nodes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("node", Text, nullable=False),
    Column("first_cycle", RowId, nullable=False),
    # None: it goes on.
    Column("last_cycle", RowId),
)
_runs_on = cycle_nodes.c.last_cycle.is_(None)
Index("ix_cycle_nodes_first", cycle_nodes.c.depot_id, cycle_nodes.c.node, cycle_nodes.c.first_cycle)
Index("ix_cycle_nodes_last", cycle_nodes.c.depot_id, cycle_nodes.c.last_cycle)
Index(
    "ix_cycle_nodes_open",
    cycle_nodes.c.depot_id,
    cycle_nodes.c.node,
    unique=True,
    sqlite_where=_runs_on,
    postgresql_where=_runs_on,
)

allocations = Table(
    "allocations",
    metadata,
    Column("cycle", RowId, ForeignKey("cycles.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("leaf", Text, nullable=False),
    Column("request", BigInteger, nullable=False),
    Column("setpoint", BigInteger, nullable=False),
    Column("unit", Text, nullable=False),
    Column("power_w", BigInteger, nullable=False),
    Column("bound_by", JSON(none_as_null=True)),
    # Always read by cycle: the key is the table.
    sqlite_with_rowid=False,
)

# What safety needs after a restart. Written whole before anything is sent, so the key is the table.
setpoints = Table(
    "setpoints",
    metadata,
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("connector", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("expiry_s", Double, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("fallback", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("connector", Text, primary_key=True),
    Column("trust", Text, nullable=False),
    Column("fallback", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("detail", Text, nullable=False),
)

# Rows of the tables below are forgotten when they are old, and their ids must not come back: SQLite would use the
# largest again.
overrides = Table(
    "overrides",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", Text),
    sqlite_autoincrement=True,
)
_in_force = overrides.c.ended_at.is_(None)
Index(
    "ix_overrides_in_force",
    overrides.c.depot_id,
    overrides.c.kind,
    overrides.c.subject,
    unique=True,
    sqlite_where=_in_force,
    postgresql_where=_in_force,
)

envelopes = Table(
    "envelopes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("node", Text, nullable=False),
    Column("amount", AmountText, nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime),
    Column("after", AmountText),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("withdrawn_at", UtcTime),
    Column("withdrawn_by", Text),
    sqlite_autoincrement=True,
)
Index("ix_envelopes_at", envelopes.c.depot_id, envelopes.c.at)

plans = Table(
    "plans",
    metadata,
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("departs", UtcTime),
    Column("energy_needed_wh", BigInteger),
    Column("priority", BigInteger),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

commissioning_requests = Table(
    "commissioning_requests",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("charge_point", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("result", JSON, nullable=False),
    CheckConstraint("state IN ('asked', 'running', 'passed', 'failed')", name="state"),
    sqlite_autoincrement=True,
)
_not_done = commissioning_requests.c.state.in_(("asked", "running"))
Index(
    "ix_commissioning_requests_open",
    commissioning_requests.c.depot_id,
    commissioning_requests.c.charge_point,
    unique=True,
    sqlite_where=_not_done,
    postgresql_where=_not_done,
)

# What the OCPP adapter keeps, in OCPP's own words where it has some.
charge_point_facts = Table(
    "charge_point_facts",
    metadata,
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("charge_point", Text, primary_key=True),
    Column("protocol", Text, nullable=False),
    Column("vendor", Text),
    Column("model", Text),
    Column("firmware", Text),
    Column("serial", Text),
    Column("rate_units", JSON, nullable=False),
    Column("most_stack_level", BigInteger),
    Column("most_periods", BigInteger),
    Column("most_profiles", BigInteger),
    Column("connectors", BigInteger),
    Column("quirks", Text),
    Column("at", UtcTime, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    CheckConstraint("kind IN ('charge_point', 'meter')", name="kind"),
)

pending_identities = Table(
    "pending_identities",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("attempts", BigInteger, nullable=False),
)
Index("ix_pending_identities_last", pending_identities.c.last_at)

transactions = Table(
    "transactions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("charge_point", Text, nullable=False),
    Column("connector", Text, nullable=False),
    # The charge point's own name for it; none in OCPP 1.6, where `id` is its name.
    Column("reference", Text),
    Column("id_tag", Text),
    Column("vehicle", Text),
    Column("started_at", UtcTime, nullable=False),
    Column("meter_start_wh", BigInteger),
    Column("ended_at", UtcTime),
    Column("end_reason", Text),
    sqlite_autoincrement=True,
)
_going_on = transactions.c.ended_at.is_(None)
Index(
    "ix_transactions_open",
    transactions.c.depot_id,
    transactions.c.connector,
    unique=True,
    sqlite_where=_going_on,
    postgresql_where=_going_on,
)

# `limit`, `peak` and the flows and limits of the series are in mA referred to the depot's voltage, or in W.
breaches = Table(
    "breaches",
    metadata,
    Column("depot_id", Text, ForeignKey("depots.depot_id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("limit", BigInteger, nullable=False),
    Column("limit_name", Text, nullable=False),
    Column("peak", BigInteger, nullable=False),
    Column("peak_at", UtcTime, nullable=False),
    Column("energy_over_wh", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("parent", Text),
    Column("series", JSON, nullable=False),
    # Written by people alone.
    Column("acknowledged_by", Text),
    Column("acknowledged_at", UtcTime),
    Column("note", Text, nullable=False, server_default=""),
)
_not_over = breaches.c.ended_at.is_(None)
Index("ix_breaches_started", breaches.c.depot_id, breaches.c.started_at)
Index("ix_breaches_open", breaches.c.depot_id, sqlite_where=_not_over, postgresql_where=_not_over)

# Who may ask and write over HTTP, what was written, and who is told.
tokens = Table(
    "tokens",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("depot_id", Text, ForeignKey("depots.depot_id")),
    Column("nodes", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("used_at", UtcTime),
    UniqueConstraint("secret_hash"),
    CheckConstraint("role IN ('viewer', 'operator', 'derms')", name="role"),
    sqlite_autoincrement=True,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    sqlite_autoincrement=True,
)
Index("ix_audit_log_newest", audit_log.c.depot_id, audit_log.c.id)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("depot_id", Text, ForeignKey("depots.depot_id")),
    Column("kinds", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("webhook_id", RowId, ForeignKey("webhooks.id"), nullable=False),
    Column("depot_id", Text, ForeignKey("depots.depot_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("document", JSON, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("last_error", Text, nullable=False),
    sqlite_autoincrement=True,
)
# The first of each node, and the oldest of each webhook.
Index("ix_deliveries_first", deliveries.c.webhook_id, deliveries.c.depot_id, deliveries.c.node, deliveries.c.id)
Index("ix_deliveries_oldest", deliveries.c.webhook_id, deliveries.c.id)
