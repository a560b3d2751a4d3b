"""Uploads in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, delete, exists, select

from batchscribe_server.domain.errors import AlreadyExistsError, MediaNotFoundError
from batchscribe_server.domain.job import State
from batchscribe_server.domain.media import Media
from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.rows import media_from_row, media_values

CHUNK_IDS = 500
"""Ids in one query at most."""

_media = tables.media.c
_jobs = tables.jobs.c


class SqlMediaStore:
    """The MediaStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_media(self, media: Media) -> None:
        """Record an upload; it is kept as long from now on as `media` says. Raises AlreadyExistsError."""
        await self._database.write(partial(_create, media=media))

    async def get_media(self, tenant: str, media_id: str) -> Media:
        """Read one upload."""
        return await self._database.read(partial(_get, tenant=tenant, media_id=media_id))

    async def known_media(self, media_ids: Sequence[str]) -> frozenset[str]:
        """Look up ids, a bounded number in one query."""
        known: set[str] = set()
        for start in range(0, len(media_ids), CHUNK_IDS):
            chunk = media_ids[start : start + CHUNK_IDS]
            known |= await self._database.read(partial(_known, media_ids=chunk))
        return frozenset(known)

    async def unused_media(self, limit: int) -> Sequence[Media]:
        """Read which uploads may go, those first that expired first."""
        return await self._database.write(partial(_unused, limit=limit))

    async def delete_media(self, media_id: str) -> None:
        """Forget an upload, if it is there."""
        await self._database.write(partial(_delete, media_id=media_id))


def _create(ledger: Ledger, media: Media) -> None:
    kept = media.expire_time - media.create_time
    stored = replace(media, create_time=ledger.now, expire_time=ledger.now + kept)
    if not insert_if_absent(ledger.connection, tables.media, media_values(stored)):
        raise AlreadyExistsError(f"There is an upload {media.id!r} already.", media=media.id)


def _get(connection: Connection, tenant: str, media_id: str) -> Media:
    query = select(tables.media).where(_media.id == media_id, _media.tenant == tenant)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise MediaNotFoundError(f"There is no upload {media_id!r}.", media=media_id)
    return media_from_row(row)


def _known(connection: Connection, media_ids: Sequence[str]) -> set[str]:
    return set(connection.execute(select(_media.id).where(_media.id.in_(media_ids))).scalars())


def _unused(ledger: Ledger, limit: int) -> Sequence[Media]:
    """Reads as a writer does, by the store's clock and after all that was committed."""
    needed = exists().where(_jobs.media_id == _media.id, _jobs.state.in_((State.QUEUED, State.RUNNING)))
    query = (
        select(tables.media)
        .where(_media.expire_time <= ledger.now, ~needed)
        .order_by(_media.expire_time, _media.id)
        .limit(limit)
    )
    return [media_from_row(row) for row in ledger.connection.execute(query).mappings()]


def _delete(ledger: Ledger, media_id: str) -> None:
    ledger.connection.execute(delete(tables.media).where(_media.id == media_id))
