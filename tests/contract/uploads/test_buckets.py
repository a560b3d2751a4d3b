"""What only a spool in a bucket does: go on where a connection breaks, clean up after the dead, be refused at start."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason, UploadNotStoredError
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import Party
from batchscribe_server.storage.bucket_uploads import BucketUploadSpool
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import S3Storage
from tests.contract.uploads.conftest import MAX_UPLOAD_BYTES, PART_BYTES, S3Place
from tests.contract.uploads.test_spools import chunks, ids_of, media_of, pieces
from tests.listening import free_port
from tests.object_store import READER, cut_line, owners_client
from tests.storage_steps import content_of

pytestmark = pytest.mark.slow

DAY_S = 86_400.0


async def test_an_upload_that_is_cut_off_ends_its_upload_in_parts(s3_place: S3Place) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * (1 << 20)
        begun.set()
        await asyncio.Event().wait()

    async with s3_place.opened() as spool:
        receiving = asyncio.create_task(spool.receive("m", stalled()))
        async with asyncio.timeout(20):
            await begun.wait()
        assert await s3_place.unfinished() == ["m"]
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert await s3_place.unfinished() == []


async def test_what_servers_that_died_left_half_received_goes_once_it_is_old(s3_place: S3Place) -> None:
    others = replace(s3_place, uri=f"{s3_place.uri}-by-others")
    async with owners_client(s3_place.options.endpoint) as client:
        for place in (s3_place, others):
            await client.create_multipart_upload(Bucket="media", Key=f"{place.uri.removeprefix('s3://media/')}/half")
    now = datetime.now(UTC)
    async with S3Storage(s3_place.options, FetchedFiles(s3_place.folder, MAX_UPLOAD_BYTES)) as storage:

        def at(time: datetime) -> BucketUploadSpool:
            return BucketUploadSpool(storage, s3_place.uri, s3_place.folder, MAX_UPLOAD_BYTES, now=lambda: time)

        assert await at(now).drop_unfinished(DAY_S) == 0
        assert await s3_place.unfinished() == ["half"]
        assert await at(now + timedelta(days=1, minutes=1)).drop_unfinished(DAY_S) == 1
    assert await s3_place.unfinished() == []
    assert await others.unfinished() == ["half"]


async def test_an_upload_whose_upload_in_parts_is_ended_by_another_is_not_stored(s3_place: S3Place) -> None:
    async def ended_meanwhile() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * (1 << 20)
        async with owners_client(s3_place.options.endpoint) as client:
            key = f"{s3_place.uri.removeprefix('s3://media/')}/m"
            (upload,) = (await client.list_multipart_uploads(Bucket="media", Prefix=key))["Uploads"]
            await client.abort_multipart_upload(Bucket="media", Key=upload["Key"], UploadId=upload["UploadId"])
        yield b"end"

    async with s3_place.opened() as spool:
        with pytest.raises(UploadNotStoredError):
            await spool.receive("m", ended_meanwhile())
    assert await s3_place.seen() == []


async def test_a_run_goes_on_with_an_upload_where_its_connection_broke(s3_place: S3Place) -> None:
    data = os.urandom(12 << 20)
    async with s3_place.opened() as spool:
        upload = await spool.receive("m", pieces(data))
    async with cut_line(s3_place.options.endpoint, 4 << 20, cuts=2) as line:
        async with s3_place.by_way_of(line.endpoint).opened() as spool, spool.open_input(media_of(upload)) as opened:
            assert content_of(opened) == data
        starts = [head for head in line.requests if "range: bytes=" in head.lower()]
    assert len(starts) == 2


async def test_an_upload_that_is_fetched_takes_room_on_the_disk(s3_place: S3Place) -> None:
    async with s3_place.opened() as spool:
        upload = await spool.receive("m", chunks(b"x" * 1_000))
    fetched = FetchedFiles(s3_place.folder / "fetched", 1_500)
    await fetched.start()
    async with S3Storage(s3_place.options, fetched) as storage:
        spool = BucketUploadSpool(storage, s3_place.uri, s3_place.folder, MAX_UPLOAD_BYTES)
        async with spool.open_input(media_of(upload), Party("one")):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2), spool.open_input(media_of(upload), Party("two")):
                    raise AssertionError("there is room for one alone")
        async with asyncio.timeout(20), spool.open_input(media_of(upload), Party("two")):
            pass
    assert list((s3_place.folder / "fetched").iterdir()) == []


async def test_bytes_that_are_not_those_which_were_sent_are_not_heard(s3_place: S3Place) -> None:
    async with s3_place.opened() as spool:
        upload = await spool.receive("m", chunks(b"abc"))
        other = replace(media_of(upload), sha256=hashlib.sha256(b"abd").hexdigest())
        with pytest.raises(JobFailure) as failure:
            async with spool.open_input(other):
                raise AssertionError("it was opened")
    assert failure.value.reason is Reason.FETCH_FAILED


async def test_an_upload_of_another_bucket_is_not_read_with_these_credentials(s3_place: S3Place) -> None:
    media = Media("m", "a.wav", 3, "00" * 32, "s3://another/m", datetime.now(UTC), datetime.now(UTC))
    async with s3_place.opened() as spool:
        with pytest.raises(JobFailure, match="FETCH_FAILED"):
            async with spool.open_input(media):
                raise AssertionError("it was opened")


async def test_a_bucket_that_goes_away_takes_no_uploads_and_says_so(s3_place: S3Place) -> None:
    nobody = s3_place.by_way_of(f"http://127.0.0.1:{free_port()}")
    options = replace(nobody.options, max_attempts=1)
    async with S3Storage(options, FetchedFiles(s3_place.folder, MAX_UPLOAD_BYTES)) as storage:
        spool = BucketUploadSpool(storage, s3_place.uri, s3_place.folder, MAX_UPLOAD_BYTES)
        for data in (b"abc", b"x" * 2 * PART_BYTES):
            with pytest.raises(UploadNotStoredError) as told:
                await spool.receive("m", pieces(data))
            assert "s3://" not in told.value.message


@pytest.mark.parametrize(
    ("keys", "uri", "words"),
    [
        (READER, "", "access is denied"),
        (("nobody", "nobodys-secret"), "", "the access key is unknown"),
        (None, "s3://not-there/kept", "there is no such bucket"),
    ],
)
async def test_a_bucket_that_cannot_be_used_is_refused_at_start(
    s3_place: S3Place, keys: tuple[str, str] | None, uri: str, words: str
) -> None:
    options = replace(s3_place.options, buckets=frozenset("*"))
    if keys is not None:
        options = replace(options, access_key_id=keys[0], secret_access_key=keys[1])
    with pytest.raises(JobFailure, match=words):
        async with replace(s3_place, options=options, uri=uri or s3_place.uri).opened():
            pass
    assert await s3_place.seen() == []


async def test_a_start_leaves_nothing_and_does_not_mind_what_is_there(s3_place: S3Place) -> None:
    async with s3_place.opened() as spool:
        await spool.receive("m", chunks(b"abc"))
    async with s3_place.opened() as spool:
        assert await ids_of(spool) == ["m"]
