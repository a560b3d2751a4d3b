"""Run by Alembic: migrations on the connection that `migrate.upgrade` hands over, in its transaction."""

from alembic import context

from batchscribe_server.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
