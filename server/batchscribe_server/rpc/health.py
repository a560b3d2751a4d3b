"""The standard health service, whose watches end when the server closes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

HEALTH_SERVICE_NAME: str = health.SERVICE_NAME


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """What `grpc.health.v1` says of this server: of itself that it is SERVING, for who answers is alive.

    Load balancers hold its watches for as long as they know the server: without `end_watches` they would hold up its
    stop for the whole grace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ending = asyncio.Event()

    def end_watches(self) -> None:
        """End all watches, which have told NOT_SERVING by then, with UNAVAILABLE."""
        self._ending.set()

    async def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """The status of a service. NOT_FOUND for one that this server does not have."""
        if request.service == HEALTH_SERVICE_NAME:
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        return await super().Check(request, context)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Tell the status of a service and each change of it."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            ending.cancel()
            await asyncio.wait((watching, ending))
        if watching.cancelled():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this server is shutting down")
        watching.result()
