"""The way of a request as spans, kept in memory by OpenTelemetry's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from grpc.aio import AbortError

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.observers import DecodedBatch, DecodedSegment
from batchscribe_server.operations.run_store import Claim
from tests.contract.store.samples import new_job

pytest.importorskip("opentelemetry.sdk", reason="batchscribe[telemetry] is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_trace_id

from batchscribe_server.telemetry.spans import MAX_SEGMENT_SPANS, OpenTelemetryTracing

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CLIENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE_ID}-b7ad6b7169203331-00"


class Traced:
    """A tracing, and what came of it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = OpenTelemetryTracing(self.provider.get_tracer("test"))

    def spans(self, name: str) -> list[ReadableSpan]:
        """Those that ended under a name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        """The one that ended under a name."""
        (found,) = self.spans(name)
        return found


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    traced.provider.shutdown()


def claim(job: Job) -> Claim:
    return Claim(job, token=1, waited_s=2.0)


def decoded(job_id: str, index: int = 0) -> DecodedBatch:
    segments = (DecodedSegment("short", (), job_id, index, 1.5, 4.0), DecodedSegment("short", (), "another's"))
    return DecodedBatch("base", 8.0, 8.0, 0.5, segments)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_one_trace_goes_from_the_call_over_the_stored_job_to_its_segments(traced: Traced) -> None:
    tracing = traced.tracing
    with tracing.call("/batchscribe.v1.JobService/CreateJob", [("traceparent", CLIENT)]) as ended:
        traceparent = tracing.traceparent()
        ended("")
    job = new_job(traceparent=traceparent, attempt=1)
    with tracing.run(claim(job)) as ended:
        with tracing.step("fetch"):
            pass
        with tracing.hearing(job.id, "base"):
            tracing.batch_decoded(decoded(job.id, index=3))
            tracing.media_read(job.id, 0.25)
        with tracing.step("write", kind="vtt"):
            pass
        ended("")
    tracing.batch_decoded(decoded(job.id))  # nobody hears it any more

    assert {format_trace_id(span.context.trace_id) for span in traced.exporter.get_finished_spans()} == {TRACE_ID}
    call, run, hear = (traced.span(name) for name in ("batchscribe.v1.JobService/CreateJob", "run", "hear"))
    parents = {span.name: span.parent.span_id for span in traced.exporter.get_finished_spans() if span.parent}
    assert parents["batchscribe.v1.JobService/CreateJob"] == 0xB7AD6B7169203331
    assert parents["run"] == parents["queue"] == call.context.span_id
    assert parents["fetch"] == parents["hear"] == parents["write"] == run.context.span_id
    assert parents["media"] == parents["inference"] == hear.context.span_id
    inference, queue = traced.span("inference"), traced.span("queue")
    assert inference.end_time - inference.start_time == 500_000_000
    assert queue.end_time - queue.start_time == 2_000_000_000
    assert attributes(inference) == {
        "batchscribe.segment": 3,
        "batchscribe.segment_start_s": 1.5,
        "batchscribe.segment_length_s": 4.0,
        "batchscribe.batch_segments": 2,
        "batchscribe.model": "base",
        "batchscribe.decoding": "short",
    }
    assert attributes(traced.span("write")) == {"batchscribe.kind": "vtt"}
    assert run.status.status_code is StatusCode.UNSET


def test_a_file_of_a_batch_has_a_trace_of_its_own_that_is_linked_to_the_call(traced: Traced) -> None:
    with traced.tracing.run(claim(new_job(batch_id="b", traceparent=CLIENT))):
        pass
    run = traced.span("run")
    assert run.parent is None
    assert format_trace_id(run.context.trace_id) != TRACE_ID
    assert [format_trace_id(link.context.trace_id) for link in run.links] == [TRACE_ID]
    assert attributes(run)["batchscribe.batch"] == "batches/b"
    assert traced.spans("queue") == []


def test_a_job_of_no_trace_begins_one(traced: Traced) -> None:
    with traced.tracing.run(claim(new_job())):
        pass
    assert traced.span("run").parent is None
    assert traced.span("run").links == ()


def test_what_its_client_does_not_sample_is_not_traced(traced: Traced) -> None:
    job = new_job(traceparent=UNSAMPLED)
    with traced.tracing.run(claim(job)), traced.tracing.hearing(job.id, "base"):
        traced.tracing.batch_decoded(decoded(job.id))
    assert traced.exporter.get_finished_spans() == ()


def test_failures_tell_their_reason_and_not_their_words(traced: Traced) -> None:
    secret = "s3://bucket/secret.wav"
    with pytest.raises(JobFailure), traced.tracing.run(claim(new_job())), traced.tracing.step("fetch"):
        raise JobFailure(Reason.FETCH_FAILED, secret)
    with traced.tracing.run(claim(new_job())) as ended:
        ended("NO_AUDIO")
    with pytest.raises(ValueError, match="secret"), traced.tracing.call("/s/M", ()) as ended:
        ended("INTERNAL")
        raise ValueError(secret)
    with pytest.raises(AbortError), traced.tracing.call("/s/Get", ()) as ended:
        ended("NOT_FOUND")
        raise AbortError  # as gRPC ends every call that is refused

    assert attributes(traced.span("fetch"))["error.type"] == "FETCH_FAILED"
    assert [attributes(span)["error.type"] for span in traced.spans("run")] == ["FETCH_FAILED", "NO_AUDIO"]
    assert traced.span("s/M").status.status_code is StatusCode.ERROR
    assert traced.span("s/Get").status.status_code is StatusCode.UNSET  # an answer, and no fault
    assert attributes(traced.span("s/Get"))["rpc.response.status_code"] == "NOT_FOUND"
    assert "secret" not in "".join(span.to_json() for span in traced.exporter.get_finished_spans())


def test_lines_of_the_log_carry_the_id_of_the_trace(traced: Traced) -> None:
    with traced.tracing.call("/s/M", [("traceparent", CLIENT), ("some-bin", b"\x00")]):
        assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE_ID
    assert "trace_id" not in structlog.contextvars.get_contextvars()


def test_nonsense_in_the_metadata_begins_a_trace(traced: Traced) -> None:
    with traced.tracing.call("/s/M", [("traceparent", "nonsense")]):
        assert traced.tracing.traceparent()
    assert traced.span("s/M").parent is None


def test_outside_of_calls_and_runs_there_are_no_steps(traced: Traced) -> None:
    with traced.tracing.step("fetch"):
        assert traced.tracing.traceparent() == ""
    assert traced.exporter.get_finished_spans() == ()


def test_a_long_recording_has_no_more_than_so_many_segments_in_its_trace(traced: Traced) -> None:
    job = new_job()
    with traced.tracing.run(claim(job)), traced.tracing.hearing(job.id, "base"):
        for index in range(MAX_SEGMENT_SPANS + 10):
            traced.tracing.batch_decoded(decoded(job.id, index))
    assert len(traced.spans("inference")) == MAX_SEGMENT_SPANS
