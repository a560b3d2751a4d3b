"""Why nothing runs is told to who reads or watches what waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe.v1 import batch_pb2, batch_service_pb2, job_pb2, job_service_pb2, recognition_pb2, storage_pb2
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.replica import ReplicaReport, ReplicaState
from batchscribe_server.operations.watch import Watch, WatchLimits
from batchscribe_server.rpc.services import Services
from tests.rpc_server import Served, served

PATIENCE_S = 60.0

NOT_READY = "No server is ready to transcribe. This one: the scripted engine is not ready"
TINY = Model("tiny", ModelSource.PATH, "/models/tiny", 1, ("en",))
REPORT = ReplicaReport(
    "another", "host", "host:1", "1", ReplicaState.SERVING, 0, max_running_jobs=1, device="cpu", offered_models=(TINY,)
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    """One that runs nothing: what is submitted waits."""

    def with_quick_heartbeats(services: Services) -> Services:
        watch = services.watch
        quick = Watch(watch._store, watch._wakeups, watch._now, WatchLimits(heartbeat_s=0.05))
        return replace(services, watch=quick)

    async with served(tmp_path, adapt=with_quick_heartbeats) as running:
        await running.service.dispatch.drain(0)
        running.service.transcriber.ready.clear()
        yield running


async def test_it_is_told_of_a_job_and_a_batch_until_a_server_can_run_them(server: Served) -> None:
    source = storage_pb2.InputConfig(uri=server.service.audio("a.wav"))
    base = recognition_pb2.RecognitionConfig(model="base")
    job = await server.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job_pb2.Job(input=source, config=base)))
    batch = await server.batches.CreateBatch(
        batch_service_pb2.CreateBatchRequest(batch=batch_pb2.Batch(input=source, config=base))
    )

    async def told() -> tuple[str, str]:
        read = await server.jobs.GetJob(job_service_pb2.GetJobRequest(name=job.name))
        of_batch = await server.batches.GetBatch(batch_service_pb2.GetBatchRequest(name=batch.name))
        return read.waiting_reason, of_batch.waiting_reason

    async with asyncio.timeout(PATIENCE_S):
        async for event in server.batches.WatchBatch(batch_service_pb2.WatchBatchRequest(name=batch.name)):
            if event.heartbeat.waiting_reason:  # it is scanned by then
                assert event.heartbeat.waiting_reason == NOT_READY
                break
        kinds = []
        async for told_of_job in server.jobs.WatchJob(job_service_pb2.WatchJobRequest(name=job.name)):
            kinds.append(told_of_job.WhichOneof("event"))
            if kinds[-1] in ("snapshot", "heartbeat"):
                assert (told_of_job.snapshot.waiting_reason or told_of_job.heartbeat.waiting_reason) == NOT_READY
            if kinds[-1] == "heartbeat":
                break
        assert kinds[0] == "snapshot"
    assert await told() == (NOT_READY, NOT_READY)
    await server.service.store.beat(REPORT)
    lacking = "No server that is ready has the model base."
    assert await told() == (lacking, lacking)
    await server.service.store.beat(replace(REPORT, offered_models=(TINY, replace(TINY, name="base"))))
    assert await told() == ("", "")
