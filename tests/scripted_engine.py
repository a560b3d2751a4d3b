"""An engine without models, in two shapes: a transcriber in this process, and an inference process of its own.

`ScriptedTranscriber` stands for the whole engine where operations and rpc are tested. Run as a program, this module
speaks the protocol of `batchscribe_engine.inference` over its socket and the arena, so that supervision and batching
are tested on real processes and real signals:

    python -m tests.scripted_engine --channel-fd N --arena-fd M [--concurrency K] [--script FILE] [--journal FILE]

What it hears in a segment is `said <v>`, where v is the segment's first sample; in a window of a file that is heard in
sequence likewise, with the next window where this one ends. The script is a JSON object:

    "crash": [v, ...]             SIGSEGV when a batch holds such a segment
    "hang": [v, ...]              never answer such a batch, while the heartbeat goes on
    "fail": {"v": "REASON"}       answer such a batch with BatchFailed
    "memory_s": 0.0               run out of memory with more padded audio, and learn from it as the real one does
    "most_s": 160.0               how much padded audio a batch may have, until less was learned
    "too_many": 0                 answer batches of more segments with INFERENCE_OUT_OF_MEMORY, unless it is 0
    "languages": {"v": [["en", 0.9], ["de", 0.05]]}   what detection finds, [["en", 0.95]] otherwise
    "delay_s": 0.0                for each batch
    "doubted": {"v": [["short", "too_short"]]}   the doubts of such a segment's result, whose decoding is "full" then
    "die_on_load": false          die before the first batch is started
    "hang_on_load": ["name", ...] never load such a model, while batches of others go on
    "exit_at_start": 0            exit with this code instead of saying hello, unless it is 0
    "heartbeat_s": 0.1

The script is read again at each start. The journal gets one JSON line for each batch started: pid, the script's name,
batch, values, languages, and the limit that the engine had learned by then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy

from batchscribe_engine.arena import Arena, StaleSlotError
from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.inference.appetite import Appetite
from batchscribe_engine.inference.core import in_halves
from batchscribe_engine.inference.errors import OutOfMemoryError
from batchscribe_engine.messages import (
    BatchDone,
    BatchFailed,
    BatchSizeLearned,
    BatchStarted,
    EngineReady,
    EngineStatus,
    InferBatch,
    InferWindow,
    LoadedModel,
    Passage,
    SegmentResult,
    SegmentTask,
    Shutdown,
    ToEngine,
    WindowDone,
    WindowResult,
    WindowTask,
    Word,
)
from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription
from batchscribe_server.domain.transcript import Word as HeardWord
from batchscribe_server.operations.transcriber import (
    HeardSegment,
    MediaSummary,
    TranscriberStatus,
    Transcription,
    TranscriptionRequest,
)


@dataclass(frozen=True, slots=True)
class Script:
    """What is heard in one file: `texts`, a second each with a second of silence between, then perhaps a failure.

    `failure` is raised after `fail_after` of the texts were given (none left out by `first_segment` counts).
    """

    texts: tuple[str, ...] = ("hello there", "general audience", "goodbye")
    language: str = "en"
    failure: JobFailure | None = None
    fail_after: int = 0
    warning: str = ""
    media: MediaDescription = field(default_factory=lambda: MediaDescription("wav", "pcm_s16le", 16_000, 1, 6_000))

    def segment(self, index: int) -> HeardSegment:
        """The segment of that number, its words spread evenly over its second."""
        text = self.texts[index]
        start_ms = 2_000 * index
        words = text.split()
        step_ms = 1_000 // max(1, len(words))
        return HeardSegment(
            index=index,
            start_ms=start_ms,
            end_ms=start_ms + 1_000,
            text=text,
            words=tuple(
                HeardWord(word, start_ms + step_ms * i, start_ms + step_ms * (i + 1), 0.9)
                for i, word in enumerate(words)
            ),
            language=DetectedLanguage(self.language, 0.95),
            confidence=0.9,
        )


class ScriptedTranscriber:
    """A `Transcriber` whose files say what their scripts say.

    `script_for` gives each request its script. Clear `flowing` to hold every file before its next segment; `started`
    is set by each file that begins, `requests` keeps what was asked, `prioritized` the jobs that got another priority,
    `open` counts the iterators not yet closed.
    """

    def __init__(self, script_for: Callable[[TranscriptionRequest], Script] = lambda _: Script()) -> None:
        self.script_for = script_for
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.ready = asyncio.Event()
        self.ready.set()
        self.started = asyncio.Event()
        self.requests: list[TranscriptionRequest] = []
        self.prioritized: list[tuple[str, int]] = []
        self.open = 0

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Transcription]:
        """The description, the segments from `first_segment` on, and the summary, or the script's failure."""
        script = self.script_for(request)
        self.requests.append(request)
        self.open += 1
        self.started.set()
        try:
            if script.failure is None or script.fail_after:
                yield script.media
            end = len(script.texts) if script.failure is None else script.fail_after
            for index in range(request.first_segment, end):
                await self.flowing.wait()
                yield script.segment(index)
            await self.flowing.wait()
            if script.failure is not None:
                raise script.failure
            count = len(script.texts)
            yield MediaSummary(
                duration_ms=2_000 * count, speech_ms=1_000 * count, segments=count, warning=script.warning
            )
        finally:
            self.open -= 1

    def prioritize(self, job_id: str, priority: int) -> None:
        """Keep it."""
        self.prioritized.append((job_id, priority))

    def status(self) -> TranscriberStatus:
        """Ready while `ready` is set."""
        if self.ready.is_set():
            return TranscriberStatus(ready=True, device="cpu", compute_type="int8", slots=8, free_slots=8)
        return TranscriberStatus(ready=False, reason="the scripted engine is not ready")

    async def wait_ready(self) -> None:
        """Wait for `ready` to be set."""
        await self.ready.wait()


