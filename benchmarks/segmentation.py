"""How far to join speech into segments: word error rate and cost for several lengths, on reading and on conversation.

    python -m benchmarks.segmentation FOLDER [--model base] [--join-s 8 10 12 15 20 28] [--orders 2]

FOLDER holds references.tsv (file, channel, text, tab-separated) and its recordings; rows whose channel is not "mono"
are left out. The recording of a conversation is measured by itself; the others are joined into one long file with
pauses of 0.3 to 1.5 s, in as many orders as asked for. Everything runs in this process, on one core: the media
worker's own transcoding into an arena, then the engine's step on batches of segments alike in length, greedy, English
given. Costs are processor time in milliseconds per second of sound.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # as the children; read when they are loaded

import numpy as np

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.core import transcribe
from batchscribe_engine.inference.whisper import Device, Whisper
from batchscribe_engine.media.decoder import MediaFile
from batchscribe_engine.media.transcode import transcode
from batchscribe_engine.media.voice_activity import SileroModel
from batchscribe_engine.messages import (
    DecodeOptions,
    InferBatch,
    MediaFailed,
    Message,
    ModelSpec,
    SegmentReady,
    SegmentTask,
    SlotGranted,
    TranscodeTask,
    VoiceActivityOptions,
)
from batchscribe_server.domain.model import Model
from batchscribe_server.transcriber.batcher import BatchLimits
from benchmarks.accuracy import word_error_rate
from benchmarks.model import resolve
from benchmarks.recordings import Recording, duration_s, read_references
from tests.speech import silence, write_wav

PAUSES_S = (0.3, 1.5)
ARENA_SLOTS = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one length gave on one set."""

    said: list[str]
    heard: list[str]
    audio_s: float
    segment_lengths_s: list[float]
    decoded_again: int
    media_cpu_s: float
    engine_cpu_s: float


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--join-s", type=float, nargs="+", default=[8, 10, 12, 15, 20, 28])
    parser.add_argument("--orders", type=int, default=2, help="in how many orders the short recordings are joined")
    parser.add_argument("--conversation", default="phone-call.wav", help="the recording measured by itself")
    options = parser.parse_args()
    recordings = read_references(options.folder)
    short = [recording for recording in recordings if recording.path.name != options.conversation]
    conversation = [recording for recording in recordings if recording.path.name == options.conversation]
    with tempfile.TemporaryDirectory() as name:
        joined = [_joined(short, order, Path(name)) for order in range(options.orders)]
        bench = Bench(resolve(options.model))
        rows = ["| speech | join_s | WER | segments | mean length | decoded again | media, ms/s | engine, ms/s |"]
        rows.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for label, files in (("read, joined", joined), ("conversation", conversation)):
            if files:
                bench.run(files, 15.0)  # once for nothing: what is slow the first time
            for join_s in options.join_s if files else ():
                rows.append(_row(label, join_s, bench.run(files, join_s)))
                print(rows[-1], flush=True)
    print("\n".join(["", *rows]))


class Bench:
    """The media worker's and the engine's work, one after the other in this process."""

    def __init__(self, model: Model) -> None:
        self._model = ModelSpec(model.name, model.path, model.window_margin_s)
        self._device = Device.choose("cpu", "int8")
        self._whisper = Whisper.load(model.path, self._device, workers=1, threads=1)
        self._silero = SileroModel()
        self._arena = Arena.create(ARENA_SLOTS)

    def run(self, recordings: Sequence[Recording], join_s: float) -> Outcome:
        """Hear some recordings, one by one, with segments joined up to `join_s`."""
        heard, lengths_s, again, media_cpu_s, engine_cpu_s = [], [], 0, 0.0, 0.0
        for recording in recordings:
            began_s = time.process_time()
            tasks = self._cut(recording.path, join_s)
            cut_s = time.process_time()
            results = self._decode(tasks)
            media_cpu_s += cut_s - began_s
            engine_cpu_s += time.process_time() - cut_s
            heard.append(" ".join(text for text, _ in results))
            again += sum(decoding != "short" for _, decoding in results)
            lengths_s += [task.samples / 16_000 for task in tasks]
        return Outcome(
            said=[recording.text for recording in recordings],
            heard=heard,
            audio_s=sum(_duration_s(recording.path) for recording in recordings),
            segment_lengths_s=lengths_s,
            decoded_again=again,
            media_cpu_s=media_cpu_s,
            engine_cpu_s=engine_cpu_s,
        )

    def _cut(self, path: Path, join_s: float) -> list[SegmentTask]:
        """The segments of a file, each in a slot of the arena."""
        tasks: list[SegmentTask] = []

        def grant() -> SlotGranted:
            if len(tasks) == ARENA_SLOTS:
                raise SystemExit(f"{path.name} has more than {ARENA_SLOTS} segments: use shorter recordings")
            return SlotGranted(1, len(tasks), generation=1)

        def take(message: Message) -> None:
            match message:
                case SegmentReady():
                    tasks.append(SegmentTask(message.index, message.slot, message.generation, message.samples, "en"))
                case MediaFailed():
                    raise SystemExit(f"{path.name}: {message.message}")

        with path.open("rb") as file:
            task = TranscodeTask(1, file.fileno(), VoiceActivityOptions(join_s=join_s), file_name=path.name)
            transcode(task, arena=self._arena, model=self._silero, grant_slot=grant, send=take)
        return tasks

    def _decode(self, tasks: Sequence[SegmentTask]) -> list[tuple[str, str]]:
        """The text of each segment and how it was decoded, in order."""
        size = BatchLimits().max_segments
        by_length = sorted(tasks, key=lambda task: task.samples)
        results = {}
        for first in range(0, len(by_length), size):
            batch = InferBatch(1, self._model, DecodeOptions(), tuple(by_length[first : first + size]))
            for result in transcribe(batch, self._arena, self._whisper):
                results[result.segment_id] = (result.text, result.decoding)
        return [results[task.segment_id] for task in tasks]


def _joined(recordings: Sequence[Recording], order: int, folder: Path) -> Recording:
    """All recordings as one, in an order and with pauses that depend on nothing but its number."""
    chance = random.Random(order)
    shuffled = chance.sample(list(recordings), len(recordings))
    parts = []
    for recording in shuffled:
        with recording.path.open("rb") as file, MediaFile(file.fileno()) as media:
            parts += [*media.blocks(), silence(chance.uniform(*PAUSES_S))]
    path = write_wav(folder / f"joined-{order}.wav", np.concatenate(parts))
    return Recording(path, " ".join(recording.text for recording in shuffled), duration_s(path))


def _duration_s(path: Path) -> float:
    with path.open("rb") as file, MediaFile(file.fileno()) as media:
        return media.info.duration_ms / 1000


def _row(label: str, join_s: float, outcome: Outcome) -> str:
    lengths_s = outcome.segment_lengths_s
    return (
        f"| {label} | {join_s:g} | {word_error_rate(outcome.said, outcome.heard):.2%} | {len(lengths_s)} "
        f"| {sum(lengths_s) / max(1, len(lengths_s)):.1f} s | {outcome.decoded_again} "
        f"| {1000 * outcome.media_cpu_s / outcome.audio_s:.1f} "
        f"| {1000 * outcome.engine_cpu_s / outcome.audio_s:.1f} |"
    )


if __name__ == "__main__":
    main()
