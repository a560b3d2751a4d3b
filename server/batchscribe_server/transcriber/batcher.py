"""Which segments make the next batch: a pure decision over what waits, without a clock or a process.

The law: every segment that is added leaves exactly once, by `take` or by `drop`; the segments of a batch share model
and options and are of like length; and none is passed over for ever. Turns go round by fairness key, then by file
within a key; a newcomer queues up behind those who wait. A higher priority goes first, but every `AGING_S` of waiting
count as one more.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from batchscribe_engine.messages import DecodeOptions, ModelSpec
from batchscribe_server.transcriber.segment import QueuedSegment

BUCKETS_S = (3.0, 5.0, 8.0, 11.0, 15.0, 20.0, 25.0, 30.0)
"""Upper ends of the lengths that may share a batch: shorter ones are padded to the longest."""

AGING_S = 30.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be, and how long (`max_wait_s`) one that isn't full waits for company while the engine
    is busy anyway. The defaults suit a CPU.
    """

    max_segments: int = 16
    max_padded_s: float = 160.0
    max_wait_s: float = 0.2


@dataclass(frozen=True, slots=True)
class _Waiting:
    segment: QueuedSegment
    order: int
    since_s: float


LimitsFor = Callable[[QueuedSegment], BatchLimits]
"""The limits of a batch that this segment begins, in the engine that will get it."""

Turns = dict[tuple[str, Hashable], int]


class Batcher:
    """The segments that wait. All methods take the present time of one monotonic clock, in seconds."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: dict[int, _Waiting] = {}
        self._order = itertools.count()
        # Whoever has the lowest number is served next; keys and files that have nothing waiting are forgotten.
        self._turns: Turns = {}
        self._next_turn = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, segment: QueuedSegment, now_s: float) -> None:
        """Queue one segment. Raises ValueError when it is queued already."""
        if segment.segment_id in self._waiting:
            raise ValueError(f"segment {segment.segment_id} is queued already")
        self._waiting[segment.segment_id] = _Waiting(segment, next(self._order), now_s)
        for party in _parties(segment):
            if party not in self._turns:
                self._turns[party] = next(self._next_turn)

    def drop(self, which: Callable[[QueuedSegment], bool]) -> list[QueuedSegment]:
        """Take out, unbatched, the segments of which `which` is true."""
        dropped = [waiting.segment for waiting in self._waiting.values() if which(waiting.segment)]
        self._remove(dropped)
        return dropped

    def take(self, now_s: float, *, idle: bool, limits_for: LimitsFor | None = None) -> tuple[QueuedSegment, ...]:
        """The next batch, or nothing where none is due. With `idle` one is due as soon as one segment waits."""
        if not self._waiting:
            return ()
        batch, full = self._next_batch(now_s, limits_for or (lambda _: self._limits))
        if not idle and not full and now_s < self._due_at_s():
            return ()
        for segment in batch:
            for party in _parties(segment):
                self._turns[party] = next(self._next_turn)
        self._remove(batch)
        return tuple(batch)

    def due_in_s(self, now_s: float) -> float | None:
        """How long from now a batch that isn't full waits at the longest; None when nothing waits."""
        return max(0.0, self._due_at_s() - now_s) if self._waiting else None

    def _due_at_s(self) -> float:
        return min(waiting.since_s for waiting in self._waiting.values()) + self._limits.max_wait_s

    def _next_batch(self, now_s: float, limits_for: LimitsFor) -> tuple[list[QueuedSegment], bool]:
        """The segment whose turn it is with its companions in fair order, and whether nothing more would fit."""
        turns = dict(self._turns)
        next_turn = itertools.count(max(turns.values()) + 1)
        candidates = list(self._waiting.values())
        batch: list[QueuedSegment] = []
        longest_s = 0.0
        limits = self._limits
        while candidates and len(batch) < limits.max_segments:
            best = min(candidates, key=lambda waiting: _rank(waiting, now_s, turns))
            longest_s = max(longest_s, best.segment.length_s)
            if batch and longest_s * (len(batch) + 1) > limits.max_padded_s:
                return batch, True
            if not batch:
                limits = limits_for(best.segment)
                kind = _kind(best.segment)
                candidates = [waiting for waiting in candidates if _kind(waiting.segment) == kind]
            candidates.remove(best)
            batch.append(best.segment)
            for party in _parties(best.segment):
                turns[party] = next(next_turn)
        return batch, len(batch) == limits.max_segments or batch[0].alone

    def _remove(self, segments: Iterable[QueuedSegment]) -> None:
        for segment in segments:
            del self._waiting[segment.segment_id]
        left = {party for waiting in self._waiting.values() for party in _parties(waiting.segment)}
        self._turns = {party: turn for party, turn in self._turns.items() if party in left}


def _parties(segment: QueuedSegment) -> tuple[tuple[str, Hashable], tuple[str, Hashable]]:
    return ("key", segment.fairness_key), ("file", id(segment.owner))


def _rank(waiting: _Waiting, now_s: float, turns: Turns) -> tuple[int, int, int, int]:
    key, file = _parties(waiting.segment)
    aged = waiting.segment.priority + int((now_s - waiting.since_s) / AGING_S)
    return -aged, turns[key], turns[file], waiting.order


def _kind(segment: QueuedSegment) -> tuple[ModelSpec, DecodeOptions, int, int]:
    its_own = segment.segment_id if segment.alone else 0
    return segment.model, segment.options, bisect_left(BUCKETS_S, segment.length_s), its_own
