# ruff: noqa: N802 - the methods of a servicer have the names of its RPCs
"""A server that says what a test tells it to: the far end of the client's connection, not a model of the service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from batchscribe.times import duration_of
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.batch_service_pb2_grpc import BatchServiceServicer, add_BatchServiceServicer_to_server
from batchscribe.v1.event_pb2 import BatchEvent, Heartbeat, JobEvent, Progress, StateChange
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.job_service_pb2 import ListJobsResponse
from batchscribe.v1.job_service_pb2_grpc import JobServiceServicer, add_JobServiceServicer_to_server
from batchscribe.v1.model_service_pb2 import ListModelsResponse, Model
from batchscribe.v1.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from batchscribe.v1.state_pb2 import STATE_CANCELLED, STATE_QUEUED, STATE_RUNNING, STATE_SUCCEEDED
from batchscribe.v1.transcript_pb2 import DetectedLanguage, Segment

TEXT = "Let us begin. There is enough light."


@dataclass(frozen=True, slots=True)
class Break:
    """Where a stream ends before its time: after so many events beyond the snapshot. No code: as if it were done."""

    after_events: int
    code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE
    message: str = "connection reset"


RST = (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")


def fail(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, *details: Message) -> NoReturn:
    """End a call with a status as the service gives it."""
    status = Status(code=code.value[0], message=f"no luck: {reason}")
    for detail in (ErrorInfo(reason=reason, domain="batchscribe", metadata={"resource": "jobs/1"}), *details):
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort raises")


def job_history(segments: int = 2, end: int = STATE_SUCCEEDED) -> list[JobEvent]:
    """All events of a job that ended: RUNNING, then a segment and a progress for each second, then its end."""
    events = [JobEvent(state_change=StateChange(state=STATE_RUNNING, attempt=1))]
    sentences = TEXT.split(". ")
    for index in range(segments):
        text = sentences[index % 2] + ("." if index % 2 == 0 else "")
        start, stop = duration_of(float(index)), duration_of(index + 0.9)
        events.append(JobEvent(segment=Segment(index=index, start=start, end=stop, text=text, language="en")))
        fraction = (index + 1) / segments
        done, total = duration_of(index + 1.0), duration_of(float(segments))
        events.append(JobEvent(progress=Progress(progress=fraction, processed_duration=done, audio_duration=total)))
    events.append(JobEvent(state_change=StateChange(state=end)))  # type: ignore[arg-type]
    for number, event in enumerate(events, start=1):
        event.sequence = number
        event.event_time.FromSeconds(1_700_000_000 + number)
    return events


@dataclass
class Script:
    """What the server says, and what it heard."""

    job: Job = field(default_factory=lambda: Job(name="jobs/1", input_uri="media/1", state=STATE_QUEUED))
    text: str = TEXT
    """The transcript."""
    history: list[JobEvent] = field(default_factory=job_history)
    batch: Batch = field(default_factory=lambda: Batch(name="batches/1", state=STATE_QUEUED))
    batch_history: list[BatchEvent] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    refusals: dict[str, list[Callable[[grpc.ServicerContext], object]]] = field(default_factory=dict)
    """By RPC: what its next calls do before they answer, such as to fail."""
    pages: list[ListJobsResponse] = field(default_factory=list)
    heard: dict[str, list[Any]] = field(default_factory=dict)
    """The requests, by RPC."""
    hold_open: Callable[[], object] | None = None
    """Called by a watch that has nothing more to say but has not come to the end."""

    def refuse(self, rpc: str, *refusals: Callable[[grpc.ServicerContext], object]) -> None:
        """Let the next calls of an RPC fail."""
        self.refusals.setdefault(rpc, []).extend(refusals)

    def hear(self, rpc: str, request: Any, context: grpc.ServicerContext) -> None:
        """Note a request, and refuse it where that is due."""
        self.heard.setdefault(rpc, []).append(request)
        if self.refusals.get(rpc):
            self.refusals[rpc].pop(0)(context)

    def watched_after(self, rpc: str = "WatchJob") -> list[int | None]:
        """From where watches were begun."""
        return [r.after_sequence if r.HasField("after_sequence") else None for r in self.heard[rpc]]

    def stream(self, snapshot: Any, history: list[Any], request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """A watch: the snapshot, then the events that the request has not seen, broken off where that is due."""
        after = request.after_sequence if request.HasField("after_sequence") else 0
        snapshot.sequence = after
        yield snapshot
        due = self.breaks.pop(0) if self.breaks else None
        for count, event in enumerate(event for event in history if event.sequence > after):
            if due and count == due.after_events:
                break
            yield event
        if due and due.code is not None:
            context.abort(due.code, due.message)
        if not due and self.hold_open:
            self.hold_open()


class _Jobs(JobServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def CreateJob(self, request: Any, context: Any) -> Any:
        self._script.hear("ValidateJob" if request.validate_only else "CreateJob", request, context)
        self._script.job.config.CopyFrom(request.job.config)
        return self._script.job

    def UploadMedia(self, request_iterator: Any, context: Any) -> Any:
        header = next(request_iterator).header
        self._script.hear("UploadMedia", header, context)
        content = b"".join(message.chunk for message in request_iterator)
        self._script.heard.setdefault("bytes", []).append(content)
        digest = hashlib.sha256(content).hexdigest()
        return Media(name="media/1", file_name=header.file_name, size_bytes=len(content), sha256=digest)

    def GetJob(self, request: Any, context: Any) -> Any:
        self._script.hear("GetJob", request, context)
        last = self._script.history[-1]
        job = Job()
        job.CopyFrom(self._script.job)
        if last.HasField("state_change"):
            job.state = last.state_change.state
            if last.state_change.HasField("error"):
                job.error.CopyFrom(last.state_change.error)
        job.detected_language.CopyFrom(DetectedLanguage(code="en", confidence=0.9))
        return job

    def ListJobs(self, request: Any, context: Any) -> Any:
        copy = type(request)()
        copy.CopyFrom(request)
        self._script.hear("ListJobs", copy, context)
        return self._script.pages[int(request.page_token or 0)]

    def CancelJob(self, request: Any, context: Any) -> Any:
        self._script.hear("CancelJob", request, context)
        return Job(name=request.name, state=STATE_CANCELLED)

    def RetryJob(self, request: Any, context: Any) -> Any:
        self._script.hear("RetryJob", request, context)
        return Job(name=request.name, state=STATE_QUEUED)

    def DeleteJob(self, request: Any, context: Any) -> Any:
        self._script.hear("DeleteJob", request, context)
        return Empty()

    def WatchJob(self, request: Any, context: Any) -> Any:
        self._script.hear("WatchJob", request, context)
        yield from self._script.stream(JobEvent(snapshot=self._script.job), self._script.history, request, context)

    def GetTranscript(self, request: Any, context: Any) -> Any:
        self._script.hear("GetTranscript", request, context)
        text = self._script.text.encode()
        for start in range(0, max(len(text), 1), 10):
            yield HttpBody(content_type="text/plain", data=text[start : start + 10])


class _Batches(BatchServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def CreateBatch(self, request: Any, context: Any) -> Any:
        self._script.hear("CreateBatch", request, context)
        return self._script.batch

    def GetBatch(self, request: Any, context: Any) -> Any:
        self._script.hear("GetBatch", request, context)
        return self._script.batch

    def UpdateBatch(self, request: Any, context: Any) -> Any:
        self._script.hear("UpdateBatch", request, context)
        return request.batch

    def CancelBatch(self, request: Any, context: Any) -> Any:
        self._script.hear("CancelBatch", request, context)
        return Batch(name=request.name, state=STATE_CANCELLED)

    def WatchBatch(self, request: Any, context: Any) -> Any:
        self._script.hear("WatchBatch", request, context)
        snapshot = BatchEvent(snapshot=self._script.batch)
        yield from self._script.stream(snapshot, self._script.batch_history, request, context)


class _Models(ModelServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    def ListModels(self, request: Any, context: Any) -> Any:
        self._script.hear("ListModels", request, context)
        return ListModelsResponse(
            models=[Model(name="models/base", default=True, installed=True)], features=["diarization"]
        )


@contextmanager
def serving(script: Script, address: str = "127.0.0.1:0") -> Iterator[str]:
    """A server on a real port for as long as the context lasts; gives its address. Its end cuts every stream off."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)])
    add_JobServiceServicer_to_server(_Jobs(script), server)
    # What isn't scripted answers UNIMPLEMENTED, though the stubs say that it must be written.
    add_BatchServiceServicer_to_server(_Batches(script), server)  # type: ignore[abstract]
    add_ModelServiceServicer_to_server(_Models(script), server)  # type: ignore[abstract]
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait(5)


def heartbeat(sequence: int) -> JobEvent:
    """A sign of life."""
    return JobEvent(sequence=sequence, heartbeat=Heartbeat())
