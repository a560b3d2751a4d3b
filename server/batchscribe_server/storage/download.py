"""Fetching an object to a file, from where it was cut off on when it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from batchscribe_server.domain.errors import JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import LocalInput
from batchscribe_server.storage.fetch_time import fetch_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from batchscribe_server.domain.party import Party
    from batchscribe_server.storage.fetched import FetchedFiles

Result = TypeVar("Result")


class NoAnswerError(Exception):
    """A store can't be reached: the message is plain words."""


ATTEMPTS = 6
"""How often in a row a request may bring nothing."""

WHOLE_ATTEMPTS = 2
"""How often an object is fetched whose bytes are not those that the store declares."""

_FIRST_PAUSE_S = 0.2

Pieces = Callable[[int], "AsyncGenerator[bytes]"]
"""The bytes of one object from a place on, in one request. May raise JobFailure, which ends the download, and
NoAnswerError, which another request may mend.
"""


class Digest(Protocol):
    """A checksum in the making, such as hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Go on with more bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What a store declares of an object's bytes: their digest, of the kind that `begin` begins."""

    begin: Callable[[], Digest]
    digest: bytes


@asynccontextmanager
async def downloaded(
    uri: str,
    size_bytes: int,
    etag: str,
    pieces: Pieces,
    *,
    fetched: FetchedFiles,
    party: Party,
    max_size_bytes: int,
    cut_off: tuple[type[BaseException], ...],
    expected: Expected | None = None,
) -> AsyncIterator[LocalInput]:
    """The object as a file among those `fetched`, which waits for its room there, in the share of `party`. Its
    fingerprint is its size and its ETag.

    What `cut_off` names is mended by another request. Raises JobFailure MEDIA_TOO_LARGE, and FETCH_FAILED when
    `ATTEMPTS` in a row bring nothing (a StoreAwayFailure where the last had no answer), when more than `size_bytes`
    come, when it takes too long, where the disk does not take it, or when what came is not what is `expected`,
    `WHOLE_ATTEMPTS` times.
    """
    if max_size_bytes and size_bytes > max_size_bytes:
        raise JobFailure(Reason.MEDIA_TOO_LARGE, f"{uri} has {size_bytes} bytes; this server takes {max_size_bytes}.")
    async with fetched.room(size_bytes, party) as path:
        async with fetch_time(uri, fetched.max_fetch_s):
            await _download_whole(uri, path, size_bytes, pieces, cut_off, expected)
        with await on_disk(uri, partial(FileIO, path)) as file:
            yield LocalInput(file.fileno(), size_bytes, fingerprint(size_bytes, etag))


async def _download_whole(
    uri: str,
    path: Path,
    size_bytes: int,
    pieces: Pieces,
    cut_off: tuple[type[BaseException], ...],
    expected: Expected | None,
) -> None:
    for _ in range(WHOLE_ATTEMPTS):
        digest = expected.begin() if expected else None
        await _download(uri, path, size_bytes, pieces, cut_off, digest)
        if expected is None or digest is None or digest.digest() == expected.digest:
            return
        await on_disk(uri, path.unlink)
    raise JobFailure(
        Reason.FETCH_FAILED,
        f"{uri}: the bytes that came, {WHOLE_ATTEMPTS} times, don't match the checksum that the store declares",
    )


async def _download(
    uri: str,
    path: Path,
    size_bytes: int,
    pieces: Pieces,
    cut_off: tuple[type[BaseException], ...],
    digest: Digest | None,
) -> None:
    done = failures = 0
    # Without a buffer: nothing is left to fail when it is closed.
    with await on_disk(uri, partial(FileIO, path, "xb")) as file:
        while done < size_bytes:
            before, problem = done, "it ended early"
            failed: type[JobFailure] = JobFailure
            try:
                async with aclosing(pieces(done)) as arriving:
                    async for piece in arriving:
                        if done + len(piece) > size_bytes:
                            raise JobFailure(
                                Reason.FETCH_FAILED, f"{uri} is longer than the {size_bytes} bytes it was said to be"
                            )
                        await on_disk(uri, partial(_write, file, piece, digest))
                        done += len(piece)
            except NoAnswerError as error:
                problem, failed = str(error), StoreAwayFailure
            except cut_off as error:
                problem = str(error) or type(error).__name__
            if done < size_bytes:
                failures = 1 if done > before else failures + 1
                if failures >= ATTEMPTS:
                    raise failed(
                        Reason.FETCH_FAILED,
                        f"{uri} could not be fetched beyond {done} of {size_bytes} bytes: {problem}",
                    )
                await asyncio.sleep(pause_s(failures))


def _write(file: FileIO, piece: bytes, digest: Digest | None) -> None:
    if digest is not None:
        digest.update(piece)
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


async def on_disk(name: str, work: Callable[[], Result]) -> Result:
    """Do in a thread what writes the file called `name`. Raises JobFailure FETCH_FAILED where the disk fails."""
    try:
        return await in_thread(work)
    except OSError as error:
        words = (error.strerror or type(error).__name__).lower()
        raise JobFailure(Reason.FETCH_FAILED, f"{name} could not be kept on the server's disk: {words}") from None


def pause_s(failures: int) -> float:
    """How long to wait after so many requests in a row that brought nothing, in seconds."""
    return _FIRST_PAUSE_S * 2.0 ** (failures - 1)
