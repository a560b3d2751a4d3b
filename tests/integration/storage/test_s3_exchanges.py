"""What is sent to an S3 service, and what becomes of answers that are lost, spoilt or refusals."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from batchscribe_server.domain.access import Encryption
from batchscribe_server.domain.errors import Reason, StoreAwayFailure
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import PART_BYTES, S3Storage
from batchscribe_server.storage.s3_checksums import Checksum
from batchscribe_server.storage.s3_options import S3Options
from tests.object_store import OWNER, object_store
from tests.storage_steps import failure_of, listed, read, reason_of
from tests.store_proxy import Passing, Refusal, StoreProxy, store_proxy

pytestmark = pytest.mark.timeout(120)

TWO_PARTS = (b"1" * PART_BYTES, b"2")
URI = "s3://calls/out/a.json"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        asyncio.run(fill(started))
        yield started


@asynccontextmanager
async def client_of(endpoint: str) -> AsyncIterator[Any]:
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        yield client


async def fill(endpoint: str) -> None:
    async with client_of(endpoint) as client:
        await client.create_bucket(Bucket="calls")
        await client.put_object(Bucket="calls", Key="in/a.wav", Body=b"sound")


@pytest.fixture
async def proxy(store: str) -> AsyncIterator[StoreProxy]:
    async with store_proxy(store) as started:
        yield started
    async with client_of(store) as client:
        await client.delete_object(Bucket="calls", Key="out/a.json")


@asynccontextmanager
async def storage_of(endpoint: str, folder: Path, **options: Any) -> AsyncIterator[S3Storage]:
    fetched = FetchedFiles(folder / "fetched", 100 * 1024**2)
    await fetched.start()
    async with S3Storage(S3Options(frozenset({"*"}), endpoint, "us-east-1", *OWNER, **options), fetched) as opened:
        yield opened


@pytest.fixture
async def storage(proxy: StoreProxy, tmp_path: Path) -> AsyncIterator[S3Storage]:
    async with storage_of(proxy.endpoint, tmp_path) as opened:
        yield opened


def once(matches: Callable[[Passing], bool]) -> Callable[[Passing], bool]:
    """Whether it is the first request that matches."""
    seen: list[Passing] = []

    def first(passing: Passing) -> bool:
        if seen or not matches(passing):
            return False
        seen.append(passing)
        return True

    return first


def is_put(passing: Passing) -> bool:
    return passing.method == "PUT"


def is_completion(passing: Passing) -> bool:
    return passing.method == "POST" and "uploadId=" in passing.target


# who pays, and encryption


async def do_everything(storage: S3Storage) -> None:
    await storage.check_writable("s3://calls/out/")
    await listed(storage, "s3://calls/in")
    await read(storage, "s3://calls/in/a.wav")
    await storage.write_output(URI, b"text")
    await storage.write_output(URI, TWO_PARTS)
    await storage.remove(URI)


async def test_who_asks_pays_for_every_request(proxy: StoreProxy, tmp_path: Path) -> None:
    async with storage_of(proxy.endpoint, tmp_path, requester_pays=True) as storage:
        await do_everything(storage)
    unpaid = [each for each in proxy.passed if each.headers.get("x-amz-request-payer") != "requester"]
    # S3 has no such header for a bucket's own HEAD.
    assert {(each.method, each.target) for each in unpaid} == {("HEAD", "/calls")}
    assert {each.method for each in proxy.passed} == {"HEAD", "GET", "PUT", "POST", "DELETE"}


async def test_nobody_pays_and_nothing_is_encrypted_unasked(proxy: StoreProxy, storage: S3Storage) -> None:
    await do_everything(storage)
    names = {name for each in proxy.passed for name in each.headers}
    assert not {name for name in names if "payer" in name or "encryption" in name}


@pytest.mark.parametrize(
    ("encryption", "key", "headers"),
    [
        (Encryption.AES256, "", {"x-amz-server-side-encryption": "AES256"}),
        (Encryption.KMS, "", {"x-amz-server-side-encryption": "aws:kms"}),
        (
            Encryption.KMS,
            "alias/calls",
            {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/calls"},
        ),
    ],
)
async def test_outputs_are_encrypted_as_they_are_told_to_be(
    proxy: StoreProxy, tmp_path: Path, encryption: Encryption, key: str, headers: dict[str, str]
) -> None:
    # The store here has no KMS: what is sent is what counts.
    proxy.refused = lambda passing: Refusal(403, "KMS.NotFoundException") if passing.method in ("PUT", "POST") else None
    async with storage_of(proxy.endpoint, tmp_path, encryption=encryption, kms_key_id=key) as storage:
        for body in (b"text", TWO_PARTS):
            failure = await failure_of(storage.write_output(URI, body))
            assert failure.reason is Reason.BUCKET_WRITE_DENIED
            assert "KMS key" in failure.message
        await read(storage, "s3://calls/in/a.wav")
    assert len(proxy.passed) == 4
    for each in proxy.passed:
        sent = {name: value for name, value in each.headers.items() if "encryption" in name}
        assert sent == (headers if each.method in ("PUT", "POST") else {})


# checksums


@pytest.mark.parametrize(
    ("checksum", "header", "expected"),
    [
        (Checksum.MD5, "content-md5", hashlib.md5(b"text").digest()),
        (Checksum.CRC32, "x-amz-checksum-crc32", zlib.crc32(b"text").to_bytes(4, "big")),
        (Checksum.SHA256, "x-amz-checksum-sha256", hashlib.sha256(b"text").digest()),
    ],
)
async def test_outputs_carry_a_checksum_in_one_piece_and_in_parts(
    proxy: StoreProxy, tmp_path: Path, checksum: Checksum, header: str, expected: bytes
) -> None:
    async with storage_of(proxy.endpoint, tmp_path, checksum=checksum) as storage:
        await storage.write_output(URI, b"text")
        assert base64.b64decode(proxy.sent("PUT")[0].headers[header]) == expected
        await storage.write_output(URI, TWO_PARTS)
        assert all(header in each.headers for each in proxy.sent("PUT"))
        assert await read(storage, URI) == b"".join(TWO_PARTS)


async def test_an_object_that_is_spoilt_on_its_way_is_fetched_again(proxy: StoreProxy, storage: S3Storage) -> None:
    first = once(lambda passing: passing.method == "GET")
    proxy.spoilt = lambda passing, body: b"SOUND" if first(passing) else body
    assert await read(storage, "s3://calls/in/a.wav") == b"sound"
    assert len(proxy.sent("GET")) == 2


async def test_one_that_stays_so_is_not_heard(proxy: StoreProxy, storage: S3Storage, tmp_path: Path) -> None:
    proxy.spoilt = lambda passing, body: b"SOUND" if passing.method == "GET" else body
    failure = await failure_of(read(storage, "s3://calls/in/a.wav"))
    assert failure.reason is Reason.FETCH_FAILED
    assert "checksum" in failure.message
    assert list((tmp_path / "fetched").iterdir()) == []


async def test_the_operator_may_let_it_be(proxy: StoreProxy, tmp_path: Path) -> None:
    """For services whose ETags look like MD5 sums and are none."""
    proxy.spoilt = lambda passing, body: b"SOUND" if passing.method == "GET" else body
    async with storage_of(proxy.endpoint, tmp_path, check_downloads=False) as storage:
        assert await read(storage, "s3://calls/in/a.wav") == b"SOUND"


# credentials that expire


async def test_expired_credentials_are_told_as_such_by_every_kind_of_request(
    proxy: StoreProxy, storage: S3Storage
) -> None:
    proxy.refused = lambda _: Refusal(400, "ExpiredToken")
    for doing, reason in (
        (read(storage, "s3://calls/in/a.wav"), Reason.BUCKET_READ_DENIED),
        (listed(storage, "s3://calls/in/"), Reason.BUCKET_READ_DENIED),
        (storage.exists("s3://calls/in/a.wav"), Reason.BUCKET_READ_DENIED),
        (storage.write_output(URI, b"text"), Reason.BUCKET_WRITE_DENIED),
        (storage.write_output(URI, TWO_PARTS), Reason.BUCKET_WRITE_DENIED),
        (storage.check_writable("s3://calls/out/"), Reason.BUCKET_WRITE_DENIED),
    ):
        failure = await failure_of(doing)
        assert failure.reason is reason
        assert failure.message.endswith("the credentials have expired")


async def test_a_head_that_is_refused_for_no_reason_is_asked_again(proxy: StoreProxy, storage: S3Storage) -> None:
    first = once(lambda passing: passing.method == "HEAD")
    proxy.refused = lambda passing: Refusal(400, "") if first(passing) else None
    assert await read(storage, "s3://calls/in/a.wav") == b"sound"


# stores that are too busy


async def test_every_kind_of_request_is_sent_again_to_a_store_that_is_too_busy(
    proxy: StoreProxy, tmp_path: Path
) -> None:
    """Where the client has no retries left, as when another bucket has used them up."""
    seen = set()

    def is_busy(passing: Passing) -> Refusal | None:
        kind = (passing.method, passing.target.partition("uploadId=")[0])
        if kind in seen:
            return None
        seen.add(kind)
        return Refusal(503, "SlowDown")

    proxy.refused = is_busy
    async with storage_of(proxy.endpoint, tmp_path, max_attempts=0) as storage:
        await do_everything(storage)
    assert len(seen) > 8


@pytest.mark.parametrize(
    ("refusal", "is_away"),
    [
        (Refusal(503, "SlowDown"), True),
        (Refusal(500, "InternalError"), True),
        (Refusal(403, "AccessDenied"), False),
        (Refusal(404, "NoSuchBucket"), False),
    ],
)
async def test_a_store_that_is_away_is_told_from_one_that_refuses(
    proxy: StoreProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, is_away: bool
) -> None:
    monkeypatch.setattr("batchscribe_server.storage.s3.ATTEMPTS", 1)
    proxy.refused = lambda _: refusal
    async with storage_of(proxy.endpoint, tmp_path, max_attempts=0) as storage:
        for doing in (
            read(storage, "s3://calls/in/a.wav"),
            listed(storage, "s3://calls/in/"),
            storage.write_output(URI, b"text"),
            storage.write_output(URI, TWO_PARTS),
            storage.check_writable("s3://calls/out/"),
        ):
            assert isinstance(await failure_of(doing), StoreAwayFailure) is is_away


async def test_a_store_that_nobody_answers_for_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listened at
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with storage_of(endpoint, tmp_path, max_attempts=0) as storage:
            for doing in (read(storage, "s3://calls/in/a.wav"), storage.write_output(URI, b"text")):
                assert isinstance(await failure_of(doing), StoreAwayFailure)


# answers that are lost


@pytest.mark.parametrize("on_conflict", list(OnConflict))
@pytest.mark.parametrize(("body", "last"), [((b"text",), is_put), (TWO_PARTS, is_completion)])
async def test_an_output_whose_answer_was_lost_is_no_conflict_with_itself(
    proxy: StoreProxy,
    storage: S3Storage,
    on_conflict: OnConflict,
    body: tuple[bytes, ...],
    last: Callable[[Passing], bool],
) -> None:
    proxy.lost = once(last)
    written = await storage.write_output(URI, body, on_conflict)
    assert (written.size_bytes, written.skipped) == (sum(map(len, body)), False)
    assert len([each for each in proxy.passed if last(each)]) == 2
    assert await read(storage, URI) == b"".join(body)


@pytest.mark.parametrize(("body", "last"), [((b"text",), is_put), (TWO_PARTS, is_completion)])
async def test_another_who_wrote_the_same_meanwhile_is_one(
    proxy: StoreProxy,
    storage: S3Storage,
    store: str,
    tmp_path: Path,
    body: tuple[bytes, ...],
    last: Callable[[Passing], bool],
) -> None:
    async def written_by_another() -> None:
        async with storage_of(store, tmp_path / "other") as other:
            await other.write_output(URI, body)

    def refused(passing: Passing) -> None:
        if first(passing):
            asyncio.run_coroutine_threadsafe(written_by_another(), loop).result(60)

    first, loop = once(last), asyncio.get_running_loop()
    proxy.refused = refused
    assert await reason_of(storage.write_output(URI, body, OnConflict.FAIL)) is Reason.OUTPUT_EXISTS
