"""The spool of uploads: a file each in one folder of the data directory."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterable, Sequence
from functools import partial
from pathlib import Path

from batchscribe_server.domain.errors import (
    JobFailure,
    Reason,
    UploadMismatchError,
    UploadSpaceError,
    UploadTooLargeError,
)
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import LocalInput, UploadedFile

WRITE_AT_ONCE_BYTES = 1 << 20

_PARTIAL_SUFFIX = ".part"


class DiskUploadSpool:
    """Uploads in `folder`, to which this process alone writes: one of at most `max_upload_bytes`, all together of at
    most `max_total_bytes`. Belongs to one event loop; all work on the disk is done in threads.
    """

    def __init__(self, folder: Path, max_upload_bytes: int, max_total_bytes: int) -> None:
        self._folder = folder
        self._max_upload_bytes = max_upload_bytes
        self._max_total_bytes = max_total_bytes
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
        self._check_size(declared_size_bytes or 0)
        self._check_room(declared_size_bytes or 0)
        upload = _PartialUpload(self._folder / media_id)
        try:
            await self._write_all(upload, chunks, declared_size_bytes)
            _check_whole(upload, declared_size_bytes, declared_sha256)
            await in_thread(upload.publish)
        except BaseException as error:
            self._total_bytes -= upload.received_bytes
            await in_thread(upload.abandon)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UploadSpaceError("the server's disk for uploads is full; try again later") from error
            raise
        return UploadedFile(str(upload.path), upload.received_bytes, upload.sha256)

    async def open_input(self, media: Media) -> LocalInput:
        """The upload as an input: its digest is its fingerprint. Raises JobFailure FETCH_FAILED when it is gone."""
        if not await asyncio.to_thread(Path(media.path).is_file):
            raise JobFailure(Reason.FETCH_FAILED, f"the bytes of {media.name} are gone; upload the file again")
        return LocalInput(media.path, media.size_bytes, media.sha256)

    async def media_ids(self) -> Sequence[str]:
        """The names of the finished files."""
        return await asyncio.to_thread(_finished, self._folder)

    async def remove(self, media_id: str) -> None:
        """Drop the bytes of an upload; none there is fine."""
        self._total_bytes -= await asyncio.to_thread(_unlink, self._folder / media_id)

    async def _write_all(
        self, upload: _PartialUpload, chunks: AsyncIterable[bytes], declared_size_bytes: int | None
    ) -> None:
        waiting = bytearray()
        async for chunk in chunks:
            self._check_size(upload.received_bytes + len(chunk))
            self._check_room(len(chunk))
            if declared_size_bytes is not None and upload.received_bytes + len(chunk) > declared_size_bytes:
                raise UploadMismatchError(f"more bytes came than the {declared_size_bytes} declared")
            upload.received_bytes += len(chunk)
            self._total_bytes += len(chunk)
            waiting += chunk
            if len(waiting) >= WRITE_AT_ONCE_BYTES:
                await in_thread(partial(upload.write, bytes(waiting)))
                waiting.clear()
        await in_thread(partial(upload.write, bytes(waiting)))

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_upload_bytes:
            raise UploadTooLargeError(
                f"the upload has more than the {self._max_upload_bytes} bytes that this server takes",
                max_bytes=str(self._max_upload_bytes),
            )

    def _check_room(self, more_bytes: int) -> None:
        if self._total_bytes + more_bytes > self._max_total_bytes:
            raise UploadSpaceError(
                "the server's space for uploads is taken by files still to be transcribed; try again later"
            )


class _PartialUpload:
    """The file of an upload on its way: under a name of its own until all of it is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received_bytes = 0
        self._partial_path = path.with_name(path.name + _PARTIAL_SUFFIX)
        self._file = self._partial_path.open("xb", buffering=0)
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was written, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            # Without a buffer a write may take less than all.
            left = left[self._file.write(left) :]
        self._digest.update(data)

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


def _check_whole(upload: _PartialUpload, declared_size_bytes: int | None, declared_sha256: str) -> None:
    if declared_size_bytes not in (None, upload.received_bytes):
        raise UploadMismatchError(
            f"{upload.received_bytes} bytes came and {declared_size_bytes} were declared; send the file again"
        )
    if declared_sha256 and declared_sha256.lower() != upload.sha256:
        raise UploadMismatchError("the bytes that came do not have the SHA-256 declared; send the file again")


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
