"""How a charge point shares among its connectors."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("charge_points", sa.Column("sharing", sa.Text))
    op.add_column("charge_points", sa.Column("module_size", sa.BigInteger))
    op.add_column("charge_points", sa.Column("outputs", sa.BigInteger))
