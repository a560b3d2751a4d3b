"""How a task ends early."""

from __future__ import annotations

import traceback
from pathlib import Path


class MediaError(Exception):
    """The file cannot be used: a stable `reason`, and a `message` in plain words that says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TaskCancelledError(Exception):
    """The server asked for the task to be stopped."""


def in_one_line(error: BaseException) -> str:
    """An unexpected error for the log, innermost place first. A stack of its own for each file would flood the log."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-8:])
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words} at {places}"
