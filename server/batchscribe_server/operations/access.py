"""The storages that a batch or a job reaches its inputs and outputs with, by the access that came with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from batchscribe_server.domain.access import Access, StorageAccess
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.storage import Storage
from batchscribe_server.operations.store import SealedAccess, Store


class SealBrokenError(Exception):
    """What was sealed can't be read: its key is gone, or it was tampered with."""


class Seal(Protocol):
    """Encrypts what must not be readable where it lies."""

    @property
    def marks(self) -> Sequence[str]:
        """What tells its keys from others and gives nothing of them away; that of the one which seals first."""
        ...

    def sealed(self, access: StorageAccess) -> bytes:
        """The access, encrypted."""
        ...

    def opened(self, sealed: bytes) -> StorageAccess:
        """The access. Raises SealBrokenError."""
        ...


class Storages(Protocol):
    """The storages there are."""

    def opened(self, access: Access | None) -> AbstractAsyncContextManager[Storage]:
        """Storage by URI, of which those that the access is for are reached with it.

        Raises JobFailure CREDENTIALS_UNAVAILABLE for a profile that there is not.
        """
        ...

    def check_access(self, access: Access, uris: Collection[str]) -> None:
        """Raises PathNotAllowedError for a profile or an endpoint that a client may not name, and for a profile that
        none of the URIs is for.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reached:
    """Where inputs are read and where outputs are written."""

    input: Storage
    output: Storage


class ReachStorages:
    """Opens the storages of a job or a batch. What it is given by clients lies sealed in the store."""

    def __init__(self, store: Store, storages: Storages, seal: Seal) -> None:
        self._store = store
        self._storages = storages
        self._seal = seal

    def sealed(self, access: StorageAccess) -> SealedAccess | None:
        """The access as the store keeps it; None where there is none to keep."""
        if not access:
            return None
        remaining = access.without_secrets if access.holds_secrets else None
        return SealedAccess(
            self._seal.sealed(access),
            access.holds_secrets,
            None if remaining is None else self._seal.sealed(remaining),
        )

    def of_job(self, job: Job) -> AbstractAsyncContextManager[Reached]:
        """The storages of a job, whose access is that of its batch. Raises as `of` does."""
        return self.of(f"batches/{job.batch_id}" if job.batch_id else job.name)

    @asynccontextmanager
    async def of(self, resource: str) -> AsyncIterator[Reached]:
        """The storages of `batches/{id}` or `jobs/{id}`. Raises JobFailure CREDENTIALS_UNAVAILABLE."""
        async with self.opened(await self._access(resource)) as reached:
            yield reached

    @asynccontextmanager
    async def opened(self, access: StorageAccess) -> AsyncIterator[Reached]:
        """The storages of an access. Raises JobFailure CREDENTIALS_UNAVAILABLE."""
        async with self._storages.opened(access.input) as source:
            if access.output == access.input:
                yield Reached(source, source)
                return
            async with self._storages.opened(access.output) as target:
                yield Reached(source, target)

    def check(self, access: StorageAccess, input_uris: Collection[str], output_uri: str) -> None:
        """Raises PathNotAllowedError for what a client may not name, or has no use for.

        Without an output URI, outputs lie where the inputs do, or are kept by the service.
        """
        output_uris = [output_uri] if output_uri else input_uris
        if access.input == access.output and access.input is not None:
            self._storages.check_access(access.input, [*input_uris, *output_uris])
            return
        for each, uris in ((access.input, input_uris), (access.output, output_uris)):
            if each is not None:
                self._storages.check_access(each, uris)

    async def _access(self, resource: str) -> StorageAccess:
        sealed = await self._store.get_access(resource)
        if sealed is None:
            return StorageAccess()
        try:
            return self._seal.opened(sealed)
        except SealBrokenError as error:
            raise JobFailure(
                Reason.CREDENTIALS_UNAVAILABLE,
                "The credentials that came with the request can't be read: the server's key is another one. "
                "Submit it again.",
            ) from error
