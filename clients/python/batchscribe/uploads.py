"""Uploads: a file streamed to the server in chunks, with its size and digest declared before.

They use gRPC's blocking interface on threads of its own. Its asyncio interface loses the status of a server that
answers before it has read everything (https://github.com/grpc/grpc/issues/36066), and that status is what a person
whose file is too large must see.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import BinaryIO

import grpc

from batchscribe.connection import Connection
from batchscribe.failed_call import error_from_rpc
from batchscribe.trace_context import trace_metadata
from batchscribe.v1.job_pb2 import Media
from batchscribe.v1.job_service_pb2 import UploadHeader, UploadMediaRequest

CHUNK_BYTES = 256 * 1024
ATTEMPTS = 5

UploadSource = str | os.PathLike[str] | BinaryIO | bytes
UploadProgress = Callable[[int, int], None]
"""Called with the bytes sent and the bytes there are, 0 where that is not known."""


async def upload_media(
    connection: Connection, source: UploadSource, *, file_name: str, on_progress: UploadProgress | None
) -> Media:
    """Upload a file, from its beginning again where the connection breaks.

    What can't be read twice (a pipe) is sent once and without a digest. Raises OSError where the file can't be read,
    UploadTooLargeError, UploadMismatchError where it changed meanwhile, UnavailableError.
    """
    with ExitStack() as stack:
        file = stack.enter_context(await _opened(source))
        name = file_name or _name_of(source if isinstance(source, (str, os.PathLike)) else getattr(file, "name", ""))
        header = UploadHeader(file_name=name)
        if not file.seekable():
            return await _send(connection, file, header, on_progress)
        start = file.tell()
        header.size_bytes, header.sha256 = await asyncio.to_thread(_measure, file)

        async def send_whole() -> Media:
            await asyncio.to_thread(file.seek, start)
            return await _send(connection, file, header, on_progress)

        return await connection.repeat(send_whole, attempts=ATTEMPTS)


async def _opened(source: UploadSource) -> AbstractContextManager[BinaryIO]:
    """The file to read. One that the caller opened stays open."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not isinstance(source, (str, os.PathLike)):
        if isinstance(source, io.TextIOBase):
            raise TypeError("open the file for reading bytes: open(path, 'rb')")
        return nullcontext(source)
    if stat.S_ISFIFO((await asyncio.to_thread(os.stat, source)).st_mode):
        return await _opened_pipe(source)
    return await asyncio.to_thread(Path(source).open, "rb")


async def _opened_pipe(path: str | os.PathLike[str]) -> BinaryIO:
    """A named pipe that somebody writes to. To open one as files are would block a thread that nothing could end."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(pipe, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(pipe)
        os.set_blocking(pipe, True)
    except BaseException:
        os.close(pipe)
        raise
    return os.fdopen(pipe, "rb")


class _Requests:
    """The messages of one attempt, made by the thread that sends them."""

    def __init__(self, file: BinaryIO, header: UploadHeader, on_sent: Callable[[int], None]) -> None:
        self._file = file
        self._header = header
        self._on_sent = on_sent
        self._sent_bytes = 0
        self._stopped = False
        self._reading = threading.Lock()
        self.failure: OSError | None = None

    def __iter__(self) -> Iterator[UploadMediaRequest]:
        yield UploadMediaRequest(header=self._header)
        while chunk := self._next_chunk():
            yield UploadMediaRequest(chunk=chunk)

    def _next_chunk(self) -> bytes:
        with self._reading:
            if self._stopped:
                return b""
            if self._sent_bytes:
                self._on_sent(self._sent_bytes)  # it is asked for the next, so the last one has gone
            try:
                chunk = self._file.read(CHUNK_BYTES)
            except OSError as error:
                self.failure = error
                return b""
            self._sent_bytes += len(chunk)
            return chunk

    def stop(self) -> None:
        """Let the file alone from now on; waits for a read that has begun."""
        with self._reading:
            self._stopped = True


async def _send(
    connection: Connection, file: BinaryIO, header: UploadHeader, on_progress: UploadProgress | None
) -> Media:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def on_sent(sent_bytes: int) -> None:
        if on_progress is not None:
            loop.call_soon_threadsafe(on_progress, sent_bytes, header.size_bytes)

    def on_done(_: object) -> None:
        if not loop.is_closed():  # it is when the program ended meanwhile
            loop.call_soon_threadsafe(ended.set)

    requests = _Requests(file, header, on_sent)
    # No deadline: it would have to know the size and the line. Keepalive ends an upload to a server that is gone.
    call = connection.uploads.UploadMedia.future(iter(requests), metadata=trace_metadata())
    call.add_done_callback(on_done)
    try:
        await ended.wait()
    finally:
        call.cancel()
        if file.seekable():  # who reads a pipe may wait for long, and nobody reads it again
            await asyncio.shield(asyncio.to_thread(requests.stop))
    if requests.failure is not None:
        raise requests.failure
    if call.code() is not grpc.StatusCode.OK:
        raise error_from_rpc(call)
    return call.result()


def _measure(file: BinaryIO) -> tuple[int, str]:
    """The bytes from here to the end, and their SHA-256 in hex."""
    start = file.tell()
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return file.seek(0, io.SEEK_END) - start, digest.hexdigest()


def _name_of(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        return ""  # a file without a name, or with a number
    # Bytes of a name that are not UTF-8 can't be sent.
    return os.fsencode(Path(path).name).decode("utf-8", "replace")
