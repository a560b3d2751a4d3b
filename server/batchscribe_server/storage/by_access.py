"""The storages there are, by who asks: the server's own, a profile's, or one that is reached with a client's keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from batchscribe_server.domain.access import Access, Fetch, Profile, S3Credentials
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.operations.storage import Storage
from batchscribe_server.storage.by_scheme import StorageByScheme
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.s3_options import ANY_BUCKET, S3Options

if TYPE_CHECKING:
    from batchscribe_server.storage.urls import UrlStorage

AWS = "aws"
ANY_ENDPOINT = "*"


class StoragesByAccess:
    """Files are the same for all; which `s3://` is reached, and as whom, and with which headers a URL, goes by the
    access.
    """

    def __init__(
        self,
        shared: Mapping[str, Storage],
        s3: StoragePool[S3Options],
        own_s3: S3Options | None,
        profiles: Mapping[str, S3Options],
        client_endpoints: frozenset[str],
        urls: UrlStorage | None = None,
    ) -> None:
        """`shared` are storages by their schemes; `client_endpoints` those that clients' credentials may name: URLs,
        `AWS`, or `ANY_ENDPOINT`. Without `urls` there are none.
        """
        self._shared: Mapping[str, Storage] = {**shared, "https": urls, "http": urls} if urls else shared
        self._urls = urls
        self._s3 = s3
        self._own_s3 = own_s3
        self._profiles = profiles
        self._client_endpoints = client_endpoints

    @asynccontextmanager
    async def opened(self, access: Access | None) -> AsyncIterator[Storage]:
        """Storage by URI, with this access to object stores."""
        async with AsyncExitStack() as stack:
            storages = dict(self._shared)
            if isinstance(access, Fetch) and self._urls is not None:
                storages["https"] = storages["http"] = self._urls.for_fetch(access)
            if (options := self._options(access)) is not None:
                storages["s3"] = await stack.enter_async_context(self._s3.opened(options))
            yield StorageByScheme(storages)

    def check_access(self, access: Access) -> None:
        """Raises PathNotAllowedError for a profile that there is not, and an endpoint that is not allowed."""
        match access:
            case Profile(name):
                if name not in self._profiles:
                    raise PathNotAllowedError(f"This server has no storage profile {name!r}.", profile=name)
            case S3Credentials():
                endpoint = access.endpoint.rstrip("/") or AWS
                if not self._client_endpoints & {endpoint, ANY_ENDPOINT}:
                    raise PathNotAllowedError(
                        f"Credentials in requests may not name the endpoint {endpoint}; the operator allows one with "
                        "storage.client_endpoints.",
                        endpoint=endpoint,
                    )

    def _options(self, access: Access | None) -> S3Options | None:
        match access:
            case None | Fetch():
                return self._own_s3
            case Profile(name):
                try:
                    return self._profiles[name]
                except KeyError:
                    raise JobFailure(
                        Reason.CREDENTIALS_UNAVAILABLE, f"This server has no storage profile {name!r} any more."
                    ) from None
            case S3Credentials():
                return _options_of(access)


def _options_of(credentials: S3Credentials) -> S3Options:
    return S3Options(
        buckets=frozenset({ANY_BUCKET}),
        endpoint=credentials.endpoint,
        region=credentials.region,
        access_key_id=credentials.access_key_id,
        secret_access_key=credentials.secret_access_key,
        session_token=credentials.session_token,
    )
