"""One file for the media workers, and the queue in which files wait for one."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
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
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.transcriber.slots import Grant, Holder
from batchscribe_server.transcriber.turns import AGING_S


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
    more, until when its descriptor is open; `crashes` counts the workers that died of it.
    """

    descriptor: int
    file_name: str
    voice_activity: VoiceActivityOptions
    max_duration_ms: int
    priority: int
    sink: MediaSink
    job_id: str
    submitted_s: float
    cancelled: asyncio.Future[None]
    party: Party = NOBODY
    start_ms: int = 0
    end_ms: int = 0
    separate_channels: bool = False
    crashes: int = 0


class MediaQueue:
    """Files that wait for a worker.

    The next one is of the tenant that has the fewest files at work, then of its batch that has the fewest; among
    equals of the one served longest ago. How long a file will take is not known, so that counts files at work, not
    files served: a batch of long recordings holds no more workers than its share. Within a tenant a higher priority
    goes first; every `AGING_S` that the oldest file of a priority has waited count as one more.

    A worker that is `spare` takes only files of a batch that has none at work, so that a lone file isn't held up by
    long recordings that keep the workers.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queued: list[MediaTask] = []
        self._idle: list[_Idle] = []
        self._at_work: list[MediaTask] = []
        self._handed_out = itertools.count(1)
        self._served: dict[str | Party, int] = {}

    def __len__(self) -> int:
        """How many files wait."""
        return sum(not task.cancelled.done() for task in self._queued)

    def put(self, task: MediaTask) -> None:
        """Queue a file, or hand it to a worker that waits. One that comes again keeps its age."""
        self._queued.append(task)
        self._hand_out()

    async def take(self, gone: asyncio.Future[int], *, spare: bool = False) -> MediaTask | None:
        """The next file for a worker, which is at work until it is `done`, or None once the worker is `gone`."""
        idle = _Idle(asyncio.get_running_loop().create_future(), spare)
        self._idle.append(idle)
        taken = None
        try:
            if not gone.done():
                self._hand_out()
                await asyncio.wait((idle.future, gone), return_when=asyncio.FIRST_COMPLETED)
            if idle.future.done() and not gone.done():
                taken = idle.future.result()
            return taken
        finally:
            if idle in self._idle:
                self._idle.remove(idle)
            elif taken is None:
                self.done(idle.future.result())
                self.put(idle.future.result())

    def done(self, task: MediaTask) -> None:
        """A file's worker is free again."""
        self._at_work.remove(task)
        self._hand_out()

    def _hand_out(self) -> None:
        self._queued = [task for task in self._queued if not task.cancelled.done()]
        for idle in sorted(self._idle, key=lambda idle: idle.spare):
            task = self._next(newcomers_only=idle.spare)
            if task is not None:
                self._queued.remove(task)
                self._idle.remove(idle)
                self._at_work.append(task)
                self._served[task.party.tenant] = self._served[task.party] = next(self._handed_out)
                idle.future.set_result(task)
        here = {name for task in (*self._queued, *self._at_work) for name in (task.party.tenant, task.party)}
        self._served = {name: number for name, number in self._served.items() if name in here}

    def _next(self, *, newcomers_only: bool) -> MediaTask | None:
        tenants = Counter(task.party.tenant for task in self._at_work)
        parties = Counter(task.party for task in self._at_work)
        oldest_s: dict[tuple[str, int], float] = {}
        for task in self._queued:
            key = task.party.tenant, task.priority
            oldest_s[key] = min(task.submitted_s, oldest_s.get(key, math.inf))
        now_s = self._clock()

        def rank(task: MediaTask) -> tuple[int, int, int, int, int, float]:
            party = task.party
            waited_s = now_s - oldest_s[party.tenant, task.priority]
            return (
                tenants[party.tenant],
                self._served.get(party.tenant, 0),
                -(task.priority + int(waited_s / AGING_S)),
                parties[party],
                self._served.get(party, 0),
                task.submitted_s,
            )

        candidates = (task for task in self._queued if not (newcomers_only and parties[task.party]))
        return min(candidates, key=rank, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class _Idle:
    """A worker that waits for a file."""

    future: asyncio.Future[MediaTask]
    spare: bool
