"""What downloads write is written in threads, none of which is left behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from batchscribe_server.storage.download import on_disk


async def test_who_is_cancelled_waits_for_the_disk_whose_file_is_closed_then() -> None:
    loop, begun, may_end, ended = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), threading.Event()

    def write() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(60)
        ended.set()

    task = asyncio.create_task(on_disk("a.wav", write))
    await begun.wait()
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
