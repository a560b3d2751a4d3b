"""The spool of uploads: a file each in one folder of the data directory."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from io import FileIO
from pathlib import Path

from batchscribe_server.domain.errors import JobFailure, Reason, UploadSpaceError
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import LocalInput, UploadedFile, UploadElsewhereError, UploadIds
from batchscribe_server.storage.received import Received

WRITE_AT_ONCE_BYTES = 1 << 16
"""What an upload holds in memory at most while it waits for more."""
IDS_AT_ONCE = 1_000

_PARTIAL_SUFFIX = ".part"


class DiskUploadSpool:
    """Uploads in `folder`, to which this process alone writes: one of at most `max_upload_bytes`, all together of at
    most `max_total_bytes`. Belongs to one event loop; all work on the disk is done in threads.

    Where the records of uploads are `shared` with other servers, the bytes of some lie on the disks of these.
    """

    def __init__(
        self, folder: Path, max_upload_bytes: int, max_total_bytes: int, *, records_shared: bool = False
    ) -> None:
        self._folder = folder
        self._max_upload_bytes = max_upload_bytes
        self._max_total_bytes = max_total_bytes
        self._records_shared = records_shared
        self._total_bytes = 0

    async def start(self) -> None:
        """Make the folder, drop what a crash left half received, and count what is there."""
        self._total_bytes = await asyncio.to_thread(_clean, self._folder)

    async def receive(
        self,
        media_id: str,
        chunks: AsyncIterable[bytes],
        declared_size_bytes: int | None = None,
        declared_sha256: str = "",
    ) -> UploadedFile:
        """Receive an upload; it is on the disk for good when this returns, and gone when this raises.

        `media_id` is one of the service's own making, and becomes the file's name.
        """
        received = Received(self._max_upload_bytes, declared_size_bytes, declared_sha256)
        self._check_room(declared_size_bytes or 0)
        upload = _PartialUpload(self._folder / media_id, received)
        try:
            await self._write_all(upload, chunks)
            received.check_whole()
            await in_thread(upload.publish)
        except BaseException as error:
            self._total_bytes -= received.size_bytes
            await in_thread(upload.abandon)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UploadSpaceError("the server's disk for uploads is full; try again later") from error
            raise
        return UploadedFile(str(upload.path), received.size_bytes, received.sha256)

    @asynccontextmanager
    async def open_input(self, media: Media, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The upload as an input: its digest is its fingerprint.

        Raises JobFailure FETCH_FAILED when it is gone, and UploadElsewhereError when it may be on another's disk.
        """
        if media.is_object:
            raise JobFailure(
                Reason.FETCH_FAILED,
                f"the bytes of {media.name} lie in a bucket, and this server has no storage.media_uri to reach it by",
            )
        try:
            file = await in_thread(partial(FileIO, media.path))
        except FileNotFoundError:
            if self._records_shared:
                raise UploadElsewhereError(
                    f"The bytes of {media.name} are not on the disk of the replica that was to read them. Several "
                    "replicas need one place for uploads, which their operator names with storage.media_uri. "
                    "Upload the file again."
                ) from None
            raise JobFailure(
                Reason.FETCH_FAILED, f"the bytes of {media.name} are gone; upload the file again"
            ) from None
        with file:
            yield LocalInput(file.fileno(), media.size_bytes, media.sha256)

    async def media_ids(self) -> UploadIds:
        """The names of the finished files."""
        names = await asyncio.to_thread(_finished, self._folder)
        for start in range(0, len(names), IDS_AT_ONCE):
            yield names[start : start + IDS_AT_ONCE]

    async def remove(self, media_id: str) -> None:
        """Drop the bytes of an upload; none there is fine."""
        self._total_bytes -= await asyncio.to_thread(_unlink, self._folder / media_id)

    async def drop_unfinished(self, min_age_s: float) -> int:
        """Nothing: who receives an upload drops it, and those of a process that died went at the start."""
        return 0

    async def _write_all(self, upload: _PartialUpload, chunks: AsyncIterable[bytes]) -> None:
        waiting = bytearray()
        async for chunk in chunks:
            upload.received.count(len(chunk))
            self._total_bytes += len(chunk)
            self._check_room()
            waiting += chunk
            del chunk
            if len(waiting) >= WRITE_AT_ONCE_BYTES:
                await in_thread(partial(upload.write, bytes(waiting)))
                waiting = bytearray()
        await in_thread(partial(upload.write, bytes(waiting)))

    def _check_room(self, more_bytes: int = 0) -> None:
        if self._total_bytes + more_bytes > self._max_total_bytes:
            raise UploadSpaceError(
                "the server's space for uploads is taken by files still to be transcribed; try again later"
            )


class _PartialUpload:
    """The file of an upload on its way: under a name of its own until all of it is on the disk."""

    def __init__(self, path: Path, received: Received) -> None:
        self.path = path
        self.received = received
        self._partial_path = path.with_name(path.name + _PARTIAL_SUFFIX)
        self._file = self._partial_path.open("xb", buffering=0)

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            # Without a buffer a write may take less than all.
            left = left[self._file.write(left) :]
        self.received.digest(data)

    def publish(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial_path.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def abandon(self) -> None:
        self._file.close()
        self._partial_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _clean(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(f"*{_PARTIAL_SUFFIX}"):
        unfinished.unlink(missing_ok=True)
    return sum(upload.stat().st_size for upload in folder.iterdir())


def _finished(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.suffix != _PARTIAL_SUFFIX]


def _unlink(path: Path) -> int:
    """Remove a file; returns the bytes that it had."""
    try:
        size_bytes = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size_bytes
