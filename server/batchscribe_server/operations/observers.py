"""Ports for whoever counts: what the engine did, how jobs fared, what was called. Observers are told, and asked for
nothing.

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
    it, as pairs of attempt and check. See `SegmentResult` of the engine's messages for their words. It is the
    `index`-th of its job's file, where it begins at `start_s`, and `length_s` long.
    """

    decoding: str
    doubts: tuple[tuple[str, str], ...] = ()
    job_id: str = ""
    index: int = 0
    start_s: float = 0.0
    length_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """A batch that the engine answered.

    `audio_s` is the length of its segments, `padded_s` that of its longest one times their number, and `elapsed_s` the
    time it took without the model's load. `most_segments` is how many the engine would have taken at once.
    """

    model: str
    audio_s: float
    padded_s: float
    elapsed_s: float
    segments: tuple[DecodedSegment, ...]
    most_segments: int = 1


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
    """Who counts what becomes of jobs."""

    def queue_asked(self, elapsed_s: float) -> None:
        """The store was asked for queued jobs, and answered after so long."""

    def job_claimed(self, waited_s: float, attempt: int) -> None:
        """A job begins its run here, the `attempt`-th from 1, after so long in the queue."""

    def lease_lost(self) -> None:
        """A job is no longer this server's to run: another one took it over, or it was deleted."""

    def job_ended(self, state: State, reason: Reason | None, audio_s: float = 0.0) -> None:
        """A job that ran here reached a terminal state; `reason` is set when it failed, `audio_s` is its length."""


class TransferObserver:
    """Who counts what is fetched and written."""

    def fetched(self, uri: str, elapsed_s: float) -> None:
        """An input is there as a local file, after so long."""

    def written(self, kind: str, elapsed_s: float) -> None:
        """An output was written: a transcript, whose `kind` is its format, or a "notice"."""

    def write_failed(self, reason: Reason) -> None:
        """An output could not be written."""


class RpcObserver:
    """Who counts calls."""

    def rpc_finished(self, method: str, code: str, elapsed_s: float) -> None:
        """A call of a method of the contract ended with that gRPC status; a stream's time is that of the whole."""
