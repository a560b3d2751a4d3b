"""One storage made of several: each URI goes to the one that its scheme names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.domain.url import scheme_of, shown_url
from batchscribe_server.operations.storage import FoundObject, LocalInput, Storage, WrittenFile


class StorageByScheme:
    """Storages by the schemes of their URIs, in lower case."""

    def __init__(self, storages: Mapping[str, Storage]) -> None:
        self._storages = storages

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError, also for a scheme that no storage has."""
        storage = self._storages.get(scheme_of(uri))
        if storage is None:
            raise PathNotAllowedError(_unknown(uri), uri=shown_url(uri))
        await storage.check_allowed(uri)

    def open_input(self, uri: str, party: Party = NOBODY) -> AbstractAsyncContextManager[LocalInput]:
        """The input as a local file."""
        return self._of(uri, Reason.FETCH_FAILED).open_input(uri, party)

    def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """All files below `uri`, in chunks."""
        return self._of(uri, Reason.SCAN_FAILED).list_prefix(uri, include_globs, exclude_globs, after_cursor)

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file that a reader sees whole or not at all."""
        return await self._of(uri, Reason.OUTPUT_FAILED).write_output(uri, data, on_conflict)

    async def check_writable(self, uri: str) -> None:
        """See whether outputs may be written there."""
        await self._of(uri, Reason.OUTPUT_FAILED).check_writable(uri)

    async def identity(self, uri: str) -> str:
        """The one URI of a file."""
        storage = self._storages.get(scheme_of(uri))
        return uri if storage is None else await storage.identity(uri)

    async def exists(self, uri: str) -> bool:
        """Whether there is a file of that URI."""
        return await self._of(uri, Reason.OUTPUT_FAILED).exists(uri)

    async def remove(self, uri: str) -> bool:
        """Remove an output of an earlier run."""
        return await self._of(uri, Reason.OUTPUT_FAILED).remove(uri)

    def _of(self, uri: str, reason: Reason) -> Storage:
        storage = self._storages.get(scheme_of(uri))
        if storage is None:
            raise JobFailure(reason, _unknown(uri))
        return storage


def _unknown(uri: str) -> str:
    return f"{shown_url(uri)} cannot be reached: this server is not set up for {scheme_of(uri)}:// URIs"
