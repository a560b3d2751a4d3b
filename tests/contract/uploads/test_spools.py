"""What every spool of uploads does, wherever it keeps them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason, UploadMismatchError, UploadTooLargeError
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.storage import UploadedFile, UploadSpool
from tests.contract.uploads.conftest import MAX_UPLOAD_BYTES, PART_BYTES, SpoolPlace
from tests.storage_steps import content_of

PIECE_BYTES = 1 << 20
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def pieces(data: bytes) -> AsyncIterator[bytes]:
    return chunks(*(data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)))


async def never_read() -> AsyncIterator[bytes]:
    raise AssertionError("a byte was asked for")
    yield b""


def media_of(upload: UploadedFile, media_id: str = "m") -> Media:
    return Media(media_id, "a.wav", upload.size_bytes, upload.sha256, upload.path, SOME_TIME, SOME_TIME)


async def ids_of(spool: UploadSpool) -> list[str]:
    return sorted([each async for page in spool.media_ids() for each in page])


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, 2 * PART_BYTES, 2 * PART_BYTES + 1_234_567])
async def test_an_upload_is_kept_as_it_was_sent(spool: UploadSpool, place: SpoolPlace, size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    sha256 = hashlib.sha256(data).hexdigest()
    upload = await spool.receive("m", pieces(data), len(data), sha256.upper())
    assert (upload.size_bytes, upload.sha256) == (size_bytes, sha256)
    assert await place.seen() == ["m"]
    async with spool.open_input(media_of(upload)) as opened:
        assert (opened.size_bytes, opened.fingerprint) == (size_bytes, sha256)
        assert content_of(opened) == data


async def test_what_one_server_received_another_opens_and_removes(spool: UploadSpool, place: SpoolPlace) -> None:
    upload = await spool.receive("m", chunks(b"abc"))
    async with place.opened() as another:
        assert await ids_of(another) == ["m"]
        async with another.open_input(media_of(upload)) as opened:
            assert content_of(opened) == b"abc"
        await another.remove("m")
    assert await ids_of(spool) == []


async def test_nothing_declared_is_nothing_compared(spool: UploadSpool) -> None:
    assert (await spool.receive("m", chunks(b"ab", b"", b"c"))).size_bytes == 3


async def test_a_declared_size_that_is_too_large_is_refused_before_a_byte(spool: UploadSpool) -> None:
    with pytest.raises(UploadTooLargeError):
        await spool.receive("m", never_read(), MAX_UPLOAD_BYTES + 1)


async def test_an_upload_that_grows_too_large_is_cut_off(spool: UploadSpool, place: SpoolPlace) -> None:
    with pytest.raises(UploadTooLargeError):
        await spool.receive("m", chunks(*[b"x" * PIECE_BYTES] * 20))
    assert await place.seen() == []


@pytest.mark.parametrize("sent_bytes", [3, 2 * PART_BYTES])
@pytest.mark.parametrize(
    ("more_bytes", "sha256", "words"), [(1_000, "", "were declared"), (-1, "", "more bytes"), (0, "0" * 64, "SHA-256")]
)
async def test_an_upload_that_is_not_what_was_declared_leaves_nothing(
    spool: UploadSpool, place: SpoolPlace, sent_bytes: int, more_bytes: int, sha256: str, words: str
) -> None:
    with pytest.raises(UploadMismatchError, match=words):
        await spool.receive("m", pieces(b"x" * sent_bytes), sent_bytes + more_bytes, sha256)
    assert await place.seen() == []


@pytest.mark.parametrize("pieces_before", [1, 12])
async def test_nothing_is_seen_of_an_upload_before_it_is_whole_nor_after_its_client_went_away(
    spool: UploadSpool, place: SpoolPlace, pieces_before: int
) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        for _ in range(pieces_before):
            yield b"x" * PIECE_BYTES
        waiting.set()
        await asyncio.Event().wait()

    receiving = asyncio.create_task(spool.receive("m", stalled()))
    async with asyncio.timeout(20):
        await waiting.wait()
    assert await ids_of(spool) == []
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert await place.seen() == []


async def test_a_stream_that_fails_fails_as_it_does_and_leaves_nothing(spool: UploadSpool, place: SpoolPlace) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 2 * PART_BYTES
        raise ConnectionResetError("the client is gone")

    with pytest.raises(ConnectionResetError):
        await spool.receive("m", broken())
    assert await place.seen() == []


async def test_many_uploads_are_received_at_once(spool: UploadSpool) -> None:
    """More than may send their parts at once, each of which waits in its middle until all others have begun."""
    begun, count = 0, 8
    all_begun = asyncio.Event()

    async def sent(number: int) -> AsyncIterator[bytes]:
        nonlocal begun
        for _ in range(PART_BYTES // PIECE_BYTES + 1):
            yield bytes([number]) * PIECE_BYTES
        begun += 1
        if begun == count:
            all_begun.set()
        await all_begun.wait()
        yield b"end"

    async with asyncio.timeout(60):
        uploads = await asyncio.gather(*(spool.receive(f"m{number}", sent(number)) for number in range(count)))
    for number, upload in enumerate(uploads):
        async with spool.open_input(media_of(upload)) as opened:
            data = content_of(opened)
        assert set(data[:-3]) == {number}
        assert data[-3:] == b"end"


async def test_an_upload_whose_bytes_are_gone_fails_its_job(spool: UploadSpool) -> None:
    upload = await spool.receive("m", chunks(b"abc"))
    await spool.remove("m")
    await spool.remove("m")
    with pytest.raises(JobFailure) as failure:
        async with spool.open_input(media_of(upload)):
            pass
    assert failure.value.reason is Reason.FETCH_FAILED
    assert "media/m" in failure.value.message
    assert "upload the file again" in failure.value.message
    assert upload.path not in failure.value.message
