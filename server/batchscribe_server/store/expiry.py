"""Expiry in SQL: finding what was kept as long as it was to be, by an index, and letting it go in small pieces."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.ledger import Ledger

CHUNK_EXPIRED = 100
"""Jobs that one transaction removes at most, with their transcripts and events."""

_jobs = tables.jobs.c
_batches = tables.batches.c


class SqlExpiryStore:
    """The ExpiryStore. Only what has ended has an expiry time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire_jobs(self, limit: int) -> int:
        """Remove jobs."""
        expired = 0
        while expired < limit:
            chunk = min(CHUNK_EXPIRED, limit - expired)
            removed = await self._database.write(partial(_remove_jobs, limit=chunk))
            expired += removed
            if removed < chunk:
                break
        return expired

    async def expire_batches(self, limit: int) -> int:
        """Mark batches."""
        return await self._database.write(partial(_mark_batches, limit=limit))

    async def erase_removed(self) -> None:
        """Let the database erase."""
        await self._database.erase_removed()


def _remove_jobs(ledger: Ledger, limit: int) -> int:
    expired = select(_jobs.id).where(_jobs.expire_time <= ledger.now, _jobs.deletion.is_(None))
    ids = ledger.connection.execute(expired.order_by(_jobs.expire_time).limit(limit)).scalars().all()
    # Looked at again once they are locked: another replica may have retried or removed some.
    jobs = ledger.jobs(_jobs.id.in_(ids), _jobs.expire_time <= ledger.now, limit=limit)
    ledger.remove_jobs(jobs)
    return len(ids)


def _mark_batches(ledger: Ledger, limit: int) -> int:
    expired = select(_batches.id).where(_batches.expire_time <= ledger.now, _batches.deletion.is_(None))
    ids = ledger.connection.execute(expired.order_by(_batches.expire_time).limit(limit)).scalars().all()
    for batch in map(ledger.batch, sorted(ids)):
        if batch.expire_time is not None and batch.expire_time <= ledger.now and batch.deletion is None:
            ledger.mark_batch(batch, Deletion.EXPIRED)
    return len(ids)
