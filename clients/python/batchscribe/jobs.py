"""Single files: the calls of JobService."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Unpack

import grpc

from batchscribe.connection import Connection
from batchscribe.errors import WaitTimeoutError
from batchscribe.failed_call import error_from_rpc
from batchscribe.inputs import input_of, is_uri
from batchscribe.names import JobName, name_of
from batchscribe.outputs import output_of, transcript_format
from batchscribe.recognition import RecognitionOptions, recognition_config
from batchscribe.times import duration_of
from batchscribe.trace_context import trace_metadata
from batchscribe.uploads import UploadProgress, UploadSource, upload_media
from batchscribe.v1.event_pb2 import JobEvent
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.job_service_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    GetTranscriptRequest,
    ListJobsRequest,
    RetryJobRequest,
    WatchJobRequest,
)
from batchscribe.v1.recognition_pb2 import RecognitionConfig
from batchscribe.v1.state_pb2 import Notification
from batchscribe.v1.storage_pb2 import InputConfig, OutputConfig, StorageAuth
from batchscribe.watching import OnReconnect, watch


class JobCalls:
    """What AsyncClient does with jobs. Names are resource names, `jobs/{id}`, or the jobs themselves."""

    _connection: Connection

    async def upload(
        self, source: UploadSource, *, file_name: str = "", on_progress: UploadProgress | None = None
    ) -> Media:
        """Upload a local file (a path, a file opened for reading bytes, or its bytes) for a job to name.

        Starts anew where the connection breaks, unless the file can't be read twice. Raises OSError where it can't be
        read at all, UploadTooLargeError.
        """
        return await upload_media(self._connection, source, file_name=file_name, on_progress=on_progress)

    async def create_job(
        self, job: Job, *, job_id: str = "", request_id: str | None = None, validate_only: bool = False
    ) -> Job:
        """Create the job that a message describes; `submit` says the same in arguments.

        `request_id` is a UUID that makes the call safe to repeat; without it a new one is made for this call.
        """
        request = CreateJobRequest(
            job=job, job_id=job_id, request_id=request_id or str(uuid.uuid4()), validate_only=validate_only
        )
        return await self._connection.call(self._connection.jobs.CreateJob, request)

    async def submit(
        self,
        source: UploadSource | Media,
        *,
        auth: StorageAuth | None = None,
        headers: Mapping[str, str] | None = None,
        config: RecognitionConfig | None = None,
        output: OutputConfig | str | None = None,
        formats: Sequence[str | int] = (),
        display_name: str = "",
        reference_id: str = "",
        labels: Mapping[str, str] | None = None,
        priority: int = 0,
        notifications: Sequence[Notification] = (),
        retention_s: float | None = None,
        job_id: str = "",
        request_id: str | None = None,
        on_upload: UploadProgress | None = None,
        **options: Unpack[RecognitionOptions],
    ) -> Job:
        """Submit one file and return its job at once.

        `source` is a local path, a file open for reading bytes, or the bytes themselves, which are uploaded once the
        service has found nothing wrong with the rest; a URI, which the server reads, with the credentials or the
        profile that `auth` gives, or a URL with `headers`; or an upload. The `options` go on top of `config`.
        `output` is an OutputConfig or a URI; without it the service keeps the transcript for `transcript` to read.
        `formats` are those that are written or going to be read: words are timed for subtitles, whose times are
        estimates where they were not named here. `retention_s` is how long the job is kept after its end.

        Raises ValueError for headers where there is no URL to send them to.
        """
        job = Job(
            config=recognition_config(options, config),
            output=output_of(output, formats),
            display_name=display_name,
            reference_id=reference_id,
            labels=labels,
            priority=priority,
            notifications=notifications,
            retention=None if retention_s is None else duration_of(retention_s),
        )
        uri = source if isinstance(source, str) and is_uri(source) else ""
        if headers and not uri:
            raise ValueError("headers are for https:// URLs alone, not for uploads")
        if uri:
            job.input.CopyFrom(input_of(uri, headers or {}))
        elif isinstance(source, Media):
            job.input.CopyFrom(InputConfig(media=source.name))
        else:
            await self.create_job(job, job_id=job_id, validate_only=True)
            media = await self.upload(source, on_progress=on_upload)
            job.input.CopyFrom(InputConfig(media=media.name))
        job.input.MergeFrom(InputConfig(auth=auth))
        return await self.create_job(job, job_id=job_id, request_id=request_id)

    async def get_job(self, name: JobName, *, wait_s: float = 0.0) -> Job:
        """Read a job; with `wait_s` (up to 300), once it has ended, or as it is after so many seconds."""
        request = GetJobRequest(name=name_of(name))
        if wait_s > 0:
            request.wait.CopyFrom(duration_of(wait_s))
        return await self._connection.call(self._connection.jobs.GetJob, request, wait_s=wait_s)

    async def list_jobs(
        self, *, batch: str = "", filter: str = "", order_by: str = "", page_size: int = 0
    ) -> AsyncGenerator[Job]:
        """All jobs, or those of a batch, newest first, page after page as they are asked for.

        `filter` is the contract's: `state = FAILED AND labels.team = "a"`.
        """
        request = ListJobsRequest(parent=batch, filter=filter, order_by=order_by, page_size=page_size)
        while True:
            page = await self._connection.call(self._connection.jobs.ListJobs, request)
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel_job(self, name: JobName) -> Job:
        """Stop a job. One that has ended comes back unchanged."""
        return await self._connection.call(self._connection.jobs.CancelJob, CancelJobRequest(name=name_of(name)))

    async def retry_job(self, name: JobName) -> Job:
        """Run a failed or cancelled job again, from its beginning. Raises NotTerminalError, NothingToRetryError."""
        request = RetryJobRequest(name=name_of(name))
        return await self._connection.call(self._connection.jobs.RetryJob, request, repeatable=False)

    async def delete_job(self, name: JobName, *, etag: str = "", delete_outputs: bool = False) -> None:
        """Cancel a job where it is active and remove its record; its outputs stay unless `delete_outputs`.

        Raises CredentialsDeletedError where they were written with credentials that are gone.
        """
        request = DeleteJobRequest(name=name_of(name), etag=etag, delete_outputs=delete_outputs)
        await self._connection.call(self._connection.jobs.DeleteJob, request, repeatable=False)

    async def watch_job(
        self,
        name: JobName,
        *,
        after_sequence: int | None = None,
        include_segments: bool = True,
        on_reconnect: OnReconnect | None = None,
    ) -> AsyncGenerator[JobEvent]:
        """A snapshot of a job, all that happened to it after a sequence, and all that happens until it ends.

        Resumes by itself where the connection breaks. Raises UnavailableError when nothing was heard of the server for
        the client's `reconnect_s`, HistoryPurgedError when events after the sequence are no longer kept.
        """

        def open_stream(after: int | None) -> grpc.aio.UnaryStreamCall[WatchJobRequest, JobEvent]:
            request = WatchJobRequest(name=name_of(name), after_sequence=after, include_segments=include_segments)
            return self._connection.jobs.WatchJob(request, metadata=trace_metadata())

        events = watch(
            open_stream,
            after_sequence=after_sequence,
            connect_s=self._connection.retry_s,
            reconnect_s=self._connection.reconnect_s,
            on_reconnect=on_reconnect,
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def wait_for_job(self, name: JobName, *, timeout_s: float | None = None) -> Job:
        """The job once it has ended, however it ended. Raises WaitTimeoutError; the job goes on then."""
        try:
            async with asyncio.timeout(timeout_s), aclosing(self.watch_job(name, include_segments=False)) as events:
                async for _ in events:
                    pass
        except TimeoutError as error:
            assert timeout_s is not None
            raise WaitTimeoutError(name_of(name), timeout_s) from error
        return await self.get_job(name)

    async def transcript(self, name: JobName, format: str | int = "txt", *, channel: int | None = None) -> str:
        """The transcript of a job that succeeded as `txt`, `srt`, `vtt`, `json`, …, whatever was written.

        Raises TranscriptNotReadyError before the job has succeeded, ValueError for a format that is none.
        """
        request = GetTranscriptRequest(name=name_of(name), format=transcript_format(format), channel=channel)

        async def read_whole() -> str:
            call = self._connection.jobs.GetTranscript(
                request, timeout=self._connection.timeout_s, metadata=trace_metadata()
            )
            try:
                return b"".join([part.data async for part in call]).decode()
            except grpc.aio.AioRpcError as error:
                raise error_from_rpc(error) from error

        return await self._connection.repeat(read_whole)
