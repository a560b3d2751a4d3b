"""The inference process as the server sees it: a real child, its channel, its signals and its ends."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from msgspec.structs import replace

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.messages import (
    BatchDone,
    BatchFailed,
    BatchStarted,
    DecodeOptions,
    EngineReady,
    EngineStatus,
    FromEngine,
    InferBatch,
    InferWindow,
    ModelSpec,
    SegmentTask,
    Shutdown,
    SlotSpan,
    WindowDone,
    WindowTask,
)
from tests.speech import read_wav, spoken

pytestmark = pytest.mark.timeout(60)

TEXT = "Please send the report to the office before Friday afternoon."
GENERATION = 7
SPEECH_SLOT = 0
NOISE_SLOT = 1
EXIT_S = 20

Wanted = TypeVar("Wanted", bound=FromEngine)
Other = TypeVar("Other", bound=FromEngine)


@dataclass
class Engine:
    """A running inference process; slot 0 of its arena holds `TEXT`, slot 1 thirty seconds of noise."""

    process: subprocess.Popen[str]
    channel: BlockingChannel[FromEngine]
    ready: EngineReady
    speech_samples: int

    def next(self, kind: type[Wanted], *others: type[Other]) -> Wanted | Other:
        """The next message of one of these kinds; others are passed over."""
        kinds: tuple[type[Wanted | Other], ...] = (kind, *others)
        while True:
            message = self.channel.receive()
            if isinstance(message, kinds):
                return message

    def batch(
        self, batch_id: int, model: ModelSpec, *, generation: int = GENERATION, slots: Sequence[int] = (SPEECH_SLOT,)
    ) -> InferBatch:
        samples = {SPEECH_SLOT: self.speech_samples, NOISE_SLOT: 480_000}
        segments = tuple(SegmentTask(slot, slot, generation, samples[slot], "en") for slot in slots)
        return InferBatch(batch_id, model, DecodeOptions(), segments)

    def answer(self, batch: InferBatch) -> BatchDone | BatchFailed:
        self.channel.send(batch)
        return self.next(BatchDone, BatchFailed)

    def exit_code(self) -> int:
        return self.process.wait(EXIT_S)


@contextlib.contextmanager
def engine(*arguments: str) -> Iterator[Engine]:
    speech = read_wav(spoken(TEXT))
    arena = Arena.create(2)
    arena.write(SPEECH_SLOT, GENERATION, speech)
    arena.write(NOISE_SLOT, GENERATION, np.random.default_rng(1).normal(0, 3000, 480_000).astype(np.int16))
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "batchscribe_engine.inference", "--device", "cpu", "--concurrency", "1"),
            *("--threads", "2", "--pulse-s", "0.05"),
            *("--channel-fd", str(theirs.fileno()), "--arena-fd", str(arena.descriptor)),
            *arguments,
        ],
        pass_fds=(theirs.fileno(), arena.descriptor),
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    channel: BlockingChannel[FromEngine] = BlockingChannel(ours.detach(), FromEngine)
    try:
        ready = channel.receive()
        assert isinstance(ready, EngineReady)
        yield Engine(process, channel, ready, speech.size)
    finally:
        process.kill()
        process.communicate()
        channel.close()
        arena.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    """An engine that tests share as long as they leave it running."""
    with engine() as started:
        yield started


@pytest.fixture(scope="module")
def tiny_en(tiny_en_folder: Path) -> ModelSpec:
    return ModelSpec("tiny.en", str(tiny_en_folder), 2.0)


def test_it_says_what_it_is(running: Engine) -> None:
    assert running.ready == EngineReady(running.process.pid, "cpu", "int8", 1)


def test_a_batch_is_started_and_done(running: Engine, tiny_en: ModelSpec) -> None:
    running.channel.send(running.batch(5, tiny_en))
    assert running.next(BatchStarted, BatchDone, BatchFailed) == BatchStarted(5)
    done = running.next(BatchStarted, BatchDone, BatchFailed)
    assert isinstance(done, BatchDone)
    assert (done.batch_id, [result.text for result in done.results]) == (5, [TEXT])
    assert 0 < done.elapsed_s < 30


def test_a_batch_whose_features_are_computed_ahead_is_heard_as_well(tiny_en: ModelSpec) -> None:
    with engine("--preparers", "1") as ahead:
        assert ahead.ready.queue_depth == 2
        for batch_id in range(3):
            done = ahead.answer(ahead.batch(batch_id, tiny_en))
            assert isinstance(done, BatchDone)
            assert (done.batch_id, [result.text for result in done.results]) == (batch_id, [TEXT])


def test_a_window_of_a_file_in_sequence_is_started_and_done(running: Engine, tiny_en: ModelSpec) -> None:
    span = SlotSpan(SPEECH_SLOT, GENERATION, 0, running.speech_samples)
    window = WindowTask(9, (span,), 0, 0, running.speech_samples // 160, at_end=True)
    running.channel.send(InferWindow(8, tiny_en, DecodeOptions(beam_size=5), window))
    assert running.next(BatchStarted, WindowDone, BatchFailed) == BatchStarted(8)
    done = running.next(BatchStarted, WindowDone, BatchFailed)
    assert isinstance(done, WindowDone)
    assert (done.batch_id, done.result.segment_id, done.result.text) == (8, 9, TEXT)
    assert [passage.text for passage in done.result.passages] == [TEXT]
    assert done.result.next_frame >= window.frames
    assert done.elapsed_s > 0

    stale = SlotSpan(SPEECH_SLOT, GENERATION + 1, 0, running.speech_samples)
    running.channel.send(InferWindow(9, tiny_en, DecodeOptions(), replace(window, spans=(stale,))))
    failed = running.next(WindowDone, BatchFailed)
    assert isinstance(failed, BatchFailed)
    assert (failed.batch_id, failed.reason) == (9, "INFERENCE_FAILED")


def test_its_heartbeat_tells_of_its_models(running: Engine, tiny_en: ModelSpec) -> None:
    running.answer(running.batch(6, tiny_en))
    statuses = [running.next(EngineStatus) for _ in range(2)]
    assert [model.name for model in statuses[-1].models] == ["tiny.en"]
    assert statuses[-1].models[0].memory_bytes > 50_000_000
    assert statuses[-1].resident_bytes > 50_000_000
    assert statuses[-1].loading == ""


def test_a_broken_model_fails_its_batch_alone(running: Engine, tiny_en: ModelSpec, tmp_path: Path) -> None:
    running.channel.send(running.batch(7, ModelSpec("broken", str(tmp_path))))
    failed = running.next(BatchStarted, BatchDone, BatchFailed)
    assert failed == BatchFailed(7, "MODEL_UNAVAILABLE", f"model broken has no model.bin in {tmp_path}")
    assert isinstance(running.answer(running.batch(8, tiny_en)), BatchDone)


def test_a_slot_that_changed_hands_fails_its_batch_alone(running: Engine, tiny_en: ModelSpec) -> None:
    failed = running.answer(running.batch(9, tiny_en, generation=GENERATION + 1))
    assert isinstance(failed, BatchFailed)
    assert (failed.batch_id, failed.reason) == (9, "INFERENCE_FAILED")
    assert isinstance(running.answer(running.batch(10, tiny_en)), BatchDone)


def test_an_interrupt_at_the_terminal_is_not_for_it(running: Engine, tiny_en: ModelSpec) -> None:
    running.process.send_signal(signal.SIGINT)
    assert isinstance(running.answer(running.batch(11, tiny_en)), BatchDone)


def test_two_models_share_a_budget_that_fits_one(base_folder: Path, tiny_en: ModelSpec) -> None:
    base = ModelSpec("base", str(base_folder), 2.0)
    with engine("--memory-budget-bytes", "160000000") as limited:
        for batch_id, model in enumerate((base, tiny_en)):
            done = limited.answer(limited.batch(batch_id, model))
            assert isinstance(done, BatchDone)
            assert done.results[0].text == TEXT
            limited.next(EngineStatus)  # it may have been sent before the batch was done
            assert [each.name for each in limited.next(EngineStatus).models] == [model.name]


def test_an_idle_model_is_unloaded_and_its_memory_given_back(tiny_en: ModelSpec) -> None:
    with engine("--idle-unload-s", "0.5") as forgetful:
        assert isinstance(forgetful.answer(forgetful.batch(1, tiny_en)), BatchDone)
        loaded = forgetful.next(EngineStatus)
        while (status := forgetful.next(EngineStatus)).models:
            loaded = status
        assert status.resident_bytes < loaded.resident_bytes - 40_000_000


def test_memory_that_work_took_is_given_back_in_time(tiny_en: ModelSpec) -> None:
    with engine("--keep-freed-s", "1") as resting:
        resting.channel.send(resting.batch(1, tiny_en, slots=(NOISE_SLOT,)))
        working: list[EngineStatus] = []  # all along: what was taken may be given back just as the batch is done
        while isinstance(message := resting.next(EngineStatus, BatchDone), EngineStatus):
            working += [message] if message.models else []
        most_bytes = max(each.resident_bytes for each in working)
        while (status := resting.next(EngineStatus)).resident_bytes > most_bytes - 20_000_000:
            pass
        assert status.models == working[-1].models


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_segments_of_ever_new_lengths_take_no_more_memory_than_a_few(tiny_en: ModelSpec) -> None:
    shortest = 16_000
    step = 320  # a window has a frame for each 10 ms, and an even number of them

    with engine("--keep-freed-s", "0.05") as busy:

        def resident_after(lengths: range) -> int:
            for number in lengths:
                batch = busy.batch(number, tiny_en)
                cut = replace(batch.segments[0], samples=shortest + step * number)
                assert isinstance(busy.answer(replace(batch, segments=(cut,))), BatchDone)
            return min(busy.next(EngineStatus).resident_bytes for _ in range(10))

        after_few = resident_after(range(10))
        assert resident_after(range(10, 80)) < after_few + 20_000_000


@pytest.mark.parametrize("ask", ["SIGTERM", "Shutdown"])
def test_it_finishes_what_runs_and_leaves_the_rest_when_asked_to_stop(ask: str, tiny_en: ModelSpec) -> None:
    with engine() as stopping:
        for batch_id in range(3):
            stopping.channel.send(stopping.batch(batch_id, tiny_en, slots=(NOISE_SLOT,)))
        assert stopping.next(BatchStarted) == BatchStarted(0)
        if ask == "SIGTERM":
            stopping.process.send_signal(signal.SIGTERM)
        else:
            stopping.channel.send(Shutdown())
        told = stopping.next(BatchStarted, BatchDone, BatchFailed)
        assert isinstance(told, BatchStarted | BatchDone | BatchFailed)
        assert told.batch_id == 0
        with pytest.raises(ChannelClosedError):
            stopping.next(BatchStarted, BatchDone, BatchFailed)
        assert stopping.exit_code() == 0


def test_idle_it_stops_at_once_when_asked() -> None:
    with engine() as idle:
        idle.channel.send(Shutdown())
        assert idle.exit_code() == 0


def test_it_ends_with_the_server_even_in_the_middle_of_a_batch(tiny_en: ModelSpec) -> None:
    with engine() as orphan:
        # More batches than its queue holds: it must notice while it cannot take another one.
        for batch_id in range(8):
            orphan.channel.send(orphan.batch(batch_id, tiny_en, slots=(NOISE_SLOT,) * 8))
        orphan.next(BatchStarted)
        orphan.channel.close()
        assert orphan.exit_code() == 0
        assert orphan.process.stderr is not None
        assert orphan.process.stderr.read() == ""


def test_it_ends_even_if_nobody_reads_its_last_words() -> None:
    code = """
import os, sys
from batchscribe_engine.inference.process import exit_now
os.read(0, 1)  # by now the other end of standard error is closed
try:
    print("words", file=sys.stderr)
except BrokenPipeError:
    exit_now(7)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.wait(EXIT_S) == 7


def test_a_device_that_is_not_there_is_told_in_plain_words() -> None:
    ours, theirs = socket.socketpair()
    arena = Arena.create(1)
    with ours, theirs:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "batchscribe_engine.inference", "--device", "cuda:99"),
                *("--channel-fd", str(theirs.fileno()), "--arena-fd", str(arena.descriptor)),
            ],
            pass_fds=(theirs.fileno(), arena.descriptor),
            capture_output=True,
            text=True,
            timeout=EXIT_S,
            check=False,
        )
    arena.close()
    assert run.returncode == 2
    assert "there is no CUDA device 99" in run.stderr
