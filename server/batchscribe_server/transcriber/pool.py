"""The pool in which the segments of all open files meet and wait for the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.transcriber.batcher import Batcher, BatchLimits, LimitsFor
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner


class SegmentPool:
    """A `Batcher` with a clock and a bell. Each engine has a dispatcher that takes from it; the bell wakes them all."""

    def __init__(self, limits: BatchLimits, clock: Callable[[], float], observer: EngineObserver) -> None:
        self._batcher = Batcher(limits)
        self._clock = clock
        self._observer = observer
        self._since_s: dict[int, float] = {}  # by segment id: when it was queued
        self._bell = asyncio.Event()

    def __len__(self) -> int:
        return len(self._batcher)

    def add(self, segment: QueuedSegment) -> None:
        """Queue one segment."""
        now_s = self._clock()
        self._batcher.add(segment, now_s)
        self._since_s[segment.segment_id] = now_s
        self._bell.set()

    def drop(self, owner: SegmentOwner) -> None:
        """Forget the segments of a file."""
        for segment in self._batcher.drop(lambda segment: segment.owner is owner):
            del self._since_s[segment.segment_id]

    def move(self, owner: SegmentOwner, priority: int) -> None:
        """Give the segments of a file another priority."""
        self._batcher.move(lambda segment: segment.owner is owner, priority, self._clock())

    def take(self, *, idle: bool, limits_for: LimitsFor | None = None) -> tuple[QueuedSegment, ...]:
        """The next batch if one is due for an engine, which is `idle` or not and has limits of its own."""
        now_s = self._clock()
        batch = self._batcher.take(now_s, idle=idle, limits_for=limits_for)
        for segment in batch:
            self._observer.segment_waited(now_s - self._since_s.pop(segment.segment_id))
        return batch

    def ring(self) -> None:
        """Wake the dispatchers: an engine may take more than before."""
        self._bell.set()

    async def wait(self, *, until_due: bool) -> None:
        """Wait for the bell; with `until_due` no longer than until a batch that waits for company is due."""
        delay_s = self._batcher.due_in_s(self._clock()) if until_due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._bell.wait()
        self._bell.clear()
