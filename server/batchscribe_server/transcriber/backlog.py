"""What waits for an engine, whichever it will be: new segments, and batches that are to be tried again."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque

from batchscribe_server.transcriber.blame import Batch
from batchscribe_server.transcriber.pool import SegmentPool
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner


class Backlog:
    """What the engines of one transcriber share. Engines are known here by their numbers.

    A batch that failed in one engine is tried by another one as long as any is at work, so a device that is broken for
    good costs nobody's file: what it fails at the others do, and what is to blame itself fails in them too.
    """

    def __init__(self, pool: SegmentPool) -> None:
        self.pool = pool
        self.staffed = asyncio.Event()
        """Set while any engine is at work."""
        self._at_work: set[int] = set()
        self._again: deque[Batch] = deque()
        self._batch_ids = itertools.count(1)

    @property
    def waiting_segments(self) -> int:
        """Segments that are in no engine yet."""
        return len(self.pool) + sum(len(batch.segments) for batch in self._again)

    @property
    def engines_at_work(self) -> int:
        """How many engines can take work now."""
        return len(self._at_work)

    def next_batch_id(self) -> int:
        """A number that no batch had in any engine."""
        return next(self._batch_ids)

    def add(self, segment: QueuedSegment) -> None:
        """Queue one segment, whose slot is READY."""
        self.pool.add(segment)

    def drop(self, owner: SegmentOwner) -> None:
        """Forget the segments of a file that are not in an engine. Those that are will still be answered."""
        self.pool.drop(owner)
        kept = (batch.keeping(lambda segment: segment.owner is not owner) for batch in self._again)
        self._again = deque(batch for batch in kept if batch.segments)

    def move(self, owner: SegmentOwner, priority: int) -> None:
        """Give a file's segments another priority. What is to be tried again goes first anyway."""
        self.pool.move(owner, priority)

    def began(self, engine: int) -> None:
        """This engine is at work from now on."""
        self._at_work.add(engine)
        self.staffed.set()

    def ended(self, engine: int) -> None:
        """This engine is gone; perhaps it comes back."""
        self._at_work.discard(engine)
        if not self._at_work:
            self.staffed.clear()
        self.pool.ring()  # what was kept from the others may be theirs now

    def retry(self, batch: Batch) -> None:
        """Queue a batch to be tried again, before all new segments."""
        self._again.append(batch)

    def retry_for(self, engine: int) -> Batch | None:
        """The first batch that this engine should try again; it stays here until `take_retry`."""
        alone = self._at_work <= {engine}
        return next((batch for batch in self._again if alone or batch.failed_in != engine), None)

    def take_retry(self, batch: Batch) -> None:
        """The batch goes to an engine now."""
        self._again.remove(batch)
