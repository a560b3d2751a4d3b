"""Objects in IBM Cloud Object Storage: a store that takes IAM's tokens and no signatures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aioboto3
import aiohttp
import pytest

from batchscribe_server.domain.access import IbmCredentials
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.s3 import PART_BYTES, S3Storage
from batchscribe_server.storage.s3_options import IbmKey, S3Options
from tests.ibm_cloud import APIKEY, INSTANCE, IbmCloud, ibm_cloud
from tests.object_store import OWNER, object_store
from tests.storage_steps import failure_of, listed, read
from tests.store_proxy import Refusal

pytestmark = pytest.mark.timeout(120)

MANY = 1001
"""More objects than a page of a listing has."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects"), public=True) as started:
        asyncio.run(fill(started))
        yield started


async def fill(endpoint: str) -> None:
    session = aioboto3.Session(*OWNER, region_name="us-east-1")
    async with session.client("s3", endpoint_url=endpoint) as client:
        await client.create_bucket(Bucket="calls")
        await client.put_object(Bucket="calls", Key="a.wav", Body=b"sound")
    async with aiohttp.ClientSession() as http:  # which is faster
        for number in range(MANY):
            async with http.put(f"{endpoint}/calls/many/{number:05}.wav", data=b"x") as answer:
                answer.raise_for_status()


@pytest.fixture
async def cloud(store: str) -> AsyncIterator[IbmCloud]:
    async with ibm_cloud(store) as started:
        yield started


@asynccontextmanager
async def storage_of(cloud: IbmCloud, folder: Path, apikey: str = APIKEY) -> AsyncIterator[S3Storage]:
    fetched = FetchedFiles(folder / "fetched", 100 * 1024**2)
    await fetched.start()
    key = IbmKey(apikey, INSTANCE, cloud.iam.url)
    async with S3Storage(S3Options(frozenset({"*"}), cloud.store.endpoint, ibm=key), fetched) as opened:
        yield opened


@pytest.fixture
async def storage(cloud: IbmCloud, tmp_path: Path) -> AsyncIterator[S3Storage]:
    async with storage_of(cloud, tmp_path) as opened:
        yield opened


async def test_objects_are_read_listed_and_written_with_a_token(cloud: IbmCloud, storage: S3Storage) -> None:
    await storage.check_writable("s3://calls/out/")
    assert await read(storage, "s3://calls/a.wav") == b"sound"
    uri = "s3://calls/out/b.wav"
    await storage.write_output(uri, [b"1" * PART_BYTES, b"2" * PART_BYTES, b"3"], OnConflict.FAIL)
    assert [found.uri for found in await listed(storage, "s3://calls/out/")] == [uri]
    assert await read(storage, uri) == b"1" * PART_BYTES + b"2" * PART_BYTES + b"3"
    assert await storage.remove(uri)
    assert cloud.iam.asked == 1
    assert {passing.headers["authorization"] for passing in cloud.store.passed} == {"Bearer token-0"}


async def test_a_token_that_expires_in_the_middle_of_a_listing_is_renewed(cloud: IbmCloud, storage: S3Storage) -> None:
    cloud.uses = 1
    assert len(await listed(storage, "s3://calls/many/")) == MANY
    assert cloud.iam.asked == 2


@pytest.mark.parametrize("refusal", [Refusal(403, "ExpiredToken"), Refusal(401, "AccessDenied")])
async def test_a_token_that_expires_between_requests_is_renewed_by_one_of_them(
    cloud: IbmCloud, storage: S3Storage, refusal: Refusal
) -> None:
    cloud.refusal = refusal
    cloud.uses, reads = 15, 20
    await storage.check_writable("s3://calls/out/")
    done = await asyncio.gather(*(storage.write_output(f"s3://calls/out/{n}", b"text") for n in range(reads)))
    assert [each.size_bytes for each in done] == [4] * reads
    assert 2 <= cloud.iam.asked <= 3


