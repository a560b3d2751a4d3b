"""A spool for what is written piece by piece: in memory while it is small, else in a file without a name."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.in_thread import in_thread

MEMORY_BYTES = 1 << 20
PIECE_BYTES = 256 << 10


class DiskStreamSpool:
    """Files in one folder. The system frees them with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def spooled(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[Iterator[bytes]]:
        """The same bytes to be read at once, while the context lasts."""
        with tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=str(self._folder)) as file:
            async for piece in pieces:
                try:
                    await in_thread(partial(file.write, piece))
                except OSError as error:
                    words = (error.strerror or type(error).__name__).lower()
                    raise JobFailure(
                        Reason.OUTPUT_FAILED, f"it found no room on the server's disk ({words})"
                    ) from error
            file.seek(0)
            yield _read(file)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
