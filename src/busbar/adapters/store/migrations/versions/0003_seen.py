"""What people and systems see of a depot: envelopes, breaches, tokens, the audit log, webhooks, cycles by node."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A revision stays as it was released, whatever becomes of `tables.py`: it spells everything out.
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)

_RUNS = """
WITH placed AS (
    SELECT id, row_number() OVER (PARTITION BY depot_id ORDER BY id) AS place FROM cycles
), seen AS (
    SELECT cycles.depot_id AS depot_id, allocations.leaf AS node, cycles.id AS id
    FROM allocations JOIN cycles ON cycles.id = allocations.cycle
    UNION
    SELECT cycles.depot_id, states.key, cycles.id FROM cycles, {states}
), numbered AS (
    SELECT seen.depot_id AS depot_id, seen.node AS node, seen.id AS id,
        placed.place - row_number() OVER (PARTITION BY seen.depot_id, seen.node ORDER BY seen.id) AS run
    FROM seen JOIN placed ON placed.id = seen.id
)
INSERT INTO cycle_nodes (depot_id, node, first_cycle, last_cycle)
SELECT depot_id, node, min(id), max(id) FROM numbered GROUP BY depot_id, node, run
"""
_STATES = {
    "sqlite": "json_each(cycles.node_states) AS states",
    "postgresql": "LATERAL json_object_keys(cycles.node_states) AS states(key)",
}


def upgrade() -> None:
    op.add_column("cycles", sa.Column("inputs", sa.JSON, nullable=False, server_default="{}"))
    op.create_index("ix_cycles_outcome", "cycles", ["depot_id", "outcome", "number"])
    _cycles_by_node()
    _limits_and_breaches()
    _who_asks_and_writes()
    _who_is_told()


def _cycles_by_node() -> None:
    op.create_table(
        "cycle_nodes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("first_cycle", _ROW_ID, nullable=False),
        sa.Column("last_cycle", _ROW_ID),
        sa.PrimaryKeyConstraint("id", name="pk_cycle_nodes"),
        _belongs_to_depot("cycle_nodes"),
    )
    # Runs of cycles that follow each other: their place among all cycles and among those of the node grow alike.
    states = _STATES[op.get_bind().dialect.name]
    op.execute(sa.text(_RUNS.format(states=states)))
    op.create_index("ix_cycle_nodes_first", "cycle_nodes", ["depot_id", "node", "first_cycle"])
    op.create_index("ix_cycle_nodes_last", "cycle_nodes", ["depot_id", "last_cycle"])
    _where("ix_cycle_nodes_open", "cycle_nodes", ["depot_id", "node"], "last_cycle IS NULL", unique=True)


def _limits_and_breaches() -> None:
    op.create_table(
        "envelopes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("amount", sa.Text, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME),
        sa.Column("after", sa.Text),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME),
        sa.Column("withdrawn_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_envelopes"),
        _belongs_to_depot("envelopes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_envelopes_at", "envelopes", ["depot_id", "at"])
    op.create_table(
        "breaches",
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("limit", sa.BigInteger, nullable=False),
        sa.Column("limit_name", sa.Text, nullable=False),
        sa.Column("peak", sa.BigInteger, nullable=False),
        sa.Column("peak_at", _TIME, nullable=False),
        sa.Column("energy_over_wh", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("series", sa.JSON, nullable=False),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", _TIME),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("depot_id", "id", name="pk_breaches"),
        _belongs_to_depot("breaches"),
    )
    op.create_index("ix_breaches_started", "breaches", ["depot_id", "started_at"])
    _where("ix_breaches_open", "breaches", ["depot_id"], "ended_at IS NULL", unique=False)


def _who_asks_and_writes() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("depot_id", sa.Text),
        sa.Column("nodes", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("secret_hash", name="uq_tokens"),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'derms')", name="ck_tokens_role"),
        _belongs_to_depot("tokens"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "audit_log",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        _belongs_to_depot("audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_newest", "audit_log", ["depot_id", "id"])


def _who_is_told() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("depot_id", sa.Text),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("removed_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        _belongs_to_depot("webhooks"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("webhook_id", _ROW_ID, nullable=False),
        sa.Column("depot_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_deliveries_webhooks"),
        _belongs_to_depot("deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_first", "deliveries", ["webhook_id", "depot_id", "node", "id"])
    op.create_index("ix_deliveries_oldest", "deliveries", ["webhook_id", "id"])


def _belongs_to_depot(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["depot_id"], ["depots.depot_id"], name=f"fk_{table}_depots")


def _where(name: str, table: str, columns: list[str], condition: str, *, unique: bool) -> None:
    """An index of those rows that the condition holds for."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