async def test_the_first_request_after_a_token_expired_may_be_one_that_is_told_no_reason(
    cloud: IbmCloud, storage: S3Storage
) -> None:
    cloud.uses = 3
    for _ in range(cloud.uses):
        await storage.exists("s3://calls/a.wav")
    assert await read(storage, "s3://calls/a.wav") == b"sound"
    assert cloud.iam.asked == 2


async def test_what_is_denied_with_a_new_token_too_is_denied(cloud: IbmCloud, storage: S3Storage) -> None:
    cloud.uses = 0
    failure = await failure_of(listed(storage, "s3://calls/"))
    assert (failure.reason, failure.message) == (
        Reason.BUCKET_READ_DENIED,
        "s3://calls/: the credentials have expired",
    )
    assert cloud.iam.asked == 2


async def test_access_that_is_denied_with_a_young_token_is_denied_at_once(cloud: IbmCloud, storage: S3Storage) -> None:
    cloud.uses, cloud.refusal = 0, Refusal(403, "AccessDenied")
    assert (await failure_of(listed(storage, "s3://calls/"))).reason is Reason.BUCKET_READ_DENIED
    assert cloud.iam.asked == 1


async def test_a_wrong_key_is_told_without_naming_it(cloud: IbmCloud, tmp_path: Path) -> None:
    async with storage_of(cloud, tmp_path, "a-wrong-key") as storage:
        for doing, reason in (
            (read(storage, "s3://calls/a.wav"), Reason.BUCKET_READ_DENIED),
            (listed(storage, "s3://calls/"), Reason.BUCKET_READ_DENIED),
            (storage.check_writable("s3://calls/"), Reason.BUCKET_WRITE_DENIED),
            (storage.write_output("s3://calls/x", b""), Reason.BUCKET_WRITE_DENIED),
        ):
            failure = await failure_of(doing)
            assert (failure.reason, "a-wrong-key" in failure.message) == (reason, False)
            assert "API key" in failure.message
    assert not cloud.store.passed


async def test_an_iam_out_of_reach_is_no_denial(
    cloud: IbmCloud, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchscribe_server.storage.ibm_iam.pause_s", lambda _: 0.0)
    cloud.iam.statuses = [503] * 100
    assert (await failure_of(read(storage, "s3://calls/a.wav"))).reason is Reason.FETCH_FAILED
    assert (await failure_of(listed(storage, "s3://calls/"))).reason is Reason.SCAN_FAILED
    assert (await failure_of(storage.write_output("s3://calls/x", b""))).reason is Reason.OUTPUT_FAILED
    cloud.iam.statuses.clear()
    assert await read(storage, "s3://calls/a.wav") == b"sound"


async def test_what_is_broken_on_its_way_is_not_stored(cloud: IbmCloud, storage: S3Storage) -> None:
    """Without a signature only the checksum tells."""
    cloud.store.garbled = lambda passing: passing.body.replace(b"words", b"wards")
    failure = await failure_of(storage.write_output("s3://calls/b.json", b"words"))
    assert failure.reason is Reason.OUTPUT_FAILED
    assert not await storage.exists("s3://calls/b.json")
    assert (
        cloud.store.sent("PUT")[0].headers["content-md5"] == base64.b64encode(hashlib.md5(b"words").digest()).decode()
    )


async def test_clients_bring_keys_of_their_own(cloud: IbmCloud, tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 1024**2)
    await fetched.start()
    async with StoragePool[S3Options](lambda options: S3Storage(options, fetched)) as pool:
        storages = StoragesByAccess({}, pool, None, {}, frozenset({cloud.store.endpoint}), cloud.iam.url)
        credentials = IbmCredentials(APIKEY, cloud.store.endpoint, INSTANCE, "us-south")
        storages.check_access(credentials, ["s3://calls/a"])
        async with storages.opened(credentials) as storage:
            assert await read(storage, "s3://calls/a.wav") == b"sound"
