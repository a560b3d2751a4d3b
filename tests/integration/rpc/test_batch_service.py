"""BatchService and ModelService over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from batchscribe.v1 import batch_pb2, model_service_pb2, state_pb2, storage_pb2
from batchscribe.v1 import batch_service_pb2 as pb
from batchscribe.v1 import job_service_pb2 as jobs_pb
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.transcriber import TranscriptionRequest
from tests.rpc_errors import bad_fields, reason_of
from tests.rpc_server import Served, served
from tests.scripted_engine import Script

PATIENCE_S = 60.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def prefix_batch(server: Served, **fields: Any) -> batch_pb2.Batch:
    for name in ("a.wav", "deep/b.wav", "notes.txt"):
        server.service.audio(f"calls/{name}")
    prefix = storage_pb2.PrefixInput(uri=f"{server.service.folder.as_uri()}/calls/", include_globs=["**/*.wav"])
    return batch_pb2.Batch(input=storage_pb2.InputConfig(prefix=prefix), **fields)


async def watched(server: Served, name: str) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in server.batches.WatchBatch(pb.WatchBatchRequest(name=name))]


async def test_a_prefix_is_transcribed_and_watched_to_its_end(server: Served) -> None:
    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=prefix_batch(server), batch_id="calls-1"))
    assert (created.name, created.state) == ("batches/calls-1", state_pb2.STATE_INITIALIZING)
    assert created.stage == state_pb2.STAGE_SCANNING

    events = await watched(server, created.name)

    assert events[0].snapshot.name == created.name
    assert events[-1].state_change.state == state_pb2.STATE_SUCCEEDED
    ended = {
        event.job_change.input_uri.rpartition("calls/")[2]
        for event in events
        if event.job_change.state == state_pb2.STATE_SUCCEEDED
    }
    assert ended == {"a.wav", "deep/b.wav"}
    done = await server.batches.GetBatch(pb.GetBatchRequest(name=created.name))
    assert (done.counts.total, done.counts.succeeded, done.progress) == (2, 2, 1.0)
    assert done.stage == state_pb2.STAGE_UNSPECIFIED
    listed = await server.jobs.ListJobs(jobs_pb.ListJobsRequest(parent=created.name))
    assert {job.batch for job in listed.jobs} == {created.name}
    assert listed.total_size == 2


async def test_manifest_entries_have_their_own_configs(server: Served) -> None:
    asked: dict[str, TranscriptionRequest] = {}

    def script(request: TranscriptionRequest) -> Script:
        asked[request.file_name] = request
        return Script()

    server.service.transcriber.script_for = script
    batch = batch_pb2.Batch()
    batch.config.hotwords.append("ours")
    batch.config.decoding.beam_size = 3
    for name in ("a.wav", "b.wav"):
        batch.input.manifest.files.add(uri=server.service.audio(name), reference_id=name)
    batch.input.manifest.files[1].config.hotwords.append("theirs")

    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=batch))
    await watched(server, created.name)

    assert asked["a.wav"].config.hotwords == ("ours",)
    assert asked["b.wav"].config.hotwords == ("theirs",)
    assert {request.config.decoding.beam_size for request in asked.values()} == {3}


async def test_only_display_name_labels_and_priority_are_updated(server: Served) -> None:
    batch = prefix_batch(server, display_name="before", labels={"team": "a"})
    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=batch))
    await watched(server, created.name)

    change = batch_pb2.Batch(name=created.name, display_name="after", priority=7)
    updated = await server.batches.UpdateBatch(
        pb.UpdateBatchRequest(batch=change, update_mask=FieldMask(paths=["display_name"]))
    )
    assert (updated.display_name, updated.priority, dict(updated.labels)) == ("after", 0, {"team": "a"})
    updated = await server.batches.UpdateBatch(pb.UpdateBatchRequest(batch=change))
    assert updated.priority == 7

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.UpdateBatch(
            pb.UpdateBatchRequest(batch=change, update_mask=FieldMask(paths=["config", "state"]))
        )
    assert bad_fields(raised.value) == ["update_mask", "update_mask"]
    change.config.language = "en"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.UpdateBatch(pb.UpdateBatchRequest(batch=change))
    assert bad_fields(raised.value) == ["batch.config"]


async def test_failed_files_are_retried(server: Served) -> None:
    broken = {"a.wav"}

    def script(request: TranscriptionRequest) -> Script:
        failure = JobFailure(Reason.DECODE_FAILED, "broken") if request.file_name in broken else None
        return Script(failure=failure)

    server.service.transcriber.script_for = script
    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=prefix_batch(server)))
    await watched(server, created.name)
    failed = await server.batches.GetBatch(pb.GetBatchRequest(name=created.name))
    assert (failed.state, failed.counts.failed) == (state_pb2.STATE_SUCCEEDED, 1)

    broken.clear()
    await server.batches.RetryBatch(pb.RetryBatchRequest(name=created.name))
    events = await watched(server, created.name)
    assert events[-1].state_change.state == state_pb2.STATE_SUCCEEDED
    done = await server.batches.GetBatch(pb.GetBatchRequest(name=created.name))
    assert (done.counts.succeeded, done.counts.failed) == (2, 0)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.RetryBatch(pb.RetryBatchRequest(name=created.name))
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_batch_is_cancelled_and_deleted(server: Served) -> None:
    server.service.transcriber.flowing.clear()
    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=prefix_batch(server)))
    await server.batches.CancelBatch(pb.CancelBatchRequest(name=created.name))
    events = await watched(server, created.name)
    assert events[-1].state_change.state == state_pb2.STATE_CANCELLED
    await server.batches.DeleteBatch(pb.DeleteBatchRequest(name=created.name))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.ListJobs(jobs_pb.ListJobsRequest(parent=created.name))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason_of(raised.value) == "BATCH_NOT_FOUND"


async def test_batches_are_listed_by_state(server: Served) -> None:
    created = await server.batches.CreateBatch(pb.CreateBatchRequest(batch=prefix_batch(server)))
    await watched(server, created.name)
    succeeded = await server.batches.ListBatches(pb.ListBatchesRequest(filter="state = (SUCCEEDED OR FAILED)"))
    assert [batch.name for batch in succeeded.batches] == [created.name]
    running = await server.batches.ListBatches(pb.ListBatchesRequest(filter="state = RUNNING"))
    assert running.total_size == 0
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.ListBatches(pb.ListBatchesRequest(filter='input_uri = "file:///*"', order_by="name"))
    assert bad_fields(raised.value) == ["filter", "order_by"]


async def test_models_are_listed_and_read(server: Served) -> None:
    listed = await server.models.ListModels(model_service_pb2.ListModelsRequest())
    assert [model.name for model in listed.models] == ["models/scripted"]
    assert "diarization" in listed.features
    server.service.diarizer.available = False
    assert "diarization" not in (await server.models.ListModels(model_service_pb2.ListModelsRequest())).features
    assert {"entities", "speech_analytics", "summary"} <= set(listed.features)
    model = await server.models.GetModel(model_service_pb2.GetModelRequest(name="models/scripted"))
    assert model == listed.models[0]
    assert (model.default, model.installed, model.device) == (True, True, "cpu")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.models.ListModels(model_service_pb2.ListModelsRequest(page_token="nonsense"))
    assert bad_fields(raised.value) == ["page_token"]
