"""The engine's work as metrics: what was decoded, which checks fired, how much was padding, what went wrong."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.observers import DecodedBatch, EngineObserver

# Batches hold eight segments unless configured otherwise.
BATCH_FILL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BATCH_SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32)
WAIT_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class EngineMetrics(EngineObserver):
    """Counts what it is told in metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._segments_decoded = Counter(
            "batchscribe_segments_decoded_total",
            "Speech segments decoded, by the attempt that gave the text.",
            ("model", "decoding"),
            registry=registry,
        )
        self._checks_fired = Counter(
            "batchscribe_checks_fired_total",
            "Checks that fired on an attempt to decode a segment.",
            ("model", "decoding", "fault"),
            registry=registry,
        )
        self._segment_wait = Histogram(
            "batchscribe_segment_wait_seconds",
            "How long segments waited in the pool before the engine was given them.",
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._segments_retried = Counter(
            "batchscribe_segments_retried_total",
            "Segments to be sent to the engine again, after it died or failed with their batch.",
            registry=registry,
        )
        self._segments_condemned = Counter(
            "batchscribe_segments_condemned_total",
            "Segments given up, each with its file, after the engine died or failed with them repeatedly.",
            ("reason",),
            registry=registry,
        )
        self._batches_decoded = Counter(
            "batchscribe_engine_batches_decoded_total",
            "Batches of segments that the engine decoded.",
            ("model",),
            registry=registry,
        )
        self._batches_failed = Counter(
            "batchscribe_engine_batches_failed_total",
            "Batches of segments that the engine answered with a failure.",
            ("model", "reason"),
            registry=registry,
        )
        self._batch_segments = Histogram(
            "batchscribe_engine_batch_segments",
            "Segments in each batch that the engine decoded.",
            buckets=BATCH_SEGMENTS,
            registry=registry,
        )
        self._batch_fill = Histogram(
            "batchscribe_engine_batch_fill_ratio",
            "Segments in each batch that the engine decoded, of the most that it takes at once.",
            buckets=BATCH_FILL,
            registry=registry,
        )
        self._audio = Counter(
            "batchscribe_engine_audio_seconds_total",
            "Length of all segments decoded, without padding.",
            ("model",),
            registry=registry,
        )
        self._padded = Counter(
            "batchscribe_engine_padded_seconds_total",
            "Length of all segments decoded, each padded to the longest of its batch.",
            ("model",),
            registry=registry,
        )
        self._inference = Counter(
            "batchscribe_engine_inference_seconds_total",
            "Time the engine spent on batches, without loading models; batches that run side by side count each.",
            ("model",),
            registry=registry,
        )
        self._restarts = Counter(
            "batchscribe_engine_restarts_total",
            "Inference processes that died or hung, and were replaced.",
            ("reason",),
            registry=registry,
        )
        self._start_failures = Counter(
            "batchscribe_engine_start_failures_total",
            "Inference processes that could not be started.",
            registry=registry,
        )
        self._media_worker_deaths = Counter(
            "batchscribe_media_worker_deaths_total",
            "Media workers that died, or were killed for their silence.",
            registry=registry,
        )

    def segment_waited(self, waited_s: float) -> None:
        """See the port."""
        self._segment_wait.observe(waited_s)

    def batch_decoded(self, batch: DecodedBatch) -> None:
        """See the port."""
        self._batches_decoded.labels(batch.model).inc()
        self._batch_segments.observe(len(batch.segments))
        self._batch_fill.observe(len(batch.segments) / batch.most_segments)
        self._audio.labels(batch.model).inc(batch.audio_s)
        self._padded.labels(batch.model).inc(batch.padded_s)
        self._inference.labels(batch.model).inc(max(0.0, batch.elapsed_s))
        for segment in batch.segments:
            self._segments_decoded.labels(batch.model, segment.decoding).inc()
            for decoding, fault in segment.doubts:
                self._checks_fired.labels(batch.model, decoding, fault).inc()

    def batch_failed(self, model: str, reason: Reason) -> None:
        """See the port."""
        self._batches_failed.labels(model, reason).inc()

    def segments_retried(self, count: int) -> None:
        """See the port."""
        self._segments_retried.inc(count)

    def segment_condemned(self, reason: Reason) -> None:
        """See the port."""
        self._segments_condemned.labels(reason).inc()

    def engine_not_started(self) -> None:
        """See the port."""
        self._start_failures.inc()

    def engine_died(self, reason: Reason) -> None:
        """See the port."""
        self._restarts.labels(reason).inc()

    def media_worker_died(self) -> None:
        """See the port."""
        self._media_worker_deaths.inc()
