"""The port to the engine: a file in, a description, its segments in order, and a summary out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Word


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One file to transcribe.

    `descriptor` is the file, open as long as the transcription lasts, `file_name` what it is called where it came from:
    of some formats the suffix is the only sign. `first_segment` is the number of speech segments that an earlier,
    interrupted run has stored already; their results are not given again. A file that is heard in sequence isn't cut
    beforehand: it goes on at `resume_at_ms`,
    up to where that run has stored it, and numbers on from `first_segment`. `language` is empty to have it detected.
    `word_times` asks for word times beyond what `config` says. Turns at the engine go round by `tenant`, and within
    one by `batch_id`: empty for a file of its own, all of which share the turn of one batch.
    """

    job_id: str
    descriptor: int
    model: Model
    config: RecognitionConfig
    language: str = ""
    word_times: bool = False
    first_segment: int = 0
    resume_at_ms: int = 0
    tenant: str = ""
    batch_id: str = ""
    priority: int = 0
    max_duration_ms: int = 0
    file_name: str = ""


class TranscriberClosedError(Exception):
    """The transcriber was closed before a file ended, which neither succeeded nor failed: it is to run again."""


@dataclass(frozen=True, slots=True)
class HeardSegment:
    """The result for one speech segment, numbered from 0 in order of time; `text` is empty where nothing was said.

    Times are milliseconds of the file. `language` is set on every result. `confidence` is the mean probability of
    its tokens, 0 to 1. `channel` is the one it was heard in, None where they are mixed down.
    """

    index: int
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...]
    language: DetectedLanguage
    confidence: float
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class DecodingProgress:
    """No speech up to `processed_ms`, and all speech before it has been given: a sign of life in long silences."""

    processed_ms: int


@dataclass(frozen=True, slots=True)
class MediaSummary:
    """The end of a file: its true length, how much of it was speech, and what could not be decoded, in plain words."""

    duration_ms: int
    speech_ms: int
    segments: int
    warning: str = ""


Transcription = MediaDescription | HeardSegment | DecodingProgress | MediaSummary


@dataclass(frozen=True, slots=True)
class TranscriberStatus:
    """What the engine is doing; `reason` says in plain words why it is not ready.

    `loading_model` is empty while no model is being loaded, `model_bytes` is what each loaded model takes of its
    device's memory, by the engine's estimate, `resident_bytes` is what the inference process takes of the machine's,
    and `waiting_files` counts those for which no media worker is free.
    """

    ready: bool
    reason: str = ""
    device: str = ""
    compute_type: str = ""
    loaded_models: tuple[str, ...] = ()
    loading_model: str = ""
    model_bytes: Mapping[str, int] = field(default_factory=dict)
    resident_bytes: int = 0
    slots: int = 0
    free_slots: int = 0
    waiting_segments: int = 0
    waiting_files: int = 0


class Transcriber(Protocol):
    """The engine, as the operations see it."""

    def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Transcription]:
        """Transcribe one file: first its MediaDescription, then HeardSegments strictly in order (with
        DecodingProgress between them where long stretches hold no speech), last a MediaSummary.

        Closing the generator gives back all that the file held. Raises JobFailure when the file cannot be done, and
        TranscriberClosedError when the service ends before the file does.
        """
        ...

    def prioritize(self, job_id: str, priority: int) -> None:
        """Give a job's file, if it is here, another priority: what of it waits for its turn, and what is to come."""
        ...

    def status(self) -> TranscriberStatus:
        """What the engine is doing now."""
        ...

    async def wait_ready(self) -> None:
        """Wait until the engine can take work."""
        ...
