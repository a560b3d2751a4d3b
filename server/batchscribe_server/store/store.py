"""The store: its parts over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import make_url

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.access import SqlAccessStore
from batchscribe_server.store.analyses import SqlAnalysisStore
from batchscribe_server.store.batches import SqlBatchStore
from batchscribe_server.store.database import Database
from batchscribe_server.store.deletions import SqlDeletionStore
from batchscribe_server.store.errors import StoreError
from batchscribe_server.store.expiry import SqlExpiryStore
from batchscribe_server.store.history import SqlHistoryStore
from batchscribe_server.store.installation import SqlInstallationStore
from batchscribe_server.store.jobs import SqlJobStore
from batchscribe_server.store.media import SqlMediaStore
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
    SqlInstallationStore,
):
    """The Store. Owns its database; belongs to one event loop."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, wakeups: Wakeups, *, clock: Callable[[], datetime] | None = None
    ) -> AsyncIterator[SqlStore]:
        """Open the database at a URL (`sqlite:///path` or `postgresql://…`), with its schema up to date.

        `clock` gives the time with its zone; without one it is the database's. Raises StoreError.
        """
        database = await _open(url, wakeups, clock)
        try:
            yield cls(database)
        finally:
            await database.close()


async def _open(url: str, wakeups: Wakeups, clock: Callable[[], datetime] | None) -> Database:
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return await SqliteDatabase.open(parsed, wakeups, clock)
        case "postgresql":
            from batchscribe_server.store.postgres import PostgresDatabase

            return await PostgresDatabase.open(parsed, wakeups, clock)
        case other:
            raise StoreError(f"There is no store on {other!r}: use sqlite or postgresql.")
