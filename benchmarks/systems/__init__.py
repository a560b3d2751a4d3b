"""The systems that are compared, one module each.

A module's `run(task, stopwatch)` loads the model, transcribes the warm-up file, and then, inside `with stopwatch`, all
files of the task; it returns a text for each, in the order of the task.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

WHISPER_S2T_PYTHON = Path(".build/whisper-s2t/bin/python")
"""Where `make whisper-s2t` puts an environment of its own, relative to the repository."""


@dataclass(frozen=True, slots=True)
class System:
    """A system: `module` of this package, run by the interpreter `python`, which needs `packages`."""

    key: str
    title: str
    module: str
    packages: tuple[str, ...]
    python: str = sys.executable


ENGINE = System("engine", "batchscribe's engine", "engine", ("batchscribe", "ctranslate2"))
SERVICE = System("service", "batchscribe, the whole service", "service", ("batchscribe", "ctranslate2"))
SEQUENTIAL = System(
    "sequential", "faster-whisper, file after file", "faster_whisper_sequential", ("faster-whisper", "ctranslate2")
)
BATCHED = System(
    "batched", "faster-whisper, batched pipeline", "faster_whisper_batched", ("faster-whisper", "ctranslate2")
)
WHISPER_S2T = System("whisper-s2t", "WhisperS2T-reborn", "whisper_s2t", ("whisper-s2t-reborn", "ctranslate2"))
LIMIT = System("limit", "CTranslate2's calls alone", "limit", ("ctranslate2",))

SYSTEMS = {system.key: system for system in (ENGINE, SERVICE, SEQUENTIAL, BATCHED, WHISPER_S2T, LIMIT)}


def chosen(keys: list[str], whisper_s2t_python: Path) -> list[System]:
    """The systems of these keys; WhisperS2T is run by an interpreter of its own if that is there."""
    systems = [SYSTEMS[key] for key in keys]
    if not whisper_s2t_python.is_file():
        return systems
    # Absolute, but not resolved: the interpreter of an environment is a link to one that is in none.
    python = str(whisper_s2t_python.absolute())
    return [dataclasses.replace(system, python=python) if system is WHISPER_S2T else system for system in systems]
