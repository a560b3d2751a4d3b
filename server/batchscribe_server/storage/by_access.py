"""The storages there are, by who asks: the server's own, a profile's, or one that is reached with a client's keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from batchscribe_server.domain.access import Access, IbmCredentials, Profile, S3Credentials
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.operations.storage import Storage
from batchscribe_server.storage.by_scheme import StorageByScheme
from batchscribe_server.storage.s3_options import ANY_BUCKET, IBM_IAM_URL, IbmKey, S3Options
from batchscribe_server.storage.s3_pool import S3Pool

AWS = "aws"
IBM = "ibm"
ANY_ENDPOINT = "*"

_IBM_DOMAIN = ".cloud-object-storage.appdomain.cloud"


class StoragesByAccess:
    """Files and URLs are the same for all; which `s3://` is reached, and as whom, goes by the access."""

    def __init__(
        self,
        shared: Mapping[str, Storage],
        s3: S3Pool,
        own_s3: S3Options | None,
        profiles: Mapping[str, S3Options],
        client_endpoints: frozenset[str],
        ibm_iam_url: str = IBM_IAM_URL,
    ) -> None:
        """`shared` are storages by their schemes; `client_endpoints` those that clients' credentials may name: URLs,
        `AWS`, `IBM` for all of IBM Cloud's, or `ANY_ENDPOINT`.
        """
        self._shared = shared
        self._s3 = s3
        self._own_s3 = own_s3
        self._profiles = profiles
        self._client_endpoints = client_endpoints
        self._ibm_iam_url = ibm_iam_url

    @asynccontextmanager
    async def opened(self, access: Access | None) -> AsyncIterator[Storage]:
        """Storage by URI, with this access to object stores."""
        options = self._options(access)
        if options is None:
            yield StorageByScheme(self._shared)
            return
        async with self._s3.opened(options) as objects:
            yield StorageByScheme({**self._shared, "s3": objects})

    def check_access(self, access: Access) -> None:
        """Raises PathNotAllowedError for a profile that there is not, and an endpoint that is not allowed."""
        match access:
            case Profile(name):
                if name not in self._profiles:
                    raise PathNotAllowedError(f"This server has no storage profile {name!r}.", profile=name)
            case S3Credentials() | IbmCredentials():
                endpoint = access.endpoint.rstrip("/") or AWS
                names = {endpoint, ANY_ENDPOINT} | ({IBM} if _is_ibm(endpoint) else set())
                if not self._client_endpoints & names:
                    raise PathNotAllowedError(
                        f"Credentials in requests may not name the endpoint {endpoint}; the operator allows one with "
                        "storage.client_endpoints.",
                        endpoint=endpoint,
                    )

    def _options(self, access: Access | None) -> S3Options | None:
        match access:
            case None:
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
            case IbmCredentials():
                return S3Options(
                    buckets=frozenset({ANY_BUCKET}),
                    endpoint=access.endpoint,
                    region=access.region,
                    ibm=IbmKey(access.apikey, access.resource_instance_id, self._ibm_iam_url),
                )


def _options_of(credentials: S3Credentials) -> S3Options:
    return S3Options(
        buckets=frozenset({ANY_BUCKET}),
        endpoint=credentials.endpoint,
        region=credentials.region,
        access_key_id=credentials.access_key_id,
        secret_access_key=credentials.secret_access_key,
        session_token=credentials.session_token,
        requester_pays=credentials.requester_pays,
        encryption=credentials.encryption,
        kms_key_id=credentials.kms_key_id,
    )


def _is_ibm(endpoint: str) -> bool:
    """Whether this is an endpoint of IBM Cloud Object Storage, on its own port."""
    parts = urlsplit(endpoint)
    return parts.scheme == "https" and parts.port in (None, 443) and (parts.hostname or "").endswith(_IBM_DOMAIN)
