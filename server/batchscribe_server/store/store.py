"""The store: its parts over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.access import SqlAccessStore
from batchscribe_server.store.analyses import SqlAnalysisStore
from batchscribe_server.store.batches import SqlBatchStore
from batchscribe_server.store.database import Database
from batchscribe_server.store.deletions import SqlDeletionStore
from batchscribe_server.store.duties import SqlDutyStore
from batchscribe_server.store.errors import StoreError
from batchscribe_server.store.expiry import SqlExpiryStore
from batchscribe_server.store.fleet import SqlFleetStore
from batchscribe_server.store.history import SqlHistoryStore
from batchscribe_server.store.installation import SqlInstallationStore
from batchscribe_server.store.jobs import SqlJobStore
from batchscribe_server.store.media import SqlMediaStore
from batchscribe_server.store.postgres_url import PostgresUrl
from batchscribe_server.store.reports import SqlReportStore
from batchscribe_server.store.runs import SqlRunStore
from batchscribe_server.store.sqlite import SqliteDatabase


class SqlStore(
    SqlBatchStore,
    SqlJobStore,
    SqlRunStore,
    SqlMediaStore,
    SqlAccessStore,
    SqlAnalysisStore,
    SqlHistoryStore,
    SqlReportStore,
    SqlDeletionStore,
    SqlExpiryStore,
    SqlFleetStore,
    SqlDutyStore,
    SqlInstallationStore,
):
    """The Store. Owns its database; belongs to one event loop."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, wakeups: Wakeups, *, clock: Callable[[], datetime] | None = None, pool_size: int = 0
    ) -> AsyncIterator[SqlStore]:
        """Open the database at a URL (`sqlite:///path` or `postgresql://…`), with its schema up to date.

        `clock` gives the time with its zone; without one it is the database's. `pool_size` is how many connections to
        PostgreSQL there are for transactions, 0 for the usual number. Raises StoreError.
        """
        database = await _open(url, wakeups, clock, pool_size)
        try:
            yield cls(database)
        finally:
            await database.close()

    @property
    def sole_owner(self) -> bool:
        """Whether nobody else has the database open: what runs in it without running here runs nowhere."""
        return self._database.sole_owner

    @property
    def serving(self) -> bool:
        """Whether the database is there."""
        return self._database.serving

    def patient(self) -> SqlStore:
        """The same store for what runs in the background: while the database is away it waits, and never raises
        DatabaseUnavailableError.
        """
        return SqlStore(self._database.patient())


async def _open(url: str, wakeups: Wakeups, clock: Callable[[], datetime] | None, pool_size: int) -> Database:
    if url.startswith("postgres"):
        checked = PostgresUrl(url)
        # Only where it is used: its driver comes with an extra.
        from batchscribe_server.store.postgres import POOL_SIZE, PostgresDatabase

        return await PostgresDatabase.open(checked, wakeups, clock, pool_size or POOL_SIZE)
    if pool_size:
        raise StoreError("database.pool_size is for PostgreSQL.")
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("database.url is not a URL of SQLite or PostgreSQL.") from None
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"There is no store on {parsed.get_backend_name()!r}: use sqlite or postgresql.")
    return await SqliteDatabase.open(parsed, wakeups, clock)
