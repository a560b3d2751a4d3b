"""WhisperS2T-reborn: batches across files, its own voice activity detection, CTranslate2 underneath.

It brings PyTorch, so it may live in an environment of its own (`make whisper-s2t`): this module needs nothing else.
"""

from __future__ import annotations

import whisper_s2t

from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task

BATCH_SIZE = 8


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    model = whisper_s2t.load_model(
        task.model_folder,
        device="cpu",
        compute_type="int8",
        cpu_threads=task.cores,
        asr_options={"beam_size": task.beam},
    )
    if task.word_times:
        # Asked for by option, it would download a second model to align with; the first one can do it.
        model.aligner_model = model.model
        model.asr_options["word_timestamps"] = True

    def hear(paths: list[str]) -> list[str]:
        heard = model.transcribe_with_vad(paths, lang_codes="en", tasks="transcribe", batch_size=BATCH_SIZE)
        return [" ".join(part["text"] for part in parts) for parts in heard]

    hear([task.warm_up])
    with stopwatch:
        return hear(list(task.paths))
