"""The keeping of history: events of what ended long ago go, a bounded number at a time."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import Table, delete, func, select, update

from batchscribe_server.store import tables
from batchscribe_server.store.database import Database, repeat
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.requests import forget_old_requests

CHUNK_EVENTS = 5_000
"""Events that one transaction deletes at most."""

_events = tables.events.c


class SqlHistoryStore:
    """The HistoryStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def purge_history(self, older_than_s: float, limit: int) -> int:
        """Drop at most `limit` events of resources that ended so long ago, and request ids of more than a day."""
        await self._database.write(forget_old_requests)
        purged = 0
        for table, collection in ((tables.jobs, "jobs"), (tables.batches, "batches")):
            step = partial(_purge, table=table, collection=collection, older_than_s=older_than_s)
            while purged < limit:
                dropped = await self._database.write(partial(step, limit=min(limit - purged, CHUNK_EVENTS)))
                if dropped == 0:
                    break
                purged += dropped
        return purged


async def forget_events(database: Database, resource: str, below: int | None = None) -> None:
    """Delete a resource's events with a sequence below `below`, or all of them."""
    await repeat(database, partial(forget_chunk, resource=resource, below=below))


def forget_chunk(ledger: Ledger, resource: str, below: int | None = None) -> bool | None:
    """Delete the first of them, in this transaction; True where none are left."""
    of_resource = _events.resource == resource
    oldest = ledger.connection.execute(select(func.min(_events.sequence)).where(of_resource)).scalar_one()
    if oldest is None or (below is not None and oldest >= below):
        return True
    end = oldest + CHUNK_EVENTS
    ledger.connection.execute(
        delete(tables.events).where(of_resource, _events.sequence < (end if below is None else min(end, below)))
    )
    return None


def _purge(ledger: Ledger, table: Table, collection: str, older_than_s: float, limit: int) -> int:
    """Drop the oldest events of those that ended first."""
    columns = table.c
    ended = (
        select(columns.id, columns.sequence, columns.history_start)
        .where(
            tables.KEPT_HISTORY,
            columns.finish_time < ledger.now - timedelta(seconds=older_than_s),  # only what ended has this time
        )
        .order_by(columns.finish_time)
        .limit(limit)
        .with_for_update()
    )
    dropped = 0
    for resource_id, sequence, history_start in ledger.connection.execute(ended).all():
        kept_from = min(sequence + 1, history_start + limit - dropped)
        resource = f"{collection}/{resource_id}"
        of_resource = (_events.resource == resource, _events.sequence < kept_from)
        ledger.connection.execute(delete(tables.events).where(*of_resource))
        kept = {"history_start": kept_from, "history_purged": kept_from > sequence}
        ledger.connection.execute(update(table).where(columns.id == resource_id).values(kept))
        ledger.topics.add(resource)
        dropped += kept_from - history_start
        if dropped == limit:
            break
    return dropped
