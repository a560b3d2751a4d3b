"""The ports to where audio comes from and transcripts go, and to the spool of uploads.

All URIs are those of the contract (`file://…`, `s3://…`, `az://…`). A URI that may not be used is a PathNotAllowedError
where a request is checked (`check_allowed`) and a JobFailure where a file or a batch is being worked on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict


@dataclass(frozen=True, slots=True)
class LocalInput:
    """An input as a local file, open for reading. `fingerprint` changes when the bytes do, and tells whether a run may
    go on.
    """

    descriptor: int
    size_bytes: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A file below a prefix; `relative_path` is its path below it, with `/` between names: also the scan's cursor.

    `fingerprint` is what `LocalInput` has, as long as the file does not change.
    """

    uri: str
    relative_path: str
    size_bytes: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """An output. `skipped` means that the file was there already and was left as it is (OnConflict.SKIP)."""

    uri: str
    size_bytes: int
    skipped: bool = False


class Storage(Protocol):
    """Files by URI. Inputs are only ever read."""

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError for a URI outside what the operator allowed, or one that is malformed."""
        ...

    def open_input(self, uri: str, party: Party = NOBODY) -> AbstractAsyncContextManager[LocalInput]:
        """The input as a local file for as long as the context lasts.

        Where it takes room on the disk, that is of the share of `party`. Raises JobFailure FETCH_FAILED when it is
        missing, unreadable, not a file, or not allowed, and INPUT_CHANGED, also on leaving the context, when it changed
        while it was read.
        """
        ...

    def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """All files below `uri` whose relative path matches, in chunks, in an order that is the same each time.

        `after_cursor`, the relative path of the last one seen, continues a listing without starting over. Without
        include globs, files whose suffix says that they are not audio are left out.

        Where nothing lies below `uri` and it names a file itself, that file is all, unless globs leave it out: its
        relative path is its name. Raises JobFailure SCAN_FAILED.
        """
        ...

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file that a reader sees whole or not at all.

        Raises JobFailure OUTPUT_FAILED, or OUTPUT_EXISTS with OnConflict.FAIL.
        """
        ...

    async def check_writable(self, uri: str) -> None:
        """See, without writing anything that can be seen, whether outputs may be written to or below `uri`.

        Raises JobFailure OUTPUT_FAILED or BUCKET_WRITE_DENIED where they may not, as far as that can be known before.
        """
        ...

    async def identity(self, uri: str) -> str:
        """The one URI of a file, whatever links or spellings lead to it; one that can't be had here stays as it is."""
        ...

    async def exists(self, uri: str) -> bool:
        """Whether there is a file of that URI."""
        ...

    async def remove(self, uri: str) -> bool:
        """Remove an output of an earlier run; returns whether there was one. Raises JobFailure OUTPUT_FAILED."""
        ...


class StreamSpool(Protocol):
    """Where what comes piece by piece is put down before it is written: a storage may want it again, or at once."""

    def spooled(self, pieces: AsyncIterable[bytes]) -> AbstractAsyncContextManager[Iterator[bytes]]:
        """The same bytes to be read at once, on the disk where they are many. Nothing stays, whoever is killed.

        Raises JobFailure OUTPUT_FAILED where the disk is full, and whatever `pieces` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A finished upload in the spool: kept for good when this is returned. `sha256` is in hex.

    `path` is that of a file on this server's disk, or the URI of an object.
    """

    path: str
    size_bytes: int
    sha256: str


class UploadElsewhereError(Exception):
    """The bytes of an upload are not here, and may be on the disk of another server; the message is plain words."""


UploadIds = AsyncGenerator[Sequence[str]]
"""Ids of uploads, a bounded number at a time."""


class UploadSpool(Protocol):
    """Where the bytes of uploads lie."""

    async def receive(
        self,
        media_id: str,
        chunks: AsyncIterable[bytes],
        declared_size_bytes: int | None = None,
        declared_sha256: str = "",
    ) -> UploadedFile:
        """Receive an upload. However it ends but well, nothing of it stays.

        Raises UploadTooLargeError (by the declared size before a byte is read, or while receiving), UploadSpaceError
        when there is no room for it now, UploadMismatchError when the bytes are not what was declared, and
        UploadNotStoredError when they can't be put down.
        """
        ...

    def open_input(self, media: Media, party: Party = NOBODY) -> AbstractAsyncContextManager[LocalInput]:
        """The upload as an input, for as long as the context lasts; its fingerprint is its digest.

        Where it takes room on the disk, that is of the share of `party`. Raises JobFailure FETCH_FAILED when its bytes
        are gone or can't be had, and UploadElsewhereError.
        """
        ...

    def media_ids(self) -> UploadIds:
        """The ids of all finished uploads whose bytes are here."""
        ...

    async def remove(self, media_id: str) -> None:
        """Drop the bytes of an upload; none there is fine. Raises JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED."""
        ...

    async def drop_unfinished(self, min_age_s: float) -> int:
        """Drop what was received by servers that died in its middle and began at least so long ago; returns how many.

        Raises as `remove`.
        """
        ...
