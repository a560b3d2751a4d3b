"""The ends of jobs as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import State
from batchscribe_server.operations.observers import JobObserver


class JobMetrics(JobObserver):
    """Counts what it is told in metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "batchscribe_jobs_ended_total",
            "Jobs that ran on this server to their end; reason is empty unless they failed.",
            ("state", "reason"),
            registry=registry,
        )

    def job_ended(self, state: State, reason: Reason | None) -> None:
        """See the port."""
        self._ended.labels(state, reason or "").inc()
