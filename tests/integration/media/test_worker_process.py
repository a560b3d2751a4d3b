"""The real worker process, over a real channel and arena."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from batchscribe_engine.media.worker import EXIT_SERVER_GONE
from batchscribe_engine.messages import (
    CancelTask,
    MediaFailed,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    Shutdown,
    SlotGranted,
    SlotWanted,
    TranscodeTask,
    VoiceActivityOptions,
)
from tests.media_files import ENCODINGS, encoded, renamed_text
from tests.open_files import opened
from tests.speech import joined, read_wav, silent, spoken

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = "The quick brown fox jumps over the lazy dog."
SECOND = "In seventeen minutes, the museum opens its doors."


def task(task_id: int, path: Path) -> TranscodeTask:
    return TranscodeTask(task_id, opened(path), VoiceActivityOptions(), file_name=path.name)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return joined([spoken(FIRST), spoken(SECOND)], 5.0, tmp_path / "two.wav")


@pytest.fixture
def long_silence(tmp_path: Path) -> Path:
    return silent(3600, tmp_path / "long.wav")


def test_segments_arrive_in_the_slots_granted(
    start_worker: Callable[..., Any], recording: Path, tmp_path: Path
) -> None:
    worker = start_worker()
    source = read_wav(recording)
    worker.send(task(1, recording))
    assert isinstance(worker.receive(), MediaOpened)
    for index, (slot, generation) in enumerate([(3, 11), (0, 12)]):
        worker.receive_until(SlotWanted)
        worker.send(SlotGranted(1, slot, generation))
        ready = worker.receive_until(SegmentReady)
        assert (ready.index, ready.slot, ready.generation) == (index, slot, generation)
        samples = worker.arena.read(slot, generation)
        assert np.array_equal(samples, source[ready.start_sample : ready.start_sample + ready.samples])
        del samples
    finished = worker.receive_until(MediaFinished)
    assert (finished.task_id, finished.segments, finished.warning) == (1, 2, "")


def test_a_bad_file_does_not_harm_the_next(start_worker: Callable[..., Any], recording: Path, tmp_path: Path) -> None:
    worker = start_worker()
    worker.send(task(1, renamed_text(tmp_path)))
    failed = worker.receive()
    assert isinstance(failed, MediaFailed)
    assert (failed.task_id, failed.reason) == (1, "UNSUPPORTED_FORMAT")
    worker.send(task(2, encoded(recording, tmp_path, ENCODINGS["ogg-opus"])))
    assert worker.receive_until(SlotWanted).task_id == 2


def test_a_task_that_waits_for_a_slot_can_be_cancelled(start_worker: Callable[..., Any], recording: Path) -> None:
    worker = start_worker()
    worker.send(task(1, recording))
    worker.receive_until(SlotWanted)
    worker.send(CancelTask(1))
    failed = worker.receive_until(MediaFailed)
    assert (failed.task_id, failed.reason) == (1, "CANCELLED")
    # A grant that crossed the cancellation falls back to the server: the next task asks for its own.
    worker.send(SlotGranted(1, 0, 5))
    worker.send(task(2, recording))
    assert worker.receive_until(SlotWanted).task_id == 2
    worker.send(SlotGranted(2, 2, 6))
    assert worker.receive_until(SegmentReady).slot == 2


def test_a_task_that_decodes_can_be_cancelled(start_worker: Callable[..., Any], long_silence: Path) -> None:
    worker = start_worker()
    worker.send(task(1, long_silence))
    assert worker.receive_until(MediaProgress).decoded_ms < 3_600_000
    worker.send(CancelTask(1))
    assert worker.receive_until(MediaFailed).reason == "CANCELLED"


def test_a_cancellation_that_comes_too_late_is_nothing(
    start_worker: Callable[..., Any], recording: Path, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.send(task(1, silent(0.5, tmp_path / "short.wav")))
    worker.receive_until(MediaFinished)
    worker.send(CancelTask(1))
    worker.send(task(1, recording))
    assert worker.receive_until(SlotWanted).task_id == 1


def test_a_worker_ends_at_once_when_the_server_is_gone(start_worker: Callable[..., Any], long_silence: Path) -> None:
    worker = start_worker()
    worker.send(task(1, long_silence))
    worker.receive_until(MediaProgress)
    worker.hang_up()
    assert worker.wait() == EXIT_SERVER_GONE


def test_an_idle_worker_ends_when_the_server_is_gone(start_worker: Callable[..., Any]) -> None:
    worker = start_worker()
    worker.hang_up()
    assert worker.wait() == EXIT_SERVER_GONE


def test_shutdown_waits_for_what_runs(start_worker: Callable[..., Any], recording: Path) -> None:
    worker = start_worker()
    worker.send(task(1, recording))
    worker.receive_until(SlotWanted)
    worker.send(Shutdown())
    for generation in (1, 2):
        worker.send(SlotGranted(1, 0, generation))
        worker.receive_until(SegmentReady)
        if generation == 1:
            worker.receive_until(SlotWanted)
    assert worker.receive_until(MediaFinished).segments == 2
    with pytest.raises(EOFError):
        worker.receive()
    assert worker.wait() == 0


def test_a_worker_stands_back_and_leaves_no_core(start_worker: Callable[..., Any]) -> None:
    worker = start_worker("--nice", "7")
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
    limits = Path(f"/proc/{worker.process.pid}/limits").read_text(encoding="ascii").splitlines()
    (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
    assert core[4] == core[5] in ("0", "1")


def test_a_worker_with_tight_limits_still_works(start_worker: Callable[..., Any], recording: Path) -> None:
    worker = start_worker("--memory-limit-bytes", str(128 * 2**20), "--cpu-limit-s-per-minute", "20")
    worker.send(task(1, recording))
    for generation in (1, 2):
        worker.receive_until(SlotWanted)
        worker.send(SlotGranted(1, 0, generation))
    assert worker.receive_until(MediaFinished).segments == 2


def test_memory_beyond_the_limit_is_refused() -> None:
    code = """
