"""Retention, reports and deletion with outputs over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from batchscribe.v1 import batch_pb2, job_pb2, state_pb2, storage_pb2
from batchscribe.v1 import batch_service_pb2 as pb
from batchscribe.v1 import job_service_pb2 as jobs_pb
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.operations.submit import Submit
from batchscribe_server.rpc.services import Services
from tests.in_process_service import AnyModel
from tests.rpc_errors import bad_fields, detail_of, reason_of
from tests.rpc_server import Served, served

PATIENCE_S = 60.0
WEEK_S = 7 * 86_400
POLICY = RetentionPolicy(default_ms=60_000, max_ms=WEEK_S * 1_000)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


@pytest.fixture
async def strict_server(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that keeps results for a minute unless it is asked for more, up to a week."""

    def strict(services: Services) -> Services:
        submit = services.submit
        return replace(
            services,
            retention=POLICY,
            submit=Submit(
                services.store,
                submit._reach,
                AnyModel("scripted"),
                services.diarizer,
                submit._new_id,
                submit._now,
                POLICY,
            ),
        )

    async with served(tmp_path, adapt=strict) as running:
        yield running


def new_batch(server: Served, **fields: object) -> pb.CreateBatchRequest:
    server.service.audio("in/a.wav")
    prefix = storage_pb2.PrefixInput(uri=f"{server.service.folder.as_uri()}/in/")
    output = storage_pb2.OutputConfig(uri=f"{server.service.folder.as_uri()}/out/", write_report=True)
    batch = batch_pb2.Batch(input=storage_pb2.InputConfig(prefix=prefix), output=output, **fields)  # type: ignore[arg-type]
    return pb.CreateBatchRequest(batch=batch, batch_id="kept")


async def ended(server: Served, name: str) -> batch_pb2.Batch:
    async with asyncio.timeout(PATIENCE_S):
        async for _ in server.batches.WatchBatch(pb.WatchBatchRequest(name=name)):
            pass
    return await server.batches.GetBatch(pb.GetBatchRequest(name=name))


async def test_a_batch_is_reported_and_deleted_with_its_outputs(server: Served, tmp_path: Path) -> None:
    created = await server.batches.CreateBatch(new_batch(server))
    assert not created.HasField("retention")
    batch = await ended(server, created.name)
    assert batch.report_uri == (tmp_path / "out" / "kept.report.jsonl").as_uri()
    assert batch.stage == state_pb2.STAGE_UNSPECIFIED
    assert len(list((tmp_path / "out").iterdir())) == 2
    await server.batches.DeleteBatch(pb.DeleteBatchRequest(name=batch.name, etag=batch.etag, delete_outputs=True))
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.GetBatch(pb.GetBatchRequest(name=batch.name))
    assert reason_of(raised.value) == "BATCH_NOT_FOUND"


async def test_an_output_that_cannot_be_deleted_is_told_with_its_reason(server: Served, tmp_path: Path) -> None:
    batch = await ended(server, (await server.batches.CreateBatch(new_batch(server))).name)
    (tmp_path / "out" / "a.wav.json").unlink()
    (tmp_path / "out" / "a.wav.json").mkdir()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.batches.DeleteBatch(pb.DeleteBatchRequest(name=batch.name, delete_outputs=True))
    assert (raised.value.code(), reason_of(raised.value)) == (grpc.StatusCode.FAILED_PRECONDITION, "OUTPUT_FAILED")
    left = await server.batches.GetBatch(pb.GetBatchRequest(name=batch.name))
    assert "a.wav.json" in left.warning


async def test_a_job_is_deleted_with_its_outputs(server: Served, tmp_path: Path) -> None:
    source = storage_pb2.InputConfig(uri=server.service.audio("a.wav"))
    output = storage_pb2.OutputConfig(uri=(tmp_path / "out").as_uri())
    job = await server.jobs.CreateJob(jobs_pb.CreateJobRequest(job=job_pb2.Job(input=source, output=output)))
    await server.jobs.GetJob(jobs_pb.GetJobRequest(name=job.name, wait=Duration(seconds=60)))
    assert len(list((tmp_path / "out").iterdir())) == 1
    await server.jobs.DeleteJob(jobs_pb.DeleteJobRequest(name=job.name, delete_outputs=True))
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_report_of_a_single_job_is_refused(server: Served, tmp_path: Path) -> None:
    source = storage_pb2.InputConfig(uri=server.service.audio("a.wav"))
    output = storage_pb2.OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(jobs_pb.CreateJobRequest(job=job_pb2.Job(input=source, output=output)))
    assert bad_fields(raised.value) == ["job.output.write_report"]


async def test_a_retention_is_asked_for_shown_and_changed(strict_server: Served) -> None:
    server = strict_server
    created = await server.batches.CreateBatch(new_batch(server, retention=Duration(seconds=3_600)))
    assert created.retention.seconds == 3_600
    assert not created.HasField("expire_time")
    batch = await ended(server, created.name)
    assert batch.expire_time.seconds == batch.finish_time.seconds + 3_600
    (job,) = (await server.jobs.ListJobs(jobs_pb.ListJobsRequest(parent=batch.name))).jobs
    assert not job.HasField("expire_time")
    change = batch_pb2.Batch(name=batch.name, retention=Duration(seconds=WEEK_S))
    changed = await server.batches.UpdateBatch(pb.UpdateBatchRequest(batch=change))
    assert changed.expire_time.seconds == batch.finish_time.seconds + WEEK_S
    # Named by the mask and left unset, it is the server's own again.
    mask = FieldMask(paths=["retention"])
    cleared = await server.batches.UpdateBatch(
        pb.UpdateBatchRequest(batch=batch_pb2.Batch(name=batch.name), update_mask=mask)
    )
    assert cleared.expire_time.seconds == batch.finish_time.seconds + 60


async def test_who_asks_for_no_retention_gets_the_servers(strict_server: Served) -> None:
    source = storage_pb2.InputConfig(uri=strict_server.service.audio("a.wav"))
    job = await strict_server.jobs.CreateJob(jobs_pb.CreateJobRequest(job=job_pb2.Job(input=source)))
    assert job.retention.seconds == 60


async def test_no_more_is_granted_than_the_operator_allows(strict_server: Served) -> None:
    too_long = Duration(seconds=WEEK_S + 1)
    source = storage_pb2.InputConfig(uri=strict_server.service.audio("a.wav"))
    created = await strict_server.batches.CreateBatch(new_batch(strict_server))
    for call, field in (
        (
            strict_server.jobs.CreateJob(
                jobs_pb.CreateJobRequest(job=job_pb2.Job(input=source, retention=too_long), validate_only=True)
            ),
            "job.retention",
        ),
        (strict_server.batches.CreateBatch(new_batch(strict_server, retention=too_long)), "batch.retention"),
        (
            strict_server.batches.UpdateBatch(
                pb.UpdateBatchRequest(batch=batch_pb2.Batch(name=created.name, retention=too_long))
            ),
            "batch.retention",
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert bad_fields(raised.value) == [field]
        assert detail_of(raised.value, error_details_pb2.ErrorInfo).reason == "RETENTION_TOO_LONG"
