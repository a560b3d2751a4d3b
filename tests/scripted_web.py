"""A web server that answers as a test wants: breaks off, redirects, changes its mind. It notes what it was asked."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from tests.tcp_server import tcp_server

LONG_AGO = formatdate(0, usegmt=True)


@dataclass(frozen=True)
class Asked:
    """A request; names of headers in lower case."""

    target: str
    headers: Mapping[str, str]
    method: str = "GET"

    @property
    def start(self) -> int:
        """Where the asked range begins, 0 where none is asked for."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


@dataclass(frozen=True)
class Pattern:
    """So many bytes of a pattern, from a place in it on, that take no memory: a body larger than that."""

    size_bytes: int
    start: int = 0

    def __len__(self) -> int:
        return self.size_bytes

    def __getitem__(self, part: slice) -> Pattern:
        start, stop, _ = part.indices(self.size_bytes)
        return Pattern(max(0, stop - start), self.start + start)

    def __bytes__(self) -> bytes:
        offset = self.start % len(_PATTERN)
        return (_PATTERN * (2 + self.size_bytes // len(_PATTERN)))[offset : offset + self.size_bytes]


_PATTERN = bytes(range(251))  # of a prime length, so that no piece of another place looks the same


@dataclass(frozen=True)
class Reply:
    """An answer. `cut_after` breaks the connection after so many bytes of the body, `held_after` sends no more for as
    long as somebody waits; chunked has no Content-Length.

    `before_each` is awaited before each 64 KiB of the body: what holds them back, or lets them trickle.
    """

    status: int = 200
    body: bytes | Pattern = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    cut_after: int | None = None
    held_after: int | None = None
    before_each: Callable[[], Awaitable[object]] | None = None


Script = Callable[[Asked], Reply]


@dataclass
class ScriptedWeb:
    """A server on loopback that gives what `script` says; `asked` are the requests in their order."""

    script: Script
    scheme: str = "http"
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    def url(self, target: str = "/a.wav", host: str = "127.0.0.1") -> str:
        """The URL of a target on this server."""
        return f"{self.scheme}://{host}:{self.port}{target}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._answer(reader, writer)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        asked = Asked(head[0].split(" ")[1], {name.lower(): value for name, _, value in pairs}, head[0].split(" ")[0])
        self.asked.append(asked)
        self.was_asked.set()
        reply = self.script(asked)
        length = {"Transfer-Encoding": "chunked"} if reply.chunked else {"Content-Length": str(len(reply.body))}
        headers = {"Date": formatdate(usegmt=True), **length, "Connection": "close", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        body = reply.body[: reply.cut_after if reply.held_after is None else reply.held_after]
        body = body[:0] if asked.method == "HEAD" else body
        for piece in (bytes(body[start : start + 65536]) for start in range(0, len(body), 65536)):
            if reply.before_each is not None:
                await reply.before_each()
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            await writer.drain()
        if reply.held_after is not None:
            await writer.drain()
            await reader.read()
        if reply.chunked and reply.cut_after is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def scripted_web(
    script: Script, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[ScriptedWeb]:
    """Such a server, for as long as the context lasts."""
    web = ScriptedWeb(script, "https" if tls else "http")
    async with tcp_server(web.serve, address, tls) as web.port:
        yield web


def ranged(asked: Asked, body: bytes | Pattern, headers: Mapping[str, str], cut_after: int | None = None) -> Reply:
    """What a server that knows ranges answers; a condition that holds no more gets the whole."""
    condition = asked.headers.get("if-range")
    if asked.start and condition in (None, *headers.values()):
        part = {"Content-Range": f"bytes {asked.start}-{len(body) - 1}/{len(body)}"}
        return Reply(206, body[asked.start :], {**headers, **part}, cut_after=cut_after)
    return Reply(200, body, headers, cut_after=cut_after)


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server on 127.0.0.1 shows of itself, and the file of who vouches for it: made anew, trusted by nobody."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=scripted"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
