"""What an upload is called where it came from is what it is called wherever it is shown, and never a path."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import SingleInput
from batchscribe_server.domain.event import BatchJobChanged, Event
from batchscribe_server.domain.recognition import OutputConfig, TranscriptFormat
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.operations.upload import Upload
from batchscribe_server.rpc.convert_job import job_message
from tests.in_process_service import TENANT, in_process_service


async def audio() -> AsyncIterator[bytes]:
    yield b"audio"


@pytest.mark.parametrize(
    ("sent_as", "name"),
    [
        ("call \u00fc 50%25.wav", "call \u00fc 50%25.wav"),
        ("../../etc/call.wav", "call.wav"),
        ("C:\\calls\\call.wav", "call.wav"),
        ("file:///etc/call.wav", "call.wav"),
        ("", "upload-1"),
        ("a/..", "upload-1"),
    ],
)
async def test_it_is_shown_by_the_name_of_its_file(tmp_path: Path, sent_as: str, name: str) -> None:
    async with in_process_service(tmp_path) as service:
        await service.uploads.start()
        upload = Upload(service.store, service.uploads, lambda: "upload-1", lambda: datetime.now(UTC), keep_s=3_600)
        media = await upload(TENANT, sent_as, audio())
        formats = (TranscriptFormat.JSON, TranscriptFormat.JSON_V2)
        output = OutputConfig(uri=f"{tmp_path.as_uri()}/out", formats=formats, write_report=True)
        batch = await service.submit.batch(TENANT, NewBatch(SingleInput(media.name), output=output))
        ended = await service.batch_ended(batch)
        (job,) = (await service.store.list_jobs(ListQuery(TENANT, 10, batch_id=batch.id))).items
        events = await service.store.read_events(batch.name, 0, 100)
        read = b"".join(await service.read_transcript(TENANT, job.id, TranscriptFormat.JSON))
    report = Path(tmp_path / "out" / f"{batch.id}.report.jsonl")
    assert ended.report_uri == report.as_uri()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.json", f"{name}.v2.json", report.name}
    assert json.loads((tmp_path / "out" / f"{name}.json").read_text())["input"] == name
    assert json.loads(read)["input"] == name
    assert json.loads((tmp_path / "out" / f"{name}.v2.json").read_text())["job"]["data_name"] == name
    assert json.loads(report.read_text())["input"] == name
    message = job_message(job)
    assert (message.file_name, message.input_uri) == (name, "media/upload-1")
    changes = [event.detail for event in events if isinstance(event, Event)]
    assert {change.input_name for change in changes if isinstance(change, BatchJobChanged)} == {name}
