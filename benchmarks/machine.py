"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil

from batchscribe_server.transcriber import EngineOptions, MediaOptions

PACKAGES = ("batchscribe", "ctranslate2", "faster-whisper", "onnxruntime", "numpy", "av")


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described() -> dict[str, str]:
    """The machine, its state and the versions, in words."""
    memory_gb = psutil.virtual_memory().total / 1e9
    one_minute, _, _ = os.getloadavg()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {usable_cores()} cores, {memory_gb:.0f} GB of memory",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES),
        "load before": f"{one_minute:.2f} in the last minute",
        "niceness": f"batchscribe's engine {EngineOptions().nice}, its media workers {MediaOptions().nice}, "
        "all others 0; nothing else is set for any system",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
    return next(names, platform.machine())
