"""The queue as its operator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The queued jobs of one batch, or a tenant's single files, where `batch_id` is empty.

    `oldest_queue_time` is when the one whose turn is next was queued.
    """

    tenant: str
    batch_id: str
    queued: int
    running: int
    oldest_queue_time: datetime


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """How many jobs of all tenants are queued, and run, and the longest lines, longest first.

    `oldest_queue_time` is the earliest of all lines; None where nothing is queued. `time` is the store's.
    """

    queued: int
    running: int
    time: datetime
    oldest_queue_time: datetime | None = None
    lines: tuple[QueueLine, ...] = ()
