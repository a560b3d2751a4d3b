"""A call that is summed up by a language model, through a real server that is killed while it waits for the answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from batchscribe import AsyncClient, output_config
from batchscribe.v1.state_pb2 import STAGE_ANALYZING, STATE_SUCCEEDED
from tests.running_server import RunningServer
from tests.scripted_llm import API_KEY, Answer, scripted_model
from tests.speech import spoken

PATIENCE_S = 90.0


@pytest.mark.slow
async def test_a_killed_server_analyses_again_and_shows_neither_key_nor_words(tmp_path: Path) -> None:
    audio = spoken("My parcel was due on Monday. I am very unhappy with the service.")
    (tmp_path / "call.wav").write_bytes(audio.read_bytes())
    async with scripted_model() as model:
        model.answers = [None]
        model.otherwise = lambda _: Answer({"points": ["The parcel is late."], "topics": ["Late parcel"]})
        server = RunningServer(tmp_path, "--model=tiny.en")
        settings = {"BASE_URL": model.url, "MODEL": "scripted", "API_KEY": API_KEY}
        environment = {f"BATCHSCRIBE_ANALYSIS__{name}": value for name, value in settings.items()}
        try:
            await asyncio.to_thread(server.start, **environment)
            async with AsyncClient(server.address) as client:
                job = await client.submit(
                    (tmp_path / "call.wav").as_uri(),
                    output=output_config((tmp_path / "out").as_uri(), formats=["json", "summary"]),
                    summary="bullets",
                    speech_analytics=True,
                )
                async with asyncio.timeout(PATIENCE_S):
                    await model.was_asked.wait()
                assert (await client.get_job(job.name)).stage == STAGE_ANALYZING
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start, **environment)
            async with AsyncClient(server.address) as client:
                ended = await client.wait_for_job(job.name, timeout_s=PATIENCE_S)
                assert (ended.state, ended.attempt, ended.warning) == (STATE_SUCCEEDED, 2, "")
                assert await client.transcript(job.name, "summary") == "- The parcel is late.\n"
        finally:
            await asyncio.to_thread(server.stop)
    assert (tmp_path / "out" / "call.wav.summary.txt").read_text() == "- The parcel is late.\n"
    document = json.loads((tmp_path / "out" / "call.wav.json").read_text())
    assert document["analytics"]["topics"] == [{"label": "Late parcel", "keywords": []}]
    assert document["analytics"]["sentiment"]["label"] == "negative"
    assert document["summary"]["made_by"] == "language_model"
    assert "parcel" in model.texts[-1].lower()
    log = server.log.read_text()
    assert API_KEY not in log
    assert "parcel" not in log.lower()
