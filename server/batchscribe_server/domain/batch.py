"""A batch: many files under one request, and the counts that tell how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.job import DEFAULT_TENANT, Failure, State, Waiting
from batchscribe_server.domain.recognition import OutputConfig, RecognitionConfig


class Stage(StrEnum):
    """What an unfinished batch is busy with."""

    SCANNING = "SCANNING"
    TRANSCRIBING = "TRANSCRIBING"
    WRITING = "WRITING"
    DONE = "DONE"


class Report(StrEnum):
    """Of a batch that is to have a report: WANTED until its files are done, DUE until it was written or given up."""

    WANTED = "WANTED"
    DUE = "DUE"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class SingleInput:
    """One file by its URI (`file://…` or `media/…`). With `is_fetch` it is a URL that came as `fetch`."""

    uri: str
    is_fetch: bool = False


@dataclass(frozen=True, slots=True)
class PrefixInput:
    """All files below a URI whose path below it matches the globs."""

    uri: str
    include_globs: tuple[str, ...] = ()
    exclude_globs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a manifest, with its own config where `config` is set."""

    uri: str
    reference_id: str = ""
    config: RecognitionConfig | None = None


@dataclass(frozen=True, slots=True)
class ManifestInput:
    """Files listed one by one in the request."""

    files: tuple[ManifestEntry, ...]


@dataclass(frozen=True, slots=True)
class ManifestObjectInput:
    """Files listed one by one in a file of any length, by its URI (or `media/…`)."""

    uri: str


BatchInput = SingleInput | PrefixInput | ManifestInput | ManifestObjectInput


@dataclass(frozen=True, slots=True)
class Counts:
    """Files by state, and their audio: `audio_total_ms` of the files whose duration is known, `opened` of them."""

    total: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    opened: int = 0
    audio_total_ms: int = 0
    audio_done_ms: int = 0

    @property
    def finished(self) -> int:
        """Files that are done, one way or another."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def progress(self) -> float:
        """Audio done over audio total, 0 to 1; files not opened yet are taken to be as long as the others are.

        With cancelled files it stays where they stopped.
        """
        # A file that failed before it was opened has no audio to wait for.
        waiting = self.total - self.succeeded - self.failed
        if not self.total or not waiting:
            return float(self.total > 0)
        if not self.opened or not self.audio_total_ms:
            return 0.0
        unopened = min(waiting, max(0, self.total - self.opened))
        expected_ms = self.audio_total_ms + unopened * self.audio_total_ms / self.opened
        return min(1.0, self.audio_done_ms / expected_ms)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch and the sum of its files' states. `scan_cursor` says up to where jobs exist, while scanning, in the words
    of the scan: the last path, or a place in a manifest. Empty while there is none.

    `retention_ms` counts from its end, 0 for ever; `expire_time` is set while it has ended. `warning` tells what went
    wrong though its files are done. `deletion` marks one that is being deleted. `traceparent` is as a job has it.
    `waiting` tells of a scan or a report that waits for a store, and goes on at `not_before`.
    """

    id: str
    input: BatchInput
    create_time: datetime
    update_time: datetime
    tenant: str = DEFAULT_TENANT
    display_name: str = ""
    reference_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    config: RecognitionConfig = field(default_factory=RecognitionConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    state: State = State.INITIALIZING
    scanned: bool = False
    scan_cursor: str = ""
    counts: Counts = field(default_factory=Counts)
    sequence: int = 0
    history_start: int = 1
    error: Failure | None = None
    cancel_requested: bool = False
    start_time: datetime | None = None
    finish_time: datetime | None = None
    retention_ms: int = 0
    expire_time: datetime | None = None
    report: Report | None = None
    report_uri: str = ""
    warning: str = ""
    deletion: Deletion | None = None
    traceparent: str = ""
    waiting: Waiting | None = None
    not_before: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"batches/{self.id}"

    @property
    def stage(self) -> Stage:
        """What it is busy with."""
        if self.state.terminal:
            return Stage.DONE
        if self.report is Report.DUE:
            return Stage.WRITING
        return Stage.TRANSCRIBING if self.scanned else Stage.SCANNING
