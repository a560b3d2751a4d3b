"""Uploads: a file streamed to the server in chunks, with its size and digest declared before."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import grpc

from batchscribe.connection import Connection
from batchscribe.errors import error_from_rpc
from batchscribe.v1.job_pb2 import Media
from batchscribe.v1.job_service_pb2 import UploadHeader, UploadMediaRequest

CHUNK_BYTES = 256 * 1024
ATTEMPTS = 5

UploadSource = str | os.PathLike[str] | BinaryIO
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
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            file_name = file_name or path.name
            file: BinaryIO = stack.enter_context(await asyncio.to_thread(path.open, "rb"))
        else:
            file = source
            file_name = file_name or _name_of(file)
        header = UploadHeader(file_name=file_name)
        start = 0
        if file.seekable():
            start = file.tell()
            header.size_bytes, header.sha256 = await asyncio.to_thread(_measure, file)

        async def send_whole() -> Media:
            if file.seekable():
                await asyncio.to_thread(file.seek, start)
            return await _send(connection, file, header, on_progress)

        if file.seekable():
            return await connection.repeat(send_whole, attempts=ATTEMPTS)
        return await send_whole()


async def _send(
    connection: Connection, file: BinaryIO, header: UploadHeader, on_progress: UploadProgress | None
) -> Media:
    # No deadline: it would have to know the size and the line. Keepalive ends an upload to a server that is gone.
    call = connection.jobs.UploadMedia()
    sent_bytes = 0
    try:
        await call.write(UploadMediaRequest(header=header))
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            await call.write(UploadMediaRequest(chunk=chunk))
            sent_bytes += len(chunk)
            if on_progress is not None:
                on_progress(sent_bytes, header.size_bytes)
        await call.done_writing()
        return await call
    except asyncio.InvalidStateError:
        # The server answered before it had read all: with an error, as a rule.
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from error
    except grpc.aio.AioRpcError as error:
        raise error_from_rpc(error) from error
    finally:
        call.cancel()


def _measure(file: BinaryIO) -> tuple[int, str]:
    """The bytes from here to the end, and their SHA-256 in hex."""
    start = file.tell()
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return file.seek(0, io.SEEK_END) - start, digest.hexdigest()


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", "")
    return Path(name).name if isinstance(name, str) else ""
