"""Times and durations: the domain's datetimes and milliseconds, and the well-known messages."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from batchscribe.v1 import batch_pb2, job_pb2


def timestamp(time: datetime) -> Timestamp:
    """A time as a message; a time without a zone is UTC."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def duration(duration_ms: int) -> Duration:
    """Milliseconds as a message."""
    message = Duration()
    message.FromMilliseconds(duration_ms)
    return message


def asked_retention_ms(resource: job_pb2.Job | batch_pb2.Batch) -> int | None:
    """How long a client wants a job or a batch to be kept; None where it leaves that to the server."""
    return duration_ms(resource.retention) if resource.HasField("retention") else None


def duration_ms(message: Duration) -> int:
    """A message as milliseconds, what is finer cut off."""
    return message.seconds * 1_000 + int(message.nanos / 1_000_000)
