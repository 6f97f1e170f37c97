"""First schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A revision stays as it was released, whatever becomes of `tables.py`: it spells everything out.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "depots",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("voltage_v", sa.BigInteger, nullable=False),
        sa.Column("voltage_margin_permille", sa.BigInteger, nullable=False),
        sa.Column("base_power_factor_permille", sa.BigInteger, nullable=False),
        sa.Column("limit", sa.Text),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("leaves", sa.Text, nullable=False),
        sa.Column("fair_in", sa.Text, nullable=False),
        sa.Column("require", sa.Text, nullable=False),
        sa.Column("imported_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_depots"),
        sa.UniqueConstraint("depot_id", name="uq_depots"),
    )
    op.create_table(
        "circuits",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("circuit_id", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("default_operating_capacity", sa.Text, nullable=False),
        sa.Column("safe_operating_capacity", sa.Text),
        sa.Column("rating", sa.Text),
        sa.Column("voltage_v", sa.BigInteger),
        sa.Column("phases", sa.Text),
        sa.Column("base_load", sa.Text),
        sa.Column("metered", sa.Boolean, nullable=False),
        sa.Column("meter_address", sa.Text),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_circuits"),
        sa.UniqueConstraint("depot_id", "circuit_id", name="uq_circuits"),
        _belongs_to_depot("circuits"),
        _refers("circuits", "parent_id", "circuits", "circuit_id"),
    )
    op.create_table(
        "charge_points",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("charge_point_id", sa.Text, nullable=False),
        sa.Column("circuit_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("current", sa.Text, nullable=False),
        sa.Column("max_rating", sa.BigInteger, nullable=False),
        sa.Column("efficiency_permille", sa.BigInteger, nullable=False),
        sa.Column("power_factor_permille", sa.BigInteger, nullable=False),
        sa.Column("idle_load_w", sa.BigInteger, nullable=False),
        sa.Column("in_service", sa.Boolean, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_charge_points"),
        sa.UniqueConstraint("depot_id", "charge_point_id", name="uq_charge_points"),
        sa.CheckConstraint("current IN ('AC', 'DC')", name="ck_charge_points_current"),
        _belongs_to_depot("charge_points"),
        _refers("charge_points", "circuit_id", "circuits", "circuit_id"),
    )
    op.create_table(
        "connectors",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("charge_point_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Text, nullable=False),
        sa.Column("max_rating", sa.BigInteger, nullable=False),
        sa.Column("minimum", sa.BigInteger, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("fallback", sa.BigInteger, nullable=False),
        sa.Column("phases", sa.Text, nullable=False),
        sa.Column("line_to_line", sa.Boolean, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_connectors"),
        sa.UniqueConstraint("depot_id", "charge_point_id", "connector_id", name="uq_connectors"),
        _belongs_to_depot("connectors"),
        _refers("connectors", "charge_point_id", "charge_points", "charge_point_id"),
    )
    op.create_table(
        "microgrids",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_microgrids"),
        sa.UniqueConstraint("depot_id", name="uq_microgrids"),
        _belongs_to_depot("microgrids"),
    )
    op.create_table(
        "power_nodes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("circuit_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_power_nodes"),
        sa.UniqueConstraint("depot_id", "circuit_id", name="uq_power_nodes"),
        sa.CheckConstraint("kind = 'GRID_CONNECTION'", name="ck_power_nodes_kind"),
        sa.ForeignKeyConstraint(["depot_id"], ["microgrids.depot_id"], name="fk_power_nodes_microgrids"),
        _refers("power_nodes", "circuit_id", "circuits", "circuit_id"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("request", sa.BigInteger),
        sa.Column("arrived", _TIME),
        sa.Column("departs", _TIME),
        sa.Column("energy_needed_wh", sa.BigInteger),
        sa.Column("soc", sa.Double),
        sa.Column("priority", sa.BigInteger, nullable=False),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("charging", sa.Boolean, nullable=False),
        sa.Column("charging_since", _TIME),
        sa.Column("waiting_since", _TIME),
        sa.Column("stopped_at", _TIME),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        _belongs_to_depot("sessions"),
    )
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["depot_id", "connector"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "cycles",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("node_states", sa.JSON, nullable=False),
        sa.Column("violations", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cycles"),
        sa.UniqueConstraint("depot_id", "number", name="uq_cycles"),
        _belongs_to_depot("cycles"),
    )
    op.create_table(
        "allocations",
        sa.Column("cycle", _ROW_ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("leaf", sa.Text, nullable=False),
        sa.Column("request", sa.BigInteger, nullable=False),
        sa.Column("setpoint", sa.BigInteger, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("power_w", sa.BigInteger, nullable=False),
        sa.Column("bound_by", sa.JSON),
        sa.PrimaryKeyConstraint("cycle", "position", name="pk_allocations"),
        sa.ForeignKeyConstraint(["cycle"], ["cycles.id"], name="fk_allocations_cycles"),
        sqlite_with_rowid=False,
    )


def _belongs_to_depot(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["depot_id"], ["depots.depot_id"], name=f"fk_{table}_depots")


def _refers(table: str, column: str, other: str, other_column: str) -> sa.ForeignKeyConstraint:
    """Within the same depot, and checked when the transaction ends."""
    return sa.ForeignKeyConstraint(
        ["depot_id", column],
        [f"{other}.depot_id", f"{other}.{other_column}"],
        name=f"fk_{table}_{other}",
        deferrable=True,
        initially="DEFERRED",
    )
