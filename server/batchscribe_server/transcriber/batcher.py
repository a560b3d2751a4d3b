"""Which segments make the next batch: a pure decision over what waits, without a clock or a process.

The law: every segment that is added leaves exactly once, by `take` or by `drop`; the segments of a batch share model
and options; each batch holds the segment whose turn it is (`turns` says whose), so none is passed over for ever.

Its companions are chosen for their length. The engine decodes a batch in rows as long as its longest segment needs, one
for each segment, so a shorter one costs the difference (less of it on a CPU, whose encoder takes each segment at its
own length); and part of the work is done once for all rows, as long as that of `SHARED_ROWS` more. A batch therefore
costs its longest length times (rows + `SHARED_ROWS`). Of all runs of neighbours in length around the first segment the
one is taken that is worth most, where a second heard is worth what it cost lately, in the mean of the last batches:
those left out can be had at that price. So the price, not a limit, says how much padding is too much: while many wait
the runs are even, and when few do, company is better than an empty row. Choosing by the going rate gives the best rate
in the long run (Charnov's marginal value theorem, 1976; Dinkelbach, 1967).

Companions come from those whose turn is near: the next `CHOICE` batches of the fair order, and no party (tenant, batch
or file) gets further ahead of another one that waits than one batch's worth of audio. They are charged to whom they
belong, so being early is no gain. Rows that nobody near can fill are given away.

An idle engine is given a single segment at once. To gather for some milliseconds would save nothing: while the first
batch runs those that follow gather by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from batchscribe_engine.messages import DecodeOptions, ModelSpec
from batchscribe_server.transcriber.segment import QueuedSegment, heard_s, padded_s
from batchscribe_server.transcriber.turns import Turns

SHARED_ROWS = 3.5
"""What a batch costs beside its rows, in rows: 8 rows took 16.3 ms for each second of audio, 16 rows 13.9 ms (Whisper
base, int8, 2 cores)."""

CHOICE = 4

MEMORY = 0.9
"""What remains of what was learned of the cost with each further batch."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be, and how long (`max_wait_s`) one that isn't full waits for company while the engine
    is busy anyway. The defaults suit a CPU.
    """

    max_segments: int = 16
    max_padded_s: float = 160.0
    max_wait_s: float = 0.2


LimitsFor = Callable[[QueuedSegment], BatchLimits]
"""The limits of a batch that this segment begins, in the engine that will get it."""


class Batcher:
    """The segments that wait. All methods take the present time of one monotonic clock, in seconds."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._turns: Turns[QueuedSegment] = Turns()
        # What the last batches cost and heard, fading; at first as if they had been even, and full on a CPU.
        rows = BatchLimits().max_segments
        self._cost_s = rows + SHARED_ROWS
        self._heard_s = float(rows)

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, segment: QueuedSegment, now_s: float) -> None:
        """Queue one segment. Raises ValueError when it is queued already."""
        self._turns.add(
            segment.segment_id,
            segment,
            segment.party,
            file=segment.owner,
            priority=segment.priority,
            cost=segment.length_s,
            since_s=now_s,
        )

    def drop(self, which: Callable[[QueuedSegment], bool]) -> list[QueuedSegment]:
        """Take out, unbatched, the segments of which `which` is true."""
        dropped = [waiting.item for waiting in self._turns if which(waiting.item)]
        for segment in dropped:
            self._turns.remove(segment.segment_id)
        return dropped

    def move(self, which: Callable[[QueuedSegment], bool], priority: int, now_s: float) -> None:
        """Give the segments of which `which` is true another priority."""
        for segment_id in [waiting.key for waiting in self._turns if which(waiting.item)]:
            self._turns.move(segment_id, priority, now_s)

    def take(self, now_s: float, *, idle: bool, limits_for: LimitsFor | None = None) -> tuple[QueuedSegment, ...]:
        """The next batch, or nothing where none is due. With `idle` one is due as soon as one segment waits."""
        if not len(self._turns):
            return ()
        first = next(self._turns.in_turn(now_s)).item
        limits = limits_for(first) if limits_for else self._limits
        near = self._of_kind(first, now_s, limits.max_padded_s, CHOICE * limits.max_segments)
        batch, full = self._best_of(near, limits)
        if not full:
            batch, full = self._best_of(self._of_kind(first, now_s, None, limits.max_segments), limits)
        if not idle and not full and now_s < self._due_at_s():
            return ()
        given_away = {segment.segment_id for segment in batch} - {segment.segment_id for segment in near}
        self._turns.serve([segment.segment_id for segment in batch], frozenset(given_away))
        self._cost_s = MEMORY * self._cost_s + cost_s(batch)
        self._heard_s = MEMORY * self._heard_s + heard_s(batch)
        return batch

    def due_in_s(self, now_s: float) -> float | None:
        """How long from now a batch that isn't full waits at the longest; None when nothing waits."""
        return max(0.0, self._due_at_s() - now_s) if len(self._turns) else None

    def _due_at_s(self) -> float:
        oldest = next(iter(self._turns))
        return oldest.since_s + self._limits.max_wait_s

    def _of_kind(self, first: QueuedSegment, now_s: float, lead_s: float | None, count: int) -> list[QueuedSegment]:
        """The segment whose turn it is, and those that may go with it, in fair order."""
        kind = _kind(first)
        in_turn = self._turns.in_turn(now_s, lambda segment: _kind(segment) == kind, lead_s)
        return [waiting.item for waiting in islice(in_turn, count)]

    def _best_of(
        self, candidates: Sequence[QueuedSegment], limits: BatchLimits
    ) -> tuple[tuple[QueuedSegment, ...], bool]:
        """A batch, and whether it needn't wait for more company."""
        batch = best_run(candidates, limits, self._cost_s / self._heard_s)
        one_more_s = max(segment.length_s for segment in batch) * (len(batch) + 1)
        needs_no_more = len(candidates) >= limits.max_segments or one_more_s > limits.max_padded_s
        return batch, needs_no_more or candidates[0].alone


def cost_s(batch: Sequence[QueuedSegment]) -> float:
    """What a batch takes of the engine, in seconds of padded audio."""
    return padded_s(batch) * (1.0 + SHARED_ROWS / len(batch))


def best_run(candidates: Sequence[QueuedSegment], limits: BatchLimits, price: float) -> tuple[QueuedSegment, ...]:
    """Of the candidates, in fair order, the batch around the first that is worth most, in the same order.

    `price` is what a second heard is worth, in padded seconds.
    """
    by_length = sorted(range(len(candidates)), key=lambda place: candidates[place].length_s)
    lengths_s = [candidates[place].length_s for place in by_length]
    sums_s = [0.0, *accumulate(lengths_s)]
    first = by_length.index(0)
    runs = []
    for end in range(first + 1, min(len(lengths_s), first + limits.max_segments) + 1):
        longest_s = lengths_s[end - 1]
        most_rows = max(1, min(limits.max_segments, int(limits.max_padded_s / longest_s)))
        for begin in range(max(0, end - most_rows), first + 1):
            worth = price * (sums_s[end] - sums_s[begin]) - longest_s * (end - begin + SHARED_ROWS)
            runs.append((worth, begin, end))
    _, begin, end = max(runs)
    return tuple(candidates[place] for place in sorted(by_length[begin:end]))


def _kind(segment: QueuedSegment) -> tuple[ModelSpec, DecodeOptions, int]:
    its_own = segment.segment_id if segment.alone else 0
    return segment.model, segment.options, its_own
