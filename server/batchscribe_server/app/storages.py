"""The stores that the settings name, and the key that credentials in requests are sealed with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.installed import installed
from batchscribe_server.operations.storage import Storage
from batchscribe_server.settings import (
    AzureSettings,
    S3Settings,
    Settings,
    StorageSettings,
)
from batchscribe_server.storage.azure_accounts import AzureAccounts
from batchscribe_server.storage.azure_options import AzureOptions
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.s3_options import IbmKey, S3Options
from batchscribe_server.storage.seal import FernetSeal, key_of, keys_in
from batchscribe_server.storage.url_rules import UrlOptions

if TYPE_CHECKING:
    from batchscribe_server.storage.azure_blob import AzureStorage
    from batchscribe_server.storage.s3 import S3Storage
    from batchscribe_server.storage.urls import UrlStorage


async def fetched_files(settings: Settings) -> FetchedFiles:
    """The room on the disk for all that is fetched, wherever from."""
    storage = settings.storage
    fetched = FetchedFiles(settings.data_dir / "fetched", storage.max_fetched_bytes, storage.max_fetch_s)
    await fetched.start()
    return fetched


@asynccontextmanager
async def opened_storages(
    settings: Settings, fetched: FetchedFiles, outputs_umask: int
) -> AsyncIterator[StoragesByAccess]:
    """Files, buckets, containers and URLs, as far as they are set up. Raises StartupError."""
    storage = settings.storage

    def s3_storage(options: S3Options) -> S3Storage:
        # Only where it is used: it takes half a second to load.
        from batchscribe_server.storage.s3 import S3Storage

        return S3Storage(options, fetched, max_size_bytes=settings.media.max_size_bytes)

    shared: dict[str, Storage] = {"file": FileStorage(FileRoots(settings.file_roots), outputs_umask)}
    async with AsyncExitStack() as stack:
        yield StoragesByAccess(
            shared,
            await stack.enter_async_context(StoragePool(s3_storage)),
            own_s3=s3_options(storage.s3, storage.ibm_iam_url) if storage.s3.buckets else None,
            profiles={name: s3_options(profile, storage.ibm_iam_url) for name, profile in storage.profiles.items()},
            client_endpoints=_client_endpoints(storage),
            ibm_iam_url=storage.ibm_iam_url,
            urls=await stack.enter_async_context(_urls(settings, fetched)) if storage.https.enabled else None,
            azure=await _azure_accounts(settings, fetched, stack),
        )


def s3_options(settings: S3Settings, ibm_iam_url: str) -> S3Options:
    """How a service is reached."""
    ibm = settings.ibm
    return S3Options(
        buckets=frozenset(settings.buckets),
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key.get_secret_value(),
        session_token=settings.session_token.get_secret_value(),
        addressing=settings.addressing,
        ibm=IbmKey(ibm.apikey.get_secret_value(), ibm.resource_instance_id, ibm_iam_url) if ibm else None,
        requester_pays=settings.requester_pays,
        encryption=settings.server_side_encryption,
        kms_key_id=settings.kms_key_id,
        checksum=settings.checksum,
        check_downloads=settings.check_downloads,
    )


async def _azure_accounts(settings: Settings, fetched: FetchedFiles, stack: AsyncExitStack) -> AzureAccounts:
    storage = settings.storage
    if not installed("azure.storage.blob"):
        if any(azure.containers for azure in (storage.azure, *storage.azure_profiles.values())):
            raise StartupError(
                "the settings name containers of Azure, but its library is not installed: install batchscribe[azure]"
            )
        return AzureAccounts()

    def azure_storage(options: AzureOptions) -> AzureStorage:
        # Only where it is used, as for S3.
        from batchscribe_server.storage.azure_blob import AzureStorage

        return AzureStorage(options, fetched, max_size_bytes=settings.media.max_size_bytes)

    return AzureAccounts(
        await stack.enter_async_context(StoragePool(azure_storage)),
        own=azure_options(storage.azure) if storage.azure.containers else None,
        profiles={name: azure_options(profile) for name, profile in storage.azure_profiles.items()},
        client_endpoints=_client_endpoints(storage),
    )


def azure_options(settings: AzureSettings) -> AzureOptions:
    """How an account is reached."""
    return AzureOptions(
        containers=frozenset(settings.containers),
        account_url=settings.account_url,
        account_key=settings.account_key.get_secret_value(),
        sas_token=settings.sas_token.get_secret_value(),
    )


def _client_endpoints(settings: StorageSettings) -> frozenset[str]:
    return frozenset(endpoint.rstrip("/") for endpoint in settings.client_endpoints)


def _urls(settings: Settings, fetched: FetchedFiles) -> UrlStorage:
    # Only where it is used: it takes a tenth of a second to load.
    from batchscribe_server.storage.urls import UrlStorage

    https = settings.storage.https
    options = UrlOptions(
        http=https.http,
        private_addresses=https.private_addresses,
        private_networks=https.private_networks,
        hosts=https.hosts,
        min_bytes_per_s=https.min_bytes_per_s,
    )
    return UrlStorage(options, fetched, max_size_bytes=settings.media.max_size_bytes)


def seal_of(settings: Settings) -> FernetSeal:
    """With the keys that are set, or the one in the data directory. Raises StartupError."""
    keys = [key.get_secret_value() for key in settings.secrets.keys]
    file, own = settings.secrets.file, settings.data_dir / "secrets.key"
    try:
        if file is not None and not (keys := list(keys_in(file))):
            raise StartupError(f"there is no key in {file}")
        return FernetSeal(keys or [key_of(own)])
    except (OSError, ValueError) as error:
        raise StartupError(f"the key of the secrets in {file or own} cannot be used: {error}") from error