class ScriptedEngine:
    """The child's side: one thread receives, `concurrency` threads answer, one beats."""

    def __init__(self, channel: BlockingChannel[Any], arena: Arena, concurrency: int, script: dict[str, Any]) -> None:
        self._channel = channel
        self._arena = arena
        self._script = script
        self._concurrency = threading.Semaphore(concurrency)
        self._threads: list[threading.Thread] = []
        self._slots = concurrency
        self._models: dict[str, LoadedModel] = {}
        self._most_s = float(script.get("most_s", 160.0))
        self._appetite = Appetite(self._most_s)
        self.name = ""
        self._loading = ""
        self.journal: Path | None = None

    def run(self) -> None:
        """Serve until told to stop or the server is gone."""
        self._channel.send(EngineReady(os.getpid(), "cpu", "scripted", self._slots, max_batch_padded_s=self._most_s))
        threading.Thread(target=self._beat, daemon=True).start()
        while True:
            message = self._channel.receive()
            match message:
                case InferBatch() | InferWindow():
                    thread = threading.Thread(target=self._serve, args=(message,), daemon=True)
                    self._threads.append(thread)
                    # In order, as an engine takes its batches up: the next one waits here for a worker.
                    self._concurrency.acquire()
                    thread.start()
                case Shutdown():
                    for thread in self._threads:
                        thread.join()
                    return

    def _beat(self) -> None:
        while True:
            try:
                self._channel.send(EngineStatus(1 << 20, self._loading, tuple(self._models.values())))
            except ChannelClosedError:
                os._exit(0)
            time.sleep(self._script.get("heartbeat_s", 0.1))

    def _serve(self, batch: InferBatch | InferWindow) -> None:
        try:
            self._answer(batch)
        except StaleSlotError as error:
            self._channel.send(BatchFailed(batch.batch_id, "INFERENCE_FAILED", str(error)))
        except ChannelClosedError:
            os._exit(0)
        finally:
            self._concurrency.release()

    def _answer(self, batch: InferBatch | InferWindow) -> None:
        began_s = time.monotonic()
        if self._script.get("die_on_load"):
            _die_of(signal.SIGKILL)
        if batch.model.name in self._script.get("hang_on_load", ()):
            self._loading = batch.model.name
            threading.Event().wait()
        self._models[batch.model.path] = LoadedModel(batch.model.name, batch.model.path, 1 << 20)
        self._channel.send(BatchStarted(batch.batch_id))
        if isinstance(batch, InferWindow):
            values, languages, samples = (
                [self._first(batch.window)],
                [batch.window.language],
                [batch.window.frames * 160],
            )
        else:
            values = [self._value(segment) for segment in batch.segments]
            languages = [segment.language for segment in batch.segments]
            samples = [segment.samples for segment in batch.segments]
        self._note(batch, values, languages, samples)
        if set(values) & set(self._script.get("crash", ())):
            _die_of(signal.SIGSEGV)
        if set(values) & set(self._script.get("hang", ())):
            threading.Event().wait()
        failures = [reason for value in values if (reason := self._script.get("fail", {}).get(str(value)))]
        if 0 < self._script.get("too_many", 0) < len(values):
            failures.append("INFERENCE_OUT_OF_MEMORY")
        if failures:
            self._channel.send(BatchFailed(batch.batch_id, failures[0], "as scripted"))
            return
        time.sleep(self._script.get("delay_s", 0.0))
        if isinstance(batch, InferWindow):
            result = self._hear_window(batch.window, values[0])
            self._channel.send(WindowDone(batch.batch_id, result, max(1e-6, time.monotonic() - began_s)))
            return
        limit_s = self._appetite.limit_s
        results = tuple(
            in_halves(self._hear_all, list(zip(batch.segments, values, strict=True)), _padded_s, self._appetite)
        )
        if self._appetite.limit_s != limit_s:
            size = self._appetite.limit_s
            self._channel.send(BatchSizeLearned(batch.model.path, batch.options.beam_size, size))
        self._channel.send(BatchDone(batch.batch_id, results, max(1e-6, time.monotonic() - began_s)))

    def _hear_all(self, segments: Sequence[tuple[SegmentTask, int]]) -> list[SegmentResult]:
        if 0 < self._script.get("memory_s", 0.0) < _padded_s(segments):
            raise OutOfMemoryError("as scripted")
        return [self._hear(segment, value) for segment, value in segments]

    def _value(self, segment: SegmentTask) -> int:
        samples = self._arena.read(segment.slot, segment.generation)
        if samples.size != segment.samples:
            raise AssertionError(f"{samples.size} samples where {segment.samples} were announced")
        return int(samples[0])

    def _first(self, window: WindowTask) -> int:
        """The first sample of a window, which lies some frames behind the beginning of its sound."""
        spans = [self._arena.read(s.slot, s.generation)[s.first_sample :][: s.samples] for s in window.spans]
        return int(numpy.concatenate(spans)[window.lead_frames * 160])

    def _note(
        self, batch: InferBatch | InferWindow, values: list[int], languages: list[str], samples: list[int]
    ) -> None:
        if self.journal is None:
            return
        line = {
            "pid": os.getpid(),
            "engine": self.name,
            "batch": batch.batch_id,
            "model": batch.model.name,
            "values": values,
            "languages": languages,
            "limit_s": self._appetite.limit_s,
            "samples": samples,
        }
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")

    @staticmethod
    def _hear_window(window: WindowTask, value: int) -> WindowResult:
        next_frame = window.start_frame + window.frames
        return WindowResult(
            segment_id=window.segment_id,
            text=f"said {value}",
            language=window.language or "en",
            language_candidates=() if window.language else (("en", 0.95),),
            avg_log_prob=-0.1,
            passages=(Passage(f"said {value}", 10 * window.start_frame, 10 * next_frame),),
            next_frame=next_frame,
        )

    def _hear(self, segment: SegmentTask, value: int) -> SegmentResult:
        candidates: tuple[tuple[str, float], ...] = ()
        if not segment.language:
            found = self._script.get("languages", {}).get(str(value), [["en", 0.95]])
            candidates = tuple((language, probability) for language, probability in found)
        length_ms = segment.samples * 1000 // 16_000
        doubts = tuple((attempt, fault) for attempt, fault in self._script.get("doubted", {}).get(str(value), ()))
        return SegmentResult(
            segment_id=segment.segment_id,
            text=f"said {value}",
            words=(Word("said", 0, length_ms // 2, 0.8), Word(str(value), length_ms // 2, length_ms, 0.9)),
            language=segment.language or (candidates[0][0] if candidates else ""),
            language_candidates=candidates,
            avg_log_prob=-0.1,
            decoding="full" if doubts else "short",
            doubts=doubts,
        )


def _padded_s(segments: Sequence[tuple[SegmentTask, int]]) -> float:
    return max(segment.samples for segment, _ in segments) * len(segments) / 16_000


def _die_of(number: signal.Signals) -> NoReturn:
    os.kill(os.getpid(), number)
    while True:  # the signal may come a moment later, to another thread
        time.sleep(1)


def main() -> int:
    """Run as an inference process. Unknown options of the real one are taken and ignored."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--arena-fd", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--journal", type=Path)
    options, _ = parser.parse_known_args()
    script = json.loads(options.script.read_text()) if options.script else {}
    if code := script.get("exit_at_start", 0):
        print("the scripted engine will not start", file=sys.stderr)
        return int(code)
    channel: BlockingChannel[Any] = BlockingChannel(options.channel_fd, ToEngine)
    engine = ScriptedEngine(channel, Arena.attach(options.arena_fd), options.concurrency, script)
    engine.journal = options.journal
    engine.name = options.script.stem if options.script else ""
    try:
        engine.run()
    except ChannelClosedError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
