"""A way to a PostgreSQL server on which chosen messages, or their answers, are lost with their connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

CHUNK_BYTES = 1 << 16


class SocketRelay:
    """Passes all connections on. What was held back or lost is counted in `lost`."""

    def __init__(self, target: Path, folder: Path) -> None:
        self.lost = 0
        self.holds = asyncio.Event()
        self._target = target
        self._folder = folder
        self._message = b""
        self._answer_only = False
        self._hold = False
        self._released = asyncio.Event()

    def url(self, url: str) -> str:
        """A database's URL, by this way."""
        database = url.rpartition("?")[0]
        return f"{database}?host={quote(str(self._folder), safe='')}"

    def lose_next(self, message: bytes, *, hold: bool = False) -> None:
        """The next message with these bytes never arrives; its connection breaks, with `hold` only on `release`."""
        self._message, self._answer_only, self._hold = message, False, hold

    def lose_next_answer_to(self, message: bytes) -> None:
        """The next message with these bytes arrives, and its connection breaks once the answer to it is there."""
        self._message, self._answer_only, self._hold = message, True, False

    def release(self) -> None:
        """Break the connection that is held."""
        self._released.set()

    async def handle(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        server, to_server = await asyncio.open_unix_connection(str(self._target))
        lose_answer = asyncio.Event()

        async def outward() -> None:
            while chunk := await client.read(CHUNK_BYTES):
                if self._message and self._message in chunk:
                    self._message = b""
                    self.lost += 1
                    if not self._answer_only:
                        if self._hold:
                            self.holds.set()
                            await self._released.wait()
                        return
                    lose_answer.set()
                to_server.write(chunk)
                await to_server.drain()

        async def back() -> None:
            while chunk := await server.read(CHUNK_BYTES):
                if lose_answer.is_set():
                    return
                to_client.write(chunk)
                await to_client.drain()

        ways = [asyncio.create_task(outward()), asyncio.create_task(back())]
        with suppress(ConnectionError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if self.holds.is_set() and not self._released.is_set() and not ways[0].done():
            await ways[0]
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        to_server.close()
        to_client.transport.abort()


@asynccontextmanager
async def socket_relay(target: Path, folder: Path) -> AsyncIterator[SocketRelay]:
    """A relay to the server's socket; its own lies in `folder`."""
    relay = SocketRelay(target, folder)
    server = await asyncio.start_unix_server(relay.handle, str(folder / target.name))
    try:
        yield relay
    finally:
        relay.release()
        server.close()
