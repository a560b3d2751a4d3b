"""A fetch ends in time, whoever holds it up, and the wait for room on the disk is not its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.party import NOBODY
from batchscribe_server.storage.download import downloaded
from batchscribe_server.storage.fetch_time import fetch_time
from batchscribe_server.storage.fetched import FetchedFiles
from tests.scripted_web import Reply, scripted_web
from tests.storage_steps import failure_of as any_failure_of
from tests.storage_steps import read
from tests.url_storage import BODY, SECRET, V1, failure_of, storage_of

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("held_after", [0, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_web_server_that_stops_sending_is_given_up(tmp_path: Path, held_after: int, chunked: bool) -> None:
    reply = Reply(body=BODY, headers=V1, chunked=chunked, held_after=held_after)
    async with scripted_web(lambda _: reply) as web, storage_of(tmp_path, max_fetch_s=0.3) as storage:
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}")))
    assert failure.reason is Reason.FETCH_FAILED
    assert "within 0.3 s" in failure.message
    assert "storage.max_fetch_s" in failure.message
    assert f"{web.url('/a.wav')} " in failure.message


async def test_a_web_server_that_always_breaks_off_is_given_up_too(tmp_path: Path) -> None:
    """Each attempt brings something, so that there may be any number of them."""
    lengths = iter(range(1, len(BODY)))

    async with (
        scripted_web(lambda _: Reply(body=BODY, cut_after=next(lengths))) as web,
        storage_of(tmp_path, max_fetch_s=0.3) as storage,
    ):
        assert "within 0.3 s" in (await failure_of(read(storage, web.url()))).message


async def test_an_object_store_that_stops_sending_is_given_up(tmp_path: Path) -> None:
    fetched = FetchedFiles(tmp_path / "fetched", 1024, max_fetch_s=0.05)
    await fetched.start()

    async def pieces(start: int) -> AsyncGenerator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def fetch() -> None:
        async with downloaded(
            "s3://calls/a", 2, "e", pieces, fetched=fetched, party=NOBODY, max_size_bytes=0, cut_off=()
        ):
            pass

    failure = await any_failure_of(fetch())
    assert failure.reason is Reason.FETCH_FAILED
    assert "s3://calls/a was not fetched within 0.05 s" in failure.message
    assert list((tmp_path / "fetched").iterdir()) == []


async def test_time_that_is_stopped_does_not_pass() -> None:
    async def fetch(stopped: bool) -> None:
        async with fetch_time("a.wav", 0.05) as time:
            if stopped:
                with time.stopped():
                    await asyncio.sleep(0.1)
                return
            with time.stopped():
                pass
            await asyncio.Event().wait()

    await fetch(stopped=True)
    assert (await any_failure_of(fetch(stopped=False))).reason is Reason.FETCH_FAILED


async def test_without_a_limit_there_is_none_and_other_timeouts_stay_what_they_are() -> None:
    async with fetch_time("a.wav", 0) as time:
        with time.stopped():
            pass
    with pytest.raises(TimeoutError):
        async with fetch_time("a.wav", 60):
            raise TimeoutError
