"""The port to what the store knows of the servers that share it, and of the queue that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchscribe_server.domain.queue import QueueOverview
from batchscribe_server.domain.replica import Orders, Replica, ReplicaReport


class FleetStore(Protocol):
    """Replicas by their heartbeats, and the queue of all tenants. It is for operators: nothing here has a tenant."""

    async def beat(self, report: ReplicaReport) -> Orders:
        """Note that a replica lives, and forget those that have long been silent."""
        ...

    async def list_replicas(self) -> Sequence[Replica]:
        """All that are not forgotten, oldest first. Those that have missed some heartbeats are SILENT."""
        ...

    async def ask_to_drain(self, replica_id: str, *, drain: bool) -> Replica:
        """Ask a replica to drain, or not to drain any more. Raises ReplicaNotFoundError."""
        ...

    async def remove_replica(self, replica_id: str) -> None:
        """Forget a replica that ends in good order."""
        ...

    async def forget_replicas(self) -> None:
        """Forget all: whoever is the only one to have this database open knows that the others are dead."""
        ...

    async def look_at_queue(self, max_lines: int) -> QueueOverview:
        """The queue, and its longest lines. What it costs depends on how many batches wait, not how many jobs: single
        files of a tenant are counted up to a bound.
        """
        ...