import numpy as np
from batchscribe_engine.media.limits import limit_memory
limit_memory(64 * 2**20)
np.ones(2**20)
try:
    np.ones(2**27)
except MemoryError:
    raise SystemExit(42)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 42


BURNING = """
import sys, time
from batchscribe_engine.media.limits import CpuAllowance, lower_priority
lower_priority(0)
allowance = CpuAllowance(0.2, reserve_s=0.2)
allowance.begin_task()
decoded_ms = 0
while time.process_time() < 1.6:
    for _ in range(100_000):
        pass
    decoded_ms += int(sys.argv[1])
    allowance.audio_decoded(decoded_ms)
"""


def test_processor_time_without_audio_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", BURNING, "0"], check=False, timeout=60)
    assert done.returncode == -signal.SIGXCPU


def test_processor_time_is_renewed_by_audio() -> None:
    done = subprocess.run([sys.executable, "-c", BURNING, "60000"], check=False, timeout=60)
    assert done.returncode == 0


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_a_minute(start_worker: Callable[..., Any], tmp_path: Path) -> None:
    utterances = [spoken(FIRST), spoken(SECOND)]
    minute = joined(utterances * 6, 1.5, tmp_path / "minute.wav")
    hour = joined(utterances * 400, 1.5, tmp_path / "hour.wav")
    peaks_kb = []
    for path in (minute, hour):
        worker = start_worker("--memory-limit-bytes", str(256 * 2**20))
        worker.send(task(1, path))
        generation = 0
        while not isinstance(message := worker.receive(), MediaFinished):
            if isinstance(message, SlotWanted):
                generation += 1
                worker.send(SlotGranted(1, 0, generation))
        assert message.segments == generation
        peaks_kb.append(worker.status("VmHWM"))
    assert peaks_kb[1] - peaks_kb[0] < 20_000
