"""Run by Alembic for each upgrade, on the connection (and in the transaction) that `upgrade` hands over."""

from alembic import context

from lmgame_leaderboards.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
