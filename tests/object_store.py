"""A real S3 server (SeaweedFS) for tests: checks signatures and permissions. And a way to it that can be cut."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aioboto3

from tests.listening import free_port, wait_until_it_answers
from tests.tcp_server import tcp_server

WEED = Path(sys.executable).with_name("weed")

OWNER = ("owner-key", "owner-secret-0123456789")
READER = ("reader-key", "reader-secret-0123456789")
"""Who may do everything, and who may only read."""

_IDENTITIES: list[dict[str, object]] = [
    {
        "name": name,
        "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
        "actions": actions,
    }
    for name, keys, actions in (
        ("owner", OWNER, ["Admin", "Read", "Write", "List"]),
        ("reader", READER, ["Read", "List"]),
    )
]


_ANYONE = {"name": "anonymous", "actions": ["Admin", "Read", "Write", "List"]}


@contextmanager
def object_store(folder: Path, *, public: bool = False) -> Iterator[str]:
    """The endpoint of a server whose data lies in `folder`; a `public` one lets anyone do everything."""
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": _IDENTITIES + [_ANYONE] * public}))
    # Its gRPC ports lie 10,000 above.
    ports = {name: free_port(below=22_768) for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(
                    str(WEED),
                    "mini",
                    f"-dir={folder}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-s3.config={identities}",
                ),
                *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-master.telemetry=false"),
                *(f"-{name}={port}" for name, port in ports.items()),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        wait_until_it_answers(endpoint, process, folder / "weed.log")
        yield endpoint
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def owners_client(endpoint: str) -> AsyncIterator[Any]:
    """The SDK's own client with all rights."""
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        yield client


@dataclass
class CutLine:
    """A way to a server that breaks after so many bytes; `requests` are the heads that passed."""

    endpoint: str
    requests: list[str]


@dataclass
class HeldLine:
    """A way to a server on which certain requests wait: `held` tells that one does, `let_go` passes all on."""

    endpoint: str
    held: asyncio.Event
    let_go: asyncio.Event


@asynccontextmanager
async def held_line(endpoint: str, words: str) -> AsyncIterator[HeldLine]:
    """A way to `endpoint` that holds requests whose head has these words."""
    host, _, port = endpoint.removeprefix("http://").rpartition(":")
    held, let_go = asyncio.Event(), asyncio.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(host, int(port))

        async def forward() -> None:
            while data := await reader.read(65536):
                if words.encode() in data.partition(b"\r\n\r\n")[0]:
                    held.set()
                    await let_go.wait()
                their_writer.write(data)
                await their_writer.drain()

        forwarding = asyncio.create_task(forward())
        try:
            while data := await their_reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            forwarding.cancel()
            their_writer.transport.abort()
            writer.close()

    async with tcp_server(pass_on) as own_port:
        yield HeldLine(f"http://127.0.0.1:{own_port}", held, let_go)


@asynccontextmanager
async def cut_line(
    endpoint: str, after_bytes: int, on_cut: Callable[[], object] | None = None, *, cuts: int = 1, is_held: bool = False
) -> AsyncIterator[CutLine]:
    """A way to `endpoint` that breaks answers in their middle, `cuts` of them, once `after_bytes` have come through.

    Where it `is_held` these are not broken off, but never go on.
    """
    host, _, port = endpoint.removeprefix("http://").rpartition(":")
    heads: list[str] = []
    passed = 0

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal passed, cuts
        their_reader, their_writer = await asyncio.open_connection(host, int(port))

        async def forward() -> None:
            while data := await reader.read(65536):
                heads.append(data.decode("latin-1").partition("\r\n\r\n")[0])
                their_writer.write(data)
                await their_writer.drain()

        forwarding = asyncio.create_task(forward())
        answered = 0
        try:
            while data := await their_reader.read(65536):
                passed += len(data)
                # Not before a part of this answer has come through: its head alone would be no answer at all.
                if cuts and passed > after_bytes and answered:
                    cuts -= 1
                    if is_held:
                        if on_cut is not None:
                            on_cut()
                        await asyncio.Event().wait()
                    if on_cut is not None:
                        await asyncio.to_thread(on_cut)
                    break
                answered += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            forwarding.cancel()
            their_writer.transport.abort()
            writer.close()

    async with tcp_server(pass_on) as own_port:
        yield CutLine(f"http://127.0.0.1:{own_port}", heads)
