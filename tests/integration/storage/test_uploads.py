"""The spool of uploads."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, UploadMismatchError, UploadSpaceError, UploadTooLargeError
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.storage import UploadedFile
from batchscribe_server.storage.uploads import DiskUploadSpool

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


async def test_an_upload_is_kept_as_it_was_sent(spool: DiskUploadSpool, tmp_path: Path) -> None:
    data = os.urandom(2_500_000)
    sha256 = hashlib.sha256(data).hexdigest()
    parts = [data[start : start + 65_536] for start in range(0, len(data), 65_536)]
    upload = await spool.receive("m", chunks(*parts), len(data), sha256.upper())
    assert (upload.size_bytes, upload.sha256) == (len(data), sha256)
    assert Path(upload.path).read_bytes() == data
    opened = await spool.open_input(media_of(upload))
    assert (opened.path, opened.size_bytes, opened.fingerprint) == (upload.path, len(data), sha256)
    assert names_in(tmp_path / "media") == ["m"]


async def test_nothing_declared_is_nothing_compared(spool: DiskUploadSpool) -> None:
    upload = await spool.receive("m", chunks())
    assert upload.size_bytes == 0


async def test_a_declared_size_that_is_too_large_is_refused_before_a_byte(spool: DiskUploadSpool) -> None:
    with pytest.raises(UploadTooLargeError):
        await spool.receive("m", never_read(), 5_000_000_000)


async def test_an_upload_that_grows_too_large_is_cut_off(spool: DiskUploadSpool, tmp_path: Path) -> None:
    with pytest.raises(UploadTooLargeError):
        await spool.receive("m", chunks(*[b"x" * 1_000_000] * 4))
    assert names_in(tmp_path / "media") == []


@pytest.mark.parametrize(
    ("size_bytes", "sha256", "words"),
    [
        (1_000, "", "3 bytes came and 1000 were declared"),
        (2, "", "more bytes"),
        (3, "0" * 64, "SHA-256"),
    ],
)
async def test_an_upload_that_is_not_what_was_declared_leaves_nothing(
    spool: DiskUploadSpool, tmp_path: Path, size_bytes: int, sha256: str, words: str
) -> None:
    with pytest.raises(UploadMismatchError, match=words):
        await spool.receive("m", chunks(b"abc"), size_bytes, sha256)
    assert names_in(tmp_path / "media") == []


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


async def test_an_upload_whose_bytes_are_gone_fails_its_job(spool: DiskUploadSpool) -> None:
    upload = await spool.receive("m", chunks(b"abc"))
    await spool.remove("m")
    await spool.remove("m")
    with pytest.raises(JobFailure, match="FETCH_FAILED"):
        await spool.open_input(media_of(upload))
