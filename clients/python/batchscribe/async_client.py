"""The client for programs that run an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack

import grpc

from batchscribe.admin import AdminCalls
from batchscribe.batches import BatchCalls
from batchscribe.connection import ChannelOptions, Connection
from batchscribe.errors import JobCancelledError, JobFailedError, WaitTimeoutError
from batchscribe.jobs import JobCalls
from batchscribe.models import ModelCalls
from batchscribe.names import BatchName, JobName, name_of
from batchscribe.recognition import RecognitionOptions
from batchscribe.transcripts import Segment, Transcript, segment_of, segments_of_document, transcript_of
from batchscribe.uploads import UploadProgress, UploadSource
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.event_pb2 import BatchEvent, JobEvent
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.recognition_pb2 import RecognitionConfig
from batchscribe.v1.state_pb2 import STATE_FAILED, STATE_SUCCEEDED
from batchscribe.watching import OnReconnect


class AsyncClient(JobCalls, BatchCalls, ModelCalls, AdminCalls):
    """A batchscribe server, over one connection.

        async with AsyncClient() as client:
            transcript = await client.transcribe("meeting.m4a", language="en")
            print(transcript.text)

    `address` is `host:port`; without it BATCHSCRIBE_ADDRESS counts, or a server on this machine. Belongs to the event
    loop in which it is first used. Jobs, batches, models and events are the contract's own messages
    (`batchscribe.v1`); transcripts are plain values. Every call raises BatchscribeError, by reason.

    `timeout_s` is the deadline of a call, `retry_s` how long a call is repeated while the server can't be reached,
    `reconnect_s` how long a watch tries to come back without hearing anything. `credentials` are for TLS.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_s: float = 30.0,
        retry_s: float = 10.0,
        reconnect_s: float = 120.0,
        credentials: grpc.ChannelCredentials | None = None,
        channel_options: ChannelOptions = (),
    ) -> None:
        self._connection = Connection(
            address,
            timeout_s=timeout_s,
            retry_s=retry_s,
            reconnect_s=reconnect_s,
            credentials=credentials,
            channel_options=channel_options,
        )

    @property
    def address(self) -> str:
        """Where the server is looked for."""
        return self._connection.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that run are cancelled."""
        await self._connection.close()

    async def watch(
        self,
        name: JobName | BatchName,
        *,
        after_sequence: int | None = None,
        include_segments: bool = True,
        on_reconnect: OnReconnect | None = None,
    ) -> AsyncGenerator[JobEvent | BatchEvent]:
        """The events of a job or of a batch, whichever the name names; see `watch_job` and `watch_batch`."""
        events: AsyncGenerator[JobEvent] | AsyncGenerator[BatchEvent]
        name = name_of(name)
        if name.startswith("batches/"):
            events = self.watch_batch(name, after_sequence=after_sequence, on_reconnect=on_reconnect)
        else:
            events = self.watch_job(
                name,
                after_sequence=after_sequence,
                include_segments=include_segments,
                on_reconnect=on_reconnect,
            )
        async with aclosing(events):
            async for event in events:
                yield event

    async def wait_for_completion(self, name: JobName | BatchName, *, timeout_s: float | None = None) -> Job | Batch:
        """The job or the batch once it has ended, however it ended. Raises WaitTimeoutError; it goes on then."""
        name = name_of(name)
        if name.startswith("batches/"):
            return await self.wait_for_batch(name, timeout_s=timeout_s)
        return await self.wait_for_job(name, timeout_s=timeout_s)

    async def transcribe(
        self,
        source: UploadSource | Media,
        *,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        formats: Sequence[str | int] = (),
        config: RecognitionConfig | None = None,
        on_upload: UploadProgress | None = None,
        **options: Unpack[RecognitionOptions],
    ) -> Transcript:
        """Submit one file as `submit` does, wait for it, and return what was said.

        `formats` are those that `transcript` is going to be asked for; see `submit`.

        Raises JobFailedError with the reason, JobCancelledError, and WaitTimeoutError after `timeout_s`, counted from
        when the job was submitted; the job goes on then.
        """
        job = await self.submit(source, headers=headers, formats=formats, config=config, on_upload=on_upload, **options)
        # Who took which turn is told of the whole file, once it is heard.
        has_parties = job.config.channel_separation or job.config.HasField("diarization")
        segments: dict[int, Segment] = {}
        try:
            events_of_job = self.watch_job(job.name, include_segments=not has_parties)
            async with asyncio.timeout(timeout_s), aclosing(events_of_job) as events:
                async for event in events:
                    if event.HasField("segment"):
                        segments[event.segment.index] = segment_of(event.segment)
        except TimeoutError as error:
            assert timeout_s is not None
            raise WaitTimeoutError(job.name, timeout_s) from error
        ended = await self.get_job(job.name)
        if ended.state == STATE_FAILED:
            raise JobFailedError(ended)
        if ended.state != STATE_SUCCEEDED:
            raise JobCancelledError(ended)
        if has_parties:
            return transcript_of(ended, segments_of_document(await self.transcript(ended.name, "json")))
        return transcript_of(ended, segments.values())
