"""The storages there are, by who asks: the server's own, a profile's, or one that is reached with a client's keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchscribe_server.domain.access import Access, AzureCredentials, Fetch, IbmCredentials, Profile, S3Credentials
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.domain.url import scheme_of
from batchscribe_server.operations.storage import Storage
from batchscribe_server.storage.azure_accounts import ANY_ENDPOINT, AzureAccounts
from batchscribe_server.storage.breaker import Breakers, BreakingStorage
from batchscribe_server.storage.by_scheme import StorageByScheme
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.s3_options import ANY_BUCKET, IBM_IAM_URL, IbmKey, S3Options

if TYPE_CHECKING:
    from batchscribe_server.storage.urls import UrlStorage

AWS = "aws"
IBM = "ibm"

_IBM_DOMAIN = ".cloud-object-storage.appdomain.cloud"


class StoragesByAccess:
    """Files are the same for all; which `s3://` and `az://` are reached, as whom, and a URL with which headers, goes by
    the access. What an access is not for is reached as without it.
    """

    def __init__(
        self,
        shared: Mapping[str, Storage],
        s3: StoragePool[S3Options],
        own_s3: S3Options | None,
        profiles: Mapping[str, S3Options],
        client_endpoints: frozenset[str],
        ibm_iam_url: str = IBM_IAM_URL,
        urls: UrlStorage | None = None,
        azure: AzureAccounts | None = None,
        breakers: Breakers | None = None,
    ) -> None:
        """`shared` are storages by their schemes; `client_endpoints` those that clients' credentials may name: URLs,
        `AWS`, `IBM` for all of IBM Cloud's, or `ANY_ENDPOINT`. Without `urls` there are none.
        """
        self._breakers = breakers or Breakers()
        self._shared: dict[str, Storage] = dict(shared)
        if urls is not None:
            self._shared["https"] = self._shared["http"] = BreakingStorage(urls, self._breakers)
        self._urls = urls
        self._azure = azure or AzureAccounts()
        self._s3 = s3
        self._own_s3 = own_s3
        self._profiles = profiles
        self._client_endpoints = client_endpoints
        self._ibm_iam_url = ibm_iam_url

    @asynccontextmanager
    async def opened(self, access: Access | None) -> AsyncIterator[Storage]:
        """Storage by URI, with this access to object stores."""
        async with AsyncExitStack() as stack:
            storages = dict(self._shared)
            if isinstance(access, Fetch) and self._urls is not None:
                own = BreakingStorage(self._urls.for_fetch(access), self._breakers)
                storages["https"] = storages["http"] = own
            if (options := self._options(access)) is not None:
                bucket = await stack.enter_async_context(self._s3.opened(options))
                storages["s3"] = BreakingStorage(bucket, self._breakers)
            if (account := await stack.enter_async_context(self._azure.opened(access))) is not None:
                storages["az"] = BreakingStorage(account, self._breakers)
            yield StorageByScheme(storages)

    def check_access(self, access: Access, uris: Collection[str]) -> None:
        """Raises PathNotAllowedError for a profile that there is not, or that none of the URIs is for, and for an
        endpoint that is not allowed.
        """
        match access:
            case Profile(name):
                schemes = self._schemes_of(name)
                if not schemes:
                    raise PathNotAllowedError(f"This server has no storage profile {name!r}.", profile=name)
                if schemes.isdisjoint(map(scheme_of, uris)):
                    kinds = " and ".join(f"{scheme}://" for scheme in sorted(schemes))
                    raise PathNotAllowedError(
                        f"The storage profile {name!r} is for {kinds} URIs, and there is none here.", profile=name
                    )
            case AzureCredentials():
                self._azure.check(access)
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
            case None | Fetch() | AzureCredentials():
                return self._own_s3
            case Profile(name):
                if not self._schemes_of(name):
                    raise JobFailure(
                        Reason.CREDENTIALS_UNAVAILABLE, f"This server has no storage profile {name!r} any more."
                    )
                return self._profiles.get(name, self._own_s3)
            case S3Credentials():
                return _options_of(access)
            case IbmCredentials():
                return S3Options(
                    buckets=frozenset({ANY_BUCKET}),
                    endpoint=access.endpoint,
                    region=access.region,
                    ibm=IbmKey(access.apikey, access.resource_instance_id, self._ibm_iam_url),
                )

    def _schemes_of(self, profile: str) -> frozenset[str]:
        """The schemes that a profile is for; none where there is no such profile."""
        kinds = {"s3": self._profiles, "az": self._azure.profiles}
        return frozenset(scheme for scheme, profiles in kinds.items() if profile in profiles)


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
