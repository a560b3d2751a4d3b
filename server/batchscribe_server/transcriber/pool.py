"""The pool in which the segments of all open files meet and wait for the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from batchscribe_server.transcriber.batcher import Batcher, BatchLimits
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner


class SegmentPool:
    """A `Batcher` with a clock and a bell. One dispatcher takes from it."""

    def __init__(self, limits: BatchLimits, clock: Callable[[], float]) -> None:
        self._batcher = Batcher(limits)
        self._clock = clock
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        return len(self._batcher)

    def add(self, segment: QueuedSegment) -> None:
        """Queue one segment."""
        self._batcher.add(segment, self._clock())
        self._bell.set()

    def drop(self, owner: SegmentOwner) -> None:
        """Forget the segments of a file."""
        self._batcher.drop(lambda segment: segment.owner is owner)

    def take(self, *, idle: bool) -> tuple[QueuedSegment, ...]:
        """The next batch if one is due."""
        return self._batcher.take(self._clock(), idle=idle)

    def ring(self) -> None:
        """Wake the dispatcher: the engine can take more."""
        self._bell.set()

    async def wait(self, *, until_due: bool) -> None:
        """Wait for the bell; with `until_due` no longer than until a batch that waits for company is due."""
        delay_s = self._batcher.due_in_s(self._clock()) if until_due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._bell.wait()
        self._bell.clear()
