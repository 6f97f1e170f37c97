"""Alembic's way in: runs the revisions in the transaction that the caller has open."""

from alembic import context

from busbar.adapters.store.migrate import VERSION_TABLE
from busbar.adapters.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Busbar migrates a database when it opens it; there is nothing to run by hand.")
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
