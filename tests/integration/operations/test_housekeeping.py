"""What is put in order before a server starts to serve."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, JobNotFoundError, MediaNotFoundError, Reason
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.operations.upload import Upload
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.in_process_service import TENANT, in_process_service


async def one_chunk() -> AsyncIterator[bytes]:
    yield b"audio"


async def test_an_upload_that_nobody_was_told_of_goes_and_the_others_stay(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=12)
        await spool.start()
        ids = itertools.count(1)
        upload = Upload(service.store, spool, lambda: f"upload-{next(ids)}", lambda: datetime.now(UTC), keep_s=3_600)
        kept = await upload(TENANT, "a.wav", one_chunk())
        # As a server leaves it that is killed between the bytes and the record.
        stray = await spool.receive("stray", one_chunk())
        await Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=True).recover()
        assert not Path(stray.path).exists()
        assert Path(kept.path).exists()
        await upload(TENANT, "b.wav", one_chunk())  # there is room for it again


async def test_of_several_servers_one_drops_a_stray_only_when_it_has_seen_it_twice(tmp_path: Path) -> None:
    """What is a stray at first may be an upload that another server is about to record."""
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=1_000)
        await spool.start()
        late, stray = [await spool.receive(media_id, one_chunk()) for media_id in ("late", "stray")]
        house = Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=False)
        await house.recover()
        await house.sweep()
        assert Path(late.path).exists()
        assert Path(stray.path).exists()
        time = datetime.now(UTC)
        await service.store.create_media(Media("late", "a.wav", 5, late.sha256, late.path, time, time))
        await house.sweep()
        assert Path(late.path).exists()
        assert not Path(stray.path).exists()


async def test_a_record_whose_bytes_a_crash_has_removed_already_goes(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=1_000)
        await spool.start()
        upload = Upload(service.store, spool, lambda: "upload", lambda: datetime.now(UTC), keep_s=0)
        media = await upload(TENANT, "a.wav", one_chunk())
        await spool.remove(media.id)
        await Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=True).keep()
        with pytest.raises(MediaNotFoundError):
            await service.store.get_media(TENANT, media.id)


async def test_no_file_of_the_database_holds_what_was_said_in_a_deleted_job(tmp_path: Path) -> None:
    def holding(words: bytes) -> set[str]:
        return {path.name for path in tmp_path.glob("*.db*") if words in path.read_bytes()}

    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=1_000)
        await spool.start()
        house = Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=True)
        job = await service.ended(
            await service.submit.job(TENANT, NewJob(service.audio("b.wav"), display_name="the merger"))
        )
        await house.keep()
        assert holding(b"the merger") == {"test.db"}
        await service.store.delete_job(TENANT, job.id)
        await house.keep()
        assert holding(b"the merger") == set()


async def test_uploads_that_cannot_be_dropped_keep_nothing_else_from_going(tmp_path: Path) -> None:
    class Denied(DiskUploadSpool):
        async def remove(self, media_id: str) -> None:
            raise JobFailure(Reason.BUCKET_WRITE_DENIED, f"{media_id}: access is denied")

    async with in_process_service(tmp_path) as service:
        spool = Denied(tmp_path / "media", max_upload_bytes=100, max_total_bytes=1_000)
        await spool.start()
        upload = Upload(service.store, spool, lambda: "upload", lambda: datetime.now(UTC), keep_s=0)
        media = await upload(TENANT, "a.wav", one_chunk())
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("b.wav"), retention_ms=1)))
        await Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=True).keep()
        assert (await service.store.get_media(TENANT, media.id)).path == media.path
        with pytest.raises(JobNotFoundError):
            await service.store.get_job(TENANT, job.id)
