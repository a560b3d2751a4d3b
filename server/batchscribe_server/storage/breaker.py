"""A circuit breaker for each store: while one does not answer, a request now and then sees whether it does again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from batchscribe_server.domain.errors import JobFailure, Reason, StoreAwayFailure
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.domain.url import shown_url
from batchscribe_server.operations.storage import FoundObject, LocalInput, Storage, WrittenFile

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""Between two requests that try a store which is away. What a web server asks for counts up to the longest one: a few
of its URLs must not close it to all others.
"""

WAITS_S = 20.0
"""How long a request waits for a store to come back before it is given up. Not less, since whoever made it would make
the next one at once: so a long queue does not run against a store that is away.
"""

MOST_STORES = 1_000
"""That are remembered as away, the last ones."""

Result = TypeVar("Result")


class RemoteStorage(Storage, Protocol):
    """A storage that may be away."""

    def store_of(self, uri: str) -> str:
        """What is away together with the file of that URI: a bucket, a container, a web server."""
        ...


@dataclass(slots=True, eq=False)
class _Away:
    failures: int
    next_try_s: float
    is_back: asyncio.Event = field(default_factory=asyncio.Event)


class Breakers:
    """The stores that are away; any other is simply asked. Belongs to one event loop."""

    def __init__(self, waits_s: float = WAITS_S, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._waits_s = waits_s
        self._first_pause_s = first_pause_s
        self._away: dict[str, _Away] = {}

    @asynccontextmanager
    async def asking(self, store: str, uri: str, reason: Reason) -> AsyncIterator[None]:
        """The context of one request. Raises StoreAwayFailure with the reason where the store has not come back in
        time.
        """
        await self._turn(store, uri, reason)
        try:
            yield
        except StoreAwayFailure as failure:
            self._note_away(store, failure)
            raise
        except JobFailure:
            self._note_back(store)
            raise
        else:
            self._note_back(store)

    async def _turn(self, store: str, uri: str, reason: Reason) -> None:
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + self._waits_s
        while (away := self._away.get(store)) is not None:
            left_s = away.next_try_s - now_s()
            if left_s <= 0:
                away.next_try_s = now_s() + self._pause_s(away.failures)  # others wait for what comes of this one
                return
            if now_s() >= end_s:
                raise StoreAwayFailure(reason, f"{shown_url(uri)}: its store does not answer", left_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, end_s - now_s())):
                    await away.is_back.wait()

    def _note_away(self, store: str, failure: StoreAwayFailure) -> None:
        before = self._away.pop(store, None)
        failures = before.failures + 1 if before else 1
        pause_s = max(self._pause_s(failures), min(failure.after_s, LONGEST_PAUSE_S))
        away = before or _Away(failures, 0.0)
        away.failures, away.next_try_s = failures, asyncio.get_running_loop().time() + pause_s
        self._away[store] = away
        while len(self._away) > MOST_STORES:
            self._away.pop(next(iter(self._away))).is_back.set()

    def _note_back(self, store: str) -> None:
        if (away := self._away.pop(store, None)) is not None:
            away.is_back.set()

    def _pause_s(self, failures: int) -> float:
        return min(self._first_pause_s * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S)


class BreakingStorage:
    """A storage, asked no more than its store's breaker lets through."""

    def __init__(self, storage: RemoteStorage, breakers: Breakers) -> None:
        self._storage = storage
        self._breakers = breakers

    async def check_allowed(self, uri: str) -> None:
        """Asks nobody."""
        await self._storage.check_allowed(uri)

    @asynccontextmanager
    async def open_input(self, uri: str, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The input as a local file."""
        async with AsyncExitStack() as opened:
            opening = self._storage.open_input(uri, party)
            yield await self._asked(uri, Reason.FETCH_FAILED, lambda: opened.enter_async_context(opening))

    async def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """All files below `uri`; each chunk is a request."""
        chunks = aiter(self._storage.list_prefix(uri, include_globs, exclude_globs, after_cursor))
        while (chunk := await self._asked(uri, Reason.SCAN_FAILED, lambda: _next(chunks))) is not None:
            yield chunk

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file that a reader sees whole or not at all."""
        return await self._asked(uri, Reason.OUTPUT_FAILED, lambda: self._storage.write_output(uri, data, on_conflict))

    async def check_writable(self, uri: str) -> None:
        """See whether outputs may be written there."""
        await self._asked(uri, Reason.OUTPUT_FAILED, lambda: self._storage.check_writable(uri))

    async def identity(self, uri: str) -> str:
        """What is the same for all URIs of one file; asks nobody."""
        return await self._storage.identity(uri)

    async def exists(self, uri: str) -> bool:
        """Whether there is a file of that URI."""
        return await self._asked(uri, Reason.OUTPUT_FAILED, lambda: self._storage.exists(uri))

    async def remove(self, uri: str) -> bool:
        """Remove an output of an earlier run."""
        return await self._asked(uri, Reason.OUTPUT_FAILED, lambda: self._storage.remove(uri))

    async def _asked(self, uri: str, reason: Reason, request: Callable[[], Awaitable[Result]]) -> Result:
        async with self._breakers.asking(self._storage.store_of(uri), uri, reason):
            return await request()


async def _next(chunks: AsyncIterator[Sequence[FoundObject]]) -> Sequence[FoundObject] | None:
    return await anext(chunks, None)
