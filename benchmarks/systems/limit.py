"""The limit: CTranslate2's calls alone, on the engine's segments, in ideal batches, with nothing checked.

What comes before them is done before the stopwatch starts: the engine cuts the files, features are computed, and the
segments are put into batches of like length, each in a window with the model's margin. What is left is `encode`,
`generate` and, for word times, `align`, on as many threads as there are cores.
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
from batchscribe_engine.inference.windows import content_frames, token_limit, window_frames
from batchscribe_engine.messages import SAMPLE_RATE_HZ, DecodeOptions
from batchscribe_server.domain.model import Model
from benchmarks.model import resolve
from benchmarks.stopwatch import Stopwatch
from benchmarks.systems import engine
from benchmarks.task import Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

MAX_BATCH = 16

SPANS_FILE = "spans.json"

Spans = list[list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech: where it belongs, its length in samples, and its features of shape (n_mels, frames)."""

    file: int
    start_ms: int
    samples: int
    mel: Mel


@dataclass(frozen=True, slots=True)
class Batch:
    """Segments of like length, and how long the window of each is in frames."""

    segments: tuple[Segment, ...]
    frames: tuple[int, ...]


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files."""
    model = resolve(task.model_folder)
    whisper = Whisper.load(model.path, Device.choose("cpu", "int8"), workers=task.cores, threads=1)
    tokenizer = whisper.tokenizer("en", "transcribe")
    prompt = whisper.prompt(tokenizer, "", ())
    segments = [
        Segment(number, start_ms, samples.size, whisper.features(samples))
        for number, (path, spans) in enumerate(zip(task.paths, _spans(task, model), strict=True))
        for start_ms, samples in _cut(path, spans)
    ]
    batches = _batches(segments, model.window_margin_s, whisper.work_space.decoder_frames)

    def hear(batch: Batch) -> list[str]:
        lengths = [segment.samples for segment in batch.segments]
        encoded = whisper.encode([segment.mel for segment in batch.segments], batch.frames)
        hypotheses = whisper.generate(
            encoded,
            [prompt] * len(lengths),
            tokenizer,
            DecodeOptions(beam_size=task.beam),
            temperature=0,
            max_new_tokens=max(token_limit(length, "en") for length in lengths),
        )
        if task.word_times:
            tokens = [hypothesis.tokens for hypothesis in hypotheses]
            whisper.align(encoded, tokenizer, tokens, list(map(content_frames, lengths)))
        return [hypothesis.text for hypothesis in hypotheses]

    with ThreadPoolExecutor(task.cores) as pool:
        list(pool.map(hear, batches[: task.cores]))  # warms up the threads
        with stopwatch:
            heard = list(pool.map(hear, batches))
    texts = {
        (segment.file, segment.start_ms): text
        for batch, said in zip(batches, heard, strict=True)
        for segment, text in zip(batch.segments, said, strict=True)
    }
    return [
        " ".join(texts[place] for place in sorted(texts) if place[0] == number and texts[place])
        for number in range(len(task.paths))
    ]


def _batches(segments: Sequence[Segment], margin_s: float | None, most_frames: int) -> list[Batch]:
    """The longest first, so that the threads end at about the same time."""
    groups: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: -segment.samples):
        if groups and len(groups[-1]) < MAX_BATCH:
            longest = window_frames(groups[-1][0].samples, margin_s)
            if (len(groups[-1]) + 1) * longest <= most_frames:
                groups[-1].append(segment)
                continue
        groups.append([segment])
    return [
        Batch(tuple(group), tuple(window_frames(segment.samples, margin_s) for segment in group)) for group in groups
    ]


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
