"""Calls, their repeats, and the errors they end with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RequestInfo, RetryInfo

from batchscribe import (
    AsyncClient,
    DeadlineExceededError,
    FieldNotSupportedError,
    InternalError,
    InvalidArgumentError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    ServerDrainingError,
    UnavailableError,
    UploadTooLargeError,
    manifest_at,
)
from batchscribe.uploads import CHUNK_BYTES
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.job_service_pb2 import ListJobsResponse
from batchscribe.v1.recognition_pb2 import TASK_TRANSLATE, RecognitionConfig
from batchscribe.v1.state_pb2 import STATE_CANCELLED, STATE_FAILED, JobError
from batchscribe.v1.storage_pb2 import TRANSCRIPT_FORMAT_SRT, ManifestEntry, OutputConfig
from tests.integration.client.scripted_service import TEXT, Script, fail, job_history


def unavailable(context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "try again")


def draining(context: grpc.ServicerContext) -> None:
    fail(context, grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", RetryInfo(retry_delay=Duration(nanos=10_000_000)))


async def test_a_create_is_repeated_with_the_same_request_id(client: AsyncClient, script: Script) -> None:
    script.refuse("CreateJob", unavailable, unavailable)
    await client.submit("s3://bucket/call.wav")
    ids = [request.request_id for request in script.heard["CreateJob"]]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


async def test_two_submits_have_two_request_ids(client: AsyncClient, script: Script) -> None:
    await client.submit("s3://bucket/call.wav")
    await client.submit("s3://bucket/call.wav")
    first, second = script.heard["CreateJob"]
    assert first.request_id != second.request_id


async def test_reads_are_repeated(client: AsyncClient, script: Script) -> None:
    script.refuse("GetJob", unavailable)
    assert (await client.get_job("jobs/1")).name == "jobs/1"


async def test_what_would_do_harm_twice_is_not_repeated(client: AsyncClient, script: Script) -> None:
    script.refuse("RetryJob", unavailable)
    with pytest.raises(UnavailableError):
        await client.retry_job("jobs/1")
    assert len(script.heard["RetryJob"]) == 1


async def test_what_a_draining_server_refused_is_repeated_whatever_it_is(client: AsyncClient, script: Script) -> None:
    script.refuse("RetryJob", draining)
    await client.retry_job("jobs/1")
    assert len(script.heard["RetryJob"]) == 2


async def test_a_repeat_has_an_end(address: str, script: Script) -> None:
    script.refuse("GetJob", *[draining] * 100)
    async with AsyncClient(address, retry_s=0.2) as client:
        with pytest.raises(ServerDrainingError):
            await client.get_job("jobs/1")


async def test_an_error_says_what_and_where(client: AsyncClient, script: Script) -> None:
    violation = BadRequest.FieldViolation(field="job.config.summary", description="not supported")
    script.refuse(
        "CreateJob",
        lambda context: fail(
            context,
            grpc.StatusCode.INVALID_ARGUMENT,
            "FIELD_NOT_SUPPORTED",
            BadRequest(field_violations=[violation]),
            RequestInfo(request_id="r-17"),
        ),
    )
    with pytest.raises(FieldNotSupportedError) as caught:
        await client.submit("s3://bucket/call.wav")
    error = caught.value
    assert isinstance(error, InvalidArgumentError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.message, error.request_id) == (
        "FIELD_NOT_SUPPORTED",
        "no luck: FIELD_NOT_SUPPORTED",
        "r-17",
    )
    assert [violation.field for violation in error.field_violations] == ["job.config.summary"]
    assert error.metadata == {"resource": "jobs/1"}


async def test_a_status_without_a_reason_is_known_by_its_code(client: AsyncClient, script: Script) -> None:
    script.refuse("GetJob", lambda context: context.abort(grpc.StatusCode.INTERNAL, "boom"))
    with pytest.raises(InternalError) as caught:
        await client.get_job("jobs/1")
    assert caught.value.reason == "INTERNAL"


async def test_a_path_is_uploaded_in_chunks_with_its_digest(
    client: AsyncClient, script: Script, tmp_path: Path
) -> None:
    content = os.urandom(2 * CHUNK_BYTES + 17)
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    sent: list[tuple[int, int]] = []
    media = await client.upload(path, on_progress=lambda done, total: sent.append((done, total)))
    header = script.heard["UploadMedia"][0]
    assert (header.file_name, header.size_bytes) == ("call.wav", len(content))
    assert header.sha256 == hashlib.sha256(content).hexdigest() == media.sha256
    assert sent == [
        (CHUNK_BYTES, len(content)),
        (2 * CHUNK_BYTES, len(content)),
        (len(content), len(content)),
    ]


async def test_an_upload_that_broke_begins_anew(client: AsyncClient, script: Script, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound" * 100)
    script.refuse("UploadMedia", unavailable)
    await client.upload(path)
    assert len(script.heard["UploadMedia"]) == 2
    assert script.heard["bytes"] == [b"sound" * 100]


async def test_an_open_file_is_sent_from_where_it_stands(client: AsyncClient, script: Script) -> None:
    file = io.BytesIO(b"headsound")
    file.seek(4)
    script.refuse("UploadMedia", unavailable)
    await client.upload(file, file_name="x.wav")
    header = script.heard["UploadMedia"][0]
    assert (header.file_name, header.size_bytes) == ("x.wav", 5)
    assert script.heard["bytes"] == [b"sound"]


async def test_a_pipe_is_sent_once_without_a_digest(client: AsyncClient, script: Script) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(b"sound")
    with os.fdopen(reader, "rb") as pipe:
        script.refuse("UploadMedia", unavailable)
        with pytest.raises(UnavailableError):
            await client.upload(pipe)
    header = script.heard["UploadMedia"][0]
    assert (header.size_bytes, header.sha256) == (0, "")
    assert len(script.heard["UploadMedia"]) == 1


async def test_an_upload_refused_midway_ends_with_the_reason(
    client: AsyncClient, script: Script, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(os.urandom(8 * CHUNK_BYTES))
    script.refuse("UploadMedia", lambda c: fail(c, grpc.StatusCode.INVALID_ARGUMENT, "MEDIA_TOO_LARGE"))
    with pytest.raises(UploadTooLargeError):
        await client.upload(path)
    assert len(script.heard["UploadMedia"]) == 1


async def test_a_file_that_is_not_there_is_an_os_error(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await client.submit(tmp_path / "none.wav")


async def test_submit_takes_paths_uris_and_uploads(client: AsyncClient, script: Script, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    await client.submit(path)
    await client.submit("file:///calls/call.wav")
    await client.submit(Media(name="media/7"))
    inputs = [request.job.input for request in script.heard["CreateJob"]]
    assert [(source.media, source.uri) for source in inputs] == [
        ("media/1", ""),
        ("", "file:///calls/call.wav"),
        ("media/7", ""),
    ]


async def test_options_reach_the_server(client: AsyncClient, script: Script) -> None:
    await client.submit(
        "s3://b/c.wav", language="de", task="translate", output="s3://b/out/", labels={"team": "a"}, retention_s=60
    )
    job = script.heard["CreateJob"][0].job
    assert (job.config.language, job.config.task) == ("de", TASK_TRANSLATE)
    assert (job.output.uri, dict(job.labels), job.retention.seconds) == ("s3://b/out/", {"team": "a"}, 60)


async def test_a_batch_takes_a_prefix_or_a_list(client: AsyncClient, script: Script) -> None:
    await client.submit_batch("file:///calls/", include_globs=["**/*.wav"])
    await client.submit_batch(["s3://b/1.wav", ManifestEntry(uri="s3://b/2.wav", reference_id="two")])
    first, second = (request.batch.input for request in script.heard["CreateBatch"])
    assert (first.prefix.uri, list(first.prefix.include_globs)) == ("file:///calls/", ["**/*.wav"])
    assert [(entry.uri, entry.reference_id) for entry in second.manifest.files] == [
        ("s3://b/1.wav", ""),
        ("s3://b/2.wav", "two"),
    ]


async def test_a_list_that_is_too_long_for_a_request_is_uploaded(client: AsyncClient, script: Script) -> None:
    uris = [f"s3://b/ü {number}.wav" for number in range(1_001)]
    await client.submit_batch(uris[:1_000])
    await client.submit_batch(ManifestEntry(uri=uri, config=RecognitionConfig(language="de")) for uri in uris)
    short, long = (request.batch.input.manifest for request in script.heard["CreateBatch"])
    assert [entry.uri for entry in short.files] == uris[:1_000]
    assert (long.manifest_uri, len(long.files)) == ("media/1", 0)
    (header,), (content,) = script.heard["UploadMedia"], script.heard["bytes"]
    assert header.file_name == "manifest.jsonl"
    assert [json.loads(line) for line in content.decode().splitlines()] == [
        {"uri": uri, "config": {"language": "de"}} for uri in uris
    ]


async def test_a_manifest_that_the_server_reads_is_named(client: AsyncClient, script: Script) -> None:
    await client.submit_batch(manifest_at("s3://b/list.csv"))
    assert script.heard["CreateBatch"][0].batch.input.manifest.manifest_uri == "s3://b/list.csv"


async def test_a_list_goes_on_over_all_pages(client: AsyncClient, script: Script) -> None:
    script.pages = [
        ListJobsResponse(jobs=[Job(name="jobs/3"), Job(name="jobs/2")], next_page_token="1"),
        ListJobsResponse(jobs=[Job(name="jobs/1")]),
    ]
    found = [job.name async for job in client.list_jobs(batch="batches/1", filter="state = FAILED")]
    assert found == ["jobs/3", "jobs/2", "jobs/1"]
    assert [(r.parent, r.filter, r.page_token) for r in script.heard["ListJobs"]] == [
        ("batches/1", "state = FAILED", ""),
        ("batches/1", "state = FAILED", "1"),
    ]


async def test_a_transcript_comes_whole_and_is_read_again_when_it_broke(client: AsyncClient, script: Script) -> None:
    script.refuse("GetTranscript", unavailable)
    assert await client.transcript("jobs/1", "srt") == TEXT
    assert script.heard["GetTranscript"][0].format == TRANSCRIPT_FORMAT_SRT


async def test_transcribe_gives_plain_values(client: AsyncClient, script: Script, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    transcript = await client.transcribe(path, language="en")
    assert transcript.text == TEXT
    assert [(segment.index, segment.start_s, segment.end_s) for segment in transcript.segments] == [
        (0, 0.0, 0.9),
        (1, 1.0, 1.9),
    ]
    assert (transcript.language, transcript.job.name) == ("en", "jobs/1")


@pytest.mark.parametrize(
    ("options", "streamed"), [({}, True), ({"channel_separation": True}, False), ({"diarization": "speaker"}, False)]
)
async def test_segments_are_streamed_only_where_they_are_what_is_returned(
    client: AsyncClient, script: Script, options: dict[str, object], streamed: bool
) -> None:
    script.history = job_history(end=STATE_CANCELLED)
    with pytest.raises(JobCancelledError):
        await client.transcribe("file:///a.wav", **options)  # type: ignore[arg-type]
    assert script.heard["WatchJob"][0].include_segments is streamed


async def test_transcribe_raises_what_the_job_failed_of(client: AsyncClient, script: Script) -> None:
    script.history = job_history(segments=0, end=STATE_FAILED)
    error = JobError(reason="NO_AUDIO", message="the file has no audio")
    script.history[-1].state_change.error.CopyFrom(error)
    with pytest.raises(JobFailedError, match="the file has no audio") as caught:
        await client.transcribe("file:///video.mp4")
    assert caught.value.reason == "NO_AUDIO"
    assert caught.value.job.name == "jobs/1"


async def test_transcribe_tells_of_a_cancelled_job(client: AsyncClient, script: Script) -> None:
    script.history = job_history(end=STATE_CANCELLED)
    with pytest.raises(JobCancelledError):
        await client.transcribe("file:///a.wav")


async def test_a_call_that_hangs_ends_at_its_deadline(address: str, script: Script) -> None:
    release = threading.Event()
    script.refuse("GetJob", lambda _: release.wait(10))
    async with AsyncClient(address, timeout_s=0.2) as client:
        with pytest.raises(DeadlineExceededError):
            await client.get_job("jobs/1")
    release.set()


async def test_a_missing_job_is_a_typed_error(client: AsyncClient, script: Script) -> None:
    script.refuse("DeleteJob", lambda context: fail(context, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))
    with pytest.raises(JobNotFoundError):
        await client.delete_job("jobs/none")


async def test_what_is_wrong_with_the_rest_is_seen_before_the_upload(client: AsyncClient, script: Script) -> None:
    script.refuse("ValidateJob", lambda context: fail(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"))
    with pytest.raises(InvalidArgumentError):
        await client.submit(b"sound", language="xx")
    assert set(script.heard) == {"ValidateJob"}
    (validated,) = script.heard["ValidateJob"]
    assert (validated.job.config.language, validated.job.HasField("input")) == ("xx", False)


async def test_formats_are_part_of_an_output_or_stand_alone(client: AsyncClient, script: Script) -> None:
    await client.submit("s3://b/a.wav", formats=["srt"])
    await client.submit("s3://b/a.wav", output="s3://b/out/", formats=["srt"])
    await client.submit("s3://b/a.wav", output=OutputConfig(uri="s3://b/out/", remove_stale=True), formats=["srt"])
    outputs = [request.job.output for request in script.heard["CreateJob"]]
    assert [list(output.formats) for output in outputs] == [[TRANSCRIPT_FORMAT_SRT]] * 3
    assert [(output.uri, output.remove_stale) for output in outputs] == [
        ("", False),
        ("s3://b/out/", False),
        ("s3://b/out/", True),
    ]
    with pytest.raises(ValueError, match="not both"):
        await client.submit("s3://b/a.wav", output=outputs[0], formats=["vtt"])
