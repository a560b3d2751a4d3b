"""Uploads on the disk of another server that shares the database: that one runs them, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchscribe_server import text
from batchscribe_server.domain.batch import ManifestObjectInput
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.scan_batch import PATIENCE_ELSEWHERE, ScanBatches
from batchscribe_server.operations.scan_manifest import ScanManifest
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.operations.upload import Upload
from batchscribe_server.rpc.read_manifest import EntryReader
from batchscribe_server.storage.manifests import LocalManifests
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.in_process_service import PATIENCE_S, TENANT, AnyModel, InProcessService, in_process_service

MAX_STALLED_ATTEMPTS = 5


async def disk(folder: Path) -> DiskUploadSpool:
    spool = DiskUploadSpool(folder, max_upload_bytes=1 << 20, max_total_bytes=1 << 24, records_shared=True)
    await spool.start()
    return spool


async def uploaded(service: InProcessService, spool: DiskUploadSpool) -> Media:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"uri": "file:///a.wav"}'

    return await Upload(service.store, spool, lambda: "upload", lambda: datetime.now(UTC), 3600.0)(
        TENANT, "a.jsonl", chunks()
    )


async def left(service: InProcessService, job: Job, attempts: int) -> Job:
    """The job once so many runs of it were over without an outcome."""
    async with asyncio.timeout(PATIENCE_S):
        while job.stalled_attempts < attempts or service.dispatch.running:
            job = await service.store.get_job(TENANT, job.id)
    return await service.store.get_job(TENANT, job.id)


async def test_the_server_that_has_the_file_runs_it_after_another_could_not(tmp_path: Path) -> None:
    here, elsewhere = await disk(tmp_path / "here"), await disk(tmp_path / "elsewhere")
    async with in_process_service(tmp_path, uploads=here) as service:
        media = await uploaded(service, elsewhere)
        (tmp_path / "elsewhere").rename(tmp_path / "out-of-sight")
        job = await service.submit.job(TENANT, NewJob(media.name))
        assert (await left(service, job, 1)).state is State.RUNNING
    (tmp_path / "out-of-sight").rename(tmp_path / "elsewhere")
    async with in_process_service(tmp_path, uploads=elsewhere) as service:
        ended = await service.ended(job)
    assert (ended.state, ended.attempt) == (State.SUCCEEDED, 2)


async def test_a_file_that_no_server_has_fails_in_the_end_and_says_what_is_missing(tmp_path: Path) -> None:
    here, elsewhere = await disk(tmp_path / "here"), await disk(tmp_path / "elsewhere")
    async with in_process_service(tmp_path, uploads=here) as service:
        media = await uploaded(service, elsewhere)
        (tmp_path / "elsewhere").rename(tmp_path / "out-of-sight")
        job = await service.submit.job(TENANT, NewJob(media.name))
        await left(service, job, 1)
    for attempts in range(2, MAX_STALLED_ATTEMPTS):
        async with in_process_service(tmp_path, uploads=here) as service:
            await left(service, job, attempts)
    async with in_process_service(tmp_path, uploads=here) as service:
        job = await service.ended(job)
    assert (job.state, job.attempt) == (State.FAILED, MAX_STALLED_ATTEMPTS)
    assert job.error is not None
    assert job.error.reason is Reason.FETCH_FAILED
    assert "storage.media_uri" in job.error.message


async def test_a_batch_waits_some_time_for_the_server_that_has_its_manifest(tmp_path: Path) -> None:
    here, elsewhere = await disk(tmp_path / "here"), await disk(tmp_path / "elsewhere")
    async with in_process_service(tmp_path, uploads=here) as service:
        media = await uploaded(service, elsewhere)
        (tmp_path / "elsewhere").rename(tmp_path / "out-of-sight")
        check_config = CheckConfig(AnyModel("scripted"), text, service.diarizer)
        manifest = ScanManifest(service.store, here, check_config, LocalManifests(), EntryReader)

        def at(time: Callable[[], datetime]) -> ScanBatches:
            return ScanBatches(service.store, service.reach, manifest, service.wakeups, lambda: "id", time, Duties())

        batch = await service.submit.batch(TENANT, NewBatch(ManifestObjectInput(media.name)))
        await at(lambda: batch.create_time).scan(batch)
        assert not (await service.store.get_batch(TENANT, batch.id)).state.terminal
        await at(lambda: batch.create_time + PATIENCE_ELSEWHERE + timedelta(seconds=1)).scan(batch)
        batch = await service.store.get_batch(TENANT, batch.id)
    assert batch.error is not None
    assert (batch.error.reason, batch.state) == (Reason.FETCH_FAILED, State.FAILED)
    assert "storage.media_uri" in batch.error.message
