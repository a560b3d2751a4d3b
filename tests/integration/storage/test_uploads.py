"""The spool of uploads on the disk: what it does beside what every spool does (tests/contract/uploads)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, UploadSpaceError
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.storage import UploadedFile, UploadElsewhereError
from batchscribe_server.storage.upload_places import UploadPlaces
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.storage_steps import content_of

MAX_UPLOAD_BYTES = 3_000_000
MAX_TOTAL_BYTES = 5_000_000


@pytest.fixture
async def spool(tmp_path: Path) -> DiskUploadSpool:
    spool = DiskUploadSpool(tmp_path / "media", MAX_UPLOAD_BYTES, MAX_TOTAL_BYTES)
    await spool.start()
    return spool


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def never_read() -> AsyncIterator[bytes]:
    raise AssertionError("a byte was asked for")
    yield b""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def media_of(upload: UploadedFile) -> Media:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    return Media("m", "a.wav", upload.size_bytes, upload.sha256, upload.path, time, time)


async def test_an_upload_whose_client_goes_away_leaves_nothing(spool: DiskUploadSpool, tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        waiting.set()
        await asyncio.Event().wait()

    receiving = asyncio.create_task(spool.receive("m", stalled()))
    async with asyncio.timeout(5):
        await waiting.wait()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert names_in(tmp_path / "media") == []
    # Its room is free again: two more of that size would not fit beside it.
    await spool.receive("m1", chunks(b"x" * 2_500_000))
    await spool.receive("m2", chunks(b"x" * 2_500_000))


async def test_uploads_beyond_the_space_for_all_are_refused_until_one_is_removed(spool: DiskUploadSpool) -> None:
    await spool.receive("m1", chunks(b"x" * 2_500_000))
    await spool.receive("m2", chunks(b"x" * 2_000_000))
    with pytest.raises(UploadSpaceError):
        await spool.receive("m3", never_read(), 1_000_000)
    with pytest.raises(UploadSpaceError):
        await spool.receive("m3", chunks(b"x" * 1_000_000))
    await spool.remove("m1")
    await spool.receive("m3", chunks(b"x" * 1_000_000))


async def test_a_start_drops_what_a_crash_left_and_counts_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "half.part").write_bytes(b"x" * 1_000_000)
    (folder / "whole").write_bytes(b"x" * 4_500_000)
    spool = DiskUploadSpool(folder, MAX_UPLOAD_BYTES, MAX_TOTAL_BYTES)
    await spool.start()
    assert names_in(folder) == ["whole"]
    with pytest.raises(UploadSpaceError):
        await spool.receive("m", chunks(b"x" * 1_000_000))


async def test_what_is_not_on_this_disk_may_be_on_another_where_the_records_are_shared(
    spool: DiskUploadSpool, tmp_path: Path
) -> None:
    upload = await spool.receive("m", chunks(b"abc"))
    another = DiskUploadSpool(tmp_path / "another", MAX_UPLOAD_BYTES, MAX_TOTAL_BYTES, records_shared=True)
    await another.start()
    await spool.remove("m")
    with pytest.raises(UploadElsewhereError, match=r"storage\.media_uri"):
        async with another.open_input(media_of(upload)):
            raise AssertionError("it was opened")
    with pytest.raises(JobFailure, match="are gone"):
        async with spool.open_input(media_of(upload)):
            raise AssertionError("it was opened")


async def test_what_lies_in_a_bucket_is_not_looked_for_on_the_disk(spool: DiskUploadSpool) -> None:
    with pytest.raises(JobFailure, match=r"storage\.media_uri"):
        async with spool.open_input(media_of(UploadedFile("s3://media/kept/m", 3, "00"))):
            raise AssertionError("it was opened")


async def test_uploads_of_before_are_opened_and_removed_where_a_bucket_takes_the_new_ones(tmp_path: Path) -> None:
    old, new = (DiskUploadSpool(tmp_path / name, MAX_UPLOAD_BYTES, MAX_TOTAL_BYTES) for name in ("old", "new"))
    places = UploadPlaces(new, old)
    for spool in (old, new):
        await spool.start()
    before = await old.receive("before", chunks(b"abc"))
    await places.receive("after", chunks(b"def"))
    assert (names_in(tmp_path / "old"), names_in(tmp_path / "new")) == (["before"], ["after"])
    async with places.open_input(media_of(before)) as opened:
        assert content_of(opened) == b"abc"
    assert sorted([each async for page in places.media_ids() for each in page]) == ["after", "before"]
    for media_id in ("before", "after"):
        await places.remove(media_id)
    assert names_in(tmp_path / "old") == names_in(tmp_path / "new") == []
