"""faster-whisper's BatchedInferencePipeline: the parts of one file in batches, one file after the other."""

from __future__ import annotations

from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task

BATCH_SIZE = 8


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    model = WhisperModel(
        task.model_folder, device="cpu", compute_type="int8", cpu_threads=task.cores, local_files_only=True
    )
    pipeline = BatchedInferencePipeline(model)

    def hear(path: str) -> str:
        segments, _ = pipeline.transcribe(
            path, language="en", beam_size=task.beam, batch_size=BATCH_SIZE, word_timestamps=task.word_times
        )
        return " ".join(segment.text.strip() for segment in segments)

    hear(task.warm_up)
    with stopwatch:
        return [hear(path) for path in task.paths]
