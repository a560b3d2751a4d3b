"""Uploads that are received at a time: how many."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import UploadSpaceError
from batchscribe_server.operations.upload import Upload
from tests.in_process_service import TENANT, in_process_service

MOST = 8
CHUNK_BYTES = 1 << 16


async def test_no_more_uploads_are_received_at_a_time_than_are_allowed(tmp_path: Path) -> None:
    ids, go_on, arrived = itertools.count(), asyncio.Event(), asyncio.Semaphore(0)

    async def idle() -> AsyncIterator[bytes]:
        yield b"x" * (CHUNK_BYTES - 1)
        arrived.release()
        await go_on.wait()

    async with in_process_service(tmp_path) as service:
        upload = Upload(service.store, service.uploads, lambda: f"{next(ids)}", lambda: datetime.now(UTC), 60, MOST)
        await service.uploads.start()
        uploads = [asyncio.create_task(upload(TENANT, "a.wav", idle())) for _ in range(MOST)]
        for _ in range(MOST):
            await arrived.acquire()
        with pytest.raises(UploadSpaceError, match=f"receives {MOST} uploads"):
            await upload(TENANT, "a.wav", idle())
        go_on.set()
        assert {media.size_bytes for media in await asyncio.gather(*uploads)} == {CHUNK_BYTES - 1}
        assert (await upload(TENANT, "a.wav", idle())).size_bytes == CHUNK_BYTES - 1
