"""The memory and the CPU time of a process and all its children, sampled while they work. Linux only."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

INTERVAL_S = 0.2
REFRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class MemorySample:
    """How much memory a tree of processes has at a time. Pages that several share count once (the kernel's PSS)."""

    after_s: float
    size_bytes: int


class ProcessMemory:
    """A context manager that samples the tree of the process `pid` from a thread of its own.

    A sample takes about a millisecond for each 500 MB. Which children there are is looked up once a second.
    """

    def __init__(self, pid: int) -> None:
        self.samples: list[MemorySample] = []
        self._root = psutil.Process(pid)
        self._tree: list[psutil.Process] = []
        self._refreshed_s = float("-inf")
        self._cpu_before: dict[int, float] = {}
        self._cpu_now: dict[int, float] = {}
        self._started_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample_all, name="process-memory", daemon=True)

    @property
    def cpu_s(self) -> float:
        """The CPU time that the tree has taken; a child's last fifth of a second may be missing."""
        return sum(now - self._cpu_before.get(pid, 0.0) for pid, now in self._cpu_now.items())

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        self._sample()
        self._cpu_before = dict(self._cpu_now)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _sample_all(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self._sample()
        self._sample()

    def _sample(self) -> None:
        now_s = time.monotonic()
        size_bytes = 0
        try:
            if now_s - self._refreshed_s >= REFRESH_S:
                self._tree = [self._root, *self._root.children(recursive=True)]
                self._refreshed_s = now_s
        except psutil.NoSuchProcess:
            return
        for process in self._tree:
            try:
                size_bytes += process.memory_full_info().pss
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._cpu_now[process.pid] = times.user + times.system
        self.samples.append(MemorySample(now_s - self._started_s, size_bytes))
