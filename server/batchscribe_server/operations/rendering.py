"""The port to the formats in which transcripts, notices and reports are written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from batchscribe_server.domain.job import Failure, Job
from batchscribe_server.domain.recognition import RecognitionConfig, SubtitleConfig, TranscriptFormat
from batchscribe_server.domain.transcript import Transcript


class Renderer(Protocol):
    """Turns transcripts into files. Pure: the same arguments give the same bytes. The package `rendering` is one."""

    def render(
        self,
        transcript: Transcript,
        format: TranscriptFormat,
        config: RecognitionConfig,
        subtitles: SubtitleConfig,
    ) -> Iterator[bytes]:
        """The transcript in one format, UTF-8, in pieces of some kilobytes."""
        ...

    def render_report_line(self, job: Job) -> bytes:
        """What a batch's report says of one of its jobs: a line of JSON."""
        ...

    def render_notice(self, failure: Failure, input_uri: str, job_name: str, time: datetime) -> bytes:
        """The `.notice` file of an input that failed, or whose analysis did.

        It is JSON with `error`, `input`, `job` and `time`.
        """
        ...
