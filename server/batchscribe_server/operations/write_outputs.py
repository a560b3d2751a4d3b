"""Write a job's outputs where its client wants them, and the notice that a failed file leaves there."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.layout import notice_uri, output_uri
from batchscribe_server.domain.media import shown_input
from batchscribe_server.domain.recognition import MAX_SEPARATE_CHANNELS, OnConflict, TranscriptFormat
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.operations.observers import TransferObserver
from batchscribe_server.operations.output_conflicts import check_replaceable
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.storage import Storage, WrittenFile
from batchscribe_server.operations.tracing import Tracing

_OF_OTHERS = frozenset({Reason.OUTPUT_EXISTS, Reason.OUTPUT_CONFLICT})
"""The failures after which nothing is written or removed: what is there is another's."""


class WriteOutputs:
    """Outputs by layout and format, to the storage given. Jobs whose transcripts the service keeps write nothing."""

    def __init__(
        self, renderer: Renderer, observer: TransferObserver | None = None, tracing: Tracing | None = None
    ) -> None:
        self._renderer = renderer
        self._observer = observer or TransferObserver()
        self._tracing = tracing or Tracing()

    async def existing(self, job: Job, storage: Storage) -> tuple[OutputFile, ...]:
        """Before anything is transcribed: the outputs that spare the work, empty when there is work to do.

        Raises JobFailure OUTPUT_EXISTS where the client asked to fail in that case, and what `Storage.check_writable`
        raises: a batch's scan has asked it.
        """
        if job.output.kept_by_service:
            return ()
        uris = {format: self._uri(job, format) for format in job.formats}
        if not uris:
            return ()
        if job.output.on_conflict is not OnConflict.OVERWRITE:
            there = {format: uri for format, uri in uris.items() if await storage.exists(uri)}
            if there and job.output.on_conflict is OnConflict.FAIL:
                raise JobFailure(Reason.OUTPUT_EXISTS, f"There is an output already: {next(iter(there.values()))}")
            if len(there) == len(uris):
                return tuple(OutputFile(format, uri, size_bytes=0, skipped=True) for format, uri in there.items())
        if not job.batch_id:
            await storage.check_writable(next(iter(uris.values())))
        return ()

    async def transcripts(self, job: Job, transcript: Transcript, storage: Storage) -> tuple[OutputFile, ...]:
        """Render the transcript and write every format. Raises JobFailure OUTPUT_FAILED.

        A run that was cut off while it wrote writes the same bytes again.
        """
        if job.output.kept_by_service:
            return ()
        # That nothing was there has been seen before the first run; what is there now is this job's own.
        skip = job.output.on_conflict is OnConflict.SKIP
        channels = transcript.channels if job.output.file_per_channel else ()
        # That of all channels comes last: where it is there, the others are.
        parts = [*((channel, transcript.of_channel(channel)) for channel in channels), (None, transcript)]
        outputs = []
        for format in job.formats:
            for channel, said in parts:
                if format is TranscriptFormat.SUMMARY and not said.has_summary:
                    continue  # there is one of all channels together, or none as the job's warning tells
                pieces = self._renderer.render(said, format, job.config, job.output.subtitles)
                uri = self._uri(job, format, channel)
                conflict = OnConflict.SKIP if skip else OnConflict.OVERWRITE
                written = await self._write(storage, uri, pieces, format.lower(), conflict)
                outputs.append(OutputFile(format, written.uri, written.size_bytes, channel, written.skipped))
        if job.output.remove_stale:
            await self._remove(notice_uri(job.output, job.input_uri, job.relative_path), storage)
        return tuple(outputs)

    async def notice(self, job: Job, failure: Failure, time: datetime, storage: Storage) -> None:
        """Write the notice of a failed file. Raises JobFailure."""
        if job.output.kept_by_service or failure.reason in _OF_OTHERS:
            return
        await self.notice_beside(job, failure, time, storage)
        if job.output.remove_stale:
            # How many channels an earlier run has found is not known.
            channels = range(MAX_SEPARATE_CHANNELS) if job.output.file_per_channel else ()
            for format in job.output.formats:
                for channel in (None, *channels):
                    await self._remove(self._uri(job, format, channel), storage)

    async def notice_beside(self, job: Job, failure: Failure, time: datetime, storage: Storage) -> None:
        """Write the notice of what failed, and leave the transcripts alone. Raises JobFailure."""
        if job.output.write_notice and not job.output.kept_by_service:
            notice = self._renderer.render_notice(failure, shown_input(job), job.name, time)
            uri = notice_uri(job.output, job.input_uri, job.relative_path)
            await self._write(storage, uri, notice, "notice")

    async def _write(
        self,
        storage: Storage,
        uri: str,
        data: bytes | Iterable[bytes],
        kind: str,
        on_conflict: OnConflict = OnConflict.OVERWRITE,
    ) -> WrittenFile:
        started_s = time.monotonic()
        try:
            with self._tracing.step("write", kind=kind):
                await check_replaceable(uri, storage)
                written = await storage.write_output(uri, data, on_conflict)
        except JobFailure as failure:
            self._observer.write_failed(failure.reason)
            raise
        if not written.skipped:
            self._observer.written(kind, time.monotonic() - started_s)
        return written

    async def _remove(self, uri: str, storage: Storage) -> None:
        await check_replaceable(uri, storage)
        await storage.remove(uri)

    def _uri(self, job: Job, format: TranscriptFormat, channel: int | None = None) -> str:
        return output_uri(job.output, format, job.input_uri, job.relative_path, channel)


def notice_left(job: Job) -> str:
    """The URI of the notice that a job that has ended left, or may have left; empty where it left none."""
    if not job.output.write_notice or job.output.kept_by_service:
        return ""
    failed = job.error is not None and job.error.reason not in _OF_OTHERS
    spared = bool(job.outputs) and all(output.skipped for output in job.outputs)
    analyzed = job.state is State.SUCCEEDED and job.config.wants_analysis and not spared
    return notice_uri(job.output, job.input_uri, job.relative_path) if failed or analyzed else ""
