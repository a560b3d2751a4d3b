"""What a media worker may take of the machine: the kernel ends it where a hostile file makes it take more."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import time
from pathlib import Path

CPU_RESERVE_S = 10
"""Processor time a task has before its first minute of audio, for opening files and for what is slow to start."""


def lower_priority(nice: int) -> None:
    """Stand back behind the server, and leave no core dump, which would hold somebody's speech."""
    with contextlib.suppress(OSError):
        os.nice(nice)
    leave_no_core_dump()


def leave_no_core_dump() -> None:
    """For this process and its children. Where the kernel pipes dumps to a program, 0 stands for no limit and 1 for
    no dump.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 1 if hard == resource.RLIM_INFINITY else min(1, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def limit_memory(more_bytes: int) -> None:
    """Allow `more_bytes` of private memory on top of what is in use now; 0 sets no limit.

    Called once libraries and model are loaded. RLIMIT_DATA and not RLIMIT_AS: the latter counts mapped libraries and
    the arena as well, and the address space that threads only reserve. An allocation beyond it fails, and the task with
    it. Where the kernel doesn't say what is in use (no /proc), there is no limit.
    """
    if more_bytes <= 0:
        return
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    except (OSError, IndexError, ValueError):
        return
    limit = pages * resource.getpagesize() + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


class CpuAllowance:
    """Processor time paid out by the minute of audio: a file that burns it without a sound is ended by SIGXCPU.

    At any moment the process may still take the reserve and one minute's allowance, until it has decoded another
    minute. A signal and not a clock of our own, since it ends native code as well.
    """

    def __init__(self, s_per_minute: float, reserve_s: float = CPU_RESERVE_S) -> None:
        """0 seconds per minute of audio mean no limit."""
        self._s_per_minute = s_per_minute
        self._reserve_s = reserve_s
        self._paid_until_ms = 0

    def begin_task(self) -> None:
        """A new file: the allowance starts anew."""
        self._paid_until_ms = 60_000
        self._renew()

    def audio_decoded(self, decoded_ms: int) -> None:
        """So much of the file is decoded."""
        if decoded_ms >= self._paid_until_ms:
            self._paid_until_ms = decoded_ms + 60_000
            self._renew()

    def end_task(self) -> None:
        """No file: a worker that waits is not limited."""
        if self._s_per_minute > 0:
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))

    def _renew(self) -> None:
        if self._s_per_minute <= 0:
            return
        limit = math.ceil(time.process_time() + self._reserve_s + self._s_per_minute)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
