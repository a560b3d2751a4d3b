"""JobService: single files, from their submission to their transcript."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty

from batchscribe.v1 import event_pb2, job_pb2, job_service_pb2_grpc
from batchscribe.v1 import job_service_pb2 as pb
from batchscribe_server.domain.job import DEFAULT_TENANT, Job
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.store import IdempotencyKey
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.operations.watch import Heartbeat, Snapshot
from batchscribe_server.rpc.convert_event import job_event_message
from batchscribe_server.rpc.convert_job import job_message, media_message, new_job
from batchscribe_server.rpc.convert_storage import transcript_format
from batchscribe_server.rpc.convert_time import duration_ms
from batchscribe_server.rpc.draining import Draining
from batchscribe_server.rpc.etags import store_etag
from batchscribe_server.rpc.idempotency import idempotency_key
from batchscribe_server.rpc.pages import page_of_messages
from batchscribe_server.rpc.services import Services
from batchscribe_server.rpc.upload_stream import read_chunks, read_header
from batchscribe_server.rpc.validate_requests import check_create_job, check_named, read_list_jobs

MAX_TRANSCRIPT_CHUNK_BYTES = 64 << 10

Context = grpc.aio.ServicerContext[Any, Any]


class JobService(job_service_pb2_grpc.JobServiceServicer):
    """Each RPC: the request is checked, an operation is called, its result becomes a message."""

    def __init__(self, services: Services, draining: Draining, upload_silence_s: float) -> None:
        self._services = services
        self._draining = draining
        self._upload_silence_s = upload_silence_s

    async def CreateJob(self, request: pb.CreateJobRequest, context: Context) -> job_pb2.Job:  # noqa: N802
        """Submit one file."""
        new, key = await in_thread(partial(_asked, request))
        job = await self._services.submit.job(
            DEFAULT_TENANT,
            new,
            job_id=request.job_id,
            key=key,
            validate_only=request.validate_only,
        )
        return job_message(job)

    async def UploadMedia(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.UploadMediaRequest], context: Context
    ) -> job_pb2.Media:
        """Receive a file."""
        header = await read_header(request_iterator, self._upload_silence_s)
        async with aclosing(read_chunks(request_iterator, self._upload_silence_s)) as chunks:
            media = await self._services.upload(
                DEFAULT_TENANT,
                header.file_name,
                chunks,
                declared_size_bytes=header.size_bytes or None,
                declared_sha256=header.sha256,
            )
        return media_message(media)

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> job_pb2.Job:  # noqa: N802
        """Read a job, once it has ended where the client wants to wait for that."""
        job_id = check_named(request, "jobs")
        wait_ms = duration_ms(request.wait)
        if wait_ms:
            wait = self._services.wait(DEFAULT_TENANT, job_id, wait_ms / 1_000)
            return await self._placed(await self._draining.cut_short(wait))
        return await self._placed(await self._services.store.get_job(DEFAULT_TENANT, job_id))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:  # noqa: N802
        """List jobs, of all or of one batch."""
        query = read_list_jobs(request, DEFAULT_TENANT)
        if query.batch_id is not None:
            await self._services.store.get_batch(DEFAULT_TENANT, query.batch_id)
        page = await page_of_messages(self._services.store.list_jobs, query, job_message)
        return pb.ListJobsResponse(
            jobs=page.messages,
            next_page_token=page.next_page_token,
            total_size=page.total,
        )

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> job_pb2.Job:  # noqa: N802
        """Stop a job."""
        job_id = check_named(request, "jobs")
        return job_message(await self._services.store.cancel_job(DEFAULT_TENANT, job_id))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> job_pb2.Job:  # noqa: N802
        """Run a job again."""
        job_id = check_named(request, "jobs")
        return job_message(await self._services.store.retry_job(DEFAULT_TENANT, job_id))

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Context) -> Empty:  # noqa: N802
        """Remove a job's record, and what it wrote where that is asked for."""
        job_id = check_named(request, "jobs")
        etag = store_etag(request.name, request.etag)
        await self._services.delete.job(DEFAULT_TENANT, job_id, etag, outputs=request.delete_outputs)
        return Empty()

    async def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: Context
    ) -> AsyncGenerator[event_pb2.JobEvent]:
        """Stream what happens to a job."""
        job_id = check_named(request, "jobs")
        watch = self._services.watch.job(
            DEFAULT_TENANT,
            job_id,
            after=request.after_sequence if request.HasField("after_sequence") else None,
            include_segments=request.include_segments if request.HasField("include_segments") else True,
        )
        config = RecognitionConfig()
        async with aclosing(watch) as messages:
            async for message in messages:
                if isinstance(message, Snapshot):
                    config = message.resource.config
                event = job_event_message(message, config)
                if isinstance(message, Snapshot) and isinstance(message.resource, Job):
                    await self._place(event.snapshot, message.resource)
                elif isinstance(message, Heartbeat):
                    job = await self._services.store.get_job(DEFAULT_TENANT, job_id)
                    event.heartbeat.waiting_reason = await self._services.why_waiting(job)
                yield event

    async def GetTranscript(  # noqa: N802
        self, request: pb.GetTranscriptRequest, context: Context
    ) -> AsyncGenerator[HttpBody]:
        """Stream a transcript."""
        job_id = check_named(request, "jobs")
        format = transcript_format(request.format)
        channel = request.channel if request.HasField("channel") else None
        chunks = _chunks(await self._services.read_transcript(DEFAULT_TENANT, job_id, format, channel))
        # The transcript of a long recording takes a while to render: not on the loop that serves everyone.
        yield HttpBody(content_type=format.media_type, data=await asyncio.to_thread(next, chunks, b""))
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield HttpBody(data=chunk)

    async def _placed(self, job: Job) -> job_pb2.Job:
        """The job as a message, with its place in the queue; lists, which would count for each, leave it out."""
        message = job_message(job)
        await self._place(message, job)
        return message

    async def _place(self, message: job_pb2.Job, job: Job) -> None:
        message.queue_position = await self._services.store.queue_position(job)
        message.waiting_reason = await self._services.why_waiting(job)


def _asked(request: pb.CreateJobRequest) -> tuple[NewJob, IdempotencyKey | None]:
    check_create_job(request)
    return new_job(request.job), idempotency_key(request)


def _chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= MAX_TRANSCRIPT_CHUNK_BYTES:
            yield bytes(waiting[:MAX_TRANSCRIPT_CHUNK_BYTES])
            del waiting[:MAX_TRANSCRIPT_CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)
