"""Ports for whoever counts: what the engine did, and how jobs ended. Observers are told, and asked for nothing.

They are called on the event loop, in the middle of things: an observer neither waits nor raises. Those here do nothing
with what they are told; one that counts overrides what it counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import State


@dataclass(frozen=True, slots=True)
class DecodedSegment:
    """How one segment was decoded.

    `decoding` is the attempt that gave its text; `doubts` are the checks that fired on it and on the attempts before
    it, as pairs of attempt and check. See `SegmentResult` of the engine's messages for their words.
    """

    decoding: str
    doubts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """A batch that the engine answered.

    `audio_s` is the length of its segments, `padded_s` that of its longest one times their number, and `elapsed_s` the
    time it took without the model's load.
    """

    model: str
    audio_s: float
    padded_s: float
    elapsed_s: float
    segments: tuple[DecodedSegment, ...]


class EngineObserver:
    """Who counts what the engine and the media workers do."""

    def segment_waited(self, waited_s: float) -> None:
        """A segment leaves the pool for the engine after so long."""

    def batch_decoded(self, batch: DecodedBatch) -> None:
        """The engine answered a batch."""

    def batch_failed(self, model: str, reason: Reason) -> None:
        """The engine could not run a batch, and lives on."""

    def segments_retried(self, count: int) -> None:
        """Segments will be sent to the engine again: it died with them, or failed on their batch."""

    def segment_condemned(self, reason: Reason) -> None:
        """A segment was given up, and its file with it."""

    def engine_not_started(self) -> None:
        """An inference process could not be started."""

    def engine_died(self, reason: Reason) -> None:
        """An inference process died or was killed for hanging; another one is started."""

    def media_worker_died(self) -> None:
        """A media worker died or was killed for its silence."""


class JobObserver:
    """Who counts the ends of jobs."""

    def job_ended(self, state: State, reason: Reason | None) -> None:
        """A job that ran here reached a terminal state; `reason` is set when it failed."""
