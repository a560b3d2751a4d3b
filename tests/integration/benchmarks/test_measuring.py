"""A system's process, seen from the process that measures it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.measuring import SystemFailedError, SystemMissingError, measure
from benchmarks.process_memory import ProcessMemory
from benchmarks.systems import ENGINE, SEQUENTIAL, WHISPER_S2T, WHISPER_S2T_PYTHON, chosen
from benchmarks.task import Task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(
        model_folder=str(tmp_path / "nothing"),
        beam=1,
        word_times=False,
        cores=1,
        warm_up=str(tmp_path / "warm-up.wav"),
        paths=(str(tmp_path / "a.wav"), str(tmp_path / "b.wav")),
        shared_folder=str(tmp_path),
    )


def test_a_task_is_read_as_it_was_written(task: Task) -> None:
    assert Task.from_json(task.to_json()) == task


def test_a_system_whose_package_is_not_installed_is_told_apart(task: Task) -> None:
    system = dataclasses.replace(ENGINE, packages=("batchscribe", "no-such-distribution"))

    with pytest.raises(SystemMissingError, match=r"^no-such-distribution$"):
        measure(system, task)


def test_a_system_that_fails_is_told_in_its_own_words(task: Task) -> None:
    system = dataclasses.replace(ENGINE, module="no_such_system")
    before = psutil.Process().children()

    with pytest.raises(SystemFailedError, match=r"No module named 'benchmarks\.systems\.no_such_system'"):
        measure(system, task)
    assert psutil.Process().children() == before


def test_a_peer_that_cannot_load_its_model_fails_and_leaves_no_process(task: Task) -> None:
    before = psutil.Process().children()

    with pytest.raises(SystemFailedError, match="nothing"):
        measure(SEQUENTIAL, task)
    assert psutil.Process().children() == before


def test_whisper_s2t_gets_its_own_interpreter_where_there_is_one(tmp_path: Path) -> None:
    python = tmp_path / "python"
    assert chosen(["whisper-s2t"], python) == [WHISPER_S2T]

    python.touch()

    engine, peer = chosen(["engine", "whisper-s2t"], python)
    assert engine == ENGINE
    assert peer == dataclasses.replace(WHISPER_S2T, python=str(python))
    assert WHISPER_S2T_PYTHON.parts[0] == ".build"


def test_memory_counts_what_a_process_takes_meanwhile() -> None:
    with ProcessMemory(os.getpid()) as memory:
        block = bytearray(os.urandom(1)) * 80_000_000
    assert len(block) == 80_000_000

    before, *_, after = [sample.size_bytes for sample in memory.samples]
    assert after - before > 60_000_000
