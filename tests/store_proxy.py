"""A way to an S3 server on which requests are noted, refused, and their answers lost or spoilt."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

MAX_BODY_BYTES = 64 * 1024**2

_CREDENTIALS = ("authorization", "x-amz-security-token")


@dataclass(frozen=True)
class Passing:
    """A request; `target` is its path and query as sent, names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Refusal:
    """An answer of S3's instead of the store's."""

    status: int
    code: str


def nothing_is_refused(_: Passing) -> Refusal | None:
    """Everything passes."""
    return None


def nothing_is_lost(_: Passing) -> bool:
    """Every answer comes."""
    return False


def nothing_is_garbled(passing: Passing) -> bytes:
    """Bodies go on as they are."""
    return passing.body


def nothing_is_spoilt(_: Passing, body: bytes) -> bytes:
    """Bodies come as they are."""
    return body


@dataclass
class StoreProxy:
    """The proxy. Tests replace what befalls a request: `refused` (never comes to the store), `garbled` (comes with
    another body), `lost` (is done, but its answer never comes), `spoilt` (is answered with another body).
    """

    store: str
    anonymous: bool
    endpoint: str = ""
    refused: Callable[[Passing], Refusal | None] = nothing_is_refused
    garbled: Callable[[Passing], bytes] = nothing_is_garbled
    lost: Callable[[Passing], bool] = nothing_is_lost
    spoilt: Callable[[Passing, bytes], bytes] = nothing_is_spoilt
    passed: list[Passing] = field(default_factory=list)

    def sent(self, method: str, part_of_target: str = "") -> list[Passing]:
        """The requests of a method so far."""
        return [each for each in self.passed if each.method == method and part_of_target in each.target]

    async def handle(self, request: web.Request, session: aiohttp.ClientSession) -> web.StreamResponse:
        """Pass a request on, or not."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        passing = Passing(request.method, request.raw_path, headers, await request.read())
        self.passed.append(passing)
        # In a thread, for it may wait for others who are served here.
        if (refusal := await asyncio.to_thread(self.refused, passing)) is not None:
            text = f"<?xml version='1.0'?><Error><Code>{refusal.code}</Code><Message>refused</Message></Error>"
            body = b"" if request.method == "HEAD" else text.encode()
            return web.Response(status=refusal.status, body=body, content_type="application/xml")
        dropped = {"expect", "connection", *(_CREDENTIALS if self.anonymous else ())}
        onwards = {name: value for name, value in headers.items() if name not in dropped}
        body = self.garbled(passing)
        url = URL(self.store + request.raw_path, encoded=True)
        async with session.request(
            request.method, url, headers=onwards, data=io.BytesIO(body) if body else None, allow_redirects=False
        ) as answer:
            body = self.spoilt(passing, await answer.read())
            back = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in ("transfer-encoding", "connection", "date", "server")
            }
            if self.lost(passing):
                assert request.transport is not None
                request.transport.abort()
            if request.method == "HEAD":
                # Its length is that of the object, which the server here takes from the header.
                return web.Response(status=answer.status, headers=back)
            back.pop("Content-Length", None)
            return web.Response(status=answer.status, headers=back, body=body)


@asynccontextmanager
async def store_proxy(store: str, *, anonymous: bool = False) -> AsyncIterator[StoreProxy]:
    """A proxy to the endpoint `store`; with `anonymous`, what authorizes requests stays behind."""
    proxy = StoreProxy(store, anonymous)
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await proxy.handle(request, session)

        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{key:.*}", handle)
        async with served(app) as proxy.endpoint:
            yield proxy


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The URL of an application on loopback, for as long as the context lasts."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
