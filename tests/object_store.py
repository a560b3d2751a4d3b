"""A real S3 server (SeaweedFS) for tests: checks signatures and permissions. And a way to it that can be cut."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

WEED = Path(sys.executable).with_name("weed")

OWNER = ("owner-key", "owner-secret-0123456789")
READER = ("reader-key", "reader-secret-0123456789")
"""Who may do everything, and who may only read."""

_IDENTITIES = {
    "identities": [
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
}


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """The endpoint of a server whose data lies in `folder`."""
    identities = folder / "identities.json"
    identities.write_text(json.dumps(_IDENTITIES))
    ports = {name: _free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
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
        _wait_until_it_answers(endpoint, process, folder / "weed.log")
        yield endpoint
    finally:
        process.kill()
        process.wait()


@dataclass
class CutLine:
    """A way to a server that breaks once, after so many bytes of an answer; `requests` are the heads that passed."""

    endpoint: str
    requests: list[str]


@asynccontextmanager
async def cut_line(
    endpoint: str, after_bytes: int, on_cut: Callable[[], object] | None = None
) -> AsyncIterator[CutLine]:
    """A way to `endpoint` that breaks the first answer that is longer than `after_bytes`."""
    host, _, port = endpoint.removeprefix("http://").rpartition(":")
    heads: list[str] = []
    passing: set[asyncio.Task[None]] = set()
    whole = True

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heads.append(data.decode("latin-1").partition("\r\n\r\n")[0])
            writer.write(data)
            await writer.drain()

    async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal whole
        passed = 0
        while data := await reader.read(65536):
            passed += len(data)
            if whole and passed > after_bytes:
                whole = False
                if on_cut is not None:
                    await asyncio.to_thread(on_cut)
                return
            writer.write(data)
            await writer.drain()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passing.add(task)
        their_reader, their_writer = await asyncio.open_connection(host, int(port))
        ways = [asyncio.create_task(forward(reader, their_writer)), asyncio.create_task(back(their_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, their_writer):
                end.close()
                with suppress(ConnectionError):
                    await end.wait_closed()
            passing.discard(task)

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield CutLine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads)
    for task in passing:
        task.cancel()
    await asyncio.gather(*passing, return_exceptions=True)


def _wait_until_it_answers(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            return  # it refuses us, so it is there
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the object store did not come up:\n{log.read_text()[-4000:]}")


def _free_port() -> int:
    # Its gRPC ports lie 10,000 above.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 50_000:
            return port
