"""Delete a job or a batch: what is active is cancelled, the record goes, outputs stay where they are."""

from __future__ import annotations

from batchscribe_server.operations.store import Store


class Delete:
    """Removes records. Runs of deleted jobs lose their lease and end by themselves."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def job(self, tenant: str, job_id: str, *, etag: str = "") -> None:
        """Raises JobNotFoundError, EtagMismatchError."""
        await self._store.delete_job(tenant, job_id, etag)

    async def batch(self, tenant: str, batch_id: str, *, etag: str = "") -> None:
        """Raises BatchNotFoundError, EtagMismatchError."""
        await self._store.delete_batch(tenant, batch_id, etag)
