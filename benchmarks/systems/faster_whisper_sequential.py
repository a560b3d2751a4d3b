"""faster-whisper's own way: one file after the other, 30 s by 30 s, with its defaults but for the beam."""

from __future__ import annotations

from faster_whisper import WhisperModel

from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    model = WhisperModel(
        task.model_folder, device="cpu", compute_type="int8", cpu_threads=task.cores, local_files_only=True
    )

    def hear(path: str) -> str:
        segments, _ = model.transcribe(path, language="en", beam_size=task.beam, word_timestamps=task.word_times)
        return " ".join(segment.text.strip() for segment in segments)

    hear(task.warm_up)
    with stopwatch:
        return [hear(path) for path in task.paths]
