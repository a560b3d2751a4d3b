"""The storage of URLs as its tests open it: with pauses that take no time, and failures that hold no secret."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.url_rules import UrlOptions
from batchscribe_server.storage.urls import UrlStorage
from tests import storage_steps
from tests.scripted_web import Asked

OPEN = UrlOptions(http=True, private_addresses=True)
PUBLIC = UrlOptions(http=True)
BODY = bytes(range(256)) * 4096
SECRET = "X-Signature=s3cr3t"
V1, V2 = {"ETag": '"one"'}, {"ETag": '"two"'}


class Pauses:
    """Time that passes at once; `asked_s` are the pauses that were asked for."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    async def __call__(self, duration_s: float) -> None:
        self.asked_s.append(duration_s)


@asynccontextmanager
async def storage_of(
    folder: Path,
    options: UrlOptions = OPEN,
    *,
    max_size_bytes: int = 0,
    max_total_bytes: int = 100 * 1024**2,
    max_fetch_s: float = 0.0,
    pauses: Pauses | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[UrlStorage]:
    """A storage that leaves no file behind."""
    fetched = FetchedFiles(folder / "fetched", max_total_bytes, max_fetch_s)
    await fetched.start()
    sleep = pauses or Pauses()
    async with UrlStorage(options, fetched, max_size_bytes=max_size_bytes, sleep=sleep, clock=clock) as opened:
        yield opened
    assert list((folder / "fetched").iterdir()) == []


async def failure_of(doing: Awaitable[object]) -> JobFailure:
    """How it fails, without a word of a secret."""
    failure = await storage_steps.failure_of(doing)
    assert "s3cr3t" not in str(failure)
    assert failure.__cause__ is None
    return failure


def ranges(asked: list[Asked]) -> list[tuple[str | None, str | None]]:
    """What was asked for of the file each time, and on which condition."""
    return [(each.headers.get("range"), each.headers.get("if-range")) for each in asked]
