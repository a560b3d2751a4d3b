"""Connections of aiohttp that are made to addresses of the public internet alone, whatever a name leads to."""

from __future__ import annotations

import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from batchscribe_server.storage.url_rules import is_public


class PrivateAddressError(Exception):
    """A name leads to an address that is not public. No OSError, which would be tried again."""


class _PublicResolver(AbstractResolver):
    """Looks names up, and refuses those of which any address is not public."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host, which connections are then made to. Raises PrivateAddressError, OSError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise PrivateAddressError(host)
        return found

    async def close(self) -> None:
        """Give up what looking up takes."""
        await self._resolver.close()


def public_session() -> aiohttp.ClientSession:
    """A session as Azure's SDK wants it: bodies as they were sent, no cookies; and none of this machine's proxies.

    Addresses that stand in a URL themselves are not looked up, and so not refused here.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_PublicResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
