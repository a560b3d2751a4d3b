"""What operators see and do: the calls of AdminService, which a server offers only where its settings say so."""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe.connection import Connection
from batchscribe.v1.admin_pb2 import (
    DrainReplicaRequest,
    GetQueueRequest,
    ListReplicasRequest,
    Queue,
    Replica,
    ResumeReplicaRequest,
)


class AdminCalls:
    """What AsyncClient does with replicas. Names are resource names: `replicas/{id}`."""

    _connection: Connection

    async def list_replicas(self) -> Sequence[Replica]:
        """The servers that share a store, oldest first, with those that were not heard of for a while."""
        answer = await self._connection.call(self._connection.admin.ListReplicas, ListReplicasRequest())
        return answer.replicas

    async def get_queue(self, max_lines: int = 0) -> Queue:
        """How much waits and runs, and the longest lines: of batches, and of tenants' single files."""
        return await self._connection.call(self._connection.admin.GetQueue, GetQueueRequest(max_lines=max_lines))

    async def drain_replica(self, name: str) -> Replica:
        """Ask a replica to begin no more jobs, until it is resumed or ends. Raises ReplicaNotFoundError."""
        return await self._connection.call(self._connection.admin.DrainReplica, DrainReplicaRequest(name=name))

    async def resume_replica(self, name: str) -> Replica:
        """Let a replica begin jobs again. Raises ReplicaNotFoundError."""
        return await self._connection.call(self._connection.admin.ResumeReplica, ResumeReplicaRequest(name=name))
