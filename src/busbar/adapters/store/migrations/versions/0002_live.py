"""What a running depot keeps: setpoints, evidence, people's orders, and what is known of charge points."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A revision stays as it was released, whatever becomes of `tables.py`: it spells everything out.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("depots", sa.Column("revision", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("cycles", sa.Column("setpoints", sa.JSON, nullable=False, server_default="[]"))
    op.create_index("ix_cycles_at", "cycles", ["depot_id", "at"])
    _what_safety_needs()
    _what_people_order()
    _what_charge_points_are()


def _what_safety_needs() -> None:
    op.create_table(
        "setpoints",
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("expiry_s", sa.Double, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("fallback", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("depot_id", "connector", name="pk_setpoints"),
        _belongs_to_depot("setpoints"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence",
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("trust", sa.Text, nullable=False),
        sa.Column("fallback", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("depot_id", "connector", name="pk_evidence"),
        _belongs_to_depot("evidence"),
    )


def _what_people_order() -> None:
    op.create_table(
        "overrides",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_overrides"),
        _belongs_to_depot("overrides"),
        sqlite_autoincrement=True,
    )
    _unique_where("ix_overrides_in_force", "overrides", ["depot_id", "kind", "subject"], "ended_at IS NULL")
    op.create_table(
        "plans",
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("departs", _TIME),
        sa.Column("energy_needed_wh", sa.BigInteger),
        sa.Column("priority", sa.BigInteger),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("depot_id", "key", name="pk_plans"),
        _belongs_to_depot("plans"),
    )
    op.create_table(
        "commissioning_requests",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("charge_point", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commissioning_requests"),
        sa.CheckConstraint("state IN ('asked', 'running', 'passed', 'failed')", name="ck_commissioning_requests_state"),
        _belongs_to_depot("commissioning_requests"),
        sqlite_autoincrement=True,
    )
    _unique_where(
        "ix_commissioning_requests_open",
        "commissioning_requests",
        ["depot_id", "charge_point"],
        "state IN ('asked', 'running')",
    )


def _what_charge_points_are() -> None:
    op.create_table(
        "charge_point_facts",
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("charge_point", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("firmware", sa.Text),
        sa.Column("serial", sa.Text),
        sa.Column("rate_units", sa.JSON, nullable=False),
        sa.Column("most_stack_level", sa.BigInteger),
        sa.Column("most_periods", sa.BigInteger),
        sa.Column("most_profiles", sa.BigInteger),
        sa.Column("connectors", sa.BigInteger),
        sa.Column("quirks", sa.Text),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("depot_id", "charge_point", name="pk_charge_point_facts"),
        _belongs_to_depot("charge_point_facts"),
    )
    op.create_table(
        "credentials",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "depot_id", "subject", name="pk_credentials"),
        sa.CheckConstraint("kind IN ('charge_point', 'meter')", name="ck_credentials_kind"),
        _belongs_to_depot("credentials"),
    )
    op.create_table(
        "pending_identities",
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_pending_identities"),
    )
    op.create_index("ix_pending_identities_last", "pending_identities", ["last_at"])
    op.create_table(
        "transactions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("charge_point", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("id_tag", sa.Text),
        sa.Column("vehicle", sa.Text),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("meter_start_wh", sa.BigInteger),
        sa.Column("ended_at", _TIME),
        sa.Column("end_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        _belongs_to_depot("transactions"),
        sqlite_autoincrement=True,
    )
    _unique_where("ix_transactions_open", "transactions", ["depot_id", "connector"], "ended_at IS NULL")


def _belongs_to_depot(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["depot_id"], ["depots.depot_id"], name=f"fk_{table}_depots")


def _unique_where(name: str, table: str, columns: list[str], condition: str) -> None:
    """At most one row with these values of those that the condition holds for."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)
