"""One trace from a client's call to the segments of its file, through a real server, at a collector of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from batchscribe import Client
from tests.many_files import UTTERANCES
from tests.running_server import running_server
from tests.speech import spoken

pytest.importorskip("opentelemetry.sdk", reason="batchscribe[telemetry] is not installed")

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as collector_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id

pytestmark = pytest.mark.slow


class Collector:
    """Keeps all spans that it is sent."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._spans: list[Any] = []
        self._resources: list[dict[str, str]] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._changed:
            for of_resource in request.resource_spans:
                told = {each.key: each.value.string_value for each in of_resource.resource.attributes}
                self._resources.append(told)
                for of_scope in of_resource.scope_spans:
                    self._spans += of_scope.spans
            self._changed.notify_all()
        return collector_pb.ExportTraceServiceResponse()

    def of_trace(self, trace_id: str, *names: str) -> dict[str, list[Any]]:
        """The spans of a trace by name, once there are some of each of these names."""
        deadline_s = time.monotonic() + 30
        with self._changed:
            while True:
                found: dict[str, list[Any]] = {}
                for span in self._spans:
                    if span.trace_id.hex() == trace_id:
                        found.setdefault(span.name, []).append(span)
                if set(names) <= set(found):
                    return found
                assert self._changed.wait(deadline_s - time.monotonic()), found.keys()

    @property
    def resources(self) -> list[dict[str, str]]:
        with self._changed:
            return list(self._resources)


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector, and its URL."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    collector_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def log_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_one_trace_goes_from_the_clients_call_to_the_segment(tmp_path: Path) -> None:
    speech = spoken(UTTERANCES[2])
    variables = {"OTEL_BSP_SCHEDULE_DELAY": "100", "no_proxy": "127.0.0.1"}
    provider = TracerProvider(shutdown_on_exit=False)
    with (
        collecting() as (collector, url),
        running_server(tmp_path, "--model=tiny.en", OTEL_EXPORTER_OTLP_ENDPOINT=url, **variables) as server,
        Client(server.address) as client,
    ):
        with provider.get_tracer("test").start_as_current_span("the client's work") as mine:
            transcript = client.transcribe(str(speech))
        trace_id = format_trace_id(mine.get_span_context().trace_id)
        create, watch = "batchscribe.v1.JobService/CreateJob", "batchscribe.v1.JobService/WatchJob"
        upload = "batchscribe.v1.JobService/UploadMedia"
        spans = collector.of_trace(
            trace_id, create, watch, upload, "queue", "run", "fetch", "hear", "media", "inference"
        )
        lines = log_lines(server.log)
        assert server.stop() == 0
    provider.shutdown()

    assert transcript.text
    ((run,), (hear,)) = (spans[name] for name in ("run", "hear"))
    # Before the upload the same call was made to validate.
    _, created = sorted(spans[create], key=lambda span: span.start_time_unix_nano)
    assert created.parent_span_id.hex() == f"{mine.get_span_context().span_id:016x}"
    assert run.parent_span_id == created.span_id
    assert hear.parent_span_id == run.span_id
    assert {span.parent_span_id for span in [*spans["inference"], *spans["media"]]} == {hear.span_id}
    assert all(hear.start_time_unix_nano <= span.end_time_unix_nano for span in spans["inference"])
    assert {resource["service.name"] for resource in collector.resources} == {"batchscribe"}
    traced = {line["event"] for line in lines if line.get("trace_id") == trace_id}
    assert {"rpc_finished", "job_finished"} <= traced
    assert all(line.get("request_id") for line in lines if line["event"] == "rpc_finished")


def test_a_collector_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, "--model=tiny.en", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server,
        Client(server.address) as client,
    ):
        assert client.transcribe(str(spoken(UTTERANCES[2]))).text
        assert server.stop() == 0


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    code = "import sys, batchscribe_server.app, batchscribe_server.app.parts; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "batchscribe_server.operations.tracing" in done.stdout.splitlines()
    assert "opentelemetry" not in done.stdout
    assert "batchscribe_server.telemetry" not in done.stdout
