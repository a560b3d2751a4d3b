"""Calls as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from batchscribe_server.operations.observers import RpcObserver

RPC_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000)


class RpcMetrics(RpcObserver):
    """Counts what it is told in metrics of one registry. Methods are those of the contract, so there are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._finished = Counter(
            "batchscribe_rpcs_total",
            "Calls that ended, by method of the contract and gRPC status code.",
            ("method", "code"),
            registry=registry,
        )
        self._elapsed = Histogram(
            "batchscribe_rpc_seconds",
            "How long calls took; of streams, such as watches and uploads, the time they were open.",
            ("method",),
            buckets=RPC_SECONDS,
            registry=registry,
        )

    def rpc_finished(self, method: str, code: str, elapsed_s: float) -> None:
        """See the port."""
        self._finished.labels(method, code).inc()
        self._elapsed.labels(method).observe(elapsed_s)
