"""Which account of Azure is reached, and as whom, goes by what came with the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from batchscribe_server.domain.access import AzureCredentials, Profile, S3Credentials
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.operations.storage import Storage
from batchscribe_server.storage.azure_accounts import AzureAccounts
from batchscribe_server.storage.azure_blob import AzureStorage
from batchscribe_server.storage.azure_options import ANY_CONTAINER, AzureOptions
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import S3Options
from tests.azure_store import (
    KEY,
    WRONG_KEY,
    account_sas,
    account_url,
    azure_client,
    azure_store,
    container_sas,
    needs_azurite,
)
from tests.storage_steps import failure_of, listed, read, reason_of

pytestmark = pytest.mark.timeout(120)

URI = "az://calls/a.txt"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure_store(tmp_path_factory.mktemp("blobs")) as started:
        asyncio.run(fill(started))
        yield started


async def fill(endpoint: str) -> None:
    async with azure_client(endpoint) as client:
        for container in ("calls", "others"):
            await client.create_container(container)
            await client.get_blob_client(container, "a.txt").upload_blob(b"text")


@asynccontextmanager
async def storages_of(
    folder: Path,
    *client_endpoints: str,
    own: AzureOptions | None = None,
    profiles: dict[str, AzureOptions] | None = None,
    s3_profiles: dict[str, S3Options] | None = None,
) -> AsyncIterator[StoragesByAccess]:
    fetched = FetchedFiles(folder / "fetched", 1024**2)
    await fetched.start()
    async with (
        StoragePool[S3Options](lambda options: S3Storage(options, fetched)) as s3,
        StoragePool[AzureOptions](lambda options: AzureStorage(options, fetched)) as azure,
    ):
        allowed = frozenset(client_endpoints)
        accounts = AzureAccounts(azure, own, profiles or {}, allowed)
        yield StoragesByAccess({}, s3, None, s3_profiles or {}, allowed, azure=accounts)


@asynccontextmanager
async def reached(folder: Path, endpoint: str, key: str = "", token: str = "") -> AsyncIterator[Storage]:
    """What a client reaches with its own key or token."""
    url = account_url(endpoint)
    async with (
        storages_of(folder, url) as storages,
        storages.opened(AzureCredentials(url, key, token)) as storage,
    ):
        yield storage


@needs_azurite
async def test_an_account_key_reaches_every_container(endpoint: str, tmp_path: Path) -> None:
    async with reached(tmp_path, endpoint, KEY) as storage:
        assert await read(storage, URI) == await read(storage, "az://others/a.txt") == b"text"
        assert (await storage.write_output("az://calls/out/b.txt", b"new")).size_bytes == 3


@needs_azurite
async def test_a_token_reaches_what_it_is_for(endpoint: str, tmp_path: Path) -> None:
    async with reached(tmp_path, endpoint, token=container_sas("calls", "rl")) as storage:
        assert await read(storage, URI) == b"text"
        assert URI in [found.uri for found in await listed(storage, "az://calls/", ("**",))]
        assert await reason_of(read(storage, "az://others/a.txt")) is Reason.BUCKET_READ_DENIED
        assert await reason_of(storage.check_writable("az://calls/out/")) is Reason.BUCKET_WRITE_DENIED


@needs_azurite
@pytest.mark.parametrize(
    ("key", "permissions", "words"),
    [
        (WRONG_KEY, "", "access is denied"),
        ("", "rl", "the SAS token has expired"),
    ],
)
async def test_what_is_wrong_or_has_expired_is_denied_in_plain_words(
    endpoint: str, tmp_path: Path, key: str, permissions: str, words: str
) -> None:
    token = account_sas(permissions, timedelta(hours=-1)) if permissions else ""
    async with reached(tmp_path, endpoint, key, token) as storage:
        assert await reason_of(read(storage, URI)) is Reason.BUCKET_READ_DENIED
        failure = await failure_of(listed(storage, "az://calls/"))
    assert failure.reason is Reason.BUCKET_READ_DENIED
    assert words in failure.message
    assert not any(secret and secret in f"{failure!r}" for secret in (key, token))


@needs_azurite
async def test_a_profile_and_the_servers_own_account_are_apart(endpoint: str, tmp_path: Path) -> None:
    url = account_url(endpoint)
    own = AzureOptions(frozenset({"calls"}), url, sas_token=account_sas("rl"))
    archive = AzureOptions(frozenset({ANY_CONTAINER}), url, KEY)
    async with storages_of(tmp_path, own=own, profiles={"archive": archive}) as storages:
        async with storages.opened(None) as storage:
            assert await read(storage, URI) == b"text"
            with pytest.raises(PathNotAllowedError):
                await storage.check_allowed("az://others/a.txt")
            assert await reason_of(storage.check_writable("az://calls/out/")) is Reason.BUCKET_WRITE_DENIED
        async with storages.opened(Profile("archive")) as storage:
            assert (await storage.write_output("az://others/b.txt", b"new")).size_bytes == 3
        # Credentials for S3 say nothing of Azure: an output there goes with the server's own.
        async with storages.opened(S3Credentials("AKIA", "secret")) as storage:
            assert await read(storage, URI) == b"text"


def test_one_name_may_stand_for_a_profile_of_each_kind(tmp_path: Path) -> None:
    async def check() -> None:
        azure = AzureOptions(frozenset({ANY_CONTAINER}), "https://spoken.blob.core.windows.net")
        s3 = S3Options(frozenset({"calls"}))
        profiles = {"both": azure, "azure": azure}
        async with storages_of(tmp_path, profiles=profiles, s3_profiles={"both": s3, "s3": s3}) as storages:
            for name, uris in (
                ("both", [URI]),
                ("both", ["s3://calls/a"]),
                ("azure", [URI]),
                ("s3", ["S3://calls/a", URI]),
            ):
                storages.check_access(Profile(name), uris)
            for name, uri in (("azure", "s3://calls/a"), ("s3", URI), ("azure", "file:///a")):
                with pytest.raises(PathNotAllowedError, match="there is none here"):
                    storages.check_access(Profile(name), [uri])
            with pytest.raises(PathNotAllowedError, match="no storage profile"):
                storages.check_access(Profile("gone"), [URI])
            with pytest.raises(JobFailure) as failure:
                async with storages.opened(Profile("gone")):
                    pass
            assert failure.value.reason is Reason.CREDENTIALS_UNAVAILABLE

    asyncio.run(check())


@pytest.mark.parametrize(
    ("allowed", "url", "passes"),
    [
        ({"azure"}, "https://spoken.blob.core.windows.net", True),
        ({"azure"}, "https://spoken.z12.blob.storage.azure.net", True),
        ({"azure"}, "http://spoken.blob.core.windows.net", False),
        ({"azure"}, "https://spoken.blob.core.windows.net:8443", False),
        ({"azure"}, "https://spoken.blob.core.windows.net/path", False),
        ({"azure"}, "https://blob.core.windows.net", False),
        ({"azure"}, "https://spoken.blob.core.windows.net.example.org", False),
        ({"azure"}, "https://example.org/spoken.blob.core.windows.net", False),
        ({"azure"}, "https://spoken.blob.example.org", False),
        ({"aws"}, "https://spoken.blob.core.windows.net", False),
        (set(), "https://spoken.blob.core.windows.net", False),
        ({"https://spoken.blob.core.windows.net"}, "https://spoken.blob.core.windows.net", True),
        ({"https://spoken.blob.core.windows.net"}, "https://others.blob.core.windows.net", False),
        ({"http://127.0.0.1:10000/spoken"}, "http://127.0.0.1:10000/spoken", True),
        ({"http://127.0.0.1:10000/spoken"}, "http://127.0.0.1:10000/others", False),
        ({"*"}, "https://storage.example.org/spoken", True),
        ({"*"}, "http://127.0.0.1:10000/spoken", False),
        ({"*"}, "http://127.1/spoken", False),
        ({"*"}, "http://2130706433/spoken", False),
        ({"*"}, "http://localhost/spoken", False),
        ({"*"}, "http://[::1]/spoken", False),
        ({"*"}, "http://169.254.169.254", False),
        ({"*"}, "http://10.0.0.1/spoken", False),
    ],
)
async def test_clients_name_the_accounts_that_the_operator_allows_and_no_inner_address(
    allowed: set[str], url: str, passes: bool, tmp_path: Path
) -> None:
    async with storages_of(tmp_path, *allowed) as storages:
        access = AzureCredentials(url, KEY)
        if passes:
            storages.check_access(access, [URI])
            return
        with pytest.raises(PathNotAllowedError) as refused:
            storages.check_access(access, [URI])
    assert "storage.client_endpoints" in refused.value.message
    assert KEY not in refused.value.message


@needs_azurite
async def test_a_name_that_leads_inside_is_not_followed(endpoint: str, tmp_path: Path) -> None:
    """Azurite listens on loopback: who reached it would have an answer."""
    url = f"http://localhost:{urlsplit(endpoint).port}/spoken"
    fetched = FetchedFiles(tmp_path / "fetched", 1024**2)
    await fetched.start()
    for public_only in (False, True):
        options = AzureOptions(frozenset({ANY_CONTAINER}), url, KEY, public_only=public_only)
        async with AzureStorage(options, fetched) as storage:
            if not public_only:
                assert await read(storage, URI) == b"text"
                continue
            assert "address of the account URL is not public" in (await failure_of(read(storage, URI))).message
            assert await reason_of(listed(storage, "az://calls/")) is Reason.SCAN_FAILED
            assert await reason_of(storage.write_output(URI, b"new")) is Reason.OUTPUT_FAILED


async def test_where_azures_library_is_missing_its_credentials_are_refused(tmp_path: Path) -> None:
    def none(_: S3Options) -> S3Storage:
        raise AssertionError("nothing is to be opened")

    storages = StoragesByAccess({}, StoragePool(none), None, {}, frozenset({"*"}))
    access = AzureCredentials("https://spoken.blob.core.windows.net", KEY)
    with pytest.raises(PathNotAllowedError, match=r"batchscribe\[azure\]"):
        storages.check_access(access, [URI])
    with pytest.raises(JobFailure) as failure:
        async with storages.opened(access):
            pass
    assert failure.value.reason is Reason.CREDENTIALS_UNAVAILABLE
