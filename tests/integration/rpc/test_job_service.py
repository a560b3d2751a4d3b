"""JobService over a real connection: submit, watch, read, cancel, retry, delete."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from batchscribe.v1 import event_pb2, job_pb2, job_service_pb2_grpc, recognition_pb2, state_pb2, storage_pb2
from batchscribe.v1 import job_service_pb2 as pb
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.transcriber import TranscriptionRequest
from batchscribe_server.rpc.services import RpcLimits
from tests.rpc_errors import bad_fields, detail_of, reason_of
from tests.rpc_server import MAX_UPLOAD_BYTES, Served, event_of, served
from tests.scripted_engine import Script

PATIENCE_S = 60.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def job_of(uri: str, **fields: Any) -> job_pb2.Job:
    return job_pb2.Job(input=storage_pb2.InputConfig(uri=uri), **fields)


async def watched(server: Served, request: pb.WatchJobRequest) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in server.jobs.WatchJob(request)]


async def ended(server: Served, name: str) -> job_pb2.Job:
    return await server.jobs.GetJob(pb.GetJobRequest(name=name, wait=Duration(seconds=60)), timeout=PATIENCE_S)


async def test_a_job_is_created_watched_and_read(server: Served) -> None:
    created = await server.jobs.CreateJob(
        pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"), labels={"team": "a"}), job_id="call-1")
    )
    assert created.name == "jobs/call-1"
    assert created.state == state_pb2.STATE_QUEUED

    events = await watched(server, pb.WatchJobRequest(name=created.name))

    assert events[0].WhichOneof("event") == "snapshot"
    assert events[0].snapshot.labels == {"team": "a"}
    segments = [event.segment for event in events if event.WhichOneof("event") == "segment"]
    assert [segment.text for segment in segments] == ["hello there", "general audience", "goodbye"]
    assert [segment.index for segment in segments] == [0, 1, 2]
    assert events[-1].state_change.state == state_pb2.STATE_SUCCEEDED
    numbered = [event.sequence for event in events if event.WhichOneof("event") not in ("snapshot", "heartbeat")]
    assert numbered == sorted(set(numbered))

    done = await server.jobs.GetJob(pb.GetJobRequest(name=created.name))
    assert done.progress == 1.0
    assert done.audio_duration.ToMilliseconds() == 6_000
    assert done.etag != created.etag
    parts = [
        part
        async for part in server.jobs.GetTranscript(
            pb.GetTranscriptRequest(name=created.name, format=storage_pb2.TRANSCRIPT_FORMAT_TEXT)
        )
    ]
    assert parts[0].content_type == "text/plain; charset=utf-8"
    assert b"general audience" in b"".join(part.data for part in parts)


async def test_a_watch_resumes_after_a_sequence_without_gap_or_repeat(server: Served) -> None:
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    await ended(server, created.name)
    whole = await watched(server, pb.WatchJobRequest(name=created.name))
    events = [event for event in whole if event.WhichOneof("event") != "snapshot"]

    rest = await watched(server, pb.WatchJobRequest(name=created.name, after_sequence=events[1].sequence))

    assert rest[0].WhichOneof("event") == "snapshot"
    assert [event.sequence for event in rest[1:]] == [event.sequence for event in events[2:]]


async def test_words_are_shown_only_where_they_were_asked_for(server: Served) -> None:
    uri = server.service.audio("call.wav")
    plain = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(uri)))
    timed = await server.jobs.CreateJob(
        pb.CreateJobRequest(job=job_of(uri, config=recognition_pb2.RecognitionConfig(word_time_offsets=True)))
    )

    async def first_segment(name: str) -> Any:
        events = await watched(server, pb.WatchJobRequest(name=name))
        return next(event.segment for event in events if event.WhichOneof("event") == "segment")

    assert not (await first_segment(plain.name)).words
    words = (await first_segment(timed.name)).words
    assert [word.text for word in words] == ["hello", "there"]
    assert not words[0].HasField("confidence")


async def test_a_watch_without_segments_still_tells_the_end(server: Served) -> None:
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    events = await watched(server, pb.WatchJobRequest(name=created.name, include_segments=False))
    kinds = {event.WhichOneof("event") for event in events}
    assert "segment" not in kinds
    assert events[-1].state_change.state == state_pb2.STATE_SUCCEEDED


async def test_a_sequence_ahead_of_the_job_is_out_of_range(server: Served) -> None:
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watched(server, pb.WatchJobRequest(name=created.name, after_sequence=10_000))
    assert raised.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert reason_of(raised.value) == "SEQUENCE_AHEAD"


async def test_a_repeated_request_id_gives_the_first_job_and_another_body_is_refused(server: Served) -> None:
    request = pb.CreateJobRequest(job=job_of(server.service.audio("call.wav")), request_id=str(uuid.uuid4()))
    first = await server.jobs.CreateJob(request)
    assert (await server.jobs.CreateJob(request)).name == first.name
    request.job.display_name = "another"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bad_fields(raised.value) == ["request_id"]


async def test_validate_only_stores_nothing(server: Served) -> None:
    request = pb.CreateJobRequest(job=job_of(server.service.audio("call.wav")), validate_only=True)
    assert (await server.jobs.CreateJob(request)).state == state_pb2.STATE_QUEUED
    assert (await server.jobs.ListJobs(pb.ListJobsRequest())).total_size == 0


async def test_what_is_not_yet_uploaded_is_validated_without_its_input(server: Served) -> None:
    job = job_pb2.Job(display_name="no input")
    validated = await server.jobs.CreateJob(pb.CreateJobRequest(job=job, validate_only=True))
    assert validated.display_name == "no input"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job))
    assert bad_fields(raised.value) == ["job.input"]
    job.config.language = "klingon"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job, validate_only=True))
    assert bad_fields(raised.value) == ["job.config.language"]


async def test_every_bad_field_is_named_at_once(server: Served) -> None:
    job = job_of("ftp://host/a.wav", priority=101)
    job.config.language = "klingon"
    job.config.language_model = "legal"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job, request_id="nonsense"))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = {
        violation.field: violation.reason
        for violation in detail_of(raised.value, error_details_pb2.BadRequest).field_violations
    }
    assert found == {
        "job.config.language_model": "FIELD_NOT_SUPPORTED",
        "request_id": "INVALID_FIELD",
        "job.priority": "INVALID_FIELD",
        "job.config.language": "INVALID_FIELD",
        "job.input.uri": "INVALID_FIELD",
    }


async def test_a_very_wrong_request_still_gets_a_readable_answer(server: Served) -> None:
    job = job_of("file:///a.wav")
    job.config.hotwords.extend("ü" * 101 for _ in range(200))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(detail_of(raised.value, error_details_pb2.BadRequest).field_violations) > 5
    assert (raised.value.details() or "").endswith("… and more")


async def test_a_file_outside_the_roots_is_denied(server: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of("file:///etc/passwd")))
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(raised.value) == "PATH_NOT_ALLOWED"


async def test_an_unknown_job_is_not_found_everywhere(server: Served) -> None:
    name = "jobs/nobody"
    calls: list[Awaitable[object]] = [
        server.jobs.GetJob(pb.GetJobRequest(name=name)),
        server.jobs.GetJob(pb.GetJobRequest(name=name, wait=Duration(seconds=1))),
        server.jobs.CancelJob(pb.CancelJobRequest(name=name)),
        server.jobs.RetryJob(pb.RetryJobRequest(name=name)),
        server.jobs.DeleteJob(pb.DeleteJobRequest(name=name)),
        server.jobs.WatchJob(pb.WatchJobRequest(name=name)).read(),
        server.jobs.GetTranscript(pb.GetTranscriptRequest(name=name)).read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(raised.value) == "JOB_NOT_FOUND"


async def test_a_running_job_is_cancelled_and_its_transcript_is_not_ready(server: Served) -> None:
    server.service.transcriber.flowing.clear()
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    async with asyncio.timeout(PATIENCE_S):
        await server.service.transcriber.started.wait()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.GetTranscript(pb.GetTranscriptRequest(name=created.name)).read()
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(raised.value) == "TRANSCRIPT_NOT_READY"

    await server.jobs.CancelJob(pb.CancelJobRequest(name=created.name))
    assert (await ended(server, created.name)).state == state_pb2.STATE_CANCELLED


async def test_a_failed_job_says_why_and_is_retried(server: Served) -> None:
    scripts = iter([Script(failure=JobFailure(Reason.NO_AUDIO, "the file has no sound")), Script()])
    server.service.transcriber.script_for = lambda _: next(scripts)
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("silent.mp4"))))
    failed = await ended(server, created.name)
    assert (failed.state, failed.error.reason) == (state_pb2.STATE_FAILED, "NO_AUDIO")

    await server.jobs.RetryJob(pb.RetryJobRequest(name=created.name))
    assert (await ended(server, created.name)).state == state_pb2.STATE_SUCCEEDED
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.RetryJob(pb.RetryJobRequest(name=created.name))
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_job_is_deleted_only_with_its_current_etag(server: Served) -> None:
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    done = await ended(server, created.name)
    for wrong in (created.etag, "made-up"):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.jobs.DeleteJob(pb.DeleteJobRequest(name=created.name, etag=wrong))
        assert raised.value.code() is grpc.StatusCode.ABORTED
        assert reason_of(raised.value) == "ETAG_MISMATCH"
    await server.jobs.DeleteJob(pb.DeleteJobRequest(name=created.name, etag=done.etag))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.GetJob(pb.GetJobRequest(name=created.name))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_jobs_are_listed_by_filter_and_page(server: Served) -> None:
    for k in range(3):
        uri = server.service.audio(f"calls/{k}.wav")
        await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(uri, labels={"team": "ab"[k % 2]})))
    first = await server.jobs.ListJobs(
        pb.ListJobsRequest(page_size=2, filter='labels.team = "a"', order_by="create_time")
    )
    assert [job.input_uri.rpartition("/")[2] for job in first.jobs] == ["0.wav", "2.wav"]
    page = await server.jobs.ListJobs(pb.ListJobsRequest(page_size=2))
    rest = await server.jobs.ListJobs(pb.ListJobsRequest(page_size=2, page_token=page.next_page_token))
    assert (len(page.jobs), len(rest.jobs), rest.next_page_token, page.total_size) == (2, 1, "", 3)
    prefix = server.service.folder.as_uri()
    below = await server.jobs.ListJobs(pb.ListJobsRequest(filter=f'input_uri = "{prefix}/calls/1*"'))
    assert len(below.jobs) == 1
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.ListJobs(pb.ListJobsRequest(page_token=page.next_page_token, filter="state = FAILED"))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def upload(server: Served, header: pb.UploadHeader | None, chunks: list[bytes]) -> job_pb2.Media:
    async def requests() -> AsyncIterator[pb.UploadMediaRequest]:
        if header is not None:
            yield pb.UploadMediaRequest(header=header)
        for chunk in chunks:
            yield pb.UploadMediaRequest(chunk=chunk)

    return await server.jobs.UploadMedia(requests(), timeout=PATIENCE_S)


async def test_an_upload_becomes_a_job(server: Served) -> None:
    data = bytes(range(256)) * 8_192
    header = pb.UploadHeader(file_name="call.wav", size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    media = await upload(server, header, [data[: 1 << 20], data[1 << 20 :]])
    assert (media.file_name, media.size_bytes, media.sha256) == ("call.wav", len(data), header.sha256)
    job = job_pb2.Job(input=storage_pb2.InputConfig(media=media.name))
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job))
    assert created.input.media == created.input_uri == media.name


@pytest.mark.parametrize(
    ("header", "chunks", "field"),
    [
        (None, [b"no header"], "header"),
        (None, [], "header"),
        (pb.UploadHeader(), [b"x" * ((1 << 20) + 1)], "chunk"),
        (pb.UploadHeader(sha256="zz"), [b"x"], "header.sha256"),
        (pb.UploadHeader(size_bytes=3), [b"xx"], "header"),
        (pb.UploadHeader(size_bytes=1), [b"xx"], "header"),
        (pb.UploadHeader(sha256="0" * 64), [b"x"], "header"),
        (pb.UploadHeader(size_bytes=5 << 30), [b"x"], "header.size_bytes"),
        (pb.UploadHeader(), [b"x" * (1 << 20)] * (MAX_UPLOAD_BYTES // (1 << 20) + 1), "header.size_bytes"),
    ],
)
async def test_a_wrong_upload_is_refused_and_leaves_nothing(
    server: Served, header: pb.UploadHeader | None, chunks: list[bytes], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await upload(server, header, chunks)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bad_fields(raised.value) == [field]
    assert list((server.service.folder / "uploads").iterdir()) == []


async def test_a_second_header_is_refused(server: Served) -> None:
    async def requests() -> AsyncIterator[pb.UploadMediaRequest]:
        yield pb.UploadMediaRequest(header=pb.UploadHeader())
        yield pb.UploadMediaRequest(header=pb.UploadHeader())

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.jobs.UploadMedia(requests())
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_client_that_falls_silent_is_cut_off(tmp_path: Path) -> None:
    async with served(tmp_path, RpcLimits(upload_silence_s=0.1)) as server:
        call = server.jobs.UploadMedia()
        await call.write(pb.UploadMediaRequest(header=pb.UploadHeader(file_name="call.wav")))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async with asyncio.timeout(PATIENCE_S):
                await call
        assert raised.value.code() is grpc.StatusCode.ABORTED
        assert reason_of(raised.value) == "UPLOAD_STALLED"
        assert list((tmp_path / "uploads").iterdir()) == []


async def test_a_long_transcript_comes_in_small_chunks(server: Served) -> None:
    def long_script(_: TranscriptionRequest) -> Script:
        return Script(texts=tuple(f"{k} " + "word " * 400 for k in range(100)))

    server.service.transcriber.script_for = long_script
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("long.wav"))))
    assert (await ended(server, created.name)).state == state_pb2.STATE_SUCCEEDED
    parts = [part async for part in server.jobs.GetTranscript(pb.GetTranscriptRequest(name=created.name))]
    assert len(parts) > 2
    assert max(len(part.data) for part in parts) <= 64 << 10
    assert [part.content_type for part in parts] == ["application/json"] + [""] * (len(parts) - 1)
    assert len(json.loads(b"".join(part.data for part in parts))["segments"]) == 100


async def test_the_long_poll_answers_with_the_job_as_it_is_when_the_time_is_over(server: Served) -> None:
    server.service.transcriber.flowing.clear()
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    waited = await server.jobs.GetJob(pb.GetJobRequest(name=created.name, wait=Duration(nanos=50_000_000)))
    assert waited.state in (state_pb2.STATE_QUEUED, state_pb2.STATE_RUNNING)


async def test_purged_history_is_out_of_range_and_a_fresh_watch_is_not(server: Served) -> None:
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("call.wav"))))
    await ended(server, created.name)
    await server.service.store.purge_history(older_than_s=0, limit=1_000)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watched(server, pb.WatchJobRequest(name=created.name, after_sequence=1))
    assert raised.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert reason_of(raised.value) == "HISTORY_PURGED"
    assert int(detail_of(raised.value, error_details_pb2.ErrorInfo).metadata["history_start"]) > 1
    (snapshot,) = await watched(server, pb.WatchJobRequest(name=created.name))
    assert snapshot.snapshot.state == state_pb2.STATE_SUCCEEDED


async def test_a_waiting_job_tells_its_place_in_the_queue(server: Served) -> None:
    server.service.transcriber.flowing.clear()
    names = [
        (await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio(f"{k}.wav"))))).name
        for k in range(9)
    ]
    # Four are heard, and one or two more have their files at hand.
    async with asyncio.timeout(PATIENCE_S):
        while (await server.jobs.GetJob(pb.GetJobRequest(name=names[4]))).state != state_pb2.STATE_RUNNING:
            await asyncio.sleep(0)
        jobs = [await server.jobs.GetJob(pb.GetJobRequest(name=name)) for name in names[6:]]
    positions = [job.queue_position for job in jobs]
    assert positions in ([1, 2, 3], [2, 3, 4])
    watch = server.jobs.WatchJob(pb.WatchJobRequest(name=names[-1]))
    assert (await event_of(watch)).snapshot.queue_position in (3, 4)
    watch.cancel()


async def test_a_client_that_stops_reading_is_waited_for_and_holds_up_nobody(server: Served) -> None:
    texts = tuple("word " * 4_000 for _ in range(150))
    server.service.transcriber.script_for = lambda _: Script(texts=texts)
    created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job_of(server.service.audio("long.wav"))))
    await ended(server, created.name)
    request = pb.WatchJobRequest(name=created.name)
    # Else the connection takes the three megabytes into buffers of its own.
    small_window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with grpc.aio.insecure_channel(server.address, options=small_window) as channel, asyncio.timeout(PATIENCE_S):
        stuck = job_service_pb2_grpc.JobServiceStub(channel).WatchJob(request)
        assert (await event_of(stuck)).WhichOneof("event") == "snapshot"
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                seen = await watched(server, request)
                assert sum(event.HasField("segment") for event in seen) == len(texts)
        finished = [entry for entry in logs if entry["event"] == "rpc_finished"]
        assert len(finished) == 2  # the stuck one waits in the middle of its stream
        indexes = []
        while isinstance(event := await stuck.read(), event_pb2.JobEvent):
            if event.HasField("segment"):
                indexes.append(event.segment.index)
        assert indexes == list(range(len(texts)))
