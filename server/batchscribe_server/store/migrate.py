"""Bringing a database's schema up to date when the service starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from batchscribe_server.store.errors import DatabaseTooNewError

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Apply the migrations that are missing, in the connection's transaction.

    Raises DatabaseTooNewError when the database knows a revision that this version does not.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise DatabaseTooNewError(
                f"The database has schema {revision!r}, which this version of batchscribe does not know: "
                "start the newer version it was last used with."
            )
    command.upgrade(config, "head")
