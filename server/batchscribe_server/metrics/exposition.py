"""The HTTP port from which Prometheus reads the metrics, in its text format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server


def new_registry() -> CollectorRegistry:
    """An empty registry, which its maker hands to those who count."""
    # The library's switch: else each counter and each bucket list gets a second series, the time of its creation.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return CollectorRegistry()


@asynccontextmanager
async def exposed(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[int]:
    """Answer on `host` and `port` (0: any that is free) while the block runs; gives the port.

    The answers come from threads of the library's server, so that a busy event loop holds no scrape up. Raises OSError
    where it cannot listen.
    """
    # Off the loop, since it looks the host's name up.
    try:
        server, thread = await asyncio.to_thread(start_http_server, port, host, registry)
    except UnicodeError as error:
        raise OSError(f"{host!r} can be no host's name") from error
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
