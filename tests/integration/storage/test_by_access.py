"""Which store is reached, and as whom, goes by what came with the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aioboto3
import pytest

from batchscribe_server.domain.access import Access, IbmCredentials, Profile, S3Credentials
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.pool import KEPT_UNUSED, StoragePool
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import ANY_BUCKET, S3Options
from tests.object_store import OWNER, READER, object_store

pytestmark = pytest.mark.timeout(120)

URI = "s3://calls/a.txt"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        asyncio.run(fill(started))
        yield started


async def fill(endpoint: str) -> None:
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        await client.create_bucket(Bucket="calls")
        await client.put_object(Bucket="calls", Key="a.txt", Body=b"text")


@pytest.fixture
async def storages(endpoint: str, tmp_path: Path) -> AsyncIterator[StoragesByAccess]:
    fetched = FetchedFiles(tmp_path / "fetched", 1024**2)
    await fetched.start()
    reader = S3Options(frozenset({"calls"}), endpoint, "us-east-1", *READER)
    owner = S3Options(frozenset({ANY_BUCKET}), endpoint, "us-east-1", *OWNER)
    async with StoragePool[S3Options](lambda options: S3Storage(options, fetched)) as pool:
        yield StoragesByAccess(
            {"file": FileStorage(FileRoots([tmp_path]))}, pool, reader, {"archive": owner}, frozenset({endpoint})
        )


async def test_files_are_the_same_for_all(storages: StoragesByAccess, tmp_path: Path) -> None:
    uri = (tmp_path / "a.txt").as_uri()
    for number, access in enumerate((None, Profile("archive"), S3Credentials(*OWNER))):
        async with storages.opened(access) as storage:
            await storage.write_output(uri, b"x" * number)
            assert (tmp_path / "a.txt").stat().st_size == number


async def test_the_servers_own_access_may_read_and_the_profiles_may_write(storages: StoragesByAccess) -> None:
    async with storages.opened(None) as own, storages.opened(Profile("archive")) as archive:
        assert await own.exists(URI)
        with pytest.raises(JobFailure) as denied:
            await own.write_output(URI, b"new")
        assert denied.value.reason is Reason.BUCKET_WRITE_DENIED
        assert (await archive.write_output(URI, b"new")).size_bytes == 3


async def test_a_clients_credentials_are_its_own(storages: StoragesByAccess, endpoint: str) -> None:
    async with storages.opened(S3Credentials(*OWNER, endpoint=endpoint, region="us-east-1")) as storage:
        assert (await storage.write_output("s3://calls/b.txt", b"new")).size_bytes == 3
    async with storages.opened(S3Credentials(OWNER[0], "wrong", endpoint=endpoint, region="us-east-1")) as storage:
        with pytest.raises(JobFailure) as denied:
            await storage.check_writable("s3://calls/b.txt")
    assert denied.value.reason is Reason.BUCKET_WRITE_DENIED


async def test_a_profile_that_is_gone_is_the_end_of_what_needs_it(storages: StoragesByAccess) -> None:
    with pytest.raises(PathNotAllowedError):
        storages.check_access(Profile("gone"), [URI])
    with pytest.raises(JobFailure) as failure:
        async with storages.opened(Profile("gone")):
            pass
    assert failure.value.reason is Reason.CREDENTIALS_UNAVAILABLE


@pytest.mark.parametrize(
    ("allowed", "endpoint", "passes"),
    [
        ({"aws"}, "", True),
        ({"aws"}, "https://s3.example.org", False),
        ({"https://s3.example.org"}, "https://s3.example.org/", True),
        ({"https://s3.example.org"}, "http://s3.example.org", False),
        ({"https://s3.example.org"}, "", False),
        ({"*"}, "http://10.0.0.1", True),
        (set(), "", False),
        ({"ibm"}, "https://s3.eu-de.cloud-object-storage.appdomain.cloud/", True),
        ({"ibm"}, "https://s3.private.us-south.cloud-object-storage.appdomain.cloud", True),
        ({"ibm"}, "http://s3.eu-de.cloud-object-storage.appdomain.cloud", False),
        ({"ibm"}, "https://s3.eu-de.cloud-object-storage.appdomain.cloud:8443", False),
        ({"ibm"}, "https://cloud-object-storage.appdomain.cloud.example.org", False),
        ({"ibm"}, "https://evilcloud-object-storage.appdomain.cloud", False),
        ({"ibm"}, "https://s3.example.org", False),
        ({"ibm"}, "", False),
        ({"aws"}, "https://s3.eu-de.cloud-object-storage.appdomain.cloud", False),
    ],
)
def test_only_allowed_endpoints_are_reached_with_credentials_of_clients(
    allowed: set[str], endpoint: str, passes: bool, tmp_path: Path
) -> None:
    def none(_: S3Options) -> S3Storage:
        raise AssertionError("nothing is to be opened")

    storages = StoragesByAccess({}, StoragePool(none), None, {}, frozenset(allowed))
    accesses: list[Access] = [S3Credentials("AKIA", "secret", endpoint=endpoint)]
    if endpoint:
        accesses.append(IbmCredentials("secret", endpoint, "crn:v1:1::"))
    for access in accesses:
        if passes:
            storages.check_access(access, [URI])
            continue
        with pytest.raises(PathNotAllowedError) as refused:
            storages.check_access(access, [URI])
        assert "secret" not in refused.value.message


async def test_those_who_reach_a_store_in_the_same_way_share_its_connections(endpoint: str, tmp_path: Path) -> None:
    built: list[S3Options] = []

    def build(options: S3Options) -> S3Storage:
        built.append(options)
        return S3Storage(options, FetchedFiles(tmp_path, 1))

    ways = [S3Options(frozenset({f"b{number:03}"}), endpoint, "us-east-1", *OWNER) for number in range(KEPT_UNUSED + 2)]
    async with StoragePool(build) as pool:
        async with pool.opened(ways[0]) as first, pool.opened(ways[0]) as second:
            assert first is second
            for way in ways[1:]:
                async with pool.opened(way):
                    pass
            async with pool.opened(ways[0]) as third:
                assert third is first
        assert built == ways
        async with AsyncExitStack() as stack:
            for way in ways[-KEPT_UNUSED + 1 :]:
                await stack.enter_async_context(pool.opened(way))
        assert built == ways
        async with pool.opened(ways[1]):
            assert built == [*ways, ways[1]]
