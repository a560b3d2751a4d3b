"""Fetching a URL to a file, in as many requests as it takes: resumed where it was cut off, or begun again.

Knows HTTP's answers (RFC 9110) and no library that speaks it. What it says never holds a URL's query.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, BinaryIO

from batchscribe_server.domain.errors import JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.operations.storage import LocalInput
from batchscribe_server.storage.content_encoding import (
    ENCODINGS,
    BrokenEncodingError,
    TruncatedEncodingError,
    decoded,
)
from batchscribe_server.storage.download import ATTEMPTS, on_disk, pause_s
from batchscribe_server.storage.fetch_time import FetchTime, fetch_time
from batchscribe_server.storage.http_headers import Version, length_of, part_of, retry_after_s, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from batchscribe_server.domain.party import Party
    from batchscribe_server.storage.fetched import FetchedFiles, GrowingRoom

_OK, _PARTIAL, _NO_SUCH_RANGE = 200, 206, 416
_GONE = frozenset({404, 410})
_BUSY = frozenset({408, 425, 429})

SPEED_WINDOW_S = 30.0

LONGEST_SILENCE_S = 70.0
"""How long attempts that bring nothing may go on, all together: until then the file keeps a place from others."""

LONGEST_PAUSE_S = 30.0
"""A server that wants to be left alone for longer is waited for elsewhere."""


class TryAgainError(Exception):
    """A request came to nothing, or was cut off, and another may do better; the message is plain words.

    `after_s` is how long the server wants to be left alone, in seconds; with `is_away` it gave no answer, or none but
    this.
    """

    def __init__(self, words: str, after_s: float = 0.0, *, is_away: bool = False) -> None:
        super().__init__(words)
        self.after_s = after_s
        self.is_away = is_away


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer to a request, redirects followed. Names of `headers` are in lower case.

    `pieces` are the bytes as sent; a body that is cut off ends in TryAgainError.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


Get = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Answer]]
"""One GET of the URL with these headers. Raises TryAgainError, and JobFailure where another attempt is of no use."""


class LeastSpeed:
    """Sees that bytes come at `bytes_per_s` at least, taken over `SPEED_WINDOW_S`; 0 for any speed."""

    def __init__(self, bytes_per_s: int, clock: Callable[[], float]) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._since_s = clock()
        self._bytes = 0

    def is_kept(self, more_bytes: int) -> bool:
        """Count bytes that came; tells whether they come fast enough."""
        self._bytes += more_bytes
        passed_s = self._clock() - self._since_s
        if passed_s < SPEED_WINDOW_S:
            return True
        is_kept = self._bytes >= self._bytes_per_s * passed_s
        self._since_s, self._bytes = self._clock(), 0
        return is_kept


class UrlFetch:
    """One URL on its way to a file. To be used once.

    `name` is the URL as it may be shown, `party` whose share of the room it takes. Versions are told apart by strong
    ETag or time of modification: one that changes between two requests is INPUT_CHANGED. Without either, or where the
    server knows no ranges, a fetch that is cut off begins again.
    """

    def __init__(
        self,
        name: str,
        get: Get,
        fetched: FetchedFiles,
        party: Party,
        max_size_bytes: int,
        sleep: Callable[[float], Awaitable[None]],
        min_bytes_per_s: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._min_bytes_per_s = min_bytes_per_s
        self._clock = clock
        self._get = get
        self._fetched = fetched
        self._party = party
        self._max_size_bytes = max_size_bytes
        self._sleep = sleep
        self._time: FetchTime | None = None
        self._room: GrowingRoom | None = None
        self._file: BinaryIO | None = None
        self._version = Version()
        self._size_bytes: int | None = None
        self._encoded = False
        self._knows_ranges = True
        self._written_bytes = 0
        self._furthest_bytes = 0
        self._digest = hashlib.sha256()
        self._whole = False
        self._progress_s = clock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[LocalInput]:
        """The file, whole, for as long as the context lasts.

        Raises JobFailure FETCH_FAILED, MEDIA_TOO_LARGE and INPUT_CHANGED.
        """
        async with AsyncExitStack() as rooms:
            try:
                async with fetch_time(self._name, self._fetched.max_fetch_s) as self._time:
                    await self._until_whole(rooms)
            finally:
                if self._file is not None:
                    with suppress(OSError):  # what could not be written was told before
                        self._file.close()
            assert self._room is not None
            mark = self._version.name or self._digest.hexdigest()
            with await on_disk(self._name, partial(FileIO, self._room.path)) as file:
                yield LocalInput(file.fileno(), self._written_bytes, fingerprint(self._written_bytes, mark))

    async def _until_whole(self, rooms: AsyncExitStack) -> None:
        failures = 0
        while not self._whole:
            before, began_s = self._furthest_bytes, self._clock()
            try:
                async with self._get(self._conditions()) as answer:
                    await self._take(answer, rooms)
            except TryAgainError as problem:
                now_s = self._clock()
                if self._furthest_bytes - before > self._min_bytes_per_s * (now_s - began_s):
                    failures, self._progress_s = 0, now_s
                failures += 1
                if problem.after_s > LONGEST_PAUSE_S:
                    raise self._away(f"could not be fetched: {problem}", problem.after_s) from None
                if failures >= ATTEMPTS or now_s - self._progress_s >= LONGEST_SILENCE_S:
                    attempts = "1 attempt" if failures == 1 else f"{failures} attempts in a row"
                    words = f"could not be fetched, {attempts}: {problem}"
                    raise self._away(words, problem.after_s) if problem.is_away else self._failure(words) from None
                await self._sleep(max(problem.after_s, pause_s(failures)))

    def _conditions(self) -> dict[str, str]:
        resumable = self._knows_ranges and not self._encoded
        if self._written_bytes and resumable and self._version.condition:
            return {"Range": f"bytes={self._written_bytes}-", "If-Range": self._version.condition}
        return {}

    async def _take(self, answer: Answer, rooms: AsyncExitStack) -> None:
        is_asked_to_resume = bool(self._conditions())
        if answer.status == _OK:
            await self._begin(answer, rooms)
        elif answer.status == _PARTIAL and is_asked_to_resume:
            self._resume(answer)
        elif answer.status == _NO_SUCH_RANGE and is_asked_to_resume:
            self._see_the_end(answer)
            return
        else:
            raise self._refused(answer)
        await self._receive(answer)

    async def _begin(self, answer: Answer, rooms: AsyncExitStack) -> None:
        """Begin the file, or begin it again."""
        encoding = _encoding_of(answer)
        if encoding and encoding not in ENCODINGS:
            raise self._failure(f"comes encoded as {encoding[:40]!r}, though the server was asked not to encode it")
        size_bytes = None if encoding else length_of(answer.headers)
        self._check_size(size_bytes or 0)
        version = version_of(answer.headers)
        if self._room is None:
            assert self._time is not None
            with self._time.stopped():
                self._room = await rooms.enter_async_context(self._fetched.growing_room(size_bytes or 0, self._party))
            self._progress_s = self._clock()  # the wait was the server's own
            self._file = await on_disk(self._name, partial(_new_file, self._room.path))
        elif version.differs_from(self._version) or _differ(size_bytes, self._size_bytes):
            raise self._changed()
        else:
            await on_disk(self._name, self._start_over)
        # An answer that says less than an earlier one is still of the same version.
        self._version = version if version.name else self._version
        self._size_bytes = self._size_bytes if size_bytes is None else size_bytes
        self._encoded = bool(encoding)
        self._room.grow_to(size_bytes or 0)

    def _resume(self, answer: Answer) -> None:
        part = part_of(answer.headers)
        if version_of(answer.headers).differs_from(self._version) or _differ(part.size_bytes, self._size_bytes):
            raise self._changed()
        if part.start != self._written_bytes or _encoding_of(answer):
            self._knows_ranges = False
            raise TryAgainError("the server sent another part than was asked for")

    def _see_the_end(self, answer: Answer) -> None:
        """The place to go on from is no place in the file: its end, where its length was not known before."""
        size_bytes = part_of(answer.headers).size_bytes
        if size_bytes is None:
            self._knows_ranges = False
            raise TryAgainError("the server has no such part of it")
        if size_bytes != self._written_bytes or self._size_bytes is not None:
            raise self._changed()
        self._whole = True

    async def _receive(self, answer: Answer) -> None:
        assert self._room is not None
        arriving = self._fast_enough(answer.pieces)
        pieces = decoded(arriving) if self._encoded else arriving
        try:
            async for piece in pieces:
                self._written_bytes += len(piece)
                self._furthest_bytes = max(self._furthest_bytes, self._written_bytes)
                self._check_size(self._written_bytes)
                self._room.grow_to(self._written_bytes)
                await on_disk(self._name, partial(self._write, piece))
        except BrokenEncodingError as error:
            raise self._failure(f"is {error}") from None
        except TruncatedEncodingError as error:
            raise TryAgainError(str(error)) from None
        if not self._encoded and self._written_bytes < (self._size_bytes or 0):
            raise TryAgainError("it ended early")
        assert self._file is not None
        await on_disk(self._name, self._file.flush)
        self._whole = True

    async def _fast_enough(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        speed = LeastSpeed(self._min_bytes_per_s, self._clock)
        async for piece in pieces:
            if not speed.is_kept(len(piece)):
                raise self._failure(
                    f"comes at less than {self._min_bytes_per_s} bytes a second over {SPEED_WINDOW_S:.0f} s, the least "
                    "speed that this server allows (storage.https.min_bytes_per_s)"
                )
            yield piece

    def _write(self, piece: bytes) -> None:
        assert self._file is not None
        self._file.write(piece)
        if not self._version.name:
            self._digest.update(piece)

    def _start_over(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._written_bytes = 0
        self._digest = hashlib.sha256()

    def _check_size(self, size_bytes: int) -> None:
        if self._max_size_bytes and size_bytes > self._max_size_bytes:
            raise JobFailure(
                Reason.MEDIA_TOO_LARGE,
                f"{self._name} has {size_bytes} bytes or more; this server takes {self._max_size_bytes}.",
            )

    def _refused(self, answer: Answer) -> JobFailure | TryAgainError:
        status = answer.status
        if status in _BUSY or status >= 500:
            return TryAgainError(f"the server answered {status}", retry_after_s(answer.headers), is_away=True)
        if status in _GONE:
            return JobFailure(
                Reason.FETCH_FAILED, f"there is nothing at {self._name} (the server answered {status}); is it right?"
            )
        if status in (401, 403):
            return self._failure(f"may not be read: the server answered {status}; a signed URL may have expired")
        return self._failure(f"could not be fetched: the server answered {status}")

    def _changed(self) -> JobFailure:
        return JobFailure(
            Reason.INPUT_CHANGED, f"{self._name} changed while it was fetched. Submit it again once it is complete."
        )

    def _away(self, words: str, after_s: float) -> StoreAwayFailure:
        return StoreAwayFailure(Reason.FETCH_FAILED, f"{self._name} {words}", after_s)

    def _failure(self, words: str) -> JobFailure:
        return JobFailure(Reason.FETCH_FAILED, f"{self._name} {words}")


def _new_file(path: Path) -> BinaryIO:
    return path.open("xb")


def _encoding_of(answer: Answer) -> str:
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other
