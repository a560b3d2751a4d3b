"""How long results are to be kept. Whether the operator allows it is for the operations to say."""

from __future__ import annotations

from batchscribe.v1 import batch_pb2, job_pb2
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.retention import MAX_RETENTION_S
from batchscribe_server.rpc.convert_time import asked_retention_ms

MIN_RETENTION_S = 1


def check_retention(resource: job_pb2.Job | batch_pb2.Batch, path: str, violations: Violations) -> None:
    """Note a retention that is none."""
    asked_ms = asked_retention_ms(resource)
    if asked_ms is not None and not MIN_RETENTION_S * 1_000 <= asked_ms <= MAX_RETENTION_S * 1_000:
        violations.add(path, f"must be from {MIN_RETENTION_S} second to {MAX_RETENTION_S // 86_400} days, or unset")
