"""A file in sequence that loses its server goes on where it was, and its watcher sees no gap and no repeat."""

import asyncio
from pathlib import Path

import pytest

from batchscribe import AsyncClient
from batchscribe.v1 import state_pb2
from tests.many_files import words
from tests.running_server import RunningServer
from tests.sequential_desk import STORY
from tests.speech import joined, spoken


@pytest.mark.slow
async def test_a_watcher_lives_through_a_killed_server(tmp_path: Path) -> None:
    recording = joined([spoken(text) for text in STORY], 0.6, tmp_path / "story.wav")
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start)
        async with AsyncClient(server.address) as client:
            job = await client.submit(recording.as_uri(), operating_point="sequential", word_time_offsets=True)
            texts: list[str] = []
            indexes: list[int] = []
            async for event in client.watch_job(job.name):
                if event.WhichOneof("event") == "segment":
                    indexes.append(event.segment.index)
                    texts.append(event.segment.text)
                    if len(indexes) == 3:
                        await asyncio.to_thread(server.kill)
                        await asyncio.to_thread(server.start)
            job = await client.get_job(job.name)
            transcript = await client.transcript(job.name)
    finally:
        server.close()
    assert (job.state, job.attempt) == (state_pb2.STATE_SUCCEEDED, 2)
    assert indexes == list(range(len(indexes)))
    assert words(" ".join(texts)) == words(transcript)
    # The seam neither swallows nor doubles: as many words as were said, but for what a tiny model mishears.
    spoken_words = len(words(" ".join(STORY)))
    assert abs(len(words(transcript)) - spoken_words) <= 0.04 * spoken_words
