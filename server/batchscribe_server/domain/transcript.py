"""What was heard: words, segments and the transcript they make. All times are milliseconds of the input file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; `confidence` from 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech. `index` counts a job's segments from 0 without gaps, in order of time."""

    index: int
    start_ms: int
    end_ms: int
    text: str
    language: str = ""
    confidence: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """The language of a file and how sure the model was, 0 to 1; 1 where the client gave it."""

    code: str
    confidence: float


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """What the file turned out to be. `duration_ms` is what its container declares, 0 when it does not."""

    container: str = ""
    codec: str = ""
    sample_rate_hz: int = 0
    channels: int = 0
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcript with what its readers want to know of its making; what renderers render."""

    job_name: str
    input_uri: str
    reference_id: str
    model: str
    task: str
    language: DetectedLanguage | None
    media: MediaDescription
    duration_ms: int
    create_time_iso: str
    segments: Sequence[Segment]
    warning: str = ""

    @property
    def text(self) -> str:
        """The text alone, segments joined by spaces."""
        return " ".join(segment.text for segment in self.segments if segment.text)
