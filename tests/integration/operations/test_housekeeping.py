"""What is put in order before a server starts to serve."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.upload import Upload
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.in_process_service import TENANT, in_process_service


async def one_chunk() -> AsyncIterator[bytes]:
    yield b"audio"


async def test_an_upload_that_nobody_was_told_of_goes_and_the_others_stay(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=100, max_total_bytes=12)
        await spool.start()
        ids = itertools.count(1)
        upload = Upload(service.store, spool, lambda: f"upload-{next(ids)}", lambda: datetime.now(UTC), keep_s=3_600)
        kept = await upload(TENANT, "a.wav", one_chunk())
        # As a server leaves it that is killed between the bytes and the record.
        stray = await spool.receive("stray", one_chunk())
        await Housekeeping(service.store, spool, KeepingPolicy(history_s=1.0), sole_owner=True).recover()
        assert not Path(stray.path).exists()
        assert Path(kept.path).exists()
        await upload(TENANT, "b.wav", one_chunk())  # there is room for it again
