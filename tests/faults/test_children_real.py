"""The real media worker and the real engine, killed while they work on real speech."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.model import Model
from batchscribe_server.domain.transcript import MediaDescription
from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.operations.transcriber import HeardSegment, MediaSummary, Transcription
from batchscribe_server.transcriber import (
    EngineOptions,
    MediaOptions,
    TranscriberConfig,
    WorkerLimits,
    engine_argv,
    engine_argvs,
    media_argv,
)
from tests.media_files import ENCODINGS, encoded
from tests.scripted_children import QUICK, children_of_this_process, collect, request, running, texts, until
from tests.speech import joined, spoken

SENTENCES = (
    "Good morning, everyone, and welcome to the meeting.",
    "The train to the north leaves at nine in the evening.",
    "Please send the report before the end of the week.",
)

REAL = TranscriberConfig(
    engine_argvs=(engine_argv(EngineOptions(device="cpu", concurrency=1)),),
    media_argv=media_argv(MediaOptions()),
    slots=16,
    media=WorkerLimits(workers=1),
    backoff=QUICK.backoff,
)

pytestmark = pytest.mark.slow


@pytest.fixture
async def model(tmp_path: Path) -> Model:
    return await ModelCatalog("tiny.en", tmp_path / "cache", hub_allowed=False).resolve("tiny.en")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    parts = [spoken(sentence) for sentence in SENTENCES] * 4
    return joined(parts, 20.0, tmp_path / "recording.wav")


async def test_the_real_children_hear_a_file_through_although_both_are_killed(model, recording):
    heard: list[Transcription] = []

    async with running(REAL) as transcriber:
        asked = request(recording, model=model, language="")
        hearing = asyncio.create_task(collect(transcriber.transcribe(asked), heard))
        await until(lambda: len(texts(heard)) >= 2 or hearing.done())
        for program in ("batchscribe_engine.media", "batchscribe_engine.inference"):
            for pid in children_of_this_process(program):
                os.kill(pid, signal.SIGKILL)
        await hearing
        status = transcriber.status()
        await until(lambda: transcriber.status().free_slots == 16)

    said = " ".join(re.sub(r"[^a-z ]", "", text.lower()).strip() for text in texts(heard))
    assert said.count("good morning everyone and welcome to the meeting") == 4
    assert said.count("the train to the north leaves at") == 4
    assert said.count("please send the report before the end of the week") == 4
    assert isinstance(heard[0], MediaDescription)
    assert isinstance(heard[-1], MediaSummary)
    segments = [event for event in heard if isinstance(event, HeardSegment)]
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert heard[-1].segments == len(segments)
    starts_ms = [segment.start_ms for segment in segments]
    assert starts_ms == sorted(starts_ms)
    assert (status.device, status.ready) == ("cpu", True)


async def test_two_real_engines_hear_files_through_although_one_is_killed(model, tmp_path):
    recording = joined([spoken(sentence) for sentence in SENTENCES], 20.0, tmp_path / "short.wav")
    engines = engine_argvs(EngineOptions(), ("cpu", "cpu"), cores=2)
    heard: list[list[Transcription]] = [[], []]

    async with running(replace(REAL, engine_argvs=engines)) as transcriber:
        await until(lambda: transcriber.status().device == "cpu, cpu")
        asked = request(recording, model=model, language="en")
        hearing = asyncio.gather(*(collect(transcriber.transcribe(asked), each) for each in heard))
        await until(lambda: all(len(texts(each)) >= 1 for each in heard) or hearing.done())
        os.kill(min(children_of_this_process("batchscribe_engine.inference")), signal.SIGKILL)
        await hearing
        await until(lambda: transcriber.status().free_slots == 16)

    for events in heard:
        said = " ".join(re.sub(r"[^a-z ]", "", text.lower()).strip() for text in texts(events))
        assert said.count("good morning everyone and welcome to the meeting") == 1
        assert said.count("please send the report before the end of the week") == 1


async def test_the_server_side_loads_none_of_the_heavy_libraries():
    heavy = "('ctranslate2', 'faster_whisper', 'av', 'onnxruntime', 'numpy')"
    code = f"import sys, batchscribe_server.transcriber; sys.exit(sorted(set(sys.modules) & set({heavy})) or 0)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()

    assert (process.returncode, said) == (0, b"")


async def test_an_upload_in_a_format_without_a_header_is_heard_by_the_name_it_had(model, tmp_path):
    spooled = encoded(spoken(SENTENCES[0]), tmp_path, ENCODINGS["g722"]).rename(tmp_path / "0199a-spooled")
    heard: list[Transcription] = []

    async with running(REAL) as transcriber:
        asked = request(spooled, model=model, file_name="call.g722")
        await collect(transcriber.transcribe(asked), heard)

    assert texts(heard) == [SENTENCES[0]]


async def test_a_text_file_is_refused_by_the_real_worker_with_a_stable_reason(model, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("this is no audio\n" * 100)

    async with running(REAL) as transcriber:
        with pytest.raises(JobFailure) as failure:
            await collect(transcriber.transcribe(request(text, model=model)), [])

    assert failure.value.reason is Reason.UNSUPPORTED_FORMAT
