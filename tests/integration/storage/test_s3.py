"""Objects in buckets, on a real S3 server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import PART_BYTES, S3Storage
from batchscribe_server.storage.s3_options import S3Options
from tests.full_disk import file_size_limit
from tests.object_store import OWNER, READER, cut_line, object_store
from tests.storage_steps import check_listed_as_opened, content_of, listed, read, reason_of

pytestmark = pytest.mark.timeout(120)

ODD_NAMES = ["a b.wav", "ü #1?.wav", "100%2F.wav", "+&=;,'()!.wav", "/".join(["k" * 220] * 4) + ".wav"]
SIZE_BYTES = 3 * 1024**2


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        yield started


@asynccontextmanager
async def client_of(endpoint: str) -> AsyncIterator[Any]:
    session = aioboto3.Session(*OWNER, region_name="us-east-1")
    async with session.client("s3", endpoint_url=endpoint) as client:
        yield client


@pytest.fixture
async def client(endpoint: str) -> AsyncIterator[Any]:
    async with client_of(endpoint) as opened:
        yield opened


@pytest.fixture
async def bucket(client: Any, request: pytest.FixtureRequest) -> str:
    name = f"b{abs(hash(request.node.nodeid)):x}"
    await client.create_bucket(Bucket=name)
    return name


@asynccontextmanager
async def storage_of(
    endpoint: str,
    folder: Path,
    keys: tuple[str, str] = OWNER,
    buckets: tuple[str, ...] = ("*",),
    max_size_bytes: int = 0,
    max_attempts: int = 6,
) -> AsyncIterator[S3Storage]:
    fetched = FetchedFiles(folder / "fetched", 100 * 1024**2)
    await fetched.start()
    options = S3Options(frozenset(buckets), endpoint, "us-east-1", *keys, max_attempts=max_attempts)
    async with S3Storage(options, fetched, max_size_bytes=max_size_bytes) as opened:
        yield opened


@pytest.fixture
async def storage(endpoint: str, tmp_path: Path) -> AsyncIterator[S3Storage]:
    async with storage_of(endpoint, tmp_path) as opened:
        yield opened


# inputs


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_an_object_is_a_local_file_for_as_long_as_it_is_open(
    client: Any, storage: S3Storage, bucket: str, name: str, tmp_path: Path
) -> None:
    await client.put_object(Bucket=bucket, Key=f"calls/{name}", Body=b"sound")
    async with storage.open_input(f"s3://{bucket}/calls/{name}") as opened:
        assert content_of(opened) == b"sound"
        assert opened.size_bytes == 5
    assert list((tmp_path / "fetched").iterdir()) == []


async def test_the_fingerprint_changes_with_the_bytes(client: Any, storage: S3Storage, bucket: str) -> None:
    fingerprints = []
    for body in (b"one", b"one", b"two"):
        await client.put_object(Bucket=bucket, Key="a.wav", Body=body)
        async with storage.open_input(f"s3://{bucket}/a.wav") as opened:
            fingerprints.append(opened.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


async def test_a_download_that_is_cut_off_goes_on_where_it_was(
    client: Any, endpoint: str, bucket: str, tmp_path: Path
) -> None:
    body = bytes(range(256)) * (SIZE_BYTES // 256)
    await client.put_object(Bucket=bucket, Key="long.wav", Body=body)
    async with cut_line(endpoint, 2 * 1024**2) as line, storage_of(line.endpoint, tmp_path) as storage:
        assert await read(storage, f"s3://{bucket}/long.wav") == body
    resumed = [head for head in line.requests if "Range: bytes=" in head or "range: bytes=" in head.lower()]
    assert len(resumed) == 1
    assert "bytes=0-" not in resumed[0]


async def test_an_object_that_changes_while_it_is_fetched_is_said_to(
    client: Any, endpoint: str, bucket: str, tmp_path: Path
) -> None:
    await client.put_object(Bucket=bucket, Key="a.wav", Body=b"1" * SIZE_BYTES)

    async def overwrite() -> None:
        async with client_of(endpoint) as other:
            await other.put_object(Bucket=bucket, Key="a.wav", Body=b"2" * SIZE_BYTES)

    def on_cut() -> None:
        asyncio.run(overwrite())

    async with cut_line(endpoint, 1024**2, on_cut) as line, storage_of(line.endpoint, tmp_path) as storage:
        assert await reason_of(read(storage, f"s3://{bucket}/a.wav")) is Reason.INPUT_CHANGED


async def test_an_object_that_the_disk_does_not_take_is_no_shorter_object(
    client: Any, storage: S3Storage, bucket: str
) -> None:
    await client.put_object(Bucket=bucket, Key="a.wav", Body=b"1" * SIZE_BYTES)
    with file_size_limit(1024**2), pytest.raises(JobFailure, match="disk") as failure:
        await read(storage, f"s3://{bucket}/a.wav")
    assert failure.value.reason is Reason.FETCH_FAILED


async def test_too_large_an_object_is_not_fetched(client: Any, endpoint: str, bucket: str, tmp_path: Path) -> None:
    await client.put_object(Bucket=bucket, Key="a.wav", Body=b"sound")
    async with storage_of(endpoint, tmp_path, max_size_bytes=4) as storage:
        assert await reason_of(read(storage, f"s3://{bucket}/a.wav")) is Reason.MEDIA_TOO_LARGE


@pytest.mark.parametrize("key", ["", "/missing.wav"])
async def test_what_is_no_object_cannot_be_opened(storage: S3Storage, bucket: str, key: str) -> None:
    assert await reason_of(read(storage, f"s3://{bucket}{key}")) is Reason.FETCH_FAILED


async def test_a_wrong_secret_is_told_as_such_without_naming_it(endpoint: str, bucket: str, tmp_path: Path) -> None:
    async with storage_of(endpoint, tmp_path, (OWNER[0], "wrong-secret")) as storage:
        for doing in (read(storage, f"s3://{bucket}/a.wav"), listed(storage, f"s3://{bucket}/")):
            with pytest.raises(JobFailure) as failure:
                await doing
            assert failure.value.reason is Reason.BUCKET_READ_DENIED
            assert OWNER[0] not in failure.value.message


async def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with storage_of("http://127.0.0.1:1", tmp_path, max_attempts=2) as storage:
        assert await reason_of(listed(storage, "s3://bucket/")) is Reason.SCAN_FAILED


@pytest.mark.parametrize("uri", ["s3://others/a.wav", "s3:///a.wav", "s3://b", "file:///a.wav"])
async def test_only_allowed_buckets_are_reached(endpoint: str, tmp_path: Path, uri: str) -> None:
    async with storage_of(endpoint, tmp_path, buckets=("calls",)) as storage:
        await storage.check_allowed("s3://calls/a.wav")
        with pytest.raises(PathNotAllowedError):
            await storage.check_allowed(uri)
        assert await reason_of(read(storage, uri)) is Reason.FETCH_FAILED


# listings


async def test_a_listing_goes_on_after_its_cursor_in_the_order_of_the_keys(
    client: Any, storage: S3Storage, bucket: str
) -> None:
    names = sorted([*(f"n{number:03}.wav" for number in range(150)), "sub/x.wav", *ODD_NAMES[:-1]], key=str.encode)
    for name in [*names, "sub/", ".hidden/y.wav", "notes.txt"]:
        await client.put_object(Bucket=bucket, Key=f"calls/{name}", Body=b"" if name == "sub/" else b"sound")
    await client.put_object(Bucket=bucket, Key="calls2/other.wav", Body=b"sound")
    chunks = [chunk async for chunk in storage.list_prefix(f"s3://{bucket}/calls")]
    found = [each for chunk in chunks for each in chunk]
    assert [each.relative_path for each in found] == names
    assert [each.uri for each in found] == [f"s3://{bucket}/calls/{name}" for name in names]
    assert {each.size_bytes for each in found} == {5}
    assert max(map(len, chunks)) <= 100
    later = await listed(storage, f"s3://{bucket}/calls/", after=names[99])
    assert [each.relative_path for each in later] == names[100:]


async def test_objects_are_opened_with_the_fingerprints_they_were_listed_with(
    client: Any, storage: S3Storage, bucket: str
) -> None:
    await client.put_object(Bucket=bucket, Key="in/a.wav", Body=b"sound")
    await storage.write_output(f"s3://{bucket}/in/parts.wav", b"x" * (2 * PART_BYTES + 5))
    await check_listed_as_opened(storage, f"s3://{bucket}/in/")


async def test_globs_choose_objects(client: Any, storage: S3Storage, bucket: str) -> None:
    for key in ("a.wav", "b.mp3", "x/c.wav", "x/y/d.wav", "z/e.wav"):
        await client.put_object(Bucket=bucket, Key=key, Body=b"sound")
    found = await listed(storage, f"s3://{bucket}", ("**/*.wav",), ("z/**",))
    assert [each.relative_path for each in found] == ["a.wav", "x/c.wav", "x/y/d.wav"]


async def test_an_object_that_is_named_itself_is_all_that_is_found(
    client: Any, storage: S3Storage, bucket: str
) -> None:
    for name in ("calls/one.txt", "calls/one.txt2", "calls/both.wav", "calls/both.wav/below.wav"):
        await client.put_object(Bucket=bucket, Key=name, Body=b"sound")
    uri = f"s3://{bucket}/calls"
    found = await listed(storage, f"{uri}/one.txt")
    assert [(each.uri, each.relative_path, each.size_bytes) for each in found] == [(f"{uri}/one.txt", "one.txt", 5)]
    assert await listed(storage, f"{uri}/one.txt", after="one.txt") == []
    assert await listed(storage, f"{uri}/one.txt", ("**/*.{txt,wav}",)) == found
    assert await listed(storage, f"{uri}/one.txt", ("*.wav",)) == []
    assert [each.relative_path for each in await listed(storage, f"{uri}/both.wav")] == ["below.wav"]
    assert await reason_of(listed(storage, f"{uri}/one.txt/")) is Reason.SCAN_FAILED


async def test_braces_choose_objects_by_any_of_their_parts(client: Any, storage: S3Storage, bucket: str) -> None:
    for key in ("a.wav", "b.mp3", "c.flac", "x/d.mp3", "x/y/e.wav", "x/y/f.txt"):
        await client.put_object(Bucket=bucket, Key=key, Body=b"sound")
    found = await listed(storage, f"s3://{bucket}", ("**/*.{wav,mp3}",))
    assert [each.relative_path for each in found] == ["a.wav", "b.mp3", "x/d.mp3", "x/y/e.wav"]
    found = await listed(storage, f"s3://{bucket}", ("{x,z}/**/*.{wav,mp3}",))
    assert [each.relative_path for each in found] == ["x/d.mp3", "x/y/e.wav"]


async def test_a_prefix_without_any_object_cannot_be_scanned(storage: S3Storage, bucket: str) -> None:
    assert await reason_of(listed(storage, f"s3://{bucket}/nothing/")) is Reason.SCAN_FAILED
    assert await reason_of(listed(storage, "s3://no-such-bucket/")) is Reason.SCAN_FAILED


# outputs


@pytest.mark.parametrize("size_bytes", [0, 5, PART_BYTES, 2 * PART_BYTES + 5])
async def test_what_is_written_is_there_whole(client: Any, storage: S3Storage, bucket: str, size_bytes: int) -> None:
    body = b"0123456789abcdef" * (size_bytes // 16) + b"x" * (size_bytes % 16)
    pieces = [body[start : start + 1_000_000] for start in range(0, size_bytes, 1_000_000)]
    written = await storage.write_output(f"s3://{bucket}/out/a.json", pieces)
    assert (written.size_bytes, written.skipped) == (size_bytes, False)
    answer = await client.get_object(Bucket=bucket, Key="out/a.json")
    assert await answer["Body"].read() == body


async def test_an_output_that_fails_in_its_middle_leaves_nothing(client: Any, storage: S3Storage, bucket: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 2 * PART_BYTES
        yield b"x" * PART_BYTES
        raise RuntimeError("rendering failed")

    with pytest.raises(RuntimeError, match="rendering"):
        await storage.write_output(f"s3://{bucket}/a.json", pieces())
    assert not await storage.exists(f"s3://{bucket}/a.json")
    assert not (await client.list_multipart_uploads(Bucket=bucket)).get("Uploads")


async def test_what_is_there_is_overwritten_skipped_or_refused(client: Any, storage: S3Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/a.json"
    await storage.write_output(uri, b"first", OnConflict.FAIL)
    skipped = await storage.write_output(uri, b"second!", OnConflict.SKIP)
    assert (skipped.size_bytes, skipped.skipped) == (5, True)
    assert await reason_of(storage.write_output(uri, b"second!", OnConflict.FAIL)) is Reason.OUTPUT_EXISTS
    assert await read(storage, uri) == b"first"
    await storage.write_output(uri, b"third")
    assert await read(storage, uri) == b"third"
    assert await storage.exists(uri)
    assert await storage.identity(uri.replace("s3:", "S3:")) == uri
    assert await storage.remove(uri)
    assert not await storage.remove(uri)
    assert not await storage.exists(uri)


async def test_of_two_who_write_an_output_that_was_not_there_one_is_refused(storage: S3Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/a.json"
    done = await asyncio.gather(
        *(storage.write_output(uri, b"x" * 100, OnConflict.SKIP) for _ in range(8)), return_exceptions=True
    )
    assert sum(not getattr(each, "skipped", True) for each in done) == 1, done


async def test_who_may_only_read_cannot_write(endpoint: str, bucket: str, tmp_path: Path) -> None:
    async with storage_of(endpoint, tmp_path, READER) as storage:
        denied = storage.write_output(f"s3://{bucket}/a.json", b"text")
        assert await reason_of(denied) is Reason.BUCKET_WRITE_DENIED


async def test_a_bucket_is_no_place_for_an_output(storage: S3Storage, bucket: str) -> None:
    for doing in (
        storage.write_output(f"s3://{bucket}/", b"text"),
        storage.exists(f"s3://{bucket}"),
        storage.remove(f"s3://{bucket}"),
    ):
        assert await reason_of(doing) is Reason.OUTPUT_FAILED


@pytest.mark.parametrize("key", ["", "out/", "out", "out/a.json"])
async def test_who_may_write_is_told_so_and_nothing_is_left_of_it(
    client: Any, storage: S3Storage, bucket: str, key: str
) -> None:
    await storage.check_writable(f"s3://{bucket}/{key}")
    assert not (await client.list_objects_v2(Bucket=bucket)).get("Contents")
    assert not (await client.list_multipart_uploads(Bucket=bucket)).get("Uploads")


async def test_who_may_not_write_is_told_before_anything_is_written(
    endpoint: str, bucket: str, storage: S3Storage, tmp_path: Path
) -> None:
    for keys in (READER, (OWNER[0], "wrong-secret")):
        async with storage_of(endpoint, tmp_path, keys) as other:
            assert await reason_of(other.check_writable(f"s3://{bucket}/out/")) is Reason.BUCKET_WRITE_DENIED
    assert await reason_of(storage.check_writable("s3://no-such-bucket/out/")) is Reason.OUTPUT_FAILED
