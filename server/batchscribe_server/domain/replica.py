"""A replica: one server, from its start to its end, among those that share a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReplicaState(StrEnum):
    """What a replica says that it is doing; it is SILENT when nothing was heard of it for a while."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    DRAINING = "DRAINING"
    SILENT = "SILENT"


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells of itself with each heartbeat. `address` is where it listens, as it sees it."""

    id: str
    host: str
    address: str
    version: str
    state: ReplicaState
    running_jobs: int
    max_running_jobs: int
    device: str
    models: tuple[str, ...] = ()

    @property
    def has_room(self) -> bool:
        """Whether it serves and would run more files."""
        return self.state is ReplicaState.SERVING and self.running_jobs < self.max_running_jobs


@dataclass(frozen=True, slots=True)
class Orders:
    """What a replica is told when it says that it lives: whether it is to drain, and how many files those others that
    serve and have room run at once.
    """

    drain: bool
    capacity_elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as the others know it. `drain_requested` is what was asked of it, `report.state` what it does."""

    report: ReplicaReport
    start_time: datetime
    seen_time: datetime
    drain_requested: bool = False
