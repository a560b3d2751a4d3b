"""A speech segment on its way to the engine, and who waits for its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from batchscribe_engine.messages import SAMPLE_RATE_HZ, DecodeOptions, ModelSpec, SegmentResult
from batchscribe_server.domain.errors import Reason
from batchscribe_server.transcriber.party import NOBODY, Party
from batchscribe_server.transcriber.slots import Grant


class SegmentOwner(Protocol):
    """The file a segment belongs to, one object of its own. A segment's slot is READY whenever its owner is called."""

    def __hash__(self) -> int: ...

    @property
    def wanted(self) -> bool:
        """False once nobody waits for the results any more."""
        ...

    def heard(self, segment: QueuedSegment, result: SegmentResult) -> None:
        """The result of a segment; its slot is the owner's to release or to use again."""
        ...

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        """The segment can't be done, so the file can't; its slot is the owner's to release."""
        ...


@dataclass(frozen=True, slots=True)
class QueuedSegment:
    """A segment that lies in a slot: the `index`-th of its file, `samples` long from `start_sample` on.

    An empty `language` asks the engine to detect it. Its turn at the engine is one of `party` and, within
    that, of its file.
    """

    segment_id: int
    owner: SegmentOwner
    index: int
    grant: Grant
    start_sample: int
    samples: int
    model: ModelSpec
    options: DecodeOptions
    language: str = ""
    party: Party = NOBODY
    priority: int = 0

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.samples / SAMPLE_RATE_HZ


def heard_s(segments: Iterable[QueuedSegment]) -> float:
    """What a batch is for: its segments' lengths in seconds, summed."""
    return sum(segment.length_s for segment in segments)


def padded_s(segments: Iterable[QueuedSegment]) -> float:
    """What a batch costs: its longest segment's length in seconds, times their number."""
    lengths_s = [segment.length_s for segment in segments]
    return max(lengths_s, default=0.0) * len(lengths_s)
