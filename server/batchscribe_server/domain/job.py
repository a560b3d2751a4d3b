"""A job: one file to transcribe, from its submission to its transcript or its failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.recognition import OutputConfig, RecognitionConfig, TranscriptFormat
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription

DEFAULT_TENANT = "default"


class JobStage(StrEnum):
    """What a run is busy with once all is heard and its transcript is analysed."""

    ANALYZING = "ANALYZING"
    WRITING = "WRITING"


class State(StrEnum):
    """INITIALIZING (batches: being scanned) → QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED."""

    INITIALIZING = "INITIALIZING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        """True when nothing more will happen to it by itself."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file, or a batch as a whole, failed: data, never an exception that reaches another job."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What a run came to that has still to write its outputs: its transcript is stored."""

    duration_ms: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a job or a batch has waited for, `since` when, in so many `tries`: its store does not answer.

    `transcribed` is of a job that has only to be written, `failure` of one that failed and has only to say so.
    """

    why: Failure
    since: datetime
    tries: int = 1
    transcribed: Transcribed | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A transcript that was written: its format, where it lies, its size, and its channel where it holds only one.

    One that was `skipped` had been there before and was left as it is: it is not the job's own.
    """

    format: TranscriptFormat
    uri: str
    size_bytes: int
    channel: int | None = None
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One file and all that is known of its transcription.

    `sequence` is the sequence of its last event, and its etag; `history_start` the first event still kept.
    `media_segments_done` counts the speech segments whose results are stored, so that a run that was cut off goes on
    after them; `segments` counts the transcript's segments, which leaves out those where nothing was said.
    `relative_path` is the input's path below its batch's prefix, for layouts that mirror it.
    `output_key` is the digest of the place of its outputs, which no two jobs of a batch share; empty where there are
    none, and where another has it.
    `input_fingerprint` is of the file that the first run opened, and tells whether a run that goes on sees the same
    bytes; `listed_fingerprint` is of the one that the batch's scan listed, empty where nothing was listed. A file may
    have changed in between, which is only said. With `is_fetch` the input is a URL that came as `fetch`: `input_uri` is
    then what may be shown of it.
    `stage` is None while it is heard, and of a run that analyses nothing.
    `retention_ms` counts from its end, 0 for ever; a job of a batch goes with its batch, and has none of its own.
    `deletion` marks one that is being deleted.
    `waiting` is of one that waits for a store, or did when it last ran; it is not claimed before `not_before`.
    `traceparent` is where the trace of the call that created it, or its batch, goes on; empty where nobody traces.
    """

    id: str
    input_uri: str
    create_time: datetime
    update_time: datetime
    tenant: str = DEFAULT_TENANT
    batch_id: str = ""
    ordinal: int = 0
    is_fetch: bool = False
    relative_path: str = ""
    output_key: str = ""
    display_name: str = ""
    reference_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    config: RecognitionConfig = field(default_factory=RecognitionConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    state: State = State.QUEUED
    stage: JobStage | None = None
    attempt: int = 0
    stalled_attempts: int = 0
    sequence: int = 0
    history_start: int = 1
    media: MediaDescription | None = None
    input_fingerprint: str = ""
    listed_fingerprint: str = ""
    audio_duration_ms: int = 0
    processed_ms: int = 0
    media_segments_done: int = 0
    segments: int = 0
    model: str = ""
    detected_language: DetectedLanguage | None = None
    outputs: tuple[OutputFile, ...] = ()
    error: Failure | None = None
    warning: str = ""
    cancel_requested: bool = False
    start_time: datetime | None = None
    finish_time: datetime | None = None
    retention_ms: int = 0
    expire_time: datetime | None = None
    deletion: Deletion | None = None
    traceparent: str = ""
    waiting: Waiting | None = None
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"jobs/{self.id}"

    @property
    def party(self) -> Party:
        """Whose work it is."""
        return Party(self.tenant, self.batch_id)

    @property
    def skipped(self) -> bool:
        """Whether nothing was transcribed, for all its outputs had been there before."""
        return self.media is None and bool(self.outputs) and all(output.skipped for output in self.outputs)

    @property
    def formats(self) -> tuple[TranscriptFormat, ...]:
        """What is written of it. A summary only where its own config asks for one: in a manifest not all need to."""
        without = TranscriptFormat.SUMMARY if self.config.summary is None else None
        return tuple(format for format in self.output.formats if format is not without)
