"""Jobs as metrics: how long they wait, how often they are tried, how they end."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import State
from batchscribe_server.operations.observers import JobObserver

QUEUE_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
CLAIM_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


class JobMetrics(JobObserver):
    """Counts what it is told in metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._claim = Histogram(
            "batchscribe_claim_seconds",
            "How long the store took to answer this server's question for queued jobs.",
            buckets=CLAIM_SECONDS,
            registry=registry,
        )
        self._claimed = Counter(
            "batchscribe_jobs_claimed_total",
            "Runs of jobs begun on this server; attempt is first or repeated.",
            ("attempt",),
            registry=registry,
        )
        self._queue = Histogram(
            "batchscribe_queue_wait_seconds",
            "How long jobs were queued before this server began to run them, each time they were.",
            buckets=QUEUE_SECONDS,
            registry=registry,
        )
        self._leases_lost = Counter(
            "batchscribe_leases_lost_total",
            "Runs that this server gave up since another took the job over, or it was deleted.",
            registry=registry,
        )
        self._ended = Counter(
            "batchscribe_jobs_ended_total",
            "Jobs that ran on this server to their end; reason is empty unless they failed.",
            ("state", "reason"),
            registry=registry,
        )
        self._audio = Counter(
            "batchscribe_jobs_audio_seconds_total",
            "Length of the recordings of jobs that succeeded on this server, with their pauses.",
            registry=registry,
        )

    def queue_asked(self, elapsed_s: float) -> None:
        """See the port."""
        self._claim.observe(elapsed_s)

    def job_claimed(self, waited_s: float, attempt: int) -> None:
        """See the port."""
        self._claimed.labels("first" if attempt <= 1 else "repeated").inc()
        self._queue.observe(waited_s)

    def lease_lost(self) -> None:
        """See the port."""
        self._leases_lost.inc()

    def job_ended(self, state: State, reason: Reason | None, audio_s: float = 0.0) -> None:
        """See the port."""
        self._ended.labels(state, reason or "").inc()
        if state is State.SUCCEEDED:
            self._audio.inc(audio_s)
