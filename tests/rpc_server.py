"""An RPC server on a loopback port, over the operations of the in-process service."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc

from batchscribe.v1 import batch_service_pb2_grpc, job_service_pb2, job_service_pb2_grpc, model_service_pb2_grpc
from batchscribe.v1.event_pb2 import JobEvent
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.operations.upload import Upload
from batchscribe_server.operations.wait import WaitForJob
from batchscribe_server.rpc.server import RpcServer
from batchscribe_server.rpc.services import RpcLimits, Services
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.in_process_service import AnyModel, InProcessService, in_process_service

MAX_UPLOAD_BYTES = 3 << 20


@dataclass
class Served:
    """The server, the service behind it, and a channel to it."""

    server: RpcServer
    service: InProcessService
    services: Services
    address: str
    channel: grpc.aio.Channel
    jobs: job_service_pb2_grpc.JobServiceAsyncStub = field(init=False)
    batches: batch_service_pb2_grpc.BatchServiceAsyncStub = field(init=False)
    models: model_service_pb2_grpc.ModelServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = job_service_pb2_grpc.JobServiceStub(self.channel)
        self.batches = batch_service_pb2_grpc.BatchServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)


async def event_of(watch: grpc.aio.UnaryStreamCall[job_service_pb2.WatchJobRequest, JobEvent]) -> JobEvent:
    """The next event of a watch, which has not ended."""
    event = await watch.read()
    assert isinstance(event, JobEvent)
    return event


@asynccontextmanager
async def served(
    folder: Path,
    limits: RpcLimits | None = None,
    adapt: Callable[[Services], Services] = lambda services: services,
    *,
    admin: bool = False,
) -> AsyncIterator[Served]:
    """The service over `folder`, served. `adapt` may put another operation in the place of one."""
    async with in_process_service(folder) as service:
        spool = DiskUploadSpool(folder / "uploads", MAX_UPLOAD_BYTES, max_total_bytes=1 << 24)
        await spool.start()
        ids = itertools.count(1)
        services = Services(
            store=service.store,
            submit=service.submit,
            delete=service.delete,
            retention=RetentionPolicy(),
            watch=service.watch,
            wait=WaitForJob(service.store, service.wakeups),
            read_transcript=service.read_transcript,
            upload=Upload(service.store, spool, lambda: f"upload-{next(ids)}", lambda: datetime.now(UTC), keep_s=3_600),
            models=AnyModel("scripted"),
            diarizer=service.diarizer,
            transcriber=service.transcriber,
        )
        services = adapt(services)
        server = RpcServer(services, limits, admin=admin)
        port = await server.start("127.0.0.1:0")
        address = f"127.0.0.1:{port}"
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                yield Served(server, service, services, address, channel)
        finally:
            await server.drain(0)
