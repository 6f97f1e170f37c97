"""The tables. `id` is the row, for good; `depot_id`, `circuit_id` and so on are the ids of the depot file.

References go by the file's ids, so that rows can be read without joins; they are checked when a transaction
ends, so that it may write them in any order. Sessions and allocations name connectors by text alone: they are
history, and stay as they were.
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
    UniqueConstraint("depot_id", "number"),
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
