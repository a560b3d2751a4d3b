"""Wait for a job to end: the long poll of GetJob."""

from __future__ import annotations

import asyncio

from batchscribe_server.domain.job import Job
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups


class WaitForJob:
    """Answers with a job once it has ended, or as it is when the time is over."""

    def __init__(self, store: Store, wakeups: Wakeups) -> None:
        self._store = store
        self._wakeups = wakeups

    async def __call__(self, tenant: str, job_id: str, timeout_s: float) -> Job:
        """Raises JobNotFoundError, also when the job is deleted meanwhile."""
        job = await self._store.get_job(tenant, job_id)
        with self._wakeups.listening(job.name) as woken:
            try:
                async with asyncio.timeout(timeout_s):
                    while not (job := await self._store.get_job(tenant, job_id)).state.terminal:
                        await woken.wait()
                        woken.clear()
            except TimeoutError:
                return job
        return job
