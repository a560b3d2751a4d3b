"""What the readers of a transcript should know, in plain words, for formats that have a place for it."""

from __future__ import annotations

from batchscribe_server.domain.transcript import Transcript

ESTIMATED_TIMES = (
    "The times of words are estimated from those of their segments: the words of this transcript were not timed."
)


def warnings_of(transcript: Transcript) -> list[str]:
    """The transcript's own warning, and that times are estimated."""
    warnings = [transcript.warning] if transcript.warning else []
    return [*warnings, ESTIMATED_TIMES] if transcript.has_estimated_times else warnings
