"""Files whose names are not UTF-8, singly and below a prefix, beside others."""

from __future__ import annotations

import os
from pathlib import Path

from batchscribe_server.domain.batch import PrefixInput
from batchscribe_server.domain.job import State
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, TranscriptFormat
from batchscribe_server.operations.submit import NewBatch, NewJob
from tests.in_process_service import TENANT, in_process_service

TEXT = (TranscriptFormat.TEXT,)


async def test_they_are_transcribed_and_named_in_valid_text(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"caf\xe8.wav", b"caf\xe9.wav", b"plain.wav"):
        (folder / os.fsdecode(name)).write_bytes(b"audio of " + name)
    async with in_process_service(tmp_path) as service:
        single = await service.submit.job(
            TENANT, NewJob(f"{folder.as_uri()}/caf%E9.wav", output=OutputConfig(OutputLayout.ADJACENT, formats=TEXT))
        )
        assert (await service.ended(single)).state is State.SUCCEEDED
        assert service.transcriber.requests[-1].file_name == r"caf\xe9.wav"
        outputs = OutputConfig(OutputLayout.PREFIX, (tmp_path / "out").as_uri(), TEXT)
        batch = await service.submit.batch(TENANT, NewBatch(PrefixInput(folder.as_uri()), output=outputs))
        assert (await service.batch_ended(batch)).counts.succeeded == 3
    assert (folder / os.fsdecode(b"caf\xe9.wav.txt")).exists()
    assert sorted(path.name for path in (tmp_path / "out").glob("*.txt")) == [
        r"caf\xe8.wav.txt",
        r"caf\xe9.wav.txt",
        "plain.wav.txt",
    ]
