"""Housekeeping: queue again what dead owners left running, and let results, uploads and history go in their time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

import structlog

from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.operations.storage import UploadSpool
from batchscribe_server.operations.store import Store

log = structlog.get_logger()

PURGE_CHUNK = 2_000
EXPIRED_JOBS_CHUNK = 2_000
EXPIRED_BATCHES_CHUNK = 100
MEDIA_CHUNK = 200


@dataclass(frozen=True, slots=True)
class KeepingPolicy:
    """How long things are kept. A job fails after `max_stalled_attempts` runs that were heard without any progress.

    Uploads that nobody knows of are looked for every `sweep_interval_s`, which must be longer than an upload may take
    from its last byte to its record; one that was begun `unfinished_s` ago is not received by anybody any more.
    """

    history_s: float
    interval_s: float = 15.0
    sweep_interval_s: float = 900.0
    unfinished_s: float = 86_400.0
    max_stalled_attempts: int = 5


class Housekeeping:
    """What must be done now and then, in small pieces, so that nothing waits for it."""

    def __init__(self, store: Store, uploads: UploadSpool, policy: KeepingPolicy, *, sole_owner: bool) -> None:
        """`sole_owner`: no other server works on the same database."""
        self._store = store
        self._uploads = uploads
        self._policy = policy
        self._sole_owner = sole_owner
        self._suspects: frozenset[str] = frozenset()
        self._next_sweep = 0.0

    async def recover(self) -> int:
        """Before anything is received or run: queue again what a stopped server left running, and drop the uploads
        whose bytes had come when it was killed but of which no client was told. Returns how many jobs are queued again.
        """
        if self._sole_owner:
            try:
                async for strays in self._strays():
                    await self._remove(strays)
                await self._uploads.drop_unfinished(0)
            except JobFailure as failure:  # of the bucket: the next sweep finds them
                log.warning("uploads_not_dropped", reason=failure.reason, message=failure.message)
            except Exception:  # the boundary: a server must not fail to start for what it would only tidy up
                log.exception("uploads_not_dropped")
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
            await self._store.purge_history(self._policy.history_s, PURGE_CHUNK)
            await self._store.erase_removed()
            await self._drop_unused()
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + self._policy.sweep_interval_s
                await self.sweep()
        except JobFailure as failure:  # of the store of uploads, which has told it in words
            log.warning("uploads_not_dropped", reason=failure.reason, message=failure.message)
        except Exception:  # the boundary: housekeeping must not end because one round failed
            log.exception("housekeeping_failed")

    async def sweep(self) -> None:
        """Drop the uploads that nobody knows of, now and at the last sweep: others may be recorded any moment.

        Raises JobFailure where the store of uploads does not do as it is asked.
        """
        suspects: set[str] = set()
        async for strays in self._strays():
            await self._remove(strays & self._suspects)
            suspects |= strays - self._suspects
        self._suspects = frozenset(suspects)
        unfinished = await self._uploads.drop_unfinished(self._policy.unfinished_s)
        if unfinished:
            log.info("unfinished_uploads_dropped", uploads=unfinished)

    async def _drop_unused(self) -> None:
        for media in await self._store.unused_media(MEDIA_CHUNK):
            await self._uploads.remove(media.id)
            await self._store.delete_media(media.id)

    async def _strays(self) -> AsyncIterator[frozenset[str]]:
        async for received in self._uploads.media_ids():
            yield frozenset(received) - await self._store.known_media(received)

    async def _remove(self, strays: Collection[str]) -> None:
        for media_id in strays:
            await self._uploads.remove(media_id)
        if strays:
            log.info("stray_uploads_removed", uploads=len(strays))
