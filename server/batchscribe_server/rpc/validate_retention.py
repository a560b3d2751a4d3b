"""How long results are to be kept. Whether the operator allows it is for the operations to say."""

from __future__ import annotations

from batchscribe.v1 import batch_pb2, job_pb2
from batchscribe_server.domain.errors import Violations

MIN_RETENTION_S = 1
MAX_RETENTION_DAYS = 36_525  # a hundred years: for ever is what a server that says so gives to those who leave it unset


def check_retention(resource: job_pb2.Job | batch_pb2.Batch, path: str, violations: Violations) -> None:
    """Note a retention that is none."""
    if not resource.HasField("retention"):
        return
    if not MIN_RETENTION_S <= resource.retention.seconds < MAX_RETENTION_DAYS * 86_400:
        violations.add(path, f"must be from {MIN_RETENTION_S} second to {MAX_RETENTION_DAYS} days, or unset")
