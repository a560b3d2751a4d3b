"""What a job asks the transcriber for, and what becomes of it when the transcriber is closed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from batchscribe_server.domain.job import State
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.operations.transcriber import TranscriberClosedError, TranscriptionRequest
from batchscribe_server.operations.upload import Upload
from batchscribe_server.storage.uploads import DiskUploadSpool
from tests.in_process_service import TENANT, in_process_service
from tests.scripted_children import until
from tests.scripted_engine import Script, ScriptedTranscriber


async def bytes_of_a_call() -> AsyncIterator[bytes]:
    yield b"audio of a call"


async def test_a_job_whose_transcriber_is_closed_neither_ends_nor_leaves_a_notice(tmp_path: Path) -> None:
    def closed(request: TranscriptionRequest) -> Script:
        raised.set()
        raise TranscriberClosedError

    raised = asyncio.Event()
    async with in_process_service(tmp_path, ScriptedTranscriber(closed)) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        await until(lambda: raised.is_set() and not service.dispatch.running)
        job = await service.store.get_job(TENANT, job.id)
    assert (job.state, job.error, job.attempt) == (State.RUNNING, None, 1)
    assert not list(tmp_path.rglob("*.notice"))


async def test_the_transcriber_is_told_what_a_file_is_called_where_it_came_from(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        spool = DiskUploadSpool(tmp_path / "media", max_upload_bytes=1 << 20, max_total_bytes=1 << 24)
        await spool.start()
        upload = Upload(service.store, spool, lambda: "0199a", lambda: datetime.now(UTC), 3600.0)
        media = await upload(TENANT, "call.g722", bytes_of_a_call())
        for uri in (media.name, service.audio("calls/second call.gsm")):
            await service.ended(await service.submit.job(TENANT, NewJob(uri)))
        asked = [request.file_name for request in service.transcriber.requests]
    assert asked == ["call.g722", "second call.gsm"]
    assert not media.path.endswith(".g722")
