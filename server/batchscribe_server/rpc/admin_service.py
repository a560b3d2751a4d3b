"""AdminService: what operators see of all replicas, and do with them."""

from __future__ import annotations

from typing import Any

import grpc

from batchscribe.v1 import admin_pb2 as pb
from batchscribe.v1 import admin_pb2_grpc
from batchscribe_server.operations.fleet import FleetStore
from batchscribe_server.rpc.convert_admin import queue_message, replica_message
from batchscribe_server.rpc.validate_admin import check_get_queue, check_list_replicas, check_replica_named

ADMIN_SERVICE_NAME = pb.DESCRIPTOR.services_by_name["AdminService"].full_name

Context = grpc.aio.ServicerContext[Any, Any]


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    """All of it is read from the store, and asked through it: any replica answers for every other one."""

    def __init__(self, store: FleetStore) -> None:
        self._store = store

    async def ListReplicas(  # noqa: N802
        self, request: pb.ListReplicasRequest, context: Context
    ) -> pb.ListReplicasResponse:
        """List all replicas."""
        check_list_replicas(request)
        return pb.ListReplicasResponse(replicas=map(replica_message, await self._store.list_replicas()))

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.Queue:  # noqa: N802
        """Look at the queue."""
        return queue_message(await self._store.look_at_queue(check_get_queue(request)))

    async def DrainReplica(self, request: pb.DrainReplicaRequest, context: Context) -> pb.Replica:  # noqa: N802
        """Ask a replica to begin no more jobs."""
        return replica_message(await self._store.ask_to_drain(check_replica_named(request), drain=True))

    async def ResumeReplica(self, request: pb.ResumeReplicaRequest, context: Context) -> pb.Replica:  # noqa: N802
        """Let a replica begin jobs again."""
        return replica_message(await self._store.ask_to_drain(check_replica_named(request), drain=False))
