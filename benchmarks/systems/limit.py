"""The limit: CTranslate2's calls alone, on the engine's segments, in ideal batches, with nothing checked.

What comes before them is done before the stopwatch starts: the engine cuts the files, features are computed, and the
segments are put into batches of like length. What is left is `encode`, `generate` and, for word times, `align`, in
windows with the model's margin, on as many threads as there are cores.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper import decode_audio

from batchscribe_engine.inference.whisper import Device, Whisper
from batchscribe_engine.inference.windows import content_frames, stack, token_limit, window_frames
from batchscribe_engine.messages import SAMPLE_RATE_HZ
from batchscribe_server.domain.model import Model
from benchmarks.model import resolve
from benchmarks.stopwatch import Stopwatch
from benchmarks.systems import engine
from benchmarks.task import Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

MAX_BATCH = 8
MAX_BATCH_FRAMES = 6000
"""Together, in frames of 10 ms: larger batches of long windows leave the caches and gain nothing."""

SPANS_FILE = "spans.json"

Spans = list[list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech: where it belongs, its length in samples, and its features of shape (n_mels, frames)."""

    file: int
    start_ms: int
    samples: int
    mel: Mel


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    model = resolve(task.model)
    whisper = Whisper.load(model.path, Device.choose("cpu", "int8"), workers=task.cores, threads=1)
    segments = [
        Segment(number, start_ms, samples.size, whisper.features(samples))
        for number, (path, spans) in enumerate(zip(task.paths, _spans(task, model), strict=True))
        for start_ms, samples in _cut(path, spans)
    ]
    margin_s = model.window_margin_s
    batches = _batches(segments, margin_s)

    def hear(batch: Sequence[Segment]) -> list[str]:
        return _hear(whisper, batch, margin_s, task)

    with ThreadPoolExecutor(task.cores) as pool:
        # As many batches as there are threads, to warm each of them.
        list(pool.map(hear, (batches * task.cores)[: task.cores]))
        with stopwatch:
            heard = list(pool.map(hear, batches))
    texts = {
        (segment.file, segment.start_ms): text
        for batch, said in zip(batches, heard, strict=True)
        for segment, text in zip(batch, said, strict=True)
    }
    return [
        " ".join(texts[place] for place in sorted(texts) if place[0] == number and texts[place])
        for number in range(len(task.paths))
    ]


def _hear(whisper: Whisper, batch: Sequence[Segment], margin_s: float | None, task: Task) -> list[str]:
    tokenizer = whisper.tokenizer("en", "transcribe")
    frames = max(window_frames(segment.samples, margin_s) for segment in batch)
    encoded = whisper.encode(stack([segment.mel for segment in batch], frames))
    hypotheses = whisper.generate(
        encoded,
        [whisper.prompt(tokenizer, "", ())] * len(batch),
        tokenizer,
        beam_size=task.beam,
        temperature=0,
        max_new_tokens=max(token_limit(segment.samples) for segment in batch),
    )
    if task.word_times:
        lengths = [content_frames(segment.samples) for segment in batch]
        whisper.align(encoded, tokenizer, [hypothesis.tokens for hypothesis in hypotheses], lengths)
    return [hypothesis.text for hypothesis in hypotheses]


def _batches(segments: Sequence[Segment], margin_s: float | None) -> list[list[Segment]]:
    """Segments of like length together, the longest first, so that the threads end at the same time."""
    batches: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: -segment.samples):
        if batches and len(batches[-1]) < MAX_BATCH:
            longest = window_frames(batches[-1][0].samples, margin_s)
            if (len(batches[-1]) + 1) * longest <= MAX_BATCH_FRAMES:
                batches[-1].append(segment)
                continue
        batches.append([segment])
    return batches


def _cut(path: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, npt.NDArray[np.int16]]]:
    audio = np.asarray(decode_audio(path, sampling_rate=SAMPLE_RATE_HZ) * 32767, dtype=np.int16)
    per_ms = SAMPLE_RATE_HZ // 1000
    return [(start_ms, audio[start_ms * per_ms : end_ms * per_ms]) for start_ms, end_ms in spans]


def _spans(task: Task, model: Model) -> Spans:
    """Where the engine finds speech in each file, in milliseconds; found in the first round and kept for the others."""
    kept = Path(task.shared_folder) / SPANS_FILE
    if not kept.exists():
        kept.write_text(json.dumps(asyncio.run(_found(task, model))))
    spans: Spans = json.loads(kept.read_text())
    return spans


async def _found(task: Task, model: Model) -> Spans:
    async with engine.transcriber(task) as running:
        heard = await engine.hear_all(running, task, model)
    return [[(segment.start_ms, segment.end_ms) for segment in segments] for segments in heard]
