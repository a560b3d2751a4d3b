"""Connections to S3 services: one client for each way to reach one, shared by all who use it at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from batchscribe_server.storage.s3_options import S3Options

if TYPE_CHECKING:
    from batchscribe_server.storage.s3 import S3Storage

KEPT_UNUSED = 16
"""Clients that are kept open while nobody uses them: to open one takes some milliseconds of the event loop."""


@dataclass(slots=True, eq=False)
class _Client:
    storage: S3Storage | None = None
    users: int = 0
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class S3Pool:
    """Opens storages as they are asked for. To be used as a context, which closes all of them."""

    def __init__(self, build: Callable[[S3Options], S3Storage]) -> None:
        """`build` makes the storage, in a thread: to load what it needs takes half a second the first time."""
        self._build = build
        self._clients: OrderedDict[S3Options, _Client] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in self._clients.values():
            await _close(client)
        self._clients.clear()

    @asynccontextmanager
    async def opened(self, options: S3Options) -> AsyncIterator[S3Storage]:
        """The storage reached in this way, for as long as the context lasts."""
        client = self._clients.setdefault(options, _Client())
        client.users += 1
        self._clients.move_to_end(options)
        try:
            yield await self._storage(client, options)
        finally:
            client.users -= 1
            await self._close_unused()

    async def _storage(self, client: _Client, options: S3Options) -> S3Storage:
        async with client.opening:
            if client.storage is None:
                storage = await asyncio.to_thread(self._build, options)
                client.storage = await storage.__aenter__()
            return client.storage

    async def _close_unused(self) -> None:
        unused = [options for options, client in self._clients.items() if not client.users]
        for options in unused[:-KEPT_UNUSED]:
            await _close(self._clients.pop(options))


async def _close(client: _Client) -> None:
    if client.storage is not None:
        await client.storage.__aexit__(None, None, None)
