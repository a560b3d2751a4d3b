"""batchscribe's engine called directly: its media workers and its inference process, without gRPC, state or outputs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import Decoding, RecognitionConfig
from batchscribe_server.operations.transcriber import HeardSegment, TranscriptionRequest
from batchscribe_server.transcriber import (
    EngineOptions,
    LocalTranscriber,
    TranscriberConfig,
    WorkerLimits,
    engine_argv,
)
from batchscribe_server.transcriber.devices import default_running_files, default_slots
from benchmarks.model import resolve
from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    return asyncio.run(_run(task, resolve(task.model_folder), stopwatch))


def transcriber(task: Task) -> LocalTranscriber:
    """The transcriber as a server with its default settings has it, with the task's device and cores."""
    return LocalTranscriber(
        TranscriberConfig(
            engine_argvs=(engine_argv(EngineOptions(device="cpu", compute_type="int8")),),
            slots=default_slots(("cpu",)),
            media=WorkerLimits(workers=task.cores),
        )
    )


async def hear_all(running: LocalTranscriber, task: Task, model: Model) -> list[list[HeardSegment]]:
    """The segments of each of the task's files, of which as many are open at a time as the task or the service says."""
    turns = asyncio.Semaphore(task.max_open or default_running_files(("cpu",)))

    async def hear(path: str) -> list[HeardSegment]:
        async with turns:
            return await _hear(running, path, task, model)

    async with asyncio.TaskGroup() as group:
        hearings = [group.create_task(hear(path)) for path in task.paths]
    return [hearing.result() for hearing in hearings]


def text_of(segments: Sequence[HeardSegment]) -> str:
    """A file's text."""
    return " ".join(segment.text for segment in segments if segment.text)


async def _run(task: Task, model: Model, stopwatch: Stopwatch) -> list[str]:
    async with transcriber(task) as running:
        await _hear(running, task.warm_up, task, model)
        with stopwatch:
            heard = await hear_all(running, task, model)
    return [text_of(segments) for segments in heard]


async def _hear(running: LocalTranscriber, path: str, task: Task, model: Model) -> list[HeardSegment]:
    with Path(path).open("rb") as file:
        request = TranscriptionRequest(
            job_id=path,
            descriptor=file.fileno(),
            model=model,
            config=RecognitionConfig(
                language="en", decoding=Decoding(beam_size=task.beam), word_time_offsets=task.word_times
            ),
            language="en",
            file_name=Path(path).name,
        )
        async with aclosing(running.transcribe(request)) as events:
            return [event async for event in events if isinstance(event, HeardSegment)]
