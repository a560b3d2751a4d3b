"""The gRPC server of AdminService, on a port of its own."""

from __future__ import annotations

import grpc
from grpc_reflection.v1alpha import reflection

from batchscribe.v1 import admin_pb2_grpc
from batchscribe_server.operations.fleet import FleetStore
from batchscribe_server.operations.observers import RpcObserver
from batchscribe_server.rpc.admin_service import ADMIN_SERVICE_NAME, AdminService
from batchscribe_server.rpc.draining import Draining
from batchscribe_server.rpc.interceptor import RpcInterceptor


class AdminServer:
    """Serves from `start` to `stop`; it answers while the server drains, too."""

    def __init__(self, store: FleetStore, observer: RpcObserver | None = None) -> None:
        interceptor = RpcInterceptor(Draining(), observer)
        self._server = grpc.aio.server(interceptors=[interceptor], options=[("grpc.so_reuseport", 0)])
        admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminService(store), self._server)
        reflection.enable_server_reflection((ADMIN_SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self, address: str) -> int:
        """Listen on `host:port`; port 0 takes a free one. Returns the port. Raises RuntimeError when it is taken."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Let calls end for a moment, and close the port."""
        await self._server.stop(1.0)
