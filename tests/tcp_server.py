"""A server on loopback whose connections end with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(
    handle: Handle, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port of a server that handles each connection so, for as long as the context lasts.

    A connection that was made a moment before the end, and would begin to be handled a moment after, ends as well: its
    socket would be found unclosed in the middle of another test.
    """
    connections: dict[asyncio.Future[None], asyncio.StreamWriter] = {}

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[asyncio.ensure_future(handle(reader, writer))] = writer

    server = await asyncio.start_server(connected, address, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await _turns()  # what was accepted is connected now; asyncio drops it unclosed where its server is gone by then
        server.close()
        for handling, writer in connections.items():
            handling.cancel()
            writer.transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)
        await _turns()  # what was aborted is closed now


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
