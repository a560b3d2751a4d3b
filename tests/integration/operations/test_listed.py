"""Files that change or vanish after their batch's scan listed them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import State
from batchscribe_server.domain.recognition import OutputConfig
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.operations.transcriber import TranscriptionRequest
from tests.in_process_service import TENANT, InProcessService, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

CHANGED = "audio that was recorded to its end"


async def listed(folder: Path, *names: str) -> Batch:
    """A batch whose files were listed and not touched yet."""
    async with in_process_service(folder) as service:
        await service.dispatch.drain(grace_s=0)
        for name in names:
            service.audio(f"in/{name}")
        output = OutputConfig(uri=(folder / "out").as_uri())
        batch = await service.submit.batch(TENANT, NewBatch(PrefixInput((folder / "in").as_uri()), output=output))
        async for _ in service.watch.batch(TENANT, batch.id, after=None):
            if (await service.store.get_batch(TENANT, batch.id)).state is not State.INITIALIZING:
                break
        return batch


async def warnings(service: InProcessService, batch: Batch) -> dict[str, str]:
    page = await service.store.list_jobs(ListQuery(TENANT, 100, batch_id=batch.id))
    return {job.relative_path: job.warning for job in page.items}


async def test_a_file_that_changed_is_heard_and_said_to_have_changed(tmp_path: Path) -> None:
    batch = await listed(tmp_path, "same.wav", "grown.wav")
    before = (tmp_path / "in/grown.wav").stat().st_size
    (tmp_path / "in/grown.wav").write_text(CHANGED)
    async with in_process_service(tmp_path) as service:
        ended = await service.batch_ended(batch)
        told = await warnings(service, batch)
    assert ended.counts.succeeded == 2
    assert told["same.wav"] == ""
    assert f"{before} bytes then, {len(CHANGED)} now" in told["grown.wav"]
    documents = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in told}
    assert {name: document["warning"] for name, document in documents.items()} == told


async def test_a_file_that_vanished_fails_and_says_so(tmp_path: Path) -> None:
    batch = await listed(tmp_path, "gone.wav", "there.wav")
    (tmp_path / "in/gone.wav").unlink()
    async with in_process_service(tmp_path) as service:
        ended = await service.batch_ended(batch)
    assert (ended.counts.succeeded, ended.counts.failed) == (1, 1)
    notice = json.loads((tmp_path / "out/gone.wav.notice").read_text())
    assert notice["error"]["reason"] == "FETCH_FAILED"
    assert "moved or removed" in notice["error"]["message"]


@pytest.mark.parametrize("is_changed", [False, True])
async def test_a_retried_file_is_compared_with_the_listing_again(tmp_path: Path, is_changed: bool) -> None:
    failing = [True]

    def script(_: TranscriptionRequest) -> Script:
        return Script(failure=JobFailure(Reason.DECODE_FAILED, "It is cut short.") if failing else None)

    batch = await listed(tmp_path, "a.wav")
    async with in_process_service(tmp_path, ScriptedTranscriber(script)) as service:
        assert (await service.batch_ended(batch)).counts.failed == 1
        assert await warnings(service, batch) == {"a.wav": ""}
        if is_changed:
            (tmp_path / "in/a.wav").write_text(CHANGED)
        failing.clear()
        retried = await service.store.retry_batch(TENANT, batch.id)
        assert (await service.batch_ended(retried)).counts.succeeded == 1
        told = await warnings(service, batch)
    assert ("changed after it was listed" in told["a.wav"]) == is_changed


async def test_a_file_that_changed_and_cannot_be_heard_has_both_told(tmp_path: Path) -> None:
    batch = await listed(tmp_path, "a.wav")
    (tmp_path / "in/a.wav").write_text(CHANGED)
    broken = Script(failure=JobFailure(Reason.DECODE_FAILED, "It is cut short."))
    async with in_process_service(tmp_path, ScriptedTranscriber(lambda _: broken)) as service:
        assert (await service.batch_ended(batch)).counts.failed == 1
        told = await warnings(service, batch)
    assert "changed after it was listed" in told["a.wav"]
