"""How long a fetch may take: a server that sends a byte now and then is not to hold a running job for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from batchscribe_server.domain.errors import JobFailure, Reason


class FetchTime:
    """The time that one fetch has left. Does not pass while it is stopped."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While a fetch waits for others, and not for its server."""
        loop, end = asyncio.get_running_loop(), self._timeout.when()
        if end is None:
            yield
            return
        left_s = end - loop.time()
        self._timeout.reschedule(None)
        yield
        self._timeout.reschedule(loop.time() + left_s)


@asynccontextmanager
async def fetch_time(name: str, max_fetch_s: float) -> AsyncIterator[FetchTime]:
    """The context of fetching what is called `name`; 0 seconds are no limit.

    Raises JobFailure FETCH_FAILED when it lasts longer.
    """
    try:
        async with asyncio.timeout(max_fetch_s or None) as timeout:
            yield FetchTime(timeout)
    except TimeoutError:
        if not timeout.expired():
            raise
        raise JobFailure(
            Reason.FETCH_FAILED,
            f"{name} was not fetched within {max_fetch_s:g} s, the longest that this server allows "
            "(storage.max_fetch_s)",
        ) from None
