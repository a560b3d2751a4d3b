"""One file for the media workers, and the queue in which files wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from batchscribe_engine.messages import (
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    VoiceActivityOptions,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.transcriber.slots import Grant, Holder

AGING_S = 30.0


class MediaSink(Holder, Protocol):
    """Who takes what a media worker finds in a file; the holder of the file's slots."""

    @property
    def next_index(self) -> int:
        """The number of the first segment that wasn't received yet."""
        ...

    def opened(self, message: MediaOpened) -> None:
        """The file is media; told again when a second worker opens it."""
        ...

    def segment_ready(self, message: SegmentReady, grant: Grant) -> None:
        """The next segment lies in a READY slot, which is the sink's from now on."""
        ...

    def progressed(self, message: MediaProgress) -> None:
        """So much was searched."""
        ...

    def finished(self, message: MediaFinished) -> None:
        """The file is done."""
        ...

    def media_failed(self, reason: Reason, message: str) -> None:
        """The file can't be done."""
        ...


@dataclass(slots=True, eq=False)
class MediaTask:
    """A file to be decoded. `submitted_s` is when it was asked for; `cancelled` settles when nobody waits for it any
    more; `crashes` counts the workers that died of it.
    """

    path: str
    file_name: str
    voice_activity: VoiceActivityOptions
    max_duration_ms: int
    priority: int
    sink: MediaSink
    job_id: str
    submitted_s: float
    cancelled: asyncio.Future[None]
    crashes: int = 0


class MediaQueue:
    """Files that wait for a worker, by priority, then by age; `AGING_S` of waiting count as one priority more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queued: list[MediaTask] = []
        self._idle: list[asyncio.Future[MediaTask]] = []

    def __len__(self) -> int:
        """How many files wait."""
        return sum(not task.cancelled.done() for task in self._queued)

    def put(self, task: MediaTask) -> None:
        """Queue a file, or hand it to a worker that waits. One that comes again keeps its age."""
        self._queued.append(task)
        self._hand_out()

    async def take(self, gone: asyncio.Future[int]) -> MediaTask | None:
        """The next file for a worker, or None once the worker is `gone`."""
        waiter: asyncio.Future[MediaTask] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        taken = None
        try:
            if not gone.done():
                self._hand_out()
                await asyncio.wait((waiter, gone), return_when=asyncio.FIRST_COMPLETED)
            if waiter.done() and not gone.done():
                taken = waiter.result()
            return taken
        finally:
            if waiter in self._idle:
                self._idle.remove(waiter)
            elif taken is None:
                self.put(waiter.result())

    def _hand_out(self) -> None:
        self._queued = [task for task in self._queued if not task.cancelled.done()]
        while self._queued and self._idle:
            best = min(self._queued, key=self._rank)
            self._queued.remove(best)
            self._idle.pop(0).set_result(best)

    def _rank(self, task: MediaTask) -> tuple[int, float]:
        aged = int((self._clock() - task.submitted_s) / AGING_S)
        return -(task.priority + aged), task.submitted_s
