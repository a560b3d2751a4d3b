"""A replica: one server, from its start to its end, among those that share a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batchscribe_server.domain.model import Model


class ReplicaState(StrEnum):
    """What a replica says that it is doing; it is SILENT when nothing was heard of it for a while."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    DRAINING = "DRAINING"
    SILENT = "SILENT"


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells of itself with each heartbeat. `address` is where it listens, as it sees it.

    `models` are the names of those in memory, `offered_models` those whose files it has, without those that can't be
    loaded, of which `problem` tells.
    """

    id: str
    host: str
    address: str
    version: str
    state: ReplicaState
    running_jobs: int
    max_running_jobs: int
    device: str
    models: tuple[str, ...] = ()
    offered_models: tuple[Model, ...] = ()
    problem: str = ""

    @property
    def has_room(self) -> bool:
        """Whether it would run more files, while it serves."""
        return self.running_jobs < self.max_running_jobs


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many files some replicas hear at once: `all` of them, and by name those that have a model."""

    all: int = 0
    of_models: Mapping[str, int] = field(default_factory=dict)

    def of(self, model: str) -> int:
        """That for what asks for a model; any will do for the empty name."""
        return self.of_models.get(model, 0) if model else self.all


NO_CAPACITY = Capacity()


@dataclass(frozen=True, slots=True)
class Orders:
    """What a replica is told when it says that it lives: whether it is to drain, and the capacity of those others that
    serve and have room; `models_elsewhere` are those that any other one that serves has, one of each name.
    """

    drain: bool
    capacity_elsewhere: Capacity = NO_CAPACITY
    models_elsewhere: tuple[Model, ...] = ()


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as the others know it. `drain_requested` is what was asked of it, `report.state` what it does."""

    report: ReplicaReport
    start_time: datetime
    seen_time: datetime
    drain_requested: bool = False
