"""Seconds as numbers here, durations and timestamps in the contract: the one place where they meet."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_NANOS_PER_SECOND = 1_000_000_000


def seconds_of(duration: Duration) -> float:
    """The length of a duration in seconds."""
    return duration.seconds + duration.nanos / _NANOS_PER_SECOND


def duration_of(seconds: float) -> Duration:
    """The duration of so many seconds, to the nearest nanosecond. It may be negative, as the contract's may."""
    nanos = round(seconds * _NANOS_PER_SECOND)
    sign = -1 if nanos < 0 else 1
    whole, rest = divmod(abs(nanos), _NANOS_PER_SECOND)
    return Duration(seconds=sign * whole, nanos=sign * rest)


def datetime_of(timestamp: Timestamp) -> datetime:
    """The moment as an aware datetime in UTC."""
    return timestamp.ToDatetime(tzinfo=UTC)


def unix_seconds_of(timestamp: Timestamp) -> float:
    """The moment as seconds since 1970."""
    return timestamp.seconds + timestamp.nanos / _NANOS_PER_SECOND
