"""Accounts of Azure Blob Storage, by who asks: the server's own, a profile's, or one that a client names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from urllib.parse import urlsplit

from batchscribe_server.domain.access import Access, AzureCredentials, Profile
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.storage.azure_options import ANY_CONTAINER, AzureOptions
from batchscribe_server.storage.breaker import RemoteStorage
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.url_rules import is_inside

AZURE = "azure"
ANY_ENDPOINT = "*"

_AZURES_OWN = re.compile(r"https://[a-z0-9]{3,24}\.(?:blob\.core\.windows\.net|z\d{1,2}\.blob\.storage\.azure\.net)")


class AzureAccounts:
    """The accounts that `az://` URIs may lead to. Without a pool there are none: Azure's library is not installed."""

    def __init__(
        self,
        pool: StoragePool[AzureOptions] | None = None,
        own: AzureOptions | None = None,
        profiles: Mapping[str, AzureOptions] = MappingProxyType({}),
        client_endpoints: frozenset[str] = frozenset(),
    ) -> None:
        """`client_endpoints` are what clients' credentials may name: account URLs, `AZURE` for those of its public
        cloud, or `ANY_ENDPOINT`.
        """
        self._pool = pool
        self._own = own
        self.profiles = profiles
        self._client_endpoints = client_endpoints

    @asynccontextmanager
    async def opened(self, access: Access | None) -> AsyncIterator[RemoteStorage | None]:
        """The account reached with this access; None where there is none.

        Raises JobFailure CREDENTIALS_UNAVAILABLE for credentials where Azure's library is not installed any more.
        """
        options = self._options(access)
        if options is None:
            yield None
            return
        if self._pool is None:
            raise JobFailure(Reason.CREDENTIALS_UNAVAILABLE, _NOT_INSTALLED)
        async with self._pool.opened(options) as storage:
            yield storage

    def check(self, credentials: AzureCredentials) -> None:
        """Raises PathNotAllowedError for an account that clients' credentials may not name."""
        if self._pool is None:
            raise PathNotAllowedError(_NOT_INSTALLED)
        url = credentials.account_url
        is_allowed = self._is_listed(url) or ANY_ENDPOINT in self._client_endpoints
        if not is_allowed and not (AZURE in self._client_endpoints and _AZURES_OWN.fullmatch(url)):
            raise PathNotAllowedError(
                f"Credentials in requests may not name the account URL {url}; the operator allows one with "
                "storage.client_endpoints.",
                endpoint=url,
            )
        if not self._is_listed(url) and is_inside(urlsplit(url).hostname or ""):
            raise PathNotAllowedError(
                f"The address of the account URL {url} is not public; the operator allows one by listing it in "
                "storage.client_endpoints.",
                endpoint=url,
            )

    def _options(self, access: Access | None) -> AzureOptions | None:
        match access:
            case AzureCredentials():
                return AzureOptions(
                    containers=frozenset({ANY_CONTAINER}),
                    account_url=access.account_url,
                    account_key=access.account_key,
                    sas_token=access.sas_token,
                    public_only=not self._is_listed(access.account_url),
                )
            case Profile(name) if name in self.profiles:
                return self.profiles[name]
            case _:
                return self._own

    def _is_listed(self, account_url: str) -> bool:
        return account_url in self._client_endpoints


_NOT_INSTALLED = "This server can't reach Azure: its operator has to install batchscribe[azure]."
