"""Connections to object stores of one kind: one client for each way to reach one, shared by all who use it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from batchscribe_server.storage.breaker import RemoteStorage

KEPT_UNUSED = 16
"""Clients that are kept open while nobody uses them: to open one takes some milliseconds of the event loop."""

Way = TypeVar("Way", bound=Hashable)


class OpenableStorage(RemoteStorage, Protocol):
    """A storage that holds connections for as long as its context lasts."""

    async def __aenter__(self) -> Self:
        """Open them."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close them."""
        ...


@dataclass(slots=True, eq=False)
class _Client:
    storage: OpenableStorage | None = None
    users: int = 0
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class StoragePool(Generic[Way]):
    """Opens storages as they are asked for. To be used as a context, which closes all of them."""

    def __init__(self, build: Callable[[Way], OpenableStorage]) -> None:
        """`build` makes the storage, in a thread: to load what it needs takes half a second the first time."""
        self._build = build
        self._clients: OrderedDict[Way, _Client] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in self._clients.values():
            await _close(client)
        self._clients.clear()

    @asynccontextmanager
    async def opened(self, way: Way) -> AsyncIterator[OpenableStorage]:
        """The storage reached in this way, for as long as the context lasts."""
        client = self._clients.setdefault(way, _Client())
        client.users += 1
        self._clients.move_to_end(way)
        try:
            yield await self._storage(client, way)
        finally:
            client.users -= 1
            await self._close_unused()

    async def _storage(self, client: _Client, way: Way) -> OpenableStorage:
        async with client.opening:
            if client.storage is None:
                storage = await asyncio.to_thread(self._build, way)
                client.storage = await storage.__aenter__()
            return client.storage

    async def _close_unused(self) -> None:
        unused = [way for way, client in self._clients.items() if not client.users]
        for way in unused[:-KEPT_UNUSED]:
            await _close(self._clients.pop(way))


async def _close(client: _Client) -> None:
    if client.storage is not None:
        await client.storage.__aexit__(None, None, None)
