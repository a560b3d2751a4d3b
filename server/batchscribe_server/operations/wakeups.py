"""Wake-ups: who waits for a topic learns that something about it was committed; what it was is read from the store.

Topics are resource names (`jobs/…`, `batches/…`), `QUEUE`, `SCANS`, `REPORTS`, `DELETIONS` and `REPLICAS`. A wake-up
may be spurious, and several may fall together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

QUEUE = "queue"
"""The topic of everything that may give a dispatcher something to do: new jobs, released jobs, requests to stop."""

SCANS = "scans"
"""The topic of batches that wait to be scanned."""

REPORTS = "reports"
"""The topic of batches whose report is to be written."""

DELETIONS = "deletions"
"""The topic of batches and jobs that are being deleted."""

REPLICAS = "replicas"
"""The topic of what is asked of a replica."""


class Wakeups:
    """The listeners of this process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to any of the topics."""
        for topic in topics:
            for event in self._listeners.get(topic, ()):
                event.set()

    def notify_all(self) -> None:
        """Wake everyone who listens: something may have been missed."""
        self.notify(list(self._listeners))

    @contextmanager
    def listening(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set at each wake-up of the topic; the listener clears it before it reads the store."""
        event = asyncio.Event()
        self._listeners[topic].add(event)
        try:
            yield event
        finally:
            self._listeners[topic].discard(event)
            if not self._listeners[topic]:
                del self._listeners[topic]
