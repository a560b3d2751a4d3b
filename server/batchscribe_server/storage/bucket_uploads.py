"""The spool of uploads in a bucket: an object each in one folder, for all servers that share a database."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Protocol

import structlog

from batchscribe_server.domain.errors import (
    JobFailure,
    Reason,
    StoreAwayFailure,
    UploadNotStoredError,
    UploadSpaceError,
)
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import LocalInput, UploadedFile, UploadIds, WrittenFile
from batchscribe_server.storage.download import Expected
from batchscribe_server.storage.received import Received

log = structlog.get_logger()

WRITE_AT_ONCE_BYTES = 1 << 20
FEWEST_PART_BYTES = 8 << 20
MOST_PARTS = 10_000
"""S3 takes no more in one object."""

SENDING = 4
"""How many parts are in memory at once, whatever the number of uploads: the others wait on the disk."""

_PROBE = "probe-"


class Bucket(Protocol):
    """An object store, as far as a spool uses it. Raises JobFailures."""

    def open_input(
        self, uri: str, party: Party = NOBODY, expected: Expected | None = None
    ) -> AbstractAsyncContextManager[LocalInput]:
        """An object as a local file, which takes room on the disk of the share of `party`."""
        ...

    async def check_writable(self, uri: str) -> None:
        """See whether it is there and takes objects below a folder."""
        ...

    async def write_output(self, uri: str, data: bytes, on_conflict: OnConflict = OnConflict.OVERWRITE) -> WrittenFile:
        """Write a small object."""
        ...

    async def write_stream(self, uri: str, parts: AsyncGenerator[bytes], part_bytes: int) -> None:
        """Write a new object of parts of at least that size, but for the last one. Where they raise, nothing stays."""
        ...

    def names(self, uri: str) -> AsyncGenerator[Sequence[str]]:
        """The names in a folder, a page at a time."""
        ...

    async def discard(self, uri: str) -> None:
        """Remove an object; none there is fine."""
        ...

    async def drop_unfinished(self, uri: str, begun_before: datetime) -> int:
        """Drop what was begun in a folder before then and is no object yet; returns how many."""
        ...


class BucketUploadSpool:
    """Uploads below `uri`, the URI of a folder to which only the servers of one database write.

    Memory holds `SENDING` parts at most and a piece of each upload; the rest of a part that is not full yet lies in
    `folder`, in a file that the system frees with the process. Belongs to one event loop.
    """

    def __init__(
        self,
        bucket: Bucket,
        uri: str,
        folder: Path,
        max_upload_bytes: int,
        *,
        part_bytes: int = FEWEST_PART_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = bucket
        self._uri = uri.rstrip("/")
        self._folder = folder
        self._max_upload_bytes = max_upload_bytes
        self._part_bytes = max(part_bytes, -(-max_upload_bytes // MOST_PARTS))
        self._now = now
        self._sending = asyncio.Semaphore(SENDING)

    async def start(self) -> None:
        """Write, list, read and remove a small object, as is done with uploads. Raises JobFailure where that fails."""
        uri = self._uri_of(f"{_PROBE}{secrets.token_hex(8)}")
        await self._bucket.check_writable(f"{self._uri}/")
        await self._bucket.write_output(uri, b"batchscribe")
        try:
            async with aclosing(self._bucket.names(self._uri)) as pages:
                await anext(pages)
            async with self._bucket.open_input(uri):
                pass
        finally:
            await self._bucket.discard(uri)

    async def receive(
        self,
        media_id: str,
        chunks: AsyncIterable[bytes],
        declared_size_bytes: int | None = None,
        declared_sha256: str = "",
    ) -> UploadedFile:
        """Receive an upload; it is in the bucket when this returns, and not there when this raises.

        `media_id` is one of the service's own making, and becomes the object's name.
        """
        received = Received(self._max_upload_bytes, declared_size_bytes, declared_sha256)
        uri = self._uri_of(media_id)
        problems: list[Exception] = []
        try:
            parts = _noted(self._parts(chunks, received), problems)
            await self._bucket.write_stream(uri, parts, self._part_bytes)
        except BaseException as error:
            # Whatever was cut off may have been the answer alone. What can't be removed now is found as a stray.
            with suppress(JobFailure):
                await self._bucket.discard(uri)
            if problems:
                raise problems[0] from None
            if isinstance(error, JobFailure):
                log.warning("upload_not_stored", media=media_id, reason=error.reason, message=error.message)
                raise UploadNotStoredError(
                    "the bucket for uploads does not take them now; its operator finds the cause in the log"
                ) from error
            raise
        return UploadedFile(uri, received.size_bytes, received.sha256)

    @asynccontextmanager
    async def open_input(self, media: Media, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The upload, fetched to a file and compared with its digest, which is its fingerprint."""
        async with AsyncExitStack() as stack:
            expected = Expected(hashlib.sha256, bytes.fromhex(media.sha256))
            try:
                file = await stack.enter_async_context(self._bucket.open_input(media.path, party, expected))
            except StoreAwayFailure as away:
                raise StoreAwayFailure(
                    Reason.FETCH_FAILED, f"the bucket for uploads, where {media.name} is, does not answer", away.after_s
                ) from away
            except JobFailure as failure:
                log.warning("upload_not_fetched", media=media.name, reason=failure.reason, message=failure.message)
                raise JobFailure(
                    Reason.FETCH_FAILED,
                    f"the bytes of {media.name} can't be had from the bucket for uploads, whose operator finds the "
                    "cause in the log; retry the job, and if that does not help upload the file again",
                ) from failure
            yield replace(file, fingerprint=media.sha256)

    async def media_ids(self) -> UploadIds:
        """The names of the objects in the folder."""
        async for page in self._bucket.names(self._uri):
            # What others have put there is none of ours, nor to be looked for on a disk.
            yield [name for name in page if name and "/" not in name]

    async def remove(self, media_id: str) -> None:
        """Drop the bytes of an upload; none there is fine."""
        await self._bucket.discard(self._uri_of(media_id))

    async def drop_unfinished(self, min_age_s: float) -> int:
        """Abort uploads in parts that began so long ago."""
        return await self._bucket.drop_unfinished(self._uri, self._now() - timedelta(seconds=min_age_s))

    def _uri_of(self, media_id: str) -> str:
        return f"{self._uri}/{media_id}"

    async def _parts(self, chunks: AsyncIterable[bytes], received: Received) -> AsyncGenerator[bytes]:
        """The same bytes in parts. Raises before the last one where all together are not what was declared."""
        with _full_disk_told(), tempfile.TemporaryFile(buffering=0, dir=self._folder) as file:
            waiting, written_bytes = bytearray(), 0
            async for chunk in chunks:
                received.count(len(chunk))
                waiting += chunk
                del chunk
                if len(waiting) >= WRITE_AT_ONCE_BYTES:
                    await _put_down(file, bytes(waiting), received)
                    written_bytes += len(waiting)
                    waiting.clear()
                if written_bytes >= self._part_bytes:
                    async with self._sending:
                        yield await in_thread(partial(_taken, file))
                    written_bytes = 0
            await _put_down(file, bytes(waiting), received)
            received.check_whole()
            if written_bytes or waiting:
                async with self._sending:
                    yield await in_thread(partial(_taken, file))


async def _noted(parts: AsyncGenerator[bytes], problems: list[Exception]) -> AsyncGenerator[bytes]:
    """The same parts. Notes what they raise, which is none of the bucket's problems, though it may look like one."""
    async with aclosing(parts):
        try:
            while (part := await anext(parts, None)) is not None:
                yield part
                del part
        except Exception as error:
            problems.append(error)
            raise


@contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UploadSpaceError("the server's disk is full; try again later") from error
        raise


async def _put_down(file: FileIO, data: bytes, received: Received) -> None:
    def write() -> None:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        received.digest(data)

    await in_thread(write)


def _taken(file: FileIO) -> bytes:
    """All that lies in the file, which is empty afterwards."""
    file.seek(0)
    data = file.readall()
    file.seek(0)
    file.truncate()
    return data
