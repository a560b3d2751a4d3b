"""The gRPC server: the contract's services, health and reflection on one port."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from batchscribe.v1 import (
    admin_pb2_grpc,
    batch_service_pb2,
    batch_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
)
from batchscribe_server.operations.observers import RpcObserver
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.rpc.admin_service import ADMIN_SERVICE_NAME, AdminService
from batchscribe_server.rpc.batch_service import BatchService
from batchscribe_server.rpc.draining import Draining
from batchscribe_server.rpc.health import HEALTH_SERVICE_NAME, Health
from batchscribe_server.rpc.interceptor import RpcInterceptor
from batchscribe_server.rpc.job_service import JobService
from batchscribe_server.rpc.model_service import ModelService
from batchscribe_server.rpc.services import RpcLimits, Services

SERVICE_NAMES = (
    batch_service_pb2.DESCRIPTOR.services_by_name["BatchService"].full_name,
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
)


class RpcServer:
    """Serves from `start` to `drain`. Healthy only while `set_serving(True)` was the last word and nothing drains.

    `address` is where it listens, empty before it does. With `admin` it offers AdminService too, to all whom it serves.
    """

    def __init__(
        self,
        services: Services,
        limits: RpcLimits | None = None,
        *,
        observer: RpcObserver | None = None,
        tracing: Tracing | None = None,
        admin: bool = False,
    ) -> None:
        limits = limits or RpcLimits()
        self._serving = False
        self.address = ""
        self._services = services
        self._draining = Draining()
        self._health = Health()
        interceptor = RpcInterceptor(self._draining, observer, tracing)
        self._server = grpc.aio.server(interceptors=[interceptor], options=_options(limits))
        job_service = JobService(services, self._draining, limits.upload_silence_s)
        job_service_pb2_grpc.add_JobServiceServicer_to_server(job_service, self._server)
        batch_service_pb2_grpc.add_BatchServiceServicer_to_server(BatchService(services), self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(services), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names: tuple[str, ...] = (*SERVICE_NAMES, HEALTH_SERVICE_NAME, reflection.SERVICE_NAME)
        if admin:
            admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminService(services.store), self._server)
            names = (*names, ADMIN_SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, address: str) -> int:
        """Listen on `host:port`; port 0 takes a free one. Returns the port. Raises RuntimeError when it is taken.

        The server answers at once but is NOT_SERVING until `set_serving` says otherwise.
        """
        await self.set_serving(False)
        port = self._server.add_insecure_port(address)
        self.address = f"{address.rpartition(':')[0]}:{port}"
        await self._server.start()
        return port

    @property
    def draining(self) -> bool:
        """Whether it is on its way out."""
        return self._draining.started

    @property
    def serving(self) -> bool:
        """What the health service says. Any thread may ask."""
        return self._serving and not self._draining.started

    async def set_serving(self, serving: bool) -> None:
        """Say whether there are an engine and a database to serve with. Without effect once draining has begun."""
        self._serving = serving
        status = health_pb2.HealthCheckResponse
        for service in ("", *SERVICE_NAMES):
            await self._health.set(service, status.SERVING if serving else status.NOT_SERVING)

    async def begin_drain(self) -> None:
        """Become NOT_SERVING and refuse what would change anything; reading and watching go on."""
        self._draining.start()
        await self._health.enter_graceful_shutdown()

    async def drain(self, grace_s: float) -> None:
        """End all watches with a resumable error, let the other calls finish for `grace_s`, and stop."""
        await self.begin_drain()
        self._services.watch.drain()
        self._health.end_watches()
        await self._server.stop(grace_s)


def _options(limits: RpcLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.max_receive_bytes),
        ("grpc.max_send_message_length", limits.max_send_bytes),
        ("grpc.max_concurrent_streams", limits.max_concurrent_streams),
        ("grpc.keepalive_time_ms", round(limits.keepalive_s * 1_000)),
        ("grpc.keepalive_timeout_ms", round(limits.keepalive_timeout_s * 1_000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", round(limits.min_ping_interval_s * 1_000)),
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", round(limits.greeting_s * 1_000)),
        *([("grpc.max_allowed_incoming_connections", limits.max_connections)] if limits.max_connections else []),
    ]
