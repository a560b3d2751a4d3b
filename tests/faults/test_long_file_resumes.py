"""A long file that loses its server goes on where it was, and its watcher sees no gap and no repeat."""

import asyncio
from pathlib import Path

import pytest

from batchscribe import AsyncClient
from batchscribe.v1 import state_pb2
from tests.many_files import UTTERANCES, words
from tests.running_server import RunningServer
from tests.speech import joined, spoken

REPEATS = 12


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_watcher_lives_through_a_killed_server(tmp_path: Path) -> None:
    said = list(UTTERANCES) * REPEATS
    long = joined([spoken(text) for text in said], 0.6, tmp_path / "long.wav")
    server = RunningServer(tmp_path, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start)
        async with AsyncClient(server.address) as client:
            job = await client.submit(long.as_uri())
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
    assert job.state == state_pb2.STATE_SUCCEEDED
    assert job.attempt == 2
    assert indexes == list(range(len(indexes)))
    assert len(indexes) > 6
    assert words(" ".join(texts)) == words(transcript)
    # The seam neither swallows nor doubles: as many words as were said, but for what a tiny model mishears.
    spoken_words = len(words(" ".join(said)))
    assert abs(len(words(transcript)) - spoken_words) <= 0.04 * spoken_words
