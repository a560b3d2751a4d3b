"""The spool of uploads in each place there is: on the disk, in a bucket of a real S3 server, in Azure's container."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from batchscribe_server.operations.storage import UploadSpool
from batchscribe_server.storage.azure_options import AzureOptions
from batchscribe_server.storage.bucket_uploads import Bucket, BucketUploadSpool
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3_options import S3Options
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.object_store import OWNER, object_store, owners_client

MAX_UPLOAD_BYTES = 20_000_000
PART_BYTES = 5 << 20

_folders = itertools.count()


class SpoolPlace(Protocol):
    """A place for uploads."""

    def opened(self) -> AbstractAsyncContextManager[UploadSpool]:
        """The spool that a server has there, started."""
        ...

    async def seen(self) -> list[str]:
        """The names of all that whoever looks into the place would see."""
        ...


@dataclass
class DiskPlace:
    folder: Path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[UploadSpool]:
        spool = DiskUploadSpool(self.folder, MAX_UPLOAD_BYTES, 10 * MAX_UPLOAD_BYTES)
        await spool.start()
        yield spool

    async def seen(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@dataclass
class S3Place:
    options: S3Options
    uri: str
    folder: Path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BucketUploadSpool]:
        from batchscribe_server.storage.s3 import S3Storage

        fetched = await fetched_in(self.folder)
        async with S3Storage(self.options, fetched) as bucket:
            yield await started(bucket, self.uri, self.folder)

    async def seen(self) -> list[str]:
        bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        async with owners_client(self.options.endpoint) as client:
            listed = await client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")
            return [each["Key"].removeprefix(f"{prefix}/") for each in listed.get("Contents", ())]

    async def unfinished(self) -> list[str]:
        """The names of objects for which uploads in parts are open."""
        bucket, _, prefix = self.uri.removeprefix("s3://").partition("/")
        async with owners_client(self.options.endpoint) as client:
            listed = await client.list_multipart_uploads(Bucket=bucket, Prefix=f"{prefix}/")
            return [each["Key"].removeprefix(f"{prefix}/") for each in listed.get("Uploads", ())]

    def by_way_of(self, endpoint: str) -> S3Place:
        """The same place, reached over there."""
        return replace(self, options=replace(self.options, endpoint=endpoint))


@dataclass
class AzurePlace:
    options: AzureOptions
    uri: str
    folder: Path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[UploadSpool]:
        from batchscribe_server.storage.azure_blob import AzureStorage

        fetched = await fetched_in(self.folder)
        async with AzureStorage(self.options, fetched) as bucket:
            yield await started(bucket, self.uri, self.folder)

    async def seen(self) -> list[str]:
        from tests.azure_store import azure_client

        container, _, prefix = self.uri.removeprefix("az://").partition("/")
        async with azure_client(self.options.account_url.rpartition("/")[0]) as client:
            blobs = client.get_container_client(container).list_blobs(f"{prefix}/")
            return [blob.name.removeprefix(f"{prefix}/") async for blob in blobs]


async def fetched_in(folder: Path) -> FetchedFiles:
    fetched = FetchedFiles(folder / "fetched", 10 * MAX_UPLOAD_BYTES)
    await fetched.start()
    return fetched


async def started(bucket: Bucket, uri: str, folder: Path) -> BucketUploadSpool:
    spool = BucketUploadSpool(bucket, uri, folder, MAX_UPLOAD_BYTES, part_bytes=PART_BYTES)
    await spool.start()
    return spool


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as endpoint:
        asyncio.run(with_bucket(endpoint))
        yield endpoint


async def with_bucket(endpoint: str) -> None:
    async with owners_client(endpoint) as client:
        await client.create_bucket(Bucket="media")


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("azure.storage.blob")
    from tests.azure_store import AZURITE, azure_store

    if AZURITE is None:
        pytest.skip("Azurite is not installed: run `make azurite` (it needs Node.js)")
    with azure_store(tmp_path_factory.mktemp("blobs")) as endpoint:
        yield endpoint


@pytest.fixture
def s3_place(s3_endpoint: str, tmp_path: Path) -> S3Place:
    """A folder of its own in the bucket."""
    options = S3Options(frozenset({"media"}), s3_endpoint, "us-east-1", *OWNER)
    return S3Place(options, f"s3://media/folder-{next(_folders)}/kept", tmp_path)


@pytest.fixture
async def azure_place(azure_endpoint: str, tmp_path: Path) -> AzurePlace:
    from tests.azure_store import KEY, account_url, azure_client

    container = f"media-{next(_folders)}"
    async with azure_client(azure_endpoint) as client:
        await client.create_container(container)
    options = AzureOptions(frozenset({container}), account_url(azure_endpoint), account_key=KEY)
    return AzurePlace(options, f"az://{container}/kept", tmp_path)


@pytest.fixture
def disk_place(tmp_path: Path) -> DiskPlace:
    return DiskPlace(tmp_path / "media")


@pytest.fixture(
    params=["disk", pytest.param("s3", marks=pytest.mark.slow), pytest.param("azure", marks=pytest.mark.slow)]
)
def place(request: pytest.FixtureRequest) -> SpoolPlace:
    """Each place in turn."""
    found: SpoolPlace = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
async def spool(place: SpoolPlace) -> AsyncIterator[UploadSpool]:
    async with place.opened() as opened:
        yield opened
