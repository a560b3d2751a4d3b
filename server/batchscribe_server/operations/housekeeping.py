"""Housekeeping: queue again what dead owners left running, and let results, uploads and history go in their time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from batchscribe_server.operations.storage import UploadSpool
from batchscribe_server.operations.store import Store

log = structlog.get_logger()

PURGE_CHUNK = 2_000
EXPIRED_JOBS_CHUNK = 2_000
EXPIRED_BATCHES_CHUNK = 100
MEDIA_CHUNK = 200


@dataclass(frozen=True, slots=True)
class KeepingPolicy:
    """How long things are kept. A job fails after `max_stalled_attempts` runs that were heard without any progress."""

    history_s: float
    interval_s: float = 15.0
    max_stalled_attempts: int = 5


class Housekeeping:
    """What must be done now and then, in small pieces, so that nothing waits for it."""

    def __init__(self, store: Store, uploads: UploadSpool, policy: KeepingPolicy, *, sole_owner: bool) -> None:
        self._store = store
        self._uploads = uploads
        self._policy = policy
        self._sole_owner = sole_owner

    async def recover(self) -> int:
        """Before anything is received or run: queue again what a stopped server left running, and drop the uploads
        whose bytes had come when it was killed but of which no client was told. Returns how many jobs are queued again.
        """
        received = await self._uploads.media_ids()
        strays = set(received) - await self._store.known_media(received)
        for media_id in strays:
            await self._uploads.remove(media_id)
        if strays:
            log.info("stray_uploads_removed", uploads=len(strays))
        recovered = await self._store.recover(self._policy.max_stalled_attempts, exclusive_owner=self._sole_owner)
        if recovered:
            log.info("jobs_recovered", jobs=recovered)
        return recovered

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            await asyncio.sleep(self._policy.interval_s)
            await self.keep()

    async def keep(self) -> None:
        """One round. A failed one is logged: the next may do better."""
        try:
            await self._store.recover(self._policy.max_stalled_attempts, exclusive_owner=False)
            expired = await self._store.expire_jobs(EXPIRED_JOBS_CHUNK)
            marked = await self._store.expire_batches(EXPIRED_BATCHES_CHUNK)
            if expired or marked:
                log.info("results_expired", jobs=expired, batches=marked)
            for media in await self._store.unused_media(MEDIA_CHUNK):
                await self._uploads.remove(media.id)
                await self._store.delete_media(media.id)
            await self._store.purge_history(self._policy.history_s, PURGE_CHUNK)
        except Exception:  # the boundary: housekeeping must not end because one round failed
            log.exception("housekeeping_failed")
