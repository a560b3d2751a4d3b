"""Large objects whose connection is cut off, from a scripted server that speaks as much S3 as it takes to read one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput
from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.storage import Storage
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import S3Options
from batchscribe_server.storage.urls import UrlStorage
from tests.in_process_service import TENANT, in_process_service
from tests.scripted_web import Asked, Pattern, Reply, Script, ScriptedWeb, ranged, scripted_web
from tests.storage_steps import read, reason_of
from tests.url_storage import OPEN, Pauses

TWO_GB = 2_000_000_000
SMALL_BYTES = 500_000
CUT_AT = SMALL_BYTES * 6 // 10
MEMORY_BYTES = 200_000_000
V1, V2 = {"ETag": '"one"'}, {"ETag": '"two"'}
SCHEMES = ["s3", "http"]


@asynccontextmanager
async def storage_of(scheme: str, web: ScriptedWeb, folder: Path) -> AsyncIterator[Storage]:
    fetched = FetchedFiles(folder / "fetched", 2 * TWO_GB)
    await fetched.start()
    options = S3Options(frozenset({"*"}), web.url(""), "us-east-1", "key", "secret", max_attempts=2)
    async with S3Storage(options, fetched) if scheme == "s3" else UrlStorage(OPEN, fetched, sleep=Pauses()) as storage:
        yield storage
    assert list((folder / "fetched").iterdir()) == []


def uri_of(scheme: str, web: ScriptedWeb, name: str) -> str:
    return f"s3://calls/{name}" if scheme == "s3" else web.url(f"/calls/{name}")


def is_whole(descriptor: int, size_bytes: int) -> bool:
    """Whether a file has the bytes of the pattern."""
    piece_bytes = 251 * 4096
    expected = bytes(Pattern(piece_bytes))
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        for start in range(0, size_bytes, piece_bytes):
            if file.read(piece_bytes) != expected[: size_bytes - start]:
                return False
        return not file.read(1)


class Growth:
    """How much more memory this process took than at the beginning, at most."""

    bytes = 0


@contextmanager
def memory_growth() -> Iterator[Growth]:
    growth, process = Growth(), psutil.Process()
    before = process.memory_info().rss

    async def watch() -> None:
        while True:
            growth.bytes = max(growth.bytes, process.memory_info().rss - before)
            await asyncio.sleep(0.02)

    task = asyncio.get_running_loop().create_task(watch())
    try:
        yield growth
    finally:
        task.cancel()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_two_gigabytes_that_are_cut_off_at_60_percent_go_on_where_they_were(tmp_path: Path, scheme: str) -> None:
    cut_at = TWO_GB * 6 // 10

    def script(asked: Asked) -> Reply:
        return ranged(asked, Pattern(TWO_GB), V1, None if asked.start else cut_at)

    async with scripted_web(script) as web, storage_of(scheme, web, tmp_path) as storage:
        with memory_growth() as growth:
            async with storage.open_input(uri_of(scheme, web, "long.wav")) as opened:
                assert opened.size_bytes == TWO_GB
                assert await asyncio.to_thread(is_whole, opened.descriptor, TWO_GB)
    assert 0 < growth.bytes < MEMORY_BYTES
    first, resumed = (asked for asked in web.asked if asked.method == "GET")
    assert first.start == 0
    # What was on its way when the line was cut is asked for again, and no more.
    assert cut_at - 16 * 1024**2 < resumed.start <= cut_at


@pytest.mark.slow
async def test_a_bucket_that_is_throttled_uses_up_the_retries_of_no_other(tmp_path: Path) -> None:
    asked_of_quiet = 0

    def script(asked: Asked) -> Reply:
        nonlocal asked_of_quiet
        if "/throttled/" in asked.target:
            return Reply(503)
        asked_of_quiet += 1
        return Reply(503) if asked_of_quiet == 1 else ranged(asked, Pattern(SMALL_BYTES), V1)

    async with scripted_web(script) as web, storage_of("s3", web, tmp_path) as storage:
        throttled = [read(storage, f"s3://throttled/{number}.wav") for number in range(120)]
        reasons = await asyncio.gather(*map(reason_of, throttled))
        assert set(reasons) == {Reason.FETCH_FAILED}
        assert await read(storage, "s3://quiet/a.wav") == bytes(Pattern(SMALL_BYTES))


def changes(asked: Asked) -> Reply:
    """Cut off, and written anew before the rest is asked for."""
    if asked.start and "if-match" in asked.headers:
        return Reply(412)
    return ranged(asked, Pattern(SMALL_BYTES), V2 if asked.start else V1, None if asked.start else CUT_AT)


def refuses_ranges(asked: Asked) -> Reply:
    """Cut off each time, and always begun anew."""
    return Reply(200, Pattern(SMALL_BYTES), V1, cut_after=CUT_AT)


def has_no_such_range(asked: Asked) -> Reply:
    """Cut off, and any part of it denied."""
    return Reply(416) if asked.start else Reply(200, Pattern(SMALL_BYTES), V1, cut_after=CUT_AT)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (changes, Reason.INPUT_CHANGED),
        (refuses_ranges, Reason.FETCH_FAILED),
        (has_no_such_range, Reason.FETCH_FAILED),
    ],
)
async def test_what_cannot_be_gone_on_with_fails_and_the_rest_of_the_batch_is_done(
    tmp_path: Path, scheme: str, script: Script, reason: Reason
) -> None:
    def answer(asked: Asked) -> Reply:
        return script(asked) if asked.target.endswith("bad.wav") else ranged(asked, Pattern(SMALL_BYTES), V1)

    async with scripted_web(answer) as web, storage_of(scheme, web, tmp_path) as storage:
        uris = [uri_of(scheme, web, name) for name in ("a.wav", "bad.wav", "b.wav", "c.wav")]
        async with in_process_service(tmp_path, storages={scheme: storage}) as service:
            batch = await service.submit.batch(TENANT, NewBatch(ManifestInput(tuple(map(ManifestEntry, uris)))))
            ended = await service.batch_ended(batch)
            jobs = (await service.store.list_jobs(ListQuery(TENANT, 10, batch_id=batch.id))).items
    assert (ended.counts.succeeded, ended.counts.failed) == (3, 1)
    (failed,) = (job for job in jobs if job.error is not None)
    assert failed.input_uri == uris[1]
    assert failed.error is not None
    assert failed.error.reason is reason
