"""Watch a job or a batch: a snapshot, then its events from the store, in order, until it ends.

Every watcher reads events from the store and is only woken by notifications, so a live watch, a resumed one and one
on another replica are the same. Watchers of one resource share a feed, which keeps the newest events it has read: a
hundred of them cost one read. A watcher pulls; one that is slow holds up nobody and finds more in one page, where of
several progress events only the last is worth sending.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.errors import DrainingError, HistoryPurgedError, SequenceAheadError
from batchscribe_server.domain.event import BatchProgressed, Event, JobProgressed, SegmentHeard, StateChanged
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resource as it is now. `sequence` is where the events that follow begin."""

    resource: Job | Batch
    sequence: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing has happened for a while; the stream has come to `sequence`."""

    sequence: int
    time: datetime


WatchMessage = Snapshot | Event | Heartbeat


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Heartbeats come every `heartbeat_s`; the store is looked at every `poll_s` even when nothing wakes a watcher.

    `feed_events` events are kept for each watched resource, `page_events` are read at once.
    """

    heartbeat_s: float = 15.0
    poll_s: float = 5.0
    feed_events: int = 1_024
    page_events: int = 256


class Watch:
    """The watchers of this server."""

    def __init__(self, store: Store, wakeups: Wakeups, now: Callable[[], datetime], limits: WatchLimits) -> None:
        self._store = store
        self._wakeups = wakeups
        self._now = now
        self._limits = limits
        self._feeds: dict[tuple[str, datetime], _Feed] = {}
        self._draining = asyncio.Event()

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return sum(feed.watchers for feed in self._feeds.values())

    def drain(self) -> None:
        """End every watch with DrainingError; clients resume elsewhere, after the last sequence they saw."""
        self._draining.set()

    async def job(
        self, tenant: str, job_id: str, *, after: int | None, include_segments: bool
    ) -> AsyncGenerator[WatchMessage]:
        """Watch a job. `after` None begins at the first event that is kept.

        Raises JobNotFoundError, HistoryPurgedError, SequenceAheadError, DrainingError.
        """
        async for message in self._watch(lambda: self._store.get_job(tenant, job_id), after):
            if include_segments or not (isinstance(message, Event) and isinstance(message.detail, SegmentHeard)):
                yield message

    async def batch(self, tenant: str, batch_id: str, *, after: int | None) -> AsyncGenerator[WatchMessage]:
        """Watch a batch, as `job` does."""
        async for message in self._watch(lambda: self._store.get_batch(tenant, batch_id), after):
            yield message

    async def _watch(
        self, read: Callable[[], Awaitable[Job | Batch]], after: int | None
    ) -> AsyncGenerator[WatchMessage]:
        resource = await read()
        position = resource.history_start - 1 if after is None else after
        _check_position(resource, position)
        yield Snapshot(resource, position, self._now())
        with self._feed(resource) as feed, self._wakeups.listening(resource.name) as woken:
            quiet_since = asyncio.get_running_loop().time()
            # A retry may open again what had ended, and an ended batch may still be renamed: only as it stands now does
            # a resource tell whether there is more to come.
            while not (resource.state.terminal and position == resource.sequence):
                self._raise_if_draining()
                # Also while the last page was read: what woke it then may have been a deletion, which leaves no event.
                stirred = woken.is_set()
                woken.clear()
                events = await feed.after(position)
                now_s = asyncio.get_running_loop().time()
                if events:
                    if events[0].sequence != position + 1:
                        _check_position(await read(), position)
                    for event in _newest_progress_only(events):
                        yield event
                    position = events[-1].sequence
                    quiet_since = now_s
                    if resource.state.terminal or any(map(_ends, events)):
                        resource = await read()
                        _check_position(resource, position)
                    continue
                due = now_s - quiet_since >= self._limits.heartbeat_s
                if stirred or due:  # it may have been deleted
                    resource = await read()
                    _check_position(resource, position)
                if due:
                    yield Heartbeat(position, self._now())
                    quiet_since = now_s
                await self._sleep_until(woken)

    async def _sleep_until(self, woken: asyncio.Event) -> None:
        """Wait until woken, or until it is time to look anyway."""
        waits = {asyncio.ensure_future(woken.wait()), asyncio.ensure_future(self._draining.wait())}
        try:
            timeout_s = min(self._limits.poll_s, self._limits.heartbeat_s)
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _raise_if_draining(self) -> None:
        if self._draining.is_set():
            raise DrainingError("this server is shutting down; watch again after the last sequence you saw")

    @contextmanager
    def _feed(self, resource: Job | Batch) -> Iterator[_Feed]:
        # A client may give a new resource the name of one that it deleted.
        key = (resource.name, resource.create_time)
        feed = self._feeds.setdefault(key, _Feed(self._store, resource.name, self._limits))
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                del self._feeds[key]


class _Feed:
    """The newest events of one resource, read once for all who watch it here."""

    def __init__(self, store: Store, resource: str, limits: WatchLimits) -> None:
        self.watchers = 0
        self._store = store
        self._resource = resource
        self._page_events = limits.page_events
        self._kept: deque[Event] = deque(maxlen=limits.feed_events)
        self._reading = asyncio.Lock()

    async def after(self, position: int) -> Sequence[Event]:
        """The next events after `position`, at most a page."""
        held = self._held(position)
        if held:
            return held
        async with self._reading:
            # Whoever held the lock before may have read what is wanted here.
            if held := self._held(position):
                return held
            read = await self._store.read_events(self._resource, position, self._page_events)
            self._keep(read)
            return read

    def _keep(self, read: Sequence[Event]) -> None:
        """Keep what was read where it goes on from what is kept, or is newer."""
        newest = self._kept[-1].sequence if self._kept else 0
        if read and read[0].sequence > newest:
            if read[0].sequence > newest + 1:
                self._kept.clear()
            self._kept.extend(read)

    def _held(self, position: int) -> Sequence[Event]:
        if not self._kept or not self._kept[0].sequence <= position + 1 <= self._kept[-1].sequence:
            return ()
        skip = position + 1 - self._kept[0].sequence
        return [self._kept[k] for k in range(skip, min(skip + self._page_events, len(self._kept)))]


def _check_position(resource: Job | Batch, position: int) -> None:
    """Raises for a position after which events are missing, and for one that the resource has not come to."""
    if position < resource.history_start - 1:
        raise HistoryPurgedError(
            f"events of {resource.name} up to {resource.history_start - 1} are no longer kept; "
            "watch again without after_sequence",
            resource=resource.name,
            history_start=str(resource.history_start),
        )
    if position > resource.sequence:
        raise SequenceAheadError(
            f"{resource.name} has come to {resource.sequence}, not yet to {position}", resource=resource.name
        )


def _newest_progress_only(events: Sequence[Event]) -> Iterable[Event]:
    """The events without progress that a later one in the same page makes old."""
    last = max((k for k, event in enumerate(events) if _tells_progress(event)), default=-1)
    return (event for k, event in enumerate(events) if k == last or not _tells_progress(event))


def _ends(event: Event) -> bool:
    return isinstance(event.detail, StateChanged) and event.detail.state.terminal


def _tells_progress(event: Event) -> bool:
    return isinstance(event.detail, JobProgressed | BatchProgressed)
