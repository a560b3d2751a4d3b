"""How a task ends early."""

from __future__ import annotations


class MediaError(Exception):
    """The file cannot be used: a stable `reason`, and a `message` in plain words that says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TaskCancelledError(Exception):
    """The server asked for the task to be stopped."""
