"""What is fetched and written, as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.media import is_upload
from batchscribe_server.operations.observers import TransferObserver

SCHEMES = frozenset({"file", "s3", "az", "https", "http"})
TRANSFER_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000)


class TransferMetrics(TransferObserver):
    """Counts what it is told in metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._fetch = Histogram(
            "batchscribe_fetch_seconds",
            "How long it took until an input was there as a local file, with the wait for its space on the disk.",
            ("scheme",),
            buckets=TRANSFER_SECONDS,
            registry=registry,
        )
        self._write = Histogram(
            "batchscribe_output_write_seconds",
            "How long it took to render an output and write it.",
            buckets=TRANSFER_SECONDS,
            registry=registry,
        )
        self._written = Counter(
            "batchscribe_outputs_written_total",
            "Outputs written: transcripts by their format, and notices.",
            ("kind",),
            registry=registry,
        )
        self._failed = Counter(
            "batchscribe_outputs_failed_total",
            "Outputs that could not be written.",
            ("reason",),
            registry=registry,
        )

    def fetched(self, uri: str, elapsed_s: float) -> None:
        """See the port."""
        self._fetch.labels(_scheme(uri)).observe(elapsed_s)

    def written(self, kind: str, elapsed_s: float) -> None:
        """See the port."""
        self._written.labels(kind).inc()
        self._write.observe(elapsed_s)

    def write_failed(self, reason: Reason) -> None:
        """See the port."""
        self._failed.labels(reason).inc()


def _scheme(uri: str) -> str:
    if is_upload(uri):
        return "upload"
    scheme = uri.partition(":")[0].lower()
    return scheme if scheme in SCHEMES else "other"
