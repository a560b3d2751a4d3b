"""A speech segment on its way to the engine, and who waits for its result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from batchscribe_engine import messages
from batchscribe_engine.messages import (
    SAMPLE_RATE_HZ,
    BatchDone,
    DecodeOptions,
    ModelSpec,
    SegmentResult,
    WindowDone,
    WindowTask,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.transcript import Word
from batchscribe_server.operations.observers import DecodedBatch, DecodedSegment
from batchscribe_server.transcriber.slots import Grant


class SegmentOwner(Protocol):
    """The file a segment belongs to, one object of its own. It is called while a segment's slots are READY."""

    def __hash__(self) -> int: ...

    @property
    def wanted(self) -> bool:
        """False once nobody waits for the results any more."""
        ...

    def heard(self, segment: QueuedSegment, result: SegmentResult) -> None:
        """The result of a segment, a WindowResult if it is a window; its slots are the owner's from now on."""
        ...

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        """The segment can't be done, so the file can't; its slots are the owner's to release."""
        ...


@dataclass(frozen=True, slots=True)
class QueuedSegment:
    """A segment that lies in a slot: the `index`-th of its file, `samples` long from `start_sample` on.

    An empty `language` asks the engine to detect it, and `language_check` to check it; `channel` is None where channels
    are mixed down. Its turn at the engine is one of `party` and, within that, of its file.
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
    language_check: str = ""
    party: Party = NOBODY
    priority: int = 0
    channel: int | None = None
    job_id: str = ""

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.samples / SAMPLE_RATE_HZ

    @property
    def end_ms(self) -> int:
        """Where its sound ends in the file."""
        return (self.start_sample + self.samples) * 1000 // SAMPLE_RATE_HZ

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The slots that it lies in."""
        return (self.grant,)

    @property
    def alone(self) -> bool:
        """Whether it shares a batch with no other."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedWindow(QueuedSegment):
    """A window of a file that is heard in sequence: up to 30 s of sound, which may lie in several slots."""

    task: WindowTask

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The slots that it lies in."""
        return tuple(Grant(span.slot, span.generation) for span in self.task.spans)

    @property
    def alone(self) -> bool:
        """Whether it shares a batch with no other."""
        return True


def words_in_file(words: Iterable[messages.Word], origin_ms: int, end_ms: int) -> tuple[Word, ...]:
    """Words in the file's time, none of them beyond `end_ms`; theirs counts from `origin_ms`."""
    return tuple(
        Word(
            word.text,
            min(end_ms, origin_ms + word.start_ms),
            min(end_ms, origin_ms + max(word.start_ms, word.end_ms)),
            word.probability,
        )
        for word in words
    )


def heard_s(segments: Iterable[QueuedSegment]) -> float:
    """What a batch is for: its segments' lengths in seconds, summed."""
    return sum(segment.length_s for segment in segments)


def padded_s(segments: Iterable[QueuedSegment]) -> float:
    """What a batch costs: its longest segment's length in seconds, times their number."""
    lengths_s = [segment.length_s for segment in segments]
    return max(lengths_s, default=0.0) * len(lengths_s)


def decoded(segments: Sequence[QueuedSegment], done: BatchDone | WindowDone, most_segments: int) -> DecodedBatch:
    """A batch and its answer in the words of those who count."""
    return DecodedBatch(
        model=segments[0].model.name,
        audio_s=heard_s(segments),
        padded_s=padded_s(segments),
        elapsed_s=done.elapsed_s,
        segments=tuple(
            DecodedSegment(
                result.decoding,
                result.doubts,
                segment.job_id,
                segment.index,
                segment.start_sample / SAMPLE_RATE_HZ,
                segment.length_s,
            )
            for segment, result in zip(segments, done.results, strict=True)
        ),
        # A window is a batch of its own, whatever the engine takes.
        most_segments=1 if segments[0].alone else max(most_segments, len(segments)),
    )
