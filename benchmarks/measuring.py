"""Measuring one system: it runs in a process of its own, and its memory is sampled from here."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.process_memory import MemorySample, ProcessMemory
from benchmarks.systems import System
from benchmarks.task import Task

REPOSITORY = Path(__file__).resolve().parent.parent


class SystemMissingError(Exception):
    """A package that the system needs is not installed for its interpreter; the message names it."""


class SystemFailedError(Exception):
    """The system's process ended without an answer; the message is the last that it said."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a system heard in each file, how long it took, and the memory and CPU time of its processes meanwhile."""

    took_s: float
    texts: tuple[str, ...]
    versions: dict[str, str]
    memory: tuple[MemorySample, ...]
    cpu_s: float

    @property
    def peak_bytes(self) -> int:
        """The most memory that was seen."""
        return max(sample.size_bytes for sample in self.memory)


def measure(system: System, task: Task) -> Measurement:
    """Let a system do a task. Raises SystemMissingError and SystemFailedError; no process is left."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log, _child(system, log) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(task.to_json())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already; what it said tells why
        started = _answer(process.stdout, log)
        if "missing" in started:
            raise SystemMissingError(str(started["missing"]))
        with ProcessMemory(process.pid) as memory:
            _answer(process.stdout, log)  # it has stopped
        done = _answer(process.stdout, log)
        return Measurement(
            took_s=done["took_s"],
            texts=tuple(done["texts"]),
            versions=done["versions"],
            memory=tuple(memory.samples),
            cpu_s=memory.cpu_s,
        )


@contextmanager
def _child(system: System, log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    command = [system.python, "-m", "benchmarks.child", system.module, *system.packages]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:
        try:
            yield process
        except BaseException:
            _kill(process)
            raise


def _answer(answers: IO[str], log: IO[str]) -> dict[str, Any]:
    line = answers.readline()
    if not line:
        log.seek(0)
        said = [each.strip() for each in log if each.strip()]
        raise SystemFailedError(said[-1] if said else "it ended without a word")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _kill(process: subprocess.Popen[str]) -> None:
    """Its children may lead sessions of their own, so a group's signal would not reach them."""
    try:
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for each in tree:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
