"""Where uploads lie: in the bucket that the settings name, or in the data directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from uuid_utils.compat import uuid7

from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.installed import installed
from batchscribe_server.app.storages import azure_options, s3_options
from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.operations.storage import UploadSpool
from batchscribe_server.settings import Settings, StorageSettings
from batchscribe_server.storage.azure_uri import SCHEME as AZURE_SCHEME
from batchscribe_server.storage.azure_uri import azure_address
from batchscribe_server.storage.bucket_uploads import BucketUploadSpool
from batchscribe_server.storage.s3_options import ANY_BUCKET
from batchscribe_server.storage.s3_uri import s3_address
from batchscribe_server.storage.upload_places import UploadPlaces
from batchscribe_server.storage.uploads import DiskUploadSpool

if TYPE_CHECKING:
    from batchscribe_server.operations.store import InstallationStore
    from batchscribe_server.storage.azure_blob import AzureStorage
    from batchscribe_server.storage.fetched import FetchedFiles
    from batchscribe_server.storage.s3 import S3Storage

log = structlog.get_logger()

INSTALLATION_ID = "id"


@asynccontextmanager
async def opened_uploads(
    settings: Settings, store: InstallationStore, fetched: FetchedFiles
) -> AsyncIterator[UploadSpool]:
    """The spool, where it has been seen that it can be used. Raises StartupError."""
    disk = DiskUploadSpool(
        settings.data_dir / "media",
        settings.media.max_upload_bytes,
        settings.media.max_spool_bytes,
        records_shared=not settings.has_database_of_its_own,
    )
    await disk.start()
    if not settings.storage.media_uri:
        if not settings.has_database_of_its_own:
            log.warning("uploads_not_shared", advice="set storage.media_uri where several servers share the database")
        yield disk
        return
    if _is_open_to_clients(settings.storage):
        log.warning("uploads_open_to_clients", media_uri=settings.storage.media_uri)
    # Two installations may be given one place, and neither is to take the other's uploads for strays.
    uri = f"{settings.storage.media_uri}/{await store.agreed(INSTALLATION_ID, str(uuid7()))}"
    async with _bucket(settings.storage, fetched) as bucket:
        spool = BucketUploadSpool(bucket, uri, settings.data_dir, settings.media.max_upload_bytes)
        try:
            await spool.start()
        except JobFailure as failure:
            raise StartupError(f"storage.media_uri cannot be used: {failure.message}") from failure
        yield UploadPlaces(spool, disk)


def _bucket(storage: StorageSettings, fetched: FetchedFiles) -> S3Storage | AzureStorage:
    """The object store, for this one bucket, whatever clients may name."""
    uri, profile = storage.media_uri, storage.media_profile
    if uri.startswith(f"{AZURE_SCHEME}://"):
        if not installed("azure.storage.blob"):
            raise StartupError("storage.media_uri is in Azure, whose library is missing: install batchscribe[azure]")
        account = storage.azure_profiles[profile] if profile else storage.azure
        if not account.account_url:
            raise StartupError("storage.media_uri is in Azure, and storage.azure.account_url is not set")
        # Only where it is used: it takes half a second to load. The same below.
        from batchscribe_server.storage.azure_blob import AzureStorage

        containers = frozenset({azure_address(uri).container})
        return AzureStorage(replace(azure_options(account), containers=containers), fetched)
    from batchscribe_server.storage.s3 import S3Storage

    service = storage.profiles[profile] if profile else storage.s3
    options = s3_options(service, storage.ibm_iam_url)
    return S3Storage(replace(options, buckets=frozenset({s3_address(uri).bucket})), fetched)


def _is_open_to_clients(storage: StorageSettings) -> bool:
    """Whether clients may name the place of uploads, with the credentials that it is reached with."""
    uri, profile = storage.media_uri, storage.media_profile
    if uri.startswith(f"{AZURE_SCHEME}://"):
        account = storage.azure_profiles[profile] if profile else storage.azure
        return bool({ANY_BUCKET, azure_address(uri).container}.intersection(account.containers))
    service = storage.profiles[profile] if profile else storage.s3
    return bool({ANY_BUCKET, s3_address(uri).bucket}.intersection(service.buckets))
