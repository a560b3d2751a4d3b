"""The device is kept supplied: features computed ahead, batches cut to fit, and an end where it is broken."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.channel import BlockingChannel, ChannelClosedError
from batchscribe_engine.messages import (
    BatchDone,
    BatchFailed,
    BatchSizeLearned,
    BatchStarted,
    DecodeOptions,
    EngineReady,
    FromEngine,
    InferBatch,
    ModelSpec,
    SegmentTask,
    Shutdown,
)
from tests.scripted_device import SAID

SLOTS = 16
FIRST_SAMPLE = 100
SEGMENT_S = 2
PATIENCE_S = 60
WINDOW_FRAMES = 3000

Wanted = TypeVar("Wanted", bound=FromEngine)
Other = TypeVar("Other", bound=FromEngine)


@dataclass
class Device:
    """An inference process with a scripted device, whose slots each hold a segment of two seconds."""

    process: subprocess.Popen[str]
    channel: BlockingChannel[FromEngine]
    gate: int
    journal: Path
    folder: Path

    def send(self, batch_id: int, slots: Sequence[int], *, generation: int = 1) -> None:
        spec = ModelSpec("scripted", str(self.folder), None)
        tasks = tuple(SegmentTask(slot, slot, generation, SEGMENT_S * 16_000, "en") for slot in slots)
        self.channel.send(InferBatch(batch_id, spec, DecodeOptions(), tasks))

    def open_gate(self, calls: int = 1000) -> None:
        os.write(self.gate, bytes(calls))

    def next(self, kind: type[Wanted], *others: type[Other]) -> Wanted | Other:
        kinds: tuple[type[Wanted | Other], ...] = (kind, *others)
        while True:
            message = self.channel.receive()
            if isinstance(message, kinds):
                return message

    def noted(self) -> list[str]:
        return self.journal.read_text().split("\n")[:-1] if self.journal.exists() else []

    def wait_until_noted(self, lines: set[str]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not lines <= set(self.noted()):
            assert time.monotonic() < deadline_s, self.noted()
            time.sleep(0.01)


@contextlib.contextmanager
def device(folder: Path, *arguments: str) -> Iterator[Device]:
    (folder / "model.bin").touch()
    arena = Arena.create(SLOTS)
    for slot in range(SLOTS):
        arena.write(slot, 1, np.full(SEGMENT_S * 16_000, FIRST_SAMPLE + slot, np.int16))
    ours, theirs = socket.socketpair()
    shut, gate = os.pipe()
    descriptors = theirs.fileno(), arena.descriptor, shut
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.scripted_device", "--journal", str(folder / "journal")),
            *("--channel-fd", str(descriptors[0]), "--arena-fd", str(descriptors[1]), "--gate-fd", str(descriptors[2])),
            *arguments,
        ],
        pass_fds=descriptors,
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    os.close(shut)
    channel: BlockingChannel[FromEngine] = BlockingChannel(ours.detach(), FromEngine)
    try:
        assert isinstance(channel.receive(), EngineReady)
        yield Device(process, channel, gate, folder / "journal", folder)
    finally:
        process.kill()
        process.communicate()
        channel.close()
        arena.close()
        os.close(gate)


def features_of(*slots: int) -> set[str]:
    return {str(FIRST_SAMPLE + slot) for slot in slots}


def test_features_of_the_next_batches_are_computed_while_the_device_works(tmp_path: Path) -> None:
    with device(tmp_path, "--preparers", "1") as slow:
        slow.send(1, (0, 1))
        assert slow.next(BatchStarted, BatchDone) == BatchStarted(1)
        slow.send(2, (2,))
        slow.send(3, (3,))
        slow.wait_until_noted(features_of(0, 1, 2, 3))
        assert not any(line.startswith("encoded") for line in slow.noted())
        slow.open_gate()
        told = [slow.next(BatchStarted, BatchDone) for _ in range(5)]

    assert [(type(each).__name__, each.batch_id) for each in told] == [
        *(("BatchDone", 1), ("BatchStarted", 2), ("BatchDone", 2), ("BatchStarted", 3), ("BatchDone", 3))
    ]


@pytest.mark.parametrize("preparers", ["0", "2"])
def test_every_batch_is_answered_whoever_prepares_it(preparers: str, tmp_path: Path) -> None:
    with device(tmp_path, "--preparers", preparers, "--concurrency", "2") as quick:
        quick.open_gate()
        for batch_id in range(8):
            quick.send(batch_id, (2 * batch_id, 2 * batch_id + 1), generation=1 if batch_id != 3 else 2)
        answers = {answer.batch_id: answer for answer in (quick.next(BatchDone, BatchFailed) for _ in range(8))}
        quick.channel.send(Shutdown())
        assert quick.process.wait(PATIENCE_S) == 0

    stale = answers.pop(3)
    assert isinstance(stale, BatchFailed)
    assert stale.reason == "INFERENCE_FAILED"
    for batch_id, done in answers.items():
        assert isinstance(done, BatchDone)
        assert [result.segment_id for result in done.results] == [2 * batch_id, 2 * batch_id + 1]
        assert {result.text for result in done.results} == {SAID}


@pytest.mark.parametrize("preparers", ["0", "1"])
def test_asked_to_stop_it_finishes_what_the_device_has_begun_and_leaves_the_rest(
    preparers: str, tmp_path: Path
) -> None:
    with device(tmp_path, "--preparers", preparers) as stopping:
        for batch_id in range(4):
            stopping.send(batch_id, (batch_id,))
        assert stopping.next(BatchStarted) == BatchStarted(0)
        stopping.channel.send(Shutdown())
        stopping.wait_until_noted({"stopping: shutdown"})
        # One call fewer than there are batches: a process that went on with all of them would not end.
        stopping.open_gate(3)
        assert stopping.next(BatchDone).batch_id == 0
        assert stopping.process.wait(PATIENCE_S) == 0


def test_a_batch_too_large_for_the_device_is_done_in_parts_and_the_next_one_is_cut_at_once(tmp_path: Path) -> None:
    with device(tmp_path, "--room", str(4 * WINDOW_FRAMES)) as small:
        small.open_gate()
        small.send(1, range(8))
        learned = small.next(BatchSizeLearned, BatchDone)
        done = small.next(BatchDone)
        tried = [line for line in small.noted() if line.startswith("encoded")]
        small.send(2, range(8, 16))
        again = small.next(BatchSizeLearned, BatchDone)

    assert learned == BatchSizeLearned(str(tmp_path), 1, 4 * SEGMENT_S)
    assert [result.text for result in done.results] == [SAID] * 8
    assert tried == ["encoded 8", "encoded 4", "encoded 4"]
    assert isinstance(again, BatchDone)
    assert small.noted()[-2:] == ["encoded 4", "encoded 4"]


def test_a_segment_too_large_for_the_device_fails_its_batch(tmp_path: Path) -> None:
    with device(tmp_path, "--room", str(WINDOW_FRAMES - 1)) as small:
        small.open_gate()
        small.send(1, (0,))
        assert small.next(BatchSizeLearned).max_padded_s == SEGMENT_S / 2
        assert small.next(BatchDone, BatchFailed) == BatchFailed(
            1, "INFERENCE_OUT_OF_MEMORY", "the device's memory is full"
        )


def test_a_broken_device_ends_its_process_with_the_error_in_its_last_line(tmp_path: Path) -> None:
    with device(tmp_path, "--broken") as broken:
        broken.open_gate()
        broken.send(1, (0,))
        assert broken.next(BatchStarted) == BatchStarted(1)
        with pytest.raises(ChannelClosedError):
            broken.next(BatchDone, BatchFailed)
        assert broken.process.wait(PATIENCE_S) == 3
        assert broken.process.stderr is not None
        assert "illegal memory access" in broken.process.stderr.read().rstrip().rpartition("\n")[2]
